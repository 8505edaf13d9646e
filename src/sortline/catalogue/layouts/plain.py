"""Layouts without dependencies: class folders, a CSV manifest, COCO."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.layouts.names import ClassFolders
from sortline.catalogue.sources.annotations import ANNOTATIONS

COLUMNS = ("path", "label", "split", "sha256")
_FOLDERS = {Split.TRAIN: "train", Split.VALIDATION: "val", Split.TEST: "test"}
# As Roboflow names them.
_COCO_FOLDERS = {Split.TRAIN: "train", Split.VALIDATION: "valid", Split.TEST: "test"}


class FolderLayout:
    """train/Glass/photo.jpg; validation is `val`."""

    def __init__(self) -> None:
        self._classes = ClassFolders()

    def folder(self, class_name: str, split: Split) -> str | None:
        """See `Layout`."""
        return f"{_FOLDERS[split]}/{self._classes.of(class_name)}" if split in _FOLDERS else None

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """See `Layout`; the path says it all."""

    def finish(self) -> Mapping[str, object]:
        """See `Layout`."""
        return {"classes_by_folder": self._classes.names}

    def close(self) -> None:
        """See `Layout`."""


class CsvLayout:
    """manifest.csv, a row a picture: path, label, split, sha256. Split `none` is a split here."""

    def __init__(self, top: Path) -> None:
        # Closed by `close`.
        self._file = (top / "manifest.csv").open("x", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(COLUMNS)
        self._folders = ImageFolders()

    def folder(self, class_name: str, split: Split) -> str | None:
        """See `Layout`."""
        return self._folders.next()

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """See `Layout`."""
        self._rows.writerow((path, class_name, split.name.lower(), record.sha256))

    def finish(self) -> Mapping[str, object]:
        """See `Layout`."""
        self.close()
        return {"manifest": "manifest.csv"}

    def close(self) -> None:
        """See `Layout`."""
        self._file.close()


class CocoLayout:
    """Roboflow's layout: train, valid and test with annotations beside the pictures, one box around each.

    The lists of pictures and boxes are written side by side as pictures come, and joined at the end.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._parts: dict[str, _CocoPart] = {}
        self._categories: dict[str, int] = {}

    def folder(self, class_name: str, split: Split) -> str | None:
        """See `Layout`."""
        return _COCO_FOLDERS.get(split)

    def add(self, path: str, class_name: str, split: Split, record: ImageRecord) -> None:
        """See `Layout`."""
        folder, name = path.split("/")
        if folder not in self._parts:
            self._parts[folder] = _CocoPart(self._top / folder)
        category = self._categories.setdefault(class_name, len(self._categories) + 1)
        self._parts[folder].add(name, category, record)

    def finish(self) -> Mapping[str, object]:
        """See `Layout`. Every file lists all classes, so that their ids are the same in all."""
        categories = [
            {"id": number, "name": name, "supercategory": "none"} for name, number in self._categories.items()
        ]
        for part in self._parts.values():
            part.finish(categories)
        return {"annotations": [f"{folder}/{ANNOTATIONS}" for folder in self._parts]}

    def close(self) -> None:
        """See `Layout`."""
        for part in self._parts.values():
            part.close()


class ImageFolders:
    """images/0000, images/0001 and so on, each for so many pictures that it still opens in a file browser."""

    def __init__(self, top: str = "images/", most: int = 5000) -> None:
        self._top, self._most, self._count = top, most, 0

    def next(self) -> str:
        """The next picture's folder."""
        folder = f"{self._top}{self._count // self._most:04d}"
        self._count += 1
        return folder


class _CocoPart:
    """One folder's annotation file in the making."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        with ExitStack() as opening:
            self._images = opening.enter_context(self._lists("images").open("x+", encoding="utf-8"))
            self._boxes = opening.enter_context(self._lists("annotations").open("x+", encoding="utf-8"))
            self._open = opening.pop_all()

    def add(self, name: str, category: int, record: ImageRecord) -> None:
        """Note one picture with its box."""
        comma = ",\n" if self._count else ""
        self._count += 1
        width, height = record.width, record.height
        image = {"id": self._count, "file_name": name, "width": width, "height": height}
        box = {
            "id": self._count,
            "image_id": self._count,
            "category_id": category,
            "bbox": [0, 0, width, height],
            "area": width * height,
            "segmentation": [],
            "iscrowd": 0,
        }
        self._images.write(comma + json.dumps(image, ensure_ascii=False))
        self._boxes.write(comma + json.dumps(box))

    def finish(self, categories: list[dict[str, object]]) -> None:
        """The annotation file is whole, its parts are gone."""
        with (self._folder / ANNOTATIONS).open("x", encoding="utf-8") as file:
            file.write('{"info": {"description": "Exported from Sortline"}, "licenses": [],\n')
            file.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [\n')
            _copy(self._images, file)
            file.write('],\n"annotations": [\n')
            _copy(self._boxes, file)
            file.write("]}\n")
        self.close()
        for kind in ("images", "annotations"):
            self._lists(kind).unlink()

    def close(self) -> None:
        """Its files are closed."""
        self._open.close()

    def _lists(self, kind: str) -> Path:
        # A dot first: no picture's file is called so.
        return self._folder / f".{kind}.part"


def _copy(part: IO[str], file: IO[str]) -> None:
    part.seek(0)
    while block := part.read(1 << 20):
        file.write(block)
