"""A file from the web, within limits: size, time, number of redirects, schemes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sortline.catalogue.sources.item import Closing, FileRefused

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 5
_TIMEOUT_S = 30.0
# For one picture, however slowly it trickles in.
_TOTAL_S = 120.0
_CONNECTIONS = 16


class Web(Closing):
    """Reads http and https addresses; safe to use from many threads. httpx is loaded at the first one."""

    def __init__(self) -> None:
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def get(self, url: str, limit: int) -> tuple[bytes, str]:
        """The body, at most `limit` bytes, and the address it finally came from.

        Raises:
            FileRefused: not found, too large, too slow, or redirected somewhere it may not go.
        """
        import httpx

        client = self._connected()
        try:
            for _ in range(_REDIRECTS + 1):
                _check_scheme(url)
                with client.stream("GET", url) as answer:
                    if answer.is_redirect:
                        url = urljoin(url, answer.headers["location"])
                        continue
                    return _body(answer, limit), url
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise FileRefused("unreachable", f"cannot be fetched: {error or type(error).__name__}") from error
        raise FileRefused("unreachable", f"redirected more than {_REDIRECTS} times")

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                import httpx

                self._client = httpx.Client(
                    timeout=_TIMEOUT_S,
                    follow_redirects=False,
                    limits=httpx.Limits(max_connections=_CONNECTIONS),
                    headers={"User-Agent": "sortline"},
                )
            return self._client


def _check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FileRefused("bad-address", f"not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FileRefused(
            "unsafe-path", f"only http and https addresses are fetched, not {parts.scheme or 'this'}:"
        )


def _body(answer: httpx.Response, limit: int) -> bytes:
    if answer.status_code in (404, 410):
        raise FileRefused("missing-file", f"the server says {answer.status_code}: it is not there")
    if answer.status_code != 200:
        raise FileRefused(
            "unreachable", f"the server says {answer.status_code} {answer.reason_phrase}".strip()
        )
    deadline = time.monotonic() + _TOTAL_S
    parts, size = [], 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > limit:
            raise FileRefused("too-large", f"more than {limit:,} bytes, the most a picture may have")
        if time.monotonic() > deadline:
            raise FileRefused("unreachable", f"not complete after {_TOTAL_S:g} seconds")
        parts.append(part)
    return b"".join(parts)
