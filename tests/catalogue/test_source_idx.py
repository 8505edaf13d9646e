"""idx files, as MNIST and Fashion-MNIST are published."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.idx import FASHION
from sortline.catalogue.sources.png import png
from sortline.catalogue.sources.source import Item, SourceError, open_source
from sortline.engine.image import decode
from tests.pictures import drawn

_DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def _write(folder: Path, part: str, count: int, packed: bool = False) -> np.ndarray:
    pixels = np.random.default_rng(count).integers(0, 256, (count, 4, 3), np.uint8)
    labels = bytes(number % 3 for number in range(count))
    files = {
        f"{part}-images-idx3-ubyte": struct.pack(">4I", 0x803, count, 4, 3) + pixels.tobytes(),
        f"{part}-labels-idx1-ubyte": struct.pack(">2I", 0x801, count) + labels,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return pixels


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_labels_and_splits(tmp_path: Path, packed: bool) -> None:
    """Pixels come back as PNG, train before test, from any position."""
    train, test = _write(tmp_path, "train", 7, packed), _write(tmp_path, "t10k", 4, packed)
    with open_source(str(tmp_path)) as source:
        assert (source.kind, source.total) == ("idx", 11)
        items = [row for row in source.items() if isinstance(row, Item)]
        for start in (0, 3, 7, 9, 11):
            assert [row.read() for row in source.items(start) if isinstance(row, Item)] == [
                item.read() for item in items[start:]
            ]
    assert items[0].name == "train/00000"
    assert items[10].name == "t10k/00003"
    assert [item.label for item in items] == ["0", "1", "2", "0", "1", "2", "0", "0", "1", "2", "0"]
    assert [item.split for item in items] == [Split.TRAIN] * 7 + [Split.TEST] * 4
    for item, pixels in zip(items, [*train, *test], strict=True):
        assert np.array_equal(decode(item.read())[..., 0], pixels)


def test_names_are_given_or_known(tmp_path: Path) -> None:
    """A folder of that name has Fashion-MNIST's classes; given names win; a label beyond them is refused."""
    _write(tmp_path / "Fashion-MNIST", "train", 3)
    with open_source(str(tmp_path / "Fashion-MNIST")) as source:
        assert [row.label for row in source.items() if isinstance(row, Item)] == list(FASHION[:3])
    with open_source(str(tmp_path / "Fashion-MNIST"), labels=["cat", "dog"]) as source:
        assert [row.label if isinstance(row, Item) else row.code for row in source.items()] == [
            "cat",
            "dog",
            "unknown-category",
        ]


@pytest.mark.parametrize("packed", [False, True])
def test_incomplete_files_are_refused(tmp_path: Path, packed: bool) -> None:
    """A file that was cut short, is of another kind, or does not match its labels refuses the whole."""
    suffix = ".gz" if packed else ""
    _write(tmp_path, "train", 50, packed)
    images, labels = (tmp_path / f"train-{name}-ubyte{suffix}" for name in ("images-idx3", "labels-idx1"))
    whole = images.read_bytes(), labels.read_bytes()
    for data in (b"", whole[0][:10], whole[0][: len(whole[0]) // 2], whole[0][:-1], whole[1]):
        images.write_bytes(data)
        with pytest.raises(SourceError, match="download it again"):
            open_source(str(tmp_path))
    images.write_bytes(whole[0])
    _write(tmp_path / "other", "train", 49, packed)
    labels.write_bytes((tmp_path / "other" / labels.name).read_bytes())
    with pytest.raises(SourceError, match="49 labels for 50 pictures"):
        open_source(str(tmp_path))
    labels.unlink()
    with pytest.raises(SourceError, match="labels are missing"):
        open_source(str(tmp_path))


def test_a_png_is_the_same_bytes_everywhere() -> None:
    """The hash of a picture's bytes is its name, so it must not change with a compressor."""
    data = png(np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert (
        hashlib.sha256(data).hexdigest() == "cca2584e9c7532e9e12c51caf4320d70de6df06f82f6a9df30492257a467103e"
    )
    for pixels in (drawn(300, 200), drawn(1, 1), drawn(120, 90)[..., 0]):
        found = decode(png(pixels))
        assert np.array_equal(found if pixels.ndim == 3 else found[..., 0], pixels)


def test_fashion_mnist_counts_as_published() -> None:
    """6,000 and 1,000 of each of ten classes."""
    folder = _DATA / "fashion-mnist"
    if not folder.is_dir():
        pytest.skip(f"no Fashion-MNIST at {folder}; set SORTLINE_TEST_DATA")
    with open_source(str(folder)) as source:
        counts = Counter((row.label, row.split) for row in source.items() if isinstance(row, Item))
    assert counts == {
        (name, split): n for name in FASHION for split, n in ((Split.TRAIN, 6000), (Split.TEST, 1000))
    }
