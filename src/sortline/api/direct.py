"""Classify one picture, straight from the edge.

FastAPI's and Starlette's layers between the edge and a route took a fifth of the event loop's time, which inference
lacks. The one route that is asked all day goes without them: it stands in FastAPI's table all the same, for the API's
description and for whoever lists the routes.
"""

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from sortline.api import classify
from sortline.api.errors import answer, left, unexpected
from sortline.errors import SortlineError


class Direct:
    """Answers `POST /api/v1/lines/{line}/classify` as its route would; everything else is the app's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._route = next(
            route
            for route in classify.router.routes
            if isinstance(route, APIRoute) and route.endpoint is classify.classify
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        match, found = self._route.matches(scope)
        if match is not Match.FULL:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["path_params"] = self._route, found["path_params"]
        request = Request(scope, receive, send)
        try:
            await classify.may_classify(request)
            response = await classify.classify(request)
        except SortlineError as error:
            response = answer(error, request)
        except ClientDisconnect:
            response = left()
        except Exception:
            await unexpected(request)(scope, receive, send)
            raise
        await response(scope, receive, send)
