"""The short way from the edge to classify answers as FastAPI's own way does."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from sortline.api.app import create_app
from sortline.api.edge import Edge
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
