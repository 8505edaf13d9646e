"""The outermost layer: a request gets an id, is checked for host and origin, measured and logged."""

import logging
import random
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sortline.api.changes import note_answer
from sortline.api.errors import CLIENT_LEFT, answer
from sortline.api.headers import CSP, SECURITY_HEADERS
from sortline.api.origins import (
    CLASSIFY_PATH,
    LOOPBACK_ORIGIN,
    ForeignHost,
    ForeignOrigin,
    check_host,
    check_origin,
)
from sortline.monitoring.metrics import Metrics
from sortline.settings import Settings

log = logging.getLogger("sortline.requests")
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_POLICY = (b"content-security-policy", CSP.encode())
_READ = frozenset({b"host", b"origin", b"x-request-id"})
# An id a caller brings is kept if it cannot harm a log.
_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Wraps the app; made once."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        allowed = settings.cors_origins
        self._cors = CORSMiddleware(
            app,
            allow_origins=allowed,
            allow_origin_regex=None if allowed else LOOPBACK_ORIGIN.pattern,
            allow_methods=["*"] if allowed else ["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request from socket to socket."""
        headers = _headers(scope)
        passage = _Passage(scope, send, headers)
        request_id.set(passage.id)
        try:
            app = self._checked(scope, headers)
            await app(scope, receive, passage.send)
        finally:
            passage.over(scope["app"].state.services.metrics)

    def _checked(self, scope: Scope, headers: Mapping[bytes, str]) -> ASGIApp:
        """The app that may have the request, or one that refuses it."""
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        path: str = scope["path"]
        try:
            check_host(host, self._settings)
            check_origin(origin, host, scope["method"], path, self._settings)
        except (ForeignHost, ForeignOrigin) as error:
            return answer(error, Request(scope))
        crosses = origin is not None and (self._settings.cors_origins or CLASSIFY_PATH.fullmatch(path))
        return self._cors if crosses else self._app


def _headers(scope: Scope) -> dict[bytes, str]:
    """Those of the request's headers that are read here; of one that comes twice, the first."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found.setdefault(name, value.decode("latin-1"))
    return found


class _Passage:
    """One request's way through: adds headers to its answer and remembers what became of it."""

    def __init__(self, scope: Scope, send: Send, headers: Mapping[bytes, str]) -> None:
        brought = headers.get(b"x-request-id", "")
        self.id = brought if _OWN_ID.fullmatch(brought) else f"{random.getrandbits(128):032x}"
        self._scope, self._send = scope, send
        self._begun, self._status = time.perf_counter(), CLIENT_LEFT

    async def send(self, message: Message) -> None:
        """The answer, with our headers."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            await note_answer(self._scope, self._status)
            headers = [*message["headers"], (b"x-request-id", self.id.encode()), *SECURITY_HEADERS]
            # A page that brings its own is shown under that alone: a browser would hold it to both.
            if not any(name == _POLICY[0] for name, _ in message["headers"]):
                headers.append(_POLICY)
            message["headers"] = headers
        await self._send(message)

    def over(self, metrics: Metrics) -> None:
        """Counts and logs the request."""
        route = self._scope.get("route")
        pattern = getattr(route, "path", "other")
        metrics.requested(pattern, self._scope["method"], self._status)
        level = logging.WARNING if self._status >= 500 else logging.DEBUG
        if log.isEnabledFor(level):
            log.log(
                level,
                "%s %s %d",
                self._scope["method"],
                self._scope["path"],
                self._status,
                extra={
                    "request_id": self.id,
                    "duration_ms": round((time.perf_counter() - self._begun) * 1000, 1),
                },
            )
