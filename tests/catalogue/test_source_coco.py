"""COCO annotations beside pictures."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.crop import cut
from sortline.catalogue.sources.source import FileRefused, Item, SourceError, open_source
from sortline.engine.image import decode
from tests.pictures import drawn, encode, exif_with, photo, stored_turned

_DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
_CATEGORIES = [
    {"id": 0, "name": "waste", "supercategory": "none"},
    {"id": 1, "name": "Glass", "supercategory": "waste"},
    {"id": 2, "name": "Metal", "supercategory": "waste"},
]


def _set(folder: Path, images: dict[str, list[tuple[object, object]]], missing: tuple[str, ...] = ()) -> Path:
    """A COCO folder with pictures of 120 × 90 px; each has boxes of (category id, bbox)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, boxes = [], []
    for number, (name, its) in enumerate(images.items()):
        if name not in missing:
            (folder / name).write_bytes(photo(seed=number))
        rows.append({"id": number, "file_name": name, "width": 120, "height": 90})
        for category, bbox in its:
            boxes.append({"id": len(boxes), "image_id": number, "category_id": category, "bbox": bbox})
    document = {"images": rows, "annotations": boxes, "categories": _CATEGORIES}
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return folder


def _codes(location: Path, **options: bool) -> dict[str, str]:
    with open_source(str(location), **options) as source:  # type: ignore[arg-type]  # only crops is passed
        assert source.kind == "coco"
        rows = list(source.items())
        assert [row.position for row in rows] == list(range(source.total))
        assert [row.name for row in source.items(1)] == [row.name for row in rows[1:]]
    return {row.name: str(row.label) if isinstance(row, Item) else f"!{row.code}" for row in rows}


_BOX = [10, 20, 30, 40]


def test_every_listed_and_unlisted_file_is_accounted_for(tmp_path: Path) -> None:
    """One label where boxes agree; each way of not having one is told apart."""
    folder = _set(
        tmp_path,
        {
            "agree.jpg": [(1, _BOX), (1, [0, 0, 5, 5])],
            "differ.jpg": [(1, _BOX), (2, _BOX)],
            "none.jpg": [],
            "unknown.jpg": [(9, _BOX)],
            "missing.jpg": [(1, _BOX)],
            "../outside.jpg": [(1, _BOX)],
        },
        missing=("missing.jpg", "../outside.jpg"),
    )
    (folder / "extra.jpg").write_bytes(photo())
    (folder / "README.txt").write_text("text")
    assert _codes(folder) == {
        "agree.jpg": "Glass",
        "differ.jpg": "!disagreeing-boxes",
        "none.jpg": "!no-label",
        "unknown.jpg": "!unknown-category",
        "missing.jpg": "!missing-file",
        "../outside.jpg": "!unsafe-path",
        "extra.jpg": "!not-listed",
        "README.txt": "!ignored",
        "_annotations.coco.json": "!ignored",
    }


def test_crops_make_one_picture_of_each_box(tmp_path: Path) -> None:
    """Each box becomes a picture of its own size; boxes without area or category are refused."""
    boxes = [
        (1, _BOX),
        (2, [100, 70, 90, 90]),
        (1, [5, 5, 0, 9]),
        (1, [500, 5, 9, 9]),
        (7, _BOX),
        (1, "wide"),
    ]
    folder = _set(tmp_path, {"a.jpg": boxes, "b.jpg": []})
    assert _codes(folder, crops=True) == {
        "a.jpg#0": "Glass",
        "a.jpg#1": "Metal",
        "a.jpg#2": "!degenerate-box",
        "a.jpg#3": "!degenerate-box",
        "a.jpg#4": "!unknown-category",
        "a.jpg#5": "!degenerate-box",
        "b.jpg": "!no-label",
        "_annotations.coco.json": "!ignored",
    }
    whole = decode((folder / "a.jpg").read_bytes())
    with open_source(str(folder), crops=True) as source:
        first, second = (row for row in source.items() if isinstance(row, Item))
        assert np.array_equal(decode(first.read()), whole[20:60, 10:40])
        assert np.array_equal(decode(second.read()), whole[70:90, 100:120])
        assert first.read() == first.read()
        assert any("3 boxes are degenerate" in problem for problem in source.problems)
        assert any("'waste'" in problem and "no class" in problem for problem in source.problems)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_in_a_turned_picture_holds_the_same_pixels(orientation: int) -> None:
    """A box counts in stored pixels, and its crop is upright, whichever way the camera was held."""
    upright = drawn(60, 40)
    stored = np.asarray(stored_turned(Image.fromarray(upright), orientation))
    marked = stored.copy()
    marked[5:15, 8:30] = 0
    data = encode(Image.fromarray(marked), "png", exif=exif_with(orientation))
    part = cut(decode(data), orientation, (stored.shape[1], stored.shape[0]), (8, 5, 30, 15))
    assert not part.any()
    assert part.shape[:2] == ((10, 22) if orientation < 5 else (22, 10))


def test_a_box_counts_in_the_upright_picture_where_the_size_says_so() -> None:
    """Some tools annotate the picture as it is seen; its size in the annotations then fits only that one."""
    upright = drawn(60, 40)
    assert np.array_equal(cut(upright, 6, (60, 40), (8, 5, 30, 15)), upright[5:15, 8:30])


def test_a_box_outside_of_the_real_picture_is_refused() -> None:
    """Annotations may claim another size than the picture has."""
    with pytest.raises(FileRefused, match="outside"):
        cut(drawn(60, 40), 1, (600, 400), (300, 300, 310, 310))


def test_one_annotation_file_at_the_root(tmp_path: Path) -> None:
    """A COCO JSON of any name serves, by the folder or by its own path; its name may tell the split."""
    folder = _set(tmp_path / "set", {"a.jpg": [(2, _BOX)]})
    (folder / "images").mkdir()
    (folder / "a.jpg").rename(folder / "images/a.jpg")
    (folder / "_annotations.coco.json").rename(folder / "instances_val2017.json")
    for location in (folder, folder / "instances_val2017.json"):
        with open_source(str(location)) as source:
            (item,) = (row for row in source.items() if isinstance(row, Item))
            assert (item.name, item.label, item.split) == ("images/a.jpg", "Metal", Split.VALIDATION)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "[" * 100_000])
def test_annotations_that_are_none_say_what_to_do(tmp_path: Path, text: str) -> None:
    """Broken JSON, or JSON of something else, refuses the set."""
    folder = _set(tmp_path, {"a.jpg": []})
    (folder / "_annotations.coco.json").write_text(text)
    with pytest.raises(SourceError, match="export them again"):
        open_source(str(folder))


def test_odd_records_are_told_and_not_lost(tmp_path: Path) -> None:
    """Records of the wrong shape, ids that stand twice and boxes of no picture end in a report."""
    folder = _set(tmp_path, {"a.jpg": [(1, _BOX)], "b.jpg": []})
    document = json.loads((folder / "_annotations.coco.json").read_text())
    document["images"] += [{"id": 0, "file_name": "b.jpg"}, {"id": 8}, 7, {"id": 9, "file_name": "a.jpg"}]
    document["annotations"] += [{"id": 1, "image_id": 99, "category_id": 1, "bbox": _BOX}, "box"]
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    with open_source(str(folder)) as source:
        codes = [row.label if isinstance(row, Item) else row.code for row in source.items()]
        assert codes == ["Glass", "no-label", "bad-row", "bad-row", "bad-row", "duplicate-name", "ignored"]
        assert any("2 boxes belong to no picture" in problem for problem in source.problems)


def _export() -> Path:
    folder = _DATA / "coco-dry-wet"
    if not folder.is_dir():
        pytest.skip(f"no COCO export at {folder}; set SORTLINE_TEST_DATA")
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_real_export_counts_as_its_annotations_do(tmp_path: Path, packed: bool) -> None:
    """Counts per class and split equal those of the JSON, counted here by hand, as a folder and as a ZIP."""
    folder = _export()
    expected: Counter[tuple[str, str]] = Counter()
    total = 0
    for part, split in (("train", "TRAIN"), ("valid", "VALIDATION"), ("test", "TEST")):
        document = json.loads((folder / part / "_annotations.coco.json").read_text())
        names = {category["id"]: category["name"] for category in document["categories"]}
        label_of = {box["image_id"]: names[box["category_id"]] for box in document["annotations"]}
        expected.update((label, split) for label in label_of.values())
        total += len(document["images"]) + 1
    location = folder
    if packed:
        location = tmp_path / "export.zip"
        with zipfile.ZipFile(location, "w") as archive:
            for place in sorted(folder.rglob("*")):
                archive.write(place, place.relative_to(folder))
    with open_source(str(location)) as source:
        assert (source.kind, source.total) == ("coco", total)
        items = [row for row in source.items() if isinstance(row, Item)]
        assert Counter((item.label, item.split.name) for item in items if item.split) == expected
        assert items[0].read() == (folder / items[0].name).read_bytes()


def test_a_real_export_gives_a_crop_for_each_box() -> None:
    """As many crops a class as boxes, each of the box's size."""
    with open_source(str(_export()), crops=True) as source:
        items = [row for row in source.items() if isinstance(row, Item)]
        assert len(items) == 240
        document = json.loads((_export() / "test/_annotations.coco.json").read_text())
        sizes = {str(box["id"]): box["bbox"][2:] for box in document["annotations"]}
        for item in items[:20]:
            height, width = decode(item.read()).shape[:2]
            expected = sizes[item.name.rpartition("#")[2]]
            assert abs(width - expected[0]) <= 1
            assert abs(height - expected[1]) <= 1
