"""Layouts that need pyarrow: a Parquet manifest, and what Hugging Face `datasets` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.layouts.layout import MissingParquet
from sortline.catalogue.layouts.plain import COLUMNS, ImageFolders

# Rows that are written together: small in memory, large enough to be packed well.
_GROUP = 10_000
_SPLITS = {Split.TRAIN: "train", Split.VALIDATION: "validation", Split.TEST: "test"}


class ParquetLayout:
    """manifest.parquet, a row a picture: path, label, split, sha256, all text. Split `none` is a split here."""

    def __init__(self, top: Path) -> None:
        self._table = _Table(top / "manifest.parquet", COLUMNS)
        self._folders = ImageFolders()

    def folder(self, class_name: str, split: Split) -> str | None:
        """See `Layout`."""
        return self._folders.next()

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """See `Layout`."""
        self._table.add((path, class_name, split.name.lower(), record.sha256))

    def finish(self) -> Mapping[str, object]:
        """See `Layout`."""
        self._table.close()
        return {"manifest": "manifest.parquet"}

    def close(self) -> None:
        """See `Layout`."""
        self._table.close()


class HuggingFaceLayout:
    """train, validation and test, each with metadata.parquet: file_name, label, sha256.

    Labels are numbers with their names in the schema, which `datasets` reads as ClassLabel, the same in every split.
    Class folders would lose the labels of a single class, and read a class "test tube" as the split test; a CSV would
    come back with numbers for classes that are called so. Which names there are is known only at the end, so rows
    are written with names first.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._tables: dict[str, _Table] = {}
        self._folders = {split: ImageFolders(top=f"{name}/") for split, name in _SPLITS.items()}
        self._classes: set[str] = set()
        _arrow()

    def folder(self, class_name: str, split: Split) -> str | None:
        """See `Layout`."""
        return self._folders[split].next() if split in self._folders else None

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """See `Layout`."""
        name = _SPLITS[split]
        if name not in self._tables:
            self._tables[name] = _Table(self._named(name), ("file_name", "label", "sha256"))
        self._classes.add(class_name)
        self._tables[name].add((path.removeprefix(f"{name}/"), class_name, record.sha256))

    def finish(self) -> Mapping[str, object]:
        """See `Layout`."""
        self.close()
        classes = sorted(self._classes)
        for name in self._tables:
            _numbered(self._named(name), self._top / name / "metadata.parquet", classes)
            self._named(name).unlink()
        return {"split_folders": list(self._tables), "class_names": classes}

    def close(self) -> None:
        """See `Layout`."""
        for table in self._tables.values():
            table.close()

    def _named(self, split: str) -> Path:
        return self._top / f".{split}.part"


class _Table:
    """Rows of text as they come, in a Parquet file."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        arrow = _arrow()
        from pyarrow import parquet

        self._schema = arrow.schema([(name, arrow.string()) for name in columns])
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[tuple[str, ...]] = []
        self._closed = False

    def add(self, row: tuple[str, ...]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= _GROUP:
            self._write()

    def close(self) -> None:
        """The file is whole."""
        if not self._closed:
            self._closed = True
            self._write()
            self._writer.close()

    def _write(self) -> None:
        if self._rows:
            columns = list(zip(*self._rows, strict=True))
            self._writer.write_table(
                _arrow().table(dict(zip(self._schema.names, columns, strict=True)), self._schema)
            )
            self._rows = []


def _numbered(named: Path, path: Path, classes: list[str]) -> None:
    """The same table with numbers for labels, and in its schema what `datasets` needs to name them."""
    arrow = _arrow()
    from pyarrow import compute, parquet

    features = {
        "file_name": {"dtype": "string", "_type": "Value"},
        "label": {"names": classes, "_type": "ClassLabel"},
        "sha256": {"dtype": "string", "_type": "Value"},
    }
    schema = arrow.schema(
        [("file_name", arrow.string()), ("label", arrow.int64()), ("sha256", arrow.string())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    known = arrow.array(classes, arrow.string())
    with parquet.ParquetFile(named) as rows, parquet.ParquetWriter(path, schema) as writer:
        for batch in rows.iter_batches(batch_size=_GROUP):
            numbers = compute.index_in(batch["label"], known).cast(arrow.int64())
            writer.write_table(
                arrow.Table.from_arrays([batch["file_name"], numbers, batch["sha256"]], schema=schema)
            )


def _arrow() -> ModuleType:
    """pyarrow, loaded only where it is needed.

    Raises:
        MissingParquet: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingParquet from error
    module: ModuleType = pyarrow
    return module
