"""A form with one large file, written to the disk as it arrives: memory stays flat, whatever its size.

The file is flushed to the disk before `receive` returns; one that did not arrive whole leaves nothing behind.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from sortline.api.multipart import BadMultipart
from sortline.api.uploads import BodyTooLarge, BodyTooSlow, MissingImage
from sortline.db.ids import new_id
from sortline.errors import SortlineError
from sortline.storage.flush import flush_folder

FIELDS = ("file", "data_zip", "archive")
# Silence after which a sender is given up. However slow an upload is, it may go on as long as something comes.
SILENCE_S = 60
_MAX_FIELD_BYTES, _MAX_FIELDS = 64 * 1024, 64
# So many bytes are parsed and written in one go, off the event loop.
_BATCH = 1 << 20
# What stays free on the disk: pictures and the database need room too.
_SPARE = 256 << 20


class NoRoom(SortlineError):
    """The disk has no room for an upload."""

    def __init__(self, free: int) -> None:
        self.free = free
        super().__init__(f"The server's disk has only {free >> 20:,} MiB free; free some and send it again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The file as it lies on the disk, what the client calls it, and the form's other fields."""

    path: Path
    filename: str
    fields: dict[str, str]


async def receive(request: Request, folder: Path, *, suffix: str, max_bytes: int) -> Received:
    """The form's file, in a new folder below `folder`, under what can be used of the client's name for it.

    Raises:
        BodyTooLarge, BodyTooSlow, BadMultipart, MissingImage, NoRoom.
    """
    announced = request.headers.get("content-length", "")
    expected = int(announced) if announced.isdigit() else 0
    if expected > max_bytes:
        raise BodyTooLarge(max_bytes)
    boundary = parse_options_header(request.headers.get("content-type", ""))[1].get(b"boundary")
    if not boundary:
        raise BadMultipart("its Content-Type is not multipart/form-data with a boundary")
    await run_in_threadpool(_prepare, folder, expected)
    form = _Form(folder / new_id(), suffix, boundary)
    try:
        async for batch in _batches(request, max_bytes):
            await run_in_threadpool(form.write, batch)
        return await run_in_threadpool(form.finish)
    except BaseException:
        form.discard()
        raise


def _prepare(folder: Path, expected: int) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if expected + _SPARE > free:
        raise NoRoom(free)


async def _batches(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    chunks, held, size = list[bytes](), 0, 0
    stream = request.stream().__aiter__()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise BodyTooSlow(SILENCE_S) from None
        if chunk is None:
            break
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(max_bytes)
        chunks.append(chunk)
        held += len(chunk)
        if held >= _BATCH:
            yield b"".join(chunks)
            chunks, held = [], 0
    yield b"".join(chunks)


@dataclass(slots=True)
class _Part:
    """The part at hand: its headers as they come, then a field's value. `file` is open where it is the file."""

    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    field_name: str = ""
    content: bytearray = field(default_factory=bytearray)
    file: BinaryIO | None = None


class _Form:
    """A form while it arrives. One thread at a time."""

    def __init__(self, folder: Path, suffix: str, boundary: bytes) -> None:
        self._folder, self._suffix, self._unfinished = folder, suffix, folder / "unfinished"
        self._part, self._parts = _Part(), 0
        self._filename: str | None = None
        self._fields: dict[str, str] = {}
        self._complete = False
        self._parser = _parser(boundary, self)

    def write(self, data: bytes) -> None:
        """More of the body."""
        if not data:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadMultipart(str(error)) from None

    def finish(self) -> Received:
        """The whole form: its file is on the disk for good."""
        if not self._complete:
            raise BadMultipart("it ends before its last boundary")
        if self._filename is None:
            raise MissingImage(FIELDS[:1], sorted(self._fields))
        path = self._folder / _usable(self._filename, self._suffix)
        self._unfinished.replace(path)
        for folder in (self._folder, self._folder.parent):
            flush_folder(folder)
        return Received(path=path, filename=self._filename, fields=self._fields)

    def discard(self) -> None:
        """Nothing of it is left."""
        if self._part.file is not None:
            self._part.file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def on_part_begin(self) -> None:
        """Another field."""
        self._parts += 1
        if self._parts > _MAX_FIELDS:
            raise BadMultipart(f"it has more than {_MAX_FIELDS} fields")
        self._part = _Part()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's name."""
        self._part.name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's value."""
        self._part.value += data[start:end]

    def on_header_end(self) -> None:
        """A header is complete."""
        if self._part.name.strip().lower() == b"content-disposition":
            self._part.disposition = bytes(self._part.value)
        self._part.name.clear()
        self._part.value.clear()

    def on_headers_finished(self) -> None:
        """What the part is."""
        options = parse_options_header(self._part.disposition)[1]
        self._part.field_name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is not None and self._part.field_name in FIELDS and self._filename is None:
            self._filename = filename.decode("utf-8", "replace")
            self._folder.mkdir(mode=0o700)
            self._part.file = self._unfinished.open("xb")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Some of the part."""
        if self._part.file is not None:
            self._part.file.write(memoryview(data)[start:end])
            return
        if len(self._part.content) + end - start > _MAX_FIELD_BYTES:
            raise BadMultipart(f"the field {self._part.field_name[:40]!r} is too large to be one")
        self._part.content += data[start:end]

    def on_part_end(self) -> None:
        """The part is complete."""
        part = self._part
        if part.file is None:
            self._fields[part.field_name] = bytes(part.content).decode("utf-8", "replace")
            return
        part.file.flush()
        os.fsync(part.file.fileno())
        part.file.close()

    def on_end(self) -> None:
        """The last boundary was there."""
        self._complete = True


def _usable(filename: str, suffix: str) -> str:
    """What can be used of a client's name for a file: it names nothing outside its folder, on any system."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    stem = last[: -len(suffix)] if last.lower().endswith(suffix) else last
    kept = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in stem).strip(" .")[:100]
    return f"{kept or 'upload'}{suffix}"


_EVENTS = (
    "on_part_begin",
    "on_header_field",
    "on_header_value",
    "on_header_end",
    "on_headers_finished",
    "on_part_data",
    "on_part_end",
    "on_end",
)


def _parser(boundary: bytes, form: _Form) -> MultipartParser:
    callbacks: dict[str, Callable[..., None]] = {event: getattr(form, event) for event in _EVENTS}
    try:
        return MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a TypedDict of these very names
    except FormParserError as error:
        raise BadMultipart(str(error)) from None
