"""`flows/bundle_files.py`: a bundle's files find their way to every machine, whole or not at all."""

import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sortline.db.session import reading, writing
from sortline.engine.bundle import BundleError
from sortline.flows.bundle_files import bundle_from_zip, bundle_zip, usable
from sortline.flows.check import check_blobs
from sortline.flows.lines import find_bundle, import_bundle, know_bundle
from sortline.registry.store import bundle_blobs, get_bundle
from sortline.storage.local import LocalBlobs
from tests.bundles import starter


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """An empty store."""
    return LocalBlobs(tmp_path / "blobs")


def zipped(folder: Path) -> Path:
    """The packaged bundle as a ZIP."""
    archive = folder / "waste.zip"
    archive.write_bytes(b"".join(bundle_zip(starter(), datetime.now(UTC), folder)))
    return archive


def test_another_machine_finds_the_bundle_in_the_blob_store(
    engine: Engine, blobs: LocalBlobs, tmp_path: Path
) -> None:
    """What was imported here from a ZIP is there, too, verified, though nothing was copied by hand."""
    here, there = tmp_path / "here", tmp_path / "there"
    record = import_bundle(engine, here, blobs, zipped(tmp_path))
    shutil.rmtree(here)
    found = usable(record, there, blobs)
    assert (found.hash, found.folder) == (starter().hash, there / record.hash)
    assert [path.name for path in there.iterdir()] == [record.hash]


def test_a_damaged_folder_is_fetched_anew(engine: Engine, blobs: LocalBlobs, tmp_path: Path) -> None:
    """A power cut may have left an empty file in the folder; the blob store flushes what it keeps."""
    record = import_bundle(engine, tmp_path / "bundles", blobs, starter().folder)
    (tmp_path / "bundles" / record.hash / "head.npz").write_bytes(b"")
    assert usable(record, tmp_path / "bundles", blobs).head() is not None
    blobs.delete(starter().manifest.files["model.onnx"])
    (tmp_path / "bundles" / record.hash / "head.npz").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.onnx is neither"):
        usable(record, tmp_path / "bundles", blobs)


def test_a_bundle_of_an_older_installation_goes_to_the_blob_store(
    engine: Engine, blobs: LocalBlobs, tmp_path: Path
) -> None:
    """It is used where it lies, and brought to where all find it as soon as somebody names it."""
    with writing(engine) as session:
        record = find_bundle(session, tmp_path / "bundles", "waste")
    assert record.manifest is None
    assert usable(record, tmp_path / "bundles", blobs).hash == record.hash
    assert know_bundle(engine, tmp_path / "bundles", blobs, record.hash[:8]).manifest is not None
    with reading(engine) as session:
        assert all(blobs.exists(sha256) for sha256 in bundle_blobs(session))
        assert get_bundle(session, record.hash).document["name"] == "waste"  # type: ignore[index]  # it is there


def test_bundles_files_are_no_orphans(engine: Engine, blobs: LocalBlobs, tmp_path: Path) -> None:
    """`data check` leaves them alone, notices one that is gone, and reads them all with `deep`."""
    import_bundle(engine, tmp_path / "bundles", blobs, starter().folder)
    report = check_blobs(engine, blobs, deep=True, repair=True, sleep=lambda _: None)
    assert (report.sound, report.files, report.removed) == (True, len(starter().manifest.files), 0)
    blobs.delete(starter().manifest.files["card.md"])
    report = check_blobs(engine, blobs, sleep=lambda _: None)
    assert [fault.detail for fault in report.missing.examples] == [
        "its bytes are gone; it is a bundle's file"
    ]


@pytest.mark.parametrize("name", ["../model.onnx", "a/b/model.onnx", "evil.py"])
def test_a_zip_with_anything_else_is_refused(name: str, tmp_path: Path) -> None:
    """By the file's name, and nothing lies outside of the folder."""
    archive = zipped(tmp_path)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, b"x")
    with pytest.raises(BundleError):
        bundle_from_zip(archive, tmp_path / "in" / "bundle")
    assert not (tmp_path / "evil.py").exists()


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    """One line that says so."""
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    with pytest.raises(BundleError, match="no ZIP"):
        bundle_from_zip(tmp_path / "x.zip", tmp_path / "out")
