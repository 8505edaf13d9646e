"""What an export is made of, and the layouts it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.errors import SortlineError


class Format(StrEnum):
    """How an export lies in its folder."""

    # train/Glass/photo.jpg
    FOLDERS = "folders"
    # train/_annotations.coco.json beside train/photo.jpg, as Roboflow does; one box a picture
    COCO = "coco"
    # manifest.csv or manifest.parquet beside images/
    CSV = "csv"
    PARQUET = "parquet"
    # what datasets.load_dataset("imagefolder", data_dir=…) reads
    HUGGING_FACE = "huggingface"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMember:
    """One picture of an export: the hash it is stored under, its class if it has one, its split, its name."""

    sha256: str
    class_name: str | None
    split: Split
    name: str | None = None


class Layout(Protocol):
    """Decides where pictures go and writes what belongs beside them. Paths are '/'-separated, below the export."""

    def folder(self, class_name: str, split: Split) -> str | None:
        """The folder for such a picture; None where the layout has no place for pictures without a split."""
        ...

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """Note that the picture was written to `path`."""
        ...

    def finish(self) -> Mapping[str, object]:
        """Everything is written; what a reader should know besides, by name.

        An export that ends early is deleted: a layout need not be finished, only `close`d.
        """
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


class MissingParquet(SortlineError):
    """Writing Parquet needs a package that is not installed."""

    def __init__(self) -> None:
        super().__init__("this export needs pyarrow; run: pip install 'sortline[parquet]'")
