"""uvicorn's HTTP/1.1, with fewer copies of what comes, fewer calls of the system for what goes, and a polite end."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How long a client may go on sending what will not be read: as long as nginx lets it.
LINGER_SECONDS = 30


class Protocol(HttpToolsProtocol):
    """One connection. A body that came in one piece is handed on as it came; uvicorn copies each piece twice."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.BaseProtocol`."""
        self._answers = Answers(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._answers))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self.transport.is_closing():  # after the last answer it is only taken off the wire
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._answers.unread = True
        super().on_headers_complete()
        if self.cycle is not None:
            # What comes is added to it, and nothing plus a piece is that piece.
            self.cycle.body = b""  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._answers.unread = False
        super().on_message_complete()


class Answers:
    """A transport on which answers go out whole, and are read.

    It keeps a write for the next one, and sends it by itself when none comes in the loop's same turn: uvicorn writes an
    answer's head and its body apart, two packets, for which a client wakes twice. Together they took a tenth less of
    the event loop's time a picture. No more than one write is ever kept.

    A connection whose client still sends, because the answer came before the whole body, is closed for writing first,
    and altogether when the client has closed its end too. Closed at once, it would be reset, and most clients would
    tell of that instead of the answer: RFC 9112 section 9.6.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.unread = False  # whether more of the request is to come
        self._kept: bytes | None = None
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """The data go with what was kept, or are kept."""
        if self._kept is None:
            self._kept = data
            self._loop.call_soon(self._send)
        else:
            kept, self._kept = self._kept, None
            self._transport.writelines((kept, data))

    def is_closing(self) -> bool:
        """Whether nothing more is read or written here."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Everything is sent before the connection ends. Called again, it ends at once."""
        self._send()
        if self.is_closing() or not self.unread:
            self._transport.close()
            return
        self._lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.close)

    def _send(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and not self.is_closing():
            self._transport.write(kept)
