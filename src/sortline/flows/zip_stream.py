"""A ZIP archive as it is made: each file as one chunk, the table of contents at the end. Memory stays flat.

Files are stored, not packed: pictures would not shrink. Sizes and checksums stand before each file, so nothing is
written twice and no reader needs more than one pass. Beyond 4 GiB or 65,535 files it is ZIP64. Format: APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

# Names in UTF-8.
_UTF8 = 1 << 11
_UNIX, _FILE_MODE = 3, 0o100644
_LIMIT_16, _LIMIT_32 = 0xFFFF, 0xFFFFFFFF
_BLOCK = 1 << 18


class ZipStream:
    """The archive's bytes, call by call; its table of contents waits in `table`, an empty file."""

    def __init__(self, table: BinaryIO, moment: datetime) -> None:
        self._table = table
        self._offset = self._count = 0
        self._time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
        self._date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day

    def add(self, name: str, data: bytes) -> bytes:
        """A whole file: what comes next in the archive."""
        return self._begin(name, len(data), zlib.crc32(data)) + data

    def copy(self, name: str, file: BinaryIO) -> Iterator[bytes]:
        """A file from the disk, read twice: once for its checksum."""
        size = crc = 0
        while block := file.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
        yield self._begin(name, size, crc)
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block

    def finish(self) -> Iterator[bytes]:
        """The table of contents: the archive is whole with it."""
        start, size = self._offset, self._table.tell()
        self._table.seek(0)
        while block := self._table.read(_BLOCK):
            yield block
        if self._count >= _LIMIT_16 or start >= _LIMIT_32 or size >= _LIMIT_32:
            record = (b"PK\x06\x06", 44, 45, 45, 0, 0, self._count, self._count, size, start)
            yield struct.pack("<4sQHHIIQQQQ", *record)
            yield struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1)
        count = min(self._count, _LIMIT_16)
        ends = (b"PK\x05\x06", 0, 0, count, count, min(size, _LIMIT_32), min(start, _LIMIT_32), 0)
        yield struct.pack("<4sHHHHIIH", *ends)

    def _begin(self, name: str, size: int, crc: int) -> bytes:
        """What stands before a file's bytes; the table of contents has it too."""
        encoded = name.encode()
        # The larger sizes stand in an extra field: always 8 bytes each, in this order.
        long = [size, size] if size >= _LIMIT_32 else []
        extra = _zip64(long)
        stated = min(size, _LIMIT_32)
        version = 45 if long else 20
        known = (version, _UTF8, 0, self._time, self._date, crc, stated, stated, len(encoded))
        local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *known, len(extra)) + encoded + extra
        self._note(encoded, known, long)
        self._offset += len(local) + size
        self._count += 1
        return local

    def _note(self, name: bytes, known: tuple[int, ...], long: list[int]) -> None:
        extra = _zip64([*long, self._offset] if self._offset >= _LIMIT_32 else long)
        made_by = _UNIX << 8 | 45
        places = (len(extra), 0, 0, 0, _FILE_MODE << 16, min(self._offset, _LIMIT_32))
        record = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", made_by, *known, *places)
        self._table.write(record + name + extra)


def _zip64(numbers: list[int]) -> bytes:
    if not numbers:
        return b""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
