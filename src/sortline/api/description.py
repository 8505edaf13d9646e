"""The API's OpenAPI document: FastAPI's, with the problem documents that every operation may answer."""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from sortline.api.errors import MEDIA_TYPE

PROBLEM = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `success` and `error` are for older clients.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "success", "error"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:sortline:no-model"], "description": "Stable."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, in one line."},
        "success": {"type": "boolean", "const": False},
        "error": {"type": "string"},
    },
}
# What a path says of how a parameter is read, which OpenAPI does not.
_CONVERTER = re.compile(r":\w+}")
# How a caller is known. The cookie's name has the port in it where there is no TLS.
SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `sl_…`, from `sortline keys create` or `POST /api/v1/keys`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-sortline",
        "description": "What signing in sets; for pages of this server alone.",
    },
}
_REFUSALS = {"4XX": "The request cannot be served as it is.", "5XX": "The server cannot serve it now."}


def describe(app: FastAPI) -> None:
    """From now on `app.openapi()` gives our document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    document["components"]["securitySchemes"] = SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a 422
        schemas.pop(unused, None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status, words in _REFUSALS.items():
                operation["responses"][status] = {"description": words, "content": content}
    _require(document, app)
    return document


def _require(document: dict[str, Any], app: FastAPI) -> None:
    """Each operation says which scope it needs; one that needs none has an empty `security`."""
    for path, methods, scope in _scopes(app.routes):
        for method in methods:
            operation = document["paths"].get(_CONVERTER.sub("}", path), {}).get(method.lower())
            if operation is None:
                continue
            operation["security"] = [] if scope is None else [{name: [scope]} for name in SCHEMES]
            if scope is not None:
                operation["description"] += f"\n\nNeeds the scope `{scope}`."


def _scopes(routes: list[BaseRoute]) -> Iterator[tuple[str, set[str], str | None]]:
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        for found in contexts() if contexts else ():
            calls = [dependency.call for dependency in found.dependant.dependencies]
            scopes = [call.scope.value for call in calls if hasattr(call, "scope")]
            yield found.path, found.methods, scopes[0] if scopes else None
