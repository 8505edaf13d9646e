"""The central directory of a ZIP archive, read entry by entry where it lies: a million entries cost no memory.

Python's `zipfile` makes an object of about 500 bytes and several strings for each entry before the first can be read.
Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sortline.catalogue.sources.item import SourceError

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_MOST = 0xFFFFFFFF
_UNICODE_PATH = 0x7075


class Entry(NamedTuple):
    """One file of an archive; `offset` is of its local header from the start of the file on disk."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    is_link: bool

    @property
    def is_folder(self) -> bool:
        """Whether it only names a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """`count` entries in `size` bytes at `start`; `shift` is the length of what stands before the archive."""

    count: int
    start: int
    size: int
    shift: int


def find_directory(descriptor: int, name: str) -> Directory:
    """Where the central directory of an open archive lies, by its end record; nothing else is read.

    Raises:
        BrokenArchive: it has no end record, or one that cannot be true.
    """
    length = os.fstat(descriptor).st_size
    tail_start = max(0, length - _END.size - 0xFFFF)
    tail = os.pread(descriptor, length - tail_start, tail_start)
    found = tail.rfind(b"PK\5\6")
    while found >= 0 and found + _END.size > len(tail):
        found = tail.rfind(b"PK\5\6", 0, found)
    if found < 0:
        raise BrokenArchive(name, "its end is missing, so it was cut short or is no ZIP file")
    at = tail_start + found
    _, disk, first_disk, _, count, size, offset, _ = _END.unpack_from(tail, found)
    if 0xFFFF in (disk, first_disk, count) or _MOST in (size, offset):
        record = _end64(descriptor, at)
        if record is not None:
            disk, first_disk, count, size, offset, at = record
    if disk or first_disk:
        raise BrokenArchive(name, "it is one part of several")
    start = at - size
    # What stands before the archive (a self-extractor) moves every offset by the same.
    if start < 0 or start < offset:
        raise BrokenArchive(name, "its table of contents is not where its end says")
    return Directory(count=count, start=start, size=size, shift=start - offset)


def _end64(descriptor: int, at: int) -> tuple[int, int, int, int, int, int] | None:
    if at < _LOCATOR64.size:
        return None
    locator_at = at - _LOCATOR64.size
    magic, _, offset, _ = _LOCATOR64.unpack(os.pread(descriptor, _LOCATOR64.size, locator_at))
    if magic != b"PK\6\7":
        return None
    # Directly before its locator, unless something was put before the archive or it carries extra data.
    for place in (locator_at - _END64.size, offset):
        data = os.pread(descriptor, _END64.size, place) if place >= 0 else b""
        if len(data) == _END64.size and data[:4] == b"PK\6\6":
            _, _, _, _, disk, first_disk, _, count, size, start = _END64.unpack(data)
            return disk, first_disk, count, size, start, place
    return None


def entries(view: mmap.mmap, directory: Directory, name: str) -> Iterator[Entry]:
    """Every entry in the order of the central directory, folders too.

    Raises:
        BrokenArchive: the table of contents ends early or is damaged.
    """
    position, end = directory.start, directory.start + directory.size
    for number in range(directory.count):
        if position + _ENTRY.size > end:
            raise BrokenArchive(
                name, f"its table of contents ends after {number:,} of {directory.count:,} files"
            )
        fields = _ENTRY.unpack_from(view, position)
        if fields[0] != b"PK\1\2":
            raise BrokenArchive(name, f"its table of contents is damaged at file {number + 1:,}")
        name_end = position + _ENTRY.size + fields[10]
        extra_end = name_end + fields[11]
        position_next = extra_end + fields[12]
        if position_next > end:
            raise BrokenArchive(name, f"its table of contents ends within file {number + 1:,}")
        yield _entry(
            fields, view[position + _ENTRY.size : name_end], view[name_end:extra_end], directory.shift
        )
        position = position_next


def _entry(fields: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> Entry:
    _, made, _, flags, method, _, _, crc, packed, size, *_, attributes, offset = fields
    if _MOST in (packed, size, offset):
        packed, size, offset = _wide(extra, packed, size, offset)
    mode = attributes >> 16
    # The upper byte of "made by" says whose attributes these are: 3 is Unix, 19 macOS.
    is_link = made >> 8 in (3, 19) and stat.S_ISLNK(mode)
    return Entry(_decoded(raw, flags, extra), raw, flags, method, crc, packed, size, offset + shift, is_link)


def _wide(extra: bytes, packed: int, size: int, offset: int) -> tuple[int, int, int]:
    data = _extra(extra, 1)
    values = list(struct.unpack_from(f"<{len(data) // 8}Q", data)) if data else []
    size = values.pop(0) if size == _MOST and values else size
    packed = values.pop(0) if packed == _MOST and values else packed
    offset = values.pop(0) if offset == _MOST and values else offset
    return packed, size, offset


def _decoded(raw: bytes, flags: int, extra: bytes) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    if not flags & 0x800:
        unicode_path = _extra(extra, _UNICODE_PATH)
        if len(unicode_path) > 5 and unicode_path[1:5] == struct.pack("<L", zlib.crc32(raw)):
            raw = unicode_path[5:]
    try:
        # macOS writes UTF-8 without saying so; a name in code page 437 is hardly ever valid UTF-8.
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _extra(extra: bytes, wanted: int) -> bytes:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == wanted:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return b""


class BrokenArchive(SourceError):
    """The archive as a whole cannot be read."""

    code = "broken-archive"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"cannot read {name}: {reason}; copy or download it again, or unpack it and import the folder"
        )
