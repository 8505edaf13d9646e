"""What goes and what stays when a picture is erased, a class merged; what bundles were trained on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from sortline.catalogue.entry import Split
from sortline.catalogue.store.entries import get_entries, get_entry
from sortline.catalogue.store.images import get_image
from sortline.catalogue.store.labels import history, label, undo
from sortline.catalogue.store.summaries import line_summary
from sortline.catalogue.tables import near_recent
from sortline.db.session import Session, reading, writing
from sortline.engine.packaged import packaged_bundles
from sortline.flows.classes import merge_classes
from sortline.flows.erase import erase, erase_source
from sortline.flows.lines import register_folder
from sortline.flows.trained import Trained, trained_lookup
from sortline.lines.classes import merge_class, resolve_class, restore_class
from sortline.registry.store import register_bundle
from sortline.storage.blobs import Blobs
from sortline.storage.objects import ObjectBlobs
from tests.catalogue.test_entries_store import add, line_with, picture


def stored(session: Session, blobs: Blobs, small: Blobs) -> tuple[int, int, str]:
    """A picture of Glass with its blob and thumbnail: line, entry, hash."""
    line, (glass,) = line_with(session, "Glass")
    new = picture("anna.jpg", glass, declared=Split.TRAIN, looks=1)
    new = replace(new, image=replace(new.image, client="10.0.0.7", embedding=b"1234"))
    blobs.put_many([(new.image.sha256, b"pixels")])
    small.put_many([(new.image.sha256, b"few pixels")])
    return line, add(session, line, new)[0].entry_id or 0, new.image.sha256


def test_what_shows_a_picture_goes_and_what_counts_it_stays(engine: Engine) -> None:
    """Pixels, fingerprint, embedding and names; not its membership, label and counts."""
    blobs, small = ObjectBlobs(), ObjectBlobs()
    with writing(engine) as session:
        line, entry_id, sha256 = stored(session, blobs, small)
        counts = line_summary(session, line).counts
    done = erase(engine, blobs, {160: small}, [sha256, "0" * 64])
    assert (done.erased, done.already, done.unknown) == ((sha256,), (), ("0" * 64,))
    assert not blobs.exists(sha256)
    assert not small.exists(sha256)
    with reading(engine) as session:
        image, entry = get_image(session, sha256), get_entry(session, line, sha256)
        assert image is not None
        assert image.erased_at is not None
        assert (image.phash, image.embedding, image.client, entry.name) == (None, None, None, None)
        assert (image.width, entry.id, entry.class_id is not None) == (200, entry_id, True)
        assert session.scalar(select(func.count()).select_from(near_recent)) == 0
        assert line_summary(session, line).counts == counts


def test_an_erased_picture_is_not_taken_again(engine: Engine) -> None:
    """Neither where it was nor on another line; and nothing is near it any more."""
    blobs = ObjectBlobs()
    with writing(engine) as session:
        line, entry_id, sha256 = stored(session, blobs, ObjectBlobs())
    erase(engine, blobs, {}, [sha256])
    with writing(engine) as session:
        (again,) = add(session, line, picture("anna.jpg", None, looks=1))
        assert (again.outcome, again.entry_id, again.problems[0].code) == ("erased", entry_id, "erased")
        add(session, line, picture("copy.jpg", None, looks=1, declared=Split.TEST))
        copy = get_entry(session, line, picture("copy.jpg", None).image.sha256)
        assert copy.group_id is None
        image = get_image(session, sha256)
        assert image is not None
        assert image.phash is None


def test_a_crash_before_the_files_are_gone_is_mended_by_doing_it_again(engine: Engine) -> None:
    """The tombstone stands first."""

    class Broken(ObjectBlobs):
        def delete(self, sha256: str) -> None:
            raise OSError("power cut")

    blobs, small = Broken(), ObjectBlobs()
    with writing(engine) as session:
        _, _, sha256 = stored(session, blobs, small)
    with pytest.raises(OSError, match="power cut"):
        erase(engine, blobs, {160: small}, [sha256])
    with reading(engine) as session:
        image = get_image(session, sha256)
        assert image is not None
        assert image.erased_at is not None
    assert erase(engine, ObjectBlobs(), {160: small}, [sha256]).already == (sha256,)
    assert not small.exists(sha256)


def test_everything_of_a_source_is_erased(engine: Engine) -> None:
    """And nothing else."""
    blobs = ObjectBlobs()
    with writing(engine) as session:
        line, _ = line_with(session)
        add(session, line, picture("a", None, source="camera 7"), picture("b", None, source="camera 8"))
    done = erase_source(engine, blobs, {}, line, "camera 7")
    assert done.erased == (hashlib.sha256(b"a").hexdigest(),)


def test_merged_classes_relabel_their_pictures_and_can_be_taken_back(engine: Engine) -> None:
    """A merge that was cut short after the registry goes on where it stopped."""
    with writing(engine) as session:
        line, (tin, metal) = line_with(session, "Tin", "Metal")
        ids = [one.entry_id or 0 for one in add(session, line, *(picture(str(n), tin) for n in range(5)))]
        merge_class(session, line, "Tin", "Metal", who="anna")
        label(session, line, ids[:2], metal, origin="merge", who="anna")
    merged = merge_classes(engine, line, "Tin", "Metal", who="anna")
    assert merged.relabelled == 3
    assert merge_classes(engine, line, "Tin", "Metal", who="anna").relabelled == 0
    with writing(engine) as session:
        assert {entry.class_id for entry in get_entries(session, line, ids).values()} == {metal}
        assert resolve_class(session, line, "Tin").id == metal
        restore_class(session, line, "Tin", who="anna")
        assert undo(session, line, history(session, ids[0])[-1].id, who="anna").class_id == tin


def test_the_part_a_bundle_had_a_picture_in_is_found() -> None:
    """Where bundles differ, the part that shaped one most."""
    hashes = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(4)]
    prefixes = np.array([int(h[:16], 16) for h in (hashes[0], hashes[1], hashes[2], hashes[1])], np.uint64)
    trained = Trained(prefixes, np.array([2, 2, 1, 0], np.uint8))
    assert [trained(h) for h in hashes] == [Split.TEST, Split.TRAIN, Split.VALIDATION, None]


def test_every_picture_in_a_registered_bundle_is_known(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bundle whose folder is gone is passed over and named."""
    folder = next(iter(packaged_bundles().values()))
    with np.load(folder / "memory.npz") as arrays:
        prefixes, splits = arrays["prefixes"], arrays["splits"]
    with writing(engine) as session:
        register_folder(session, tmp_path, folder)
        register_bundle(session, hash="12" * 32, name="lost", path="/nowhere", classes=("a", "b"), metrics={})
        trained = trained_lookup(session, tmp_path)
    assert len(trained) == len(prefixes)
    assert "bundle lost" in caplog.text
    parts = (Split.TRAIN, Split.VALIDATION, Split.TEST)
    for prefix, split in list(zip(prefixes.tolist(), splits.tolist(), strict=True))[:50]:
        assert trained(f"{prefix:016x}{'0' * 48}") is parts[split]
