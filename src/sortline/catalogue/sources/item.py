"""What an import reads: pictures one by one, each taken or refused with a reason.

    Source      everything a user pointed at, in one fixed order
    ├── Item        a picture to take: its name, label, split, and how to read its bytes
    └── Refused     a file that is not taken, and why

Errors are of two kinds. A `SourceError` from `open_source` or `Source.items` is about the whole: nothing (more) can be
read. A `SourceError` or `OSError` from `Item.read` is about that one file: report `code` and go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sortline.catalogue.entry import Split
from sortline.engine.image import DEFAULT_LIMITS as PICTURE_LIMITS
from sortline.errors import SortlineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One picture to take.

    `position` is its place in the source's fixed order, counting refused files too. `name` is how a person finds it
    in the source: '/'-separated and printable. `label` is None where the source may give none. `split` is the one
    the source declares. `read` gives the file's bytes and may be called from several threads at once; it raises
    `SourceError` or `OSError` for what is wrong with this one file. `place` is the file itself, for a source that is a
    folder on this machine.
    """

    position: int
    name: str
    label: str | None
    split: Split | None
    read: Callable[[], bytes]
    place: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One file that is not taken: `code` says why in kebab-case, `detail` in words for a person.

    The code `ignored` is for what nobody meant as a picture (`__MACOSX`, Thumbs.db, a README): counted, harmless.
    """

    position: int
    name: str
    code: str
    detail: str


IGNORED = "ignored"


class Source(Protocol):
    """Everything an import can read, in one fixed order.

    `total` counts all positions, taken or refused. `fingerprint` is 64 hexadecimal digits of the listing (names, sizes,
    times), equal for the same source again: positions then mean the same files. `problems` are notes about the whole.
    """

    kind: str
    location: str
    total: int
    fingerprint: str
    problems: tuple[str, ...]

    def items(self, start: int = 0) -> Iterator[Item | Refused]:
        """Every position from `start` on, in order, each exactly once."""
        ...

    def close(self) -> None:
        """Let go of files and connections; `Item.read` must not be called after."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """What is refused before it is read.

    `entries` in a source at most; `entry_bytes` of one file; `total_bytes` of all files of an archive once unpacked;
    `ratio` of unpacked to packed bytes for files above `ratio_floor` bytes; `annotation_bytes` of one COCO file.
    """

    entries: int = 5_000_000
    entry_bytes: int = PICTURE_LIMITS.max_bytes
    total_bytes: int = 512 * 1024**3
    ratio: float = 200.0
    ratio_floor: int = 1024 * 1024
    annotation_bytes: int = 512 * 1024**2


DEFAULT_LIMITS = SourceLimits()


class Closing:
    """`with` closes at its end."""

    def close(self) -> None:
        """Nothing to let go of, unless a subclass says so."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SourceError(SortlineError):
    """Something a source cannot give; `code` is kebab-case, as in `Refused`."""

    code = "unreadable"


class FileRefused(SourceError):
    """One file that turned out unusable when it was read."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
