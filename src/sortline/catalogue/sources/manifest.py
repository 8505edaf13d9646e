"""Pictures listed in a table: a path or an address, a label, perhaps a split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.fetch import Web
from sortline.catalogue.sources.folder import read_within
from sortline.catalogue.sources.item import DEFAULT_LIMITS, Closing, Item, Refused, SourceLimits
from sortline.catalogue.sources.layout import class_name, printable, split_named
from sortline.catalogue.sources.manifest_rows import (
    LABEL_COLUMNS,
    BadManifest,
    CsvRows,
    ParquetRows,
    Row,
    Rows,
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://|(file):", re.IGNORECASE)
_WITHOUT_SPLIT = {"", "none"}


class Manifest(Closing):
    """The rows of a CSV, TSV or Parquet file as pictures; paths are relative to the file's folder.

    With `allow_outside` paths may leave that folder: only where the person who gives the manifest may read every file
    of this machine anyway. `label` is for rows without one.

    Raises:
        SourceError: the table cannot be used.
    """

    kind = "manifest"

    def __init__(
        self,
        path: Path,
        *,
        label: str | None = None,
        allow_outside: bool = False,
        limits: SourceLimits = DEFAULT_LIMITS,
    ) -> None:
        self.location = str(path)
        self._folder = path.resolve().parent
        self._label = class_name(label) if label else None
        self._outside = allow_outside
        self._limits = limits
        self._web = Web()
        try:
            self._rows: Rows = ParquetRows(path) if _is_parquet(path) else CsvRows(path)
        except (OSError, UnicodeError) as error:
            raise BadManifest(path, f"it cannot be read ({error})") from error
        if self._label is None and not self._rows.has_labels:
            raise BadManifest(path, f"it has no column for the label, one of {', '.join(LABEL_COLUMNS)}")
        self.total = self._rows.total
        self.fingerprint = self._rows.fingerprint
        self.problems: tuple[str, ...] = ()

    def items(self, start: int = 0) -> Iterator[Item | Refused]:
        """See `Source`."""
        for position, row in enumerate(self._rows.rows(start), start):
            yield self._judged(position, row)

    def close(self) -> None:
        """See `Source`."""
        self._web.close()

    def _judged(self, position: int, row: Row) -> Item | Refused:
        name = printable(row.path) or f"row {row.number}"
        if row.bad is not None or not row.path:
            return _refused(
                position, name, "bad-row", f"row {row.number}: {row.bad or 'it names no picture'}"
            )
        label = class_name(row.label) or self._label
        if label is None:
            return _refused(position, name, "no-label", f"row {row.number} gives no label")
        split = split_named(row.split)
        if split is None and row.split.casefold() not in _WITHOUT_SPLIT:
            return _refused(
                position, name, "bad-row", f"row {row.number}: {printable(row.split)!r} is no split"
            )
        scheme = _SCHEME.match(row.path)
        if scheme is not None:
            return self._address(position, row, (scheme[1] or scheme[2]).casefold(), label, split)
        return self._local(position, row, label, split)

    def _address(
        self, position: int, row: Row, scheme: str, label: str, split: Split | None
    ) -> Item | Refused:
        name = printable(row.path)
        if scheme not in ("http", "https"):
            detail = f"row {row.number}: only http and https addresses and paths are read, not {scheme}:"
            return _refused(position, name, "unsafe-path", detail)
        return Item(
            position=position, name=name, label=label, split=split, read=partial(self._fetch, row.path)
        )

    def _fetch(self, url: str) -> bytes:
        return self._web.get(url, self._limits.entry_bytes)[0]

    def _local(self, position: int, row: Row, label: str, split: Split | None) -> Item | Refused:
        # Written on Windows, read anywhere.
        place = self._folder / row.path.replace("\\", "/")
        if not self._outside and not Path(os.path.realpath(place)).is_relative_to(self._folder):
            detail = f"row {row.number}: the path leads out of the manifest's folder"
            return _refused(position, printable(row.path), "unsafe-path", detail)
        if not place.is_file():
            detail = f"row {row.number}: there is no such file beside the manifest"
            return _refused(position, printable(row.path), "missing-file", detail)
        within = None if self._outside else self._folder
        return Item(
            position=position,
            name=printable(row.path.replace("\\", "/")),
            label=label,
            split=split,
            read=partial(read_within, place, within, self._limits.entry_bytes),
            place=place,
        )


def _refused(position: int, name: str, code: str, detail: str) -> Refused:
    return Refused(position=position, name=name, code=code, detail=detail)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix.casefold() in (".parquet", ".pq")
