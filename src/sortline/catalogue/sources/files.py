"""Files in a fixed order, wherever they lie: what folders, archives and prefixes have in common."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

# So many names are packed together: small enough to unpack at once, large enough to shrink tenfold.
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: its '/'-separated path below the top, and how to read it, or (code, detail) of why it is refused."""

    position: int
    path: str
    read: Callable[[], bytes]
    place: Path | None = None
    refusal: tuple[str, str] | None = None


class Files(Protocol):
    """A listing that does not change while it is read; `fingerprint` is of names, sizes and times."""

    location: str
    total: int
    fingerprint: str
    problems: tuple[str, ...]

    def files(self, start: int = 0) -> Iterator[File]:
        """Every file from position `start` on."""
        ...

    def document(self, file: File, limit: int) -> bytes:
        """The bytes of a file that is no picture, at most `limit`."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PathList:
    """Paths in order, each with a small number, packed: a million take about 10 MB instead of 150."""

    def __init__(self) -> None:
        self.total = 0
        self._packed: list[bytes] = []
        self._names: list[bytes] = []
        self._codes = bytearray()

    def append(self, path: str, code: int = 0) -> None:
        """Add a path without NUL; `code` is from 0 to 255."""
        self._names.append(path.encode("utf-8", "surrogateescape"))
        self._codes.append(code)
        self.total += 1
        if len(self._names) == _CHUNK:
            self._packed.append(zlib.compress(b"\0".join(self._names), 1))
            self._names = []

    def since(self, start: int) -> Iterator[tuple[int, str, int]]:
        """(position, path, code) from position `start` on."""
        for number in range(start // _CHUNK, len(self._packed) + 1):
            packed = number < len(self._packed)
            names = zlib.decompress(self._packed[number]).split(b"\0") if packed else self._names
            first = number * _CHUNK
            for offset in range(max(0, start - first), len(names)):
                path = names[offset].decode("utf-8", "surrogateescape")
                yield first + offset, path, self._codes[first + offset]
