"""A form with large files, written to the disk as it arrives: memory stays flat, whatever its size.

A form that did not arrive whole leaves nothing behind. What `receive` and `keep` returned from survives a power cut.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from sortline.api.multipart import BadMultipart
from sortline.api.uploads import BodyTooLarge, BodyTooSlow
from sortline.catalogue.sources.item import SourceError
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


class MissingFile(SortlineError):
    """A form without a file where one is read: the field has another name, or was sent as text."""

    def __init__(self, fields: Collection[str], found: Collection[str]) -> None:
        self.fields, self.found = tuple(fields), tuple(found)
        there = ", ".join(repr(name[:40]) for name in self.found[:5]) or "none"
        super().__init__(
            f"No file in a field that is read here: send it as a file in {' or '.join(map(repr, self.fields[:2]))} "
            f"(found: {there}); with curl: -F {self.fields[0]}=@PATH"
        )


class BadArchive(SourceError):
    """An archive that was sent and cannot be read; told by the name that it came with."""


@contextmanager
def named_as_sent(path: Path, filename: str) -> Iterator[None]:
    """Within it what is wrong with the archive at `path` is told without where that lies here.

    Raises:
        BadArchive: instead of any other SourceError.
    """
    try:
        yield
    except SourceError as error:
        raise BadArchive(str(error).replace(str(path), filename or "the archive")) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The file as it lies on the disk, what the client calls it, and the form's other fields."""

    path: Path
    filename: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file as it lies on the disk, the form's field that it came in, and what the client calls it."""

    field: str
    filename: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SentForm:
    """A form that arrived whole: its files in order, in a folder of their own, and its other fields as they came."""

    folder: Path
    files: tuple[SentFile, ...]
    fields: tuple[tuple[str, str], ...]

    def discard(self) -> None:
        """Nothing of it is left."""
        shutil.rmtree(self.folder, ignore_errors=True)


async def receive(request: Request, folder: Path, *, suffix: str, max_bytes: int) -> Received:
    """The form's file, in a new folder below `folder`, under what can be used of the client's name for it.

    Raises:
        BodyTooLarge, BodyTooSlow, BadMultipart, MissingImage, NoRoom.
    """
    form = await receive_form(request, folder, fields=FIELDS, most=1, max_bytes=max_bytes)
    try:
        if not form.files:
            raise MissingFile(FIELDS[:1], sorted({name for name, _ in form.fields}))
        path = await run_in_threadpool(keep, form.files[0], suffix)
    except BaseException:
        form.discard()
        raise
    return Received(path=path, filename=form.files[0].filename, fields=dict(form.fields))


async def receive_form(
    request: Request, folder: Path, *, fields: Collection[str], most: int, max_bytes: int
) -> SentForm:
    """The form, the first `most` files of these fields in a new folder below `folder`. See `keep` for any that matters.

    Raises:
        BodyTooLarge, BodyTooSlow, BadMultipart, MissingFile, NoRoom.
    """
    announced = request.headers.get("content-length", "")
    expected = int(announced) if announced.isdigit() else 0
    if expected > max_bytes:
        raise BodyTooLarge(max_bytes)
    boundary = parse_options_header(request.headers.get("content-type", ""))[1].get(b"boundary")
    if not boundary:
        raise BadMultipart("its Content-Type is not multipart/form-data with a boundary")
    await run_in_threadpool(_prepare, folder, expected)
    form = _Form(folder / new_id(), fields, most, boundary)
    try:
        async for batch in _batches(request, max_bytes):
            await run_in_threadpool(form.write, batch)
        return form.finish()
    except BaseException:
        form.discard()
        raise


def keep(file: SentFile, suffix: str) -> Path:
    """The file's path from now on, under what can be used of the client's name for it: it survives a power cut."""
    with file.path.open("r+b") as written:
        os.fsync(written.fileno())
    path = file.path.with_name(_usable(file.filename, suffix))
    file.path.replace(path)
    for folder in (path.parent, path.parent.parent):
        flush_folder(folder)
    return path


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

    def __init__(self, folder: Path, fields: Collection[str], most: int, boundary: bytes) -> None:
        self._folder, self._wanted, self._most = folder, fields, most
        self._part, self._parts = _Part(), 0
        self._files: list[SentFile] = []
        self._fields: list[tuple[str, str]] = []
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

    def finish(self) -> SentForm:
        """The whole form."""
        if not self._complete:
            raise BadMultipart("it ends before its last boundary")
        return SentForm(folder=self._folder, files=tuple(self._files), fields=tuple(self._fields))

    def discard(self) -> None:
        """Nothing of it is left."""
        if self._part.file is not None:
            self._part.file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def on_part_begin(self) -> None:
        """Another field."""
        self._parts += 1
        if self._parts >= _MAX_FIELDS + self._most:
            raise BadMultipart(f"it has more than {_MAX_FIELDS + self._most - 1} fields")
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
        name = self._part.field_name
        if filename and name not in self._wanted:
            # At once: it may be gigabytes, and nobody would read them.
            raise MissingFile(self._wanted, [name])
        if filename and len(self._files) == self._most:
            raise BadMultipart(f"it has more than {self._most} file{'' if self._most == 1 else 's'}")
        if filename is not None and name in self._wanted and len(self._files) < self._most:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = self._folder / f"unfinished-{len(self._files)}"
            self._part.file = path.open("xb")
            self._files.append(SentFile(field=name, filename=filename.decode("utf-8", "replace"), path=path))

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
            self._fields.append((part.field_name, bytes(part.content).decode("utf-8", "replace")))
            return
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
