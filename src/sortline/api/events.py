"""Server-sent events (HTML standard, section 9.2) of something at work: what it is, and rows of its logs as they come.

    event: job          what is watched, whenever it has changed
    event: log          a row of one of its series; `id` says how far each series has come
    event: end          what is watched, once it has ended and every row was sent

A client that comes back with the last `id` gets the rows behind it.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from sortline.api.answers import timestamp
from sortline.jobs.job import LogLine

# Seconds between looks, and without news until a line says that the stream lives.
LOOK_S, QUIET_S = 0.5, 15.0
# Rows of a series at a time.
ROWS = 500
_END = "end"

# What the API's description says of a route that answers with events.
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "It has ended, and all there was to tell was received before."},
}

# Numbers and JSON of rows, ascending.
Rows = Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there is now: `document` (JSON), whether it has ended, and of each series up to `ROWS` rows not yet sent.

    The rows must have been read after the document: of what had ended then, none is missing.
    """

    document: str
    ended: bool
    series: Mapping[str, Rows]


# `look(received)`: a look, given the number of the last row received of each series. Called in a thread.
Looking = Callable[[Sequence[int]], Look]


async def watched(
    request: Request, name: str, series: int, last_event_id: str | None, look: Looking
) -> Response:
    """The events of something called `name` that has so many series. What the first look raises is raised here."""
    received, ended = _position(last_event_id, series)
    found = await run_in_threadpool(look, received)
    if ended and found.ended and not any(found.series.values()):
        return Response(status_code=204)  # tells a browser's EventSource not to ask again
    return StreamingResponse(
        _events(request, name, look, received),
        media_type="text/event-stream",
        # A proxy that collects the answer before it sends any would show nothing until the end.
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def log_rows(lines: Sequence[LogLine]) -> Rows:
    """Lines of a job's log as rows."""
    return [
        (line.number, encoded({"number": line.number, "at": timestamp(line.at), "text": line.text}))
        for line in lines
    ]


def encoded(document: Mapping[str, Any]) -> str:
    """The document as JSON in one line."""
    return json.dumps(document, ensure_ascii=False)


async def _events(request: Request, name: str, look: Looking, received: list[int]) -> AsyncIterator[str]:
    """The events; each look is a short transaction in a thread, and none is open while it waits."""
    shown, quiet = None, 0.0
    # A server that is told to stop waits for its answers: this one then ends, and the client asks another server.
    while not getattr(request.app.state, "stopping", False):
        found, news = await run_in_threadpool(look, tuple(received)), ""
        if found.document != shown:
            shown, news = found.document, _event(name, found.document)
        for place, (kind, rows) in enumerate(found.series.items()):
            for number, row in rows:
                received[place] = number
                news += _event(kind, row, id=_id(received))
        more = any(len(rows) >= ROWS for rows in found.series.values())
        if found.ended and not more:
            yield news + _event(_END, found.document, id=f"{_id(received)}.{_END}")
            return
        quiet = 0.0 if news else quiet + LOOK_S
        if quiet >= QUIET_S:
            news, quiet = ": still there\n\n", 0.0
        if news:
            yield news
        if not more:
            await anyio.sleep(LOOK_S)


def _position(last_event_id: str | None, series: int) -> tuple[list[int], bool]:
    """The last number received of each series, and whether the end was. What is no id of ours means the beginning."""
    parts = (last_event_id or "").split(".")
    ended = parts[-1] == _END
    numbers = parts[:-1] if ended else parts
    if len(numbers) != series or not all(
        one.isascii() and one.isdigit() and len(one) < 10 for one in numbers
    ):
        return [0] * series, False
    return [int(one) for one in numbers], ended


def _id(received: Sequence[int]) -> str:
    return ".".join(map(str, received))


def _event(name: str, data: str, *, id: str | None = None) -> str:  # noqa: A002  # the field's name
    """One event. `data` is JSON, so it has no line break."""
    return f"event: {name}\n" + (f"id: {id}\n" if id is not None else "") + f"data: {data}\n\n"
