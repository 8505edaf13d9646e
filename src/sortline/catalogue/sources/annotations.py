"""A COCO annotation file, checked: its pictures, their boxes, their categories.

Format: https://cocodataset.org/#format-data; boxes are [x, y, width, height] in px from the top left.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from sortline.catalogue.sources.item import SourceError
from sortline.catalogue.sources.layout import class_name, printable

ANNOTATIONS = "_annotations.coco.json"
_KEYS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One annotation; `label` is None for a category that the file does not define.

    `area` is (left, top, right, bottom) in px within a picture of known size, None where it covers none of it.
    """

    id: str
    category: str
    label: str | None
    area: tuple[float, float, float, float] | None
    is_crowd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """One picture of the file; `size` is (width, height) in px if given. `bad` says why the record is none."""

    name: str
    size: tuple[int, int] | None
    boxes: tuple[Box, ...]
    bad: str | None = None


@dataclass(slots=True)
class Annotations:
    """The pictures of one file in its order, and notes about the whole."""

    pictures: list[Annotated] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def is_annotations(data: bytes) -> bool:
    """Whether the bytes are JSON with COCO's three lists."""
    try:
        return _lists(json.loads(data)) is not None
    except (ValueError, RecursionError):
        return False


def parse(data: bytes, path: str) -> Annotations:
    """What an annotation file says.

    Raises:
        BadAnnotations: it is no COCO file.
    """
    try:
        lists = _lists(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise BadAnnotations(path, f"it is no valid JSON ({error})") from error
    if lists is None:
        raise BadAnnotations(path, f"it lacks one of the lists {', '.join(_KEYS)}")
    images, annotations, categories = lists
    found = Annotations()
    names = _categories(categories)
    known = {_key(image.get("id")): image for image in images if isinstance(image, dict)}
    boxes: dict[str, list[Box]] = {}
    used: set[str] = set()
    lost = 0
    for number, annotation in enumerate(annotations):
        image = known.get(_key(annotation.get("image_id"))) if isinstance(annotation, dict) else None
        if image is None:
            lost += 1
            continue
        box = _box(annotation, number, names, _size(image))
        used.add(box.category)
        boxes.setdefault(_key(annotation["image_id"]), []).append(box)
    found.pictures = _pictures(images, boxes)
    found.problems = _notes(path, categories, names, used, lost, boxes)
    return found


def _lists(document: object) -> tuple[list[dict[str, object]], ...] | None:
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in _KEYS):
        return None
    return tuple(document[key] for key in _KEYS)


def _categories(categories: list[dict[str, object]]) -> dict[str, str]:
    names = {}
    for category in categories:
        if isinstance(category, dict) and isinstance(category.get("name"), str):
            name = class_name(str(category["name"]))
            if name is not None:
                names[_key(category.get("id"))] = name
    return names


def _box(
    annotation: dict[str, object], number: int, names: dict[str, str], size: tuple[int, int] | None
) -> Box:
    category = _key(annotation.get("category_id"))
    return Box(
        id=printable(_key(annotation.get("id", f"row{number}"))),
        category=category,
        label=names.get(category),
        area=_area(annotation.get("bbox"), size),
        is_crowd=annotation.get("iscrowd") in (1, True),
    )


def _area(bbox: object, size: tuple[int, int] | None) -> tuple[float, float, float, float] | None:
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    try:
        left, top, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        return None
    right, bottom = left + width, top + height
    if size is not None:
        left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, size[0]), min(bottom, size[1])
    # Less than half a pixel is none once it is rounded.
    return (left, top, right, bottom) if right - left >= 0.5 and bottom - top >= 0.5 else None


def _size(image: dict[str, object]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _pictures(images: list[dict[str, object]], boxes: dict[str, list[Box]]) -> list[Annotated]:
    pictures, seen = [], set()
    for number, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name:
            pictures.append(
                Annotated(name=f"images[{number}]", size=None, boxes=(), bad="it has no file_name")
            )
            continue
        key = _key(image.get("id"))
        bad = (
            f"image id {printable(key)} stands twice, so its boxes may belong to either"
            if key in seen
            else None
        )
        seen.add(key)
        pictures.append(Annotated(name=name, size=_size(image), boxes=tuple(boxes.get(key, ())), bad=bad))
    return pictures


def _notes(
    path: str,
    categories: list[dict[str, object]],
    names: dict[str, str],
    used: set[str],
    lost: int,
    boxes: dict[str, list[Box]],
) -> list[str]:
    where = printable(path)
    notes = []
    parents = {category.get("supercategory") for category in categories if isinstance(category, dict)}
    for key, name in names.items():
        if key not in used and name in parents:
            notes.append(
                f"{where}: {name!r} has no boxes and is only the parent of others; it becomes no class"
            )
        elif key not in used:
            notes.append(f"{where}: {name!r} has no boxes")
    if lost:
        notes.append(f"{where}: {lost:,} boxes belong to no picture that it lists")
    degenerate = sum(box.area is None for row in boxes.values() for box in row)
    if degenerate:
        notes.append(f"{where}: {degenerate:,} boxes are degenerate (no area within their picture)")
    return notes


def _key(value: object) -> str:
    """Some tools write ids as text in one list and as numbers in another."""
    return str(value)


class BadAnnotations(SourceError):
    """An annotation file that cannot be used."""

    code = "bad-annotations"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot use the annotations {printable(path)}: {reason}; export them again as COCO JSON"
        )
