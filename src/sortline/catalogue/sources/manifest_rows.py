"""Rows of a manifest, one by one: CSV and TSV by line, Parquet by batch. Memory does not grow with the file."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sortline.catalogue.sources.item import SourceError

PATH_COLUMNS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "url")
LABEL_COLUMNS = ("label", "class", "class_name", "category")
SPLIT_COLUMNS = ("split", "set", "subset")
_DELIMITERS = ",\t;|"
_LINE = 1 << 20
_BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it was written; `bad` says why it is none, and `number` where it stands (a CSV's line)."""

    number: int
    path: str = ""
    label: str = ""
    split: str = ""
    bad: str | None = None


class Rows(Protocol):
    """A manifest's rows in order."""

    total: int
    fingerprint: str
    has_labels: bool

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Rows from position `start` on."""
        ...


class CsvRows:
    """Rows of a CSV or TSV file with a header; the delimiter is the one that makes sense of the header.

    A row is one line: a quote that is never closed then spoils its own row and not all that follow. Empty lines count
    as none. UTF-8, or UTF-16 with its mark, as spreadsheets write them.

    Raises:
        SourceError: no header that names a path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoding = _encoding(path)
        header = next((line for _, line in self._lines(header=True)), "")
        self._delimiter, names = _header(path, header)
        self._width = len(names)
        self._columns = _columns(path, names)
        self.has_labels = self._columns[1] is not None
        self.total = sum(1 for _ in self._lines())
        self.fingerprint = file_digest(path)

    def rows(self, start: int = 0) -> Iterator[Row]:
        """See `Rows`."""
        for position, (number, line) in enumerate(self._lines()):
            if position >= start:
                yield self._row(number, line)

    def _lines(self, *, header: bool = False) -> Iterator[tuple[int, str]]:
        seen_header = header
        with self._path.open(encoding=self._encoding, errors="surrogateescape", newline=None) as file:
            number, continued = 0, False
            for line in iter(partial(file.readline, _LINE), ""):
                was_continued, continued = continued, not line.endswith("\n") and len(line) >= _LINE
                if was_continued:
                    continue
                number += 1
                if not line.strip():
                    continue
                if not seen_header:
                    seen_header = True
                    continue
                yield number, line

    def _row(self, number: int, line: str) -> Row:
        if len(line) >= _LINE:
            return Row(number=number, bad="the line is longer than a megabyte")
        if not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line):
            return Row(number=number, bad="the line is not valid UTF-8")
        if "\0" in line:
            return Row(number=number, bad="the line holds a NUL character")
        try:
            cells = next(csv.reader((line,), delimiter=self._delimiter, strict=True))
        except (csv.Error, StopIteration) as error:
            return Row(number=number, bad=f"the line cannot be split into cells ({error})")
        if len(cells) != self._width:
            return Row(number=number, bad=f"{len(cells)} cells where the header has {self._width}")
        path, label, split = (cells[at].strip() if at is not None else "" for at in self._columns)
        return Row(number=number, path=path, label=label, split=split)


class ParquetRows:
    """Rows of a Parquet file; only the three columns are read.

    Raises:
        SourceError: it cannot be read, names no path, or pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingParquet(path) from error
        self._path = path
        try:
            with parquet.ParquetFile(path) as file:
                names = list(file.schema_arrow.names)
                self.total = int(file.metadata.num_rows)
        except (arrow.ArrowException, OSError) as error:
            raise BadManifest(path, f"it is no whole Parquet file ({_line(error)})") from error
        self._names = [names[at] if at is not None else None for at in _columns(path, names)]
        self.has_labels = self._names[1] is not None
        self.fingerprint = file_digest(path)

    def rows(self, start: int = 0) -> Iterator[Row]:
        """See `Rows`."""
        import pyarrow as arrow
        from pyarrow import parquet

        wanted = [name for name in self._names if name is not None]
        position = 0
        try:
            with parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                    if position + batch.num_rows > start:
                        skip = max(0, start - position)
                        for offset, cells in enumerate(batch.slice(skip).to_pylist()):
                            yield self._row(position + skip + offset + 1, cells)
                    position += batch.num_rows
        except (arrow.ArrowException, OSError) as error:
            raise BadManifest(self._path, f"it is damaged after row {position:,} ({_line(error)})") from error

    def _row(self, number: int, cells: dict[str, object]) -> Row:
        values = [cells.get(name) if name is not None else None for name in self._names]
        if any(isinstance(value, (bytes, list, dict, float)) for value in values):
            return Row(number=number, bad="path, label and split must be text or whole numbers")
        path, label, split = ("" if value is None else str(value).strip() for value in values)
        return Row(number=number, path=path, label=label, split=split)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes in hex, read a block at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _header(path: Path, line: str) -> tuple[str, list[str]]:
    for delimiter in _DELIMITERS:
        names = next(csv.reader((line,), delimiter=delimiter), [])
        if _find(names, PATH_COLUMNS) is not None and (len(names) > 1 or delimiter == _DELIMITERS[-1]):
            return delimiter, names
    raise BadManifest(
        path, f"its first line names no column for the picture, one of {', '.join(PATH_COLUMNS)}"
    )


def _columns(path: Path, names: list[str]) -> tuple[int | None, int | None, int | None]:
    where = _find(names, PATH_COLUMNS)
    if where is None:
        raise BadManifest(path, f"it has no column for the picture, one of {', '.join(PATH_COLUMNS)}")
    return where, _find(names, LABEL_COLUMNS), _find(names, SPLIT_COLUMNS)


def _find(names: list[str], wanted: tuple[str, ...]) -> int | None:
    known = [name.strip().casefold() for name in names]
    return next((known.index(name) for name in wanted if name in known), None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


class BadManifest(SourceError):
    """A manifest that cannot be used at all."""

    code = "bad-manifest"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot use the manifest {path}: {reason}; it needs columns such as path,label[,split]"
        )


class MissingParquet(SourceError):
    """Parquet needs a package that is not installed."""

    code = "missing-package"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"reading {path} needs pyarrow; run: pip install 'sortline[parquet]'")
