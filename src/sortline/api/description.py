"""The API's OpenAPI document: FastAPI's, with the problem documents that every operation may answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a 422
        schemas.pop(unused, None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status, words in _REFUSALS.items():
                operation["responses"][status] = {"description": words, "content": content}
    return document
