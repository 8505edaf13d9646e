"""The short way from the edge to classify answers as FastAPI's own way does."""

import asyncio
import logging
import socket
import time
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from sortline.api.app import create_app
from sortline.api.edge import Edge
from sortline.flows.classify import ClassifyPath
from tests.pictures import photo
from tests.running import RunningServer

PATH = "/api/v1/lines/waste/classify"
PICTURE = {"files": {"image": ("p.jpg", photo())}}
# What differs from one request to the next.
OWN = {"id", "latency_ms", "timestamp", "verdict", "reason"}

ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a picture": ("POST", PATH, PICTURE),
    "a picture, explained": ("POST", f"{PATH}?explain=true", PICTURE),
    "a picture as the body": ("POST", PATH, {"content": photo(), "headers": {"Content-Type": "image/jpeg"}}),
    "no picture in the form": ("POST", PATH, {"files": {"other": ("p.jpg", photo())}}),
    "no form": ("POST", PATH, {"json": {"image": "p.jpg"}}),
    "a broken picture": ("POST", PATH, {"files": {"image": ("p.jpg", b"\xff\xd8\xff\xe0 and so on")}}),
    "a wrong parameter": ("POST", f"{PATH}?explain=perhaps", PICTURE),
    "an unknown line": ("POST", "/api/v1/lines/nowhere/classify", PICTURE),
    "a name with a slash in it": ("POST", "/api/v1/lines/no%2Fwhere/classify", PICTURE),
    "an unknown key": ("POST", PATH, {**PICTURE, "headers": {"Authorization": "Bearer sl_none"}}),
    "a foreign page": ("POST", PATH, {**PICTURE, "headers": {"Origin": "https://elsewhere.example"}}),
    "a page on this machine": ("POST", PATH, {**PICTURE, "headers": {"Origin": "http://localhost:3000"}}),
    "another method": ("GET", PATH, {}),
    "a slash at the end": ("POST", f"{PATH}/", PICTURE),
}


@pytest.mark.parametrize("name", ASKED)
def test_short_way_answers_as_the_long_way(server: RunningServer, name: str) -> None:
    """Status, headers and body are the same, whatever is asked."""
    short, long = asked(server, name, direct=True), asked(server, name, direct=False)
    assert short.status_code == long.status_code
    assert told(short) == told(long)
    assert headers(short) == headers(long)


def test_requests_of_the_short_way_are_counted_by_route(server: RunningServer) -> None:
    """The metrics name the route, not the path that was asked."""
    asked(server, "a picture", direct=True)
    counted = 'sortline_requests_total{method="POST",route="/api/v1/lines/{line}/classify",status="200"}'
    assert counted in server.client.get("/metrics").text


@pytest.mark.parametrize("path", [PATH, "/predict"])
def test_a_fault_is_told_and_handed_on_to_the_log(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """What nobody foresaw is a problem document without its words, which the log has; on either way."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("of no concern to callers")

    monkeypatch.setattr(ClassifyPath, "classify", fail)
    answer = server.client.post(path, files=PICTURE["files"])
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:sortline:internal-error"
    assert "no concern" not in answer.text
    assert "x-request-id" in answer.headers
    until = time.monotonic() + 10
    while not any(record.exc_info and "no concern" in str(record.exc_info[1]) for record in caplog.records):
        assert time.monotonic() < until, caplog.text
        time.sleep(0.05)


@pytest.mark.parametrize("path", [PATH, "/predict"])
def test_a_client_that_leaves_is_no_fault(
    server: RunningServer, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Half a picture and gone: it is counted as left, and the log has nothing to say."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.key}\r\n"
        "Content-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + photo()[:1000])
    until = time.monotonic() + 10
    while 'status="499"' not in (told := counted(server, path)):
        assert time.monotonic() < until, told
        time.sleep(0.05)
    said = [record for record in caplog.records if record.name.startswith(("uvicorn", "sortline.requests"))]
    assert not [record for record in said if record.levelno >= logging.WARNING]


def counted(server: RunningServer, path: str) -> str:
    """The metrics' lines of requests to a path."""
    route = path.replace("waste", "{line}")
    return "\n".join(
        line
        for line in server.client.get("/metrics").text.splitlines()
        if line.startswith("sortline_requests_total") and f'route="{route}"' in line
    )


def asked(server: RunningServer, name: str, *, direct: bool) -> httpx.Response:
    """What the app answers, on the services of a running server."""
    method, path, what = ASKED[name]
    what = {**what, "headers": {**server.headers, **what.get("headers", {})}}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app(server, direct=direct), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            return await client.request(method, path, **what)

    return asyncio.run(ask())


def app(server: RunningServer, *, direct: bool) -> ASGIApp:
    """The application on those services, with the short way or without."""
    made = create_app(server.services.settings)
    made.state.services = server.services
    edge = Edge(partial(FastAPI.__call__, made), server.services.settings)

    async def long_way(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = made
        await edge(scope, receive, send)

    return made if direct else long_way


def told(response: httpx.Response) -> Any:
    """The body without what is of its request alone."""
    if not response.content:
        return None
    document = response.json()
    return {name: value for name, value in document.items() if name not in OWN}


def headers(response: httpx.Response) -> dict[str, str]:
    """The headers that say the same each time."""
    return {
        name: value
        for name, value in response.headers.items()
        if name not in ("x-request-id", "content-length")
    }
