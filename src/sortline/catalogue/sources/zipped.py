"""The files of a ZIP archive, read from the archive where it lies; nothing is ever extracted by name."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from sortline.catalogue.sources.files import File
from sortline.catalogue.sources.item import DEFAULT_LIMITS, Closing, FileRefused, SourceError, SourceLimits
from sortline.catalogue.sources.layout import unsafe
from sortline.catalogue.sources.zip_directory import BrokenArchive, Directory, Entry, entries, find_directory

_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES encryption"}
_LOCAL_HEADER = 30
_UTF8_BOM = "\ufeff"


class ZipFiles(Closing):
    """Every file of an archive in the order of its table of contents; folders are no files.

    `read` takes the bytes with one positioned read each, so threads share the file without a lock.

    Raises:
        SourceError: the archive is damaged, or beyond the limits on entries and total size.
    """

    def __init__(self, archive: Path, limits: SourceLimits = DEFAULT_LIMITS) -> None:
        self.location = str(archive)
        self._limits = limits
        self.problems: tuple[str, ...] = ()
        try:
            self._descriptor = os.open(archive, os.O_RDONLY)
        except OSError as error:
            raise BrokenArchive(self.location, error.strerror or str(error)) from error
        try:
            self._directory = self._checked(find_directory(self._descriptor, self.location))
            self._view = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
            self.total, self._repeated = self._survey()
            self.fingerprint = self._digest()
        except BaseException:
            self.close()
            raise

    def files(self, start: int = 0) -> Iterator[File]:
        """See `Files`."""
        seen: set[str] = set()
        for position, entry in enumerate(self._entries()):
            name = _comparable(entry.name)
            is_second = name in seen
            if name in self._repeated:
                seen.add(name)
            if position < start:
                continue
            yield File(
                position=position,
                path=entry.name,
                read=partial(self._read, entry),
                refusal=("duplicate-name", "an earlier file of the archive has the same name")
                if is_second
                else self._refusal(entry),
            )

    def document(self, file: File, limit: int) -> bytes:
        """See `Files`."""
        entry = next(entry for number, entry in enumerate(self._entries()) if number == file.position)
        if max(entry.size, entry.packed) > limit:
            raise FileRefused("too-large", f"{entry.size:,} bytes, at most {limit:,} are read")
        return self._read(entry)

    def close(self) -> None:
        """Close the archive."""
        view = getattr(self, "_view", None)
        if view is not None:
            view.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _entries(self) -> Iterator[Entry]:
        return (e for e in entries(self._view, self._directory, self.location) if not e.is_folder)

    def _checked(self, directory: Directory) -> Directory:
        # By the end record alone: an archive that claims too much is not read any further.
        if directory.count > self._limits.entries:
            raise TooMuch(self.location, f"holds {directory.count:,} files", f"{self._limits.entries:,}")
        return directory

    def _survey(self) -> tuple[int, frozenset[str]]:
        """How many files there are, and the names that more than one has."""
        hashes = np.zeros(self._directory.count, np.int64)
        total = packed = size = 0
        for entry in self._entries():
            hashes[total] = hash(_comparable(entry.name))
            total += 1
            packed += entry.packed
            size += entry.size
        if size > self._limits.total_bytes:
            raise TooMuch(
                self.location, f"would unpack to {size:,} bytes", f"{self._limits.total_bytes:,} bytes"
            )
        if packed > os.fstat(self._descriptor).st_size:
            raise BrokenArchive(self.location, "its files overlap each other, as in a decompression bomb")
        # Eight bytes a file; the names themselves would take a hundred megabytes for a million.
        ordered = np.sort(hashes[:total])
        twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        if not twice:
            return total, frozenset()
        names = (_comparable(entry.name) for entry in self._entries())
        return total, frozenset(name for name in names if hash(name) in twice)

    def _digest(self) -> str:
        digest = hashlib.sha256(str(os.fstat(self._descriptor).st_size).encode())
        start, end = self._directory.start, self._directory.start + self._directory.size
        for position in range(start, end, 1 << 20):
            digest.update(self._view[position : min(position + (1 << 20), end)])
        return digest.hexdigest()

    def _refusal(self, entry: Entry) -> tuple[str, str] | None:
        reason = unsafe(entry.name)
        if reason is not None:
            return "unsafe-path", reason
        if entry.is_link:
            return "symlink", "a link in an archive is not followed"
        if entry.flags & 0x1 or entry.method == 99:
            return (
                "encrypted",
                "the file is encrypted; unpack the archive with its password and import the folder",
            )
        if entry.method not in (_STORED, _DEFLATED):
            method = _METHODS.get(entry.method, f"method {entry.method}")
            return (
                "unsupported-compression",
                f"packed with {method}; pack the archive again with plain Deflate",
            )
        return self._beyond_limits(entry)

    def _beyond_limits(self, entry: Entry) -> tuple[str, str] | None:
        limits = self._limits
        if entry.size == 0:
            return "empty", "the file is empty (0 bytes)"
        # Deflate never makes a file much larger than it was.
        if max(entry.size, entry.packed - 1024 - entry.size // 100) > limits.entry_bytes:
            return "too-large", f"{entry.size:,} bytes unpacked, a picture may have {limits.entry_bytes:,}"
        if entry.size > limits.ratio_floor and entry.size > limits.ratio * max(entry.packed, 1):
            return "too-compressed", (
                f"unpacks to {entry.size / max(entry.packed, 1):,.0f} times its size, at most "
                f"{limits.ratio:g} is taken: no photo shrinks so far"
            )
        return None

    def _read(self, entry: Entry) -> bytes:
        header = os.pread(self._descriptor, _LOCAL_HEADER, entry.offset)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\3\4":
            raise FileRefused("damaged", "the archive holds no file where its table of contents says")
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        start = entry.offset + _LOCAL_HEADER + name_length + extra_length
        packed = os.pread(self._descriptor, entry.packed, start)
        if len(packed) < entry.packed:
            raise FileRefused("truncated", "the archive ends within this file")
        data = packed if entry.method == _STORED else _inflated(packed, entry.size)
        if len(data) != entry.size:
            raise FileRefused("damaged", f"it has not the {entry.size:,} bytes that the archive says")
        if zlib.crc32(data) != entry.crc:
            raise FileRefused("bad-crc", "its checksum is wrong: the archive is damaged here; copy it again")
        return data


def _inflated(packed: bytes, size: int) -> bytes:
    """At most one byte more than `size`, whatever the stream would give."""
    try:
        return zlib.decompressobj(-15).decompress(packed, size + 1)
    except zlib.error as error:
        raise FileRefused("damaged", f"it cannot be unpacked ({error}); copy the archive again") from error


def _comparable(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name).removeprefix(_UTF8_BOM)


class TooMuch(SourceError):
    """An archive beyond the limits, refused before it is unpacked."""

    code = "too-much"

    def __init__(self, archive: str, what: str, limit: str) -> None:
        self.archive = archive
        self.limit = limit
        super().__init__(
            f"{archive} {what}, at most {limit} are taken; import it in parts, or unpacked as a folder"
        )
