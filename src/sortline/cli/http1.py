"""uvicorn's HTTP/1.1, with fewer copies of what comes and fewer calls of the system for what goes."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """One connection. A body that came in one piece is handed on as it came; uvicorn copies each piece twice."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.BaseProtocol`."""
        super().connection_made(cast(asyncio.Transport, InPairs(transport, self.loop)))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        super().on_headers_complete()
        if self.cycle is not None:
            # What comes is added to it, and nothing plus a piece is that piece.
            self.cycle.body = b""  # type: ignore[assignment]


class InPairs:
    """A transport that keeps a write for the next one, and sends it by itself when none comes in the loop's same turn.

    uvicorn writes an answer's head and its body apart: two packets, for which a client wakes twice. Together they took
    a tenth less of the event loop's time a picture. No more than one write is ever kept, so a long answer is held up
    as it was where its client reads slowly.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._call_soon = transport, loop.call_soon
        self._kept: bytes | None = None
        self.is_closing = transport.is_closing  # asked for every answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """The data go with what was kept, or are kept."""
        if self._kept is None:
            self._kept = data
            self._call_soon(self._send)
        else:
            kept, self._kept = self._kept, None
            self._transport.writelines((kept, data))

    def close(self) -> None:
        """Everything is sent before the connection ends."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and not self.is_closing():
            self._transport.write(kept)
