"""An import killed with SIGKILL at random moments, the short form of `benchmarks/importing.py --kill`."""

import gzip
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from import_kill import kill_imports
from tests.importing import folder_of, scene
from tests.pictures import drawn

PICTURES = 160


def _folder(root: Path) -> Path:
    return folder_of(root / "folder", {"Glass": PICTURES // 2, "Metal": PICTURES // 2}, side=200)


def _zip(root: Path) -> Path:
    folder = _folder(root)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for file in sorted(folder.rglob("*.jpg")):
            archive.write(file, file.relative_to(folder))
    return root / "photos.zip"


def _idx(root: Path) -> Path:
    folder = root / "idx"
    folder.mkdir()
    pixels = np.stack([drawn(28, 28, seed)[..., 0] for seed in range(PICTURES)])
    head = struct.pack(">IIII", 0x0803, PICTURES, 28, 28)
    labels = bytes(number % 10 for number in range(PICTURES))
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(head + pixels.tobytes())
    with gzip.open(folder / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">II", 0x0801, PICTURES) + labels)
    return folder


def _coco(root: Path) -> Path:
    folder = root / "coco" / "train"
    folder.mkdir(parents=True)
    images, boxes = [], []
    for number in range(PICTURES):
        name = f"{number:04d}.jpg"
        (folder / name).write_bytes(scene(120, number))
        images.append({"id": number, "file_name": name, "width": 120, "height": 120})
        boxes.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1 + number % 2,
                "bbox": [5, 5, 60, 50],
                "area": 3000,
            }
        )
    categories = [{"id": 1, "name": "Dry"}, {"id": 2, "name": "Wet"}]
    document = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return root / "coco"


@pytest.mark.parametrize("kind", ["folder", "zip", "idx", "coco"])
def test_a_killed_import_goes_on(kind: str, tmp_path: Path) -> None:
    """Run again it completes: every picture once, rows and pictures agree, and once more it adds nothing."""
    source = {"folder": _folder, "zip": _zip, "idx": _idx, "coco": _coco}[kind](tmp_path)
    found = kill_imports(source, tmp_path / "installations", kills=2, longest=0.3)
    assert found.sound, found
    assert (found.kind, found.kills, found.pictures) == (kind, 2, found.rounds * PICTURES)


def test_a_killed_import_goes_on_in_any_database(database_url: str, tmp_path: Path) -> None:
    """The same on SQLite and PostgreSQL, in a database that is there before."""
    found = kill_imports(
        _folder(tmp_path), tmp_path / "installations", kills=1, longest=0.2, database_url=database_url
    )
    assert found.sound, found
    assert found.pictures == PICTURES
