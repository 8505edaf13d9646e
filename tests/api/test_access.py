"""Who gets in, from where, and through which page."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sortline.api.access import open_to_all
from sortline.api.app import create_app
from sortline.settings import Settings
from tests.pictures import photo
from tests.running import RunningServer

OPEN = {
    "/",
    "/api/docs",
    "/health",
    "/health/live",
    "/health/ready",
    "/api/v1/session",
    "/api/v1/session/link",
}


def routes() -> Iterator[tuple[str, list[Any]]]:
    """The path and the dependencies of every route of the app, also of those of included routers."""
    for route in create_app(Settings()).routes:
        if hasattr(route, "effective_route_contexts"):
            for found in route.effective_route_contexts():
                yield found.path, [dependency.call for dependency in found.dependant.dependencies]


def test_every_route_declares_a_scope_or_is_open_on_purpose() -> None:
    """Default-deny: a route with neither would be found here, and the open ones are these."""
    found = {}
    for path, calls in routes():
        scopes = [call.scope for call in calls if hasattr(call, "scope")]
        assert len(scopes) + calls.count(open_to_all) == 1, path
        found[path] = scopes[0] if scopes else None
    assert len(found) > 15
    assert {path.removeprefix("/lines/{line}") for path, scope in found.items() if scope is None} == OPEN


def test_other_host_is_refused(server: RunningServer) -> None:
    """A name that was pointed at this machine by another site (DNS rebinding) gets nothing."""
    for host in ("evil.example", "127.0.0.1.evil.example", "", "["):
        answer = server.client.get("/api/v1/lines", headers={"Host": host})
        assert answer.status_code in (400, 403), host


@pytest.mark.parametrize(
    ("origin", "path", "status"),
    [
        ("http://evil.example", "/predict", 403),
        ("null", "/predict", 403),
        ("http://[", "/predict", 403),
        ("http://localhost:3000", "/predict", 200),
        ("http://localhost.evil.example", "/predict", 403),
        (None, "/predict", 200),
    ],
)
def test_pages_of_other_sites_may_not_write(
    server: RunningServer, origin: str | None, path: str, status: int
) -> None:
    """A browser's Origin must be ours, or loopback's on routes that classify."""
    headers = {"Origin": origin} if origin else {}
    answer = server.client.post(path, files={"image": ("p.jpg", photo())}, headers=headers)
    assert answer.status_code == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (origin if status == 200 else None)


def test_loopback_pages_may_not_administrate(server: RunningServer) -> None:
    """CORS without a setting is for classify routes alone."""
    headers = {"Origin": "http://localhost:3000"}
    answer = server.client.post("/api/v1/lines", json={"name": "sneaky"}, headers=headers)
    assert answer.status_code == 403
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in server.client.options("/api/v1/lines", headers=asked).headers
    preflight = server.client.options("/predict", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "access-control-allow-credentials" not in preflight.headers


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_behind_a_proxy_nobody_is_local(server: RunningServer, header: str) -> None:
    """A proxy's header means that loopback says nothing about who asks."""
    answer = httpx.get(f"{server.url}/api/v1/lines", headers={header: "203.0.113.9"})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:sortline:not-signed-in")
    assert httpx.get(f"{server.url}/api/v1/lines").status_code == 200


def test_every_answer_has_an_id_and_the_headers_that_protect_a_page(server: RunningServer) -> None:
    """Ours or the caller's request id, and the content security policy, on success and on error."""
    for path in ("/health", "/nowhere", "/"):
        answer = server.client.get(path, headers={"X-Request-ID": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(server.client.get("/health", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]) == 32
