"""A bundle is whole, known and unchanged, or it is refused by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sortline.engine.bundle import BundleError, npz, read_bundle, write_bundle
from sortline.engine.packaged import packaged_bundles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the packaged bundle that a test may damage."""
    return Path(shutil.copytree(packaged_bundles()["waste"], tmp_path / "waste"))


def edit(folder: Path, **changes: object) -> None:
    """The manifest with other values."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_packaged_bundle_fits_its_limits() -> None:
    """The starter's network has at most 12 MB and the whole bundle 20 MB."""
    folder = packaged_bundles()["waste"]
    assert (folder / "model.onnx").stat().st_size <= 12e6
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 20e6


def test_writing_what_was_read_gives_the_same_bundle(folder: Path, tmp_path: Path) -> None:
    """The hash depends on the content alone, not on where or when it was written."""
    bundle = read_bundle(folder)
    files = {name: (folder / name).read_bytes() for name in bundle.manifest.files}
    assert write_bundle(tmp_path / "again", bundle.manifest, files).hash == bundle.hash


@pytest.mark.parametrize("name", ["model.onnx", "ood.npz", "memory.npz", "golden.npz", "card.md"])
def test_changed_file_is_named(folder: Path, name: str) -> None:
    """One flipped byte anywhere is found."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        read_bundle(folder)


def test_missing_file_is_named(folder: Path) -> None:
    """A bundle without one of its files is refused."""
    (folder / "memory.npz").unlink()
    with pytest.raises(BundleError, match=r"memory\.npz missing"):
        read_bundle(folder)


def test_unknown_file_is_named(folder: Path) -> None:
    """A file this version does not know is refused, not ignored."""
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra\.bin"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 2}, "format 1"),
        ({"surprise": 1}, "surprise"),
        ({"temperature": 0}, "temperature"),
        ({"policy": {"luck": 1}}, "luck"),
        ({"preprocessing": {"size": 224, "sharpen": True}}, "sharpen"),
        ({"classes": ["one", "two"]}, r"golden\.npz"),
    ],
)
def test_what_a_manifest_may_not_say_is_named(folder: Path, changes: dict[str, object], named: str) -> None:
    """Readers reject what they do not understand, by name."""
    edit(folder, **changes)
    with pytest.raises(BundleError, match=named):
        read_bundle(folder)


def test_arrays_that_do_not_fit_are_named(folder: Path) -> None:
    """Hashes alone are not enough: shapes are held against the manifest."""
    bundle = read_bundle(folder)
    files = {name: (folder / name).read_bytes() for name in bundle.manifest.files}
    files["golden.npz"] = npz(pixels=np.zeros((1, 8, 8, 3), np.uint8), logits=np.zeros((1, 9), np.float32))
    with pytest.raises(BundleError, match=r"golden\.npz"):
        write_bundle(folder.with_name("wrong"), bundle.manifest, files)


def test_folder_without_bundle_says_so(tmp_path: Path) -> None:
    """An empty folder is no bundle."""
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        read_bundle(tmp_path)
