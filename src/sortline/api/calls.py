"""A request to classify, read by hand: FastAPI's own reading of parameters took two fifths of the event loop's time."""

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from sortline.api.callers import address_of
from sortline.api.deps import line_of, services_of
from sortline.errors import SortlineError
from sortline.flows.classify import Origin
from sortline.serving.live import LiveLine
from sortline.wiring import Services

SOURCE = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
_SOURCE = re.compile(SOURCE[1:-1])
_TRUTH = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class InvalidParameter(SortlineError):
    """A parameter, of the query or a form, with a value it cannot have."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        self.name, self.value = name, value
        super().__init__(f"The parameter {name} is {expected}, not {value!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks what of which line; `explain` asks for a class activation map."""

    services: Services
    line: LiveLine
    origin: Origin
    explain: bool


def call_of(request: Request) -> Call:
    """The call that a request makes.

    Raises:
        NotServed, NoModel: the line cannot classify.
        InvalidParameter: a query parameter has a value it cannot have.
    """
    line = line_of(request)
    query = request.query_params if request.scope["query_string"] else {}
    _ = line.model  # before the body is read
    source, explain = query.get("source", "api"), query.get("explain", "false")
    if not _SOURCE.fullmatch(source):
        raise InvalidParameter(
            "source", source, "1 to 64 of A-Z, a-z, 0-9 and ._:-, beginning with a letter or digit"
        )
    if explain.lower() not in _TRUTH:
        raise InvalidParameter("explain", explain, "true or false")
    return Call(
        services=services_of(request),
        line=line,
        origin=Origin(source=source, client=address_of(request)),
        explain=_TRUTH[explain.lower()],
    )


def described(
    *fields: str, many: bool = False, in_path: bool = True, explain: bool = False
) -> dict[str, Any]:
    """A classify route for the API's description: its parameters, and its body, a form with one of the fields.

    A route for one picture also takes the picture itself as its body.
    """
    binary = {"type": "string", "format": "binary"}
    field = {"type": "array", "items": binary} if many else binary
    form = {"type": "object", "properties": dict.fromkeys(fields, field)}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not many:
        content["image/*"] = {"schema": binary}
    parameters = [_LINE] * in_path + [_EXPLAIN] * explain + [_SOURCE_PARAMETER]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


_LINE = {
    "name": "line",
    "in": "path",
    "required": True,
    "description": "A line's name.",
    "schema": {"type": "string"},
}
_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Add a class activation map.",
    "schema": {"type": "boolean", "default": False},
}
_SOURCE_PARAMETER = {
    "name": "source",
    "in": "query",
    "description": "Where the picture comes from: a device, a belt, a way in.",
    "schema": {"type": "string", "pattern": SOURCE, "default": "api"},
}
