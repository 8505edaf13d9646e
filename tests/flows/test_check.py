"""`flows/check.py`: whatever does not agree between pictures and rows is found, and mended where nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, update

from sortline.catalogue.store import imports
from sortline.catalogue.tables import images
from sortline.db.session import writing
from sortline.engine.canonical import canonical
from sortline.flows.check import check_blobs
from sortline.jobs.process import new_runner
from sortline.storage.blobs import Blobs, Stored
from sortline.storage.local import LocalBlobs
from tests.importing import Line, folder_of


@pytest.fixture
def line(engine: Engine, tmp_path: Path) -> Iterator[Line]:
    """A line with four pictures."""
    blobs = LocalBlobs(tmp_path / "blobs")
    line = Line(engine=engine, blobs=blobs)
    line.load(folder_of(tmp_path / "in", {"Glass": 4}))
    yield line
    blobs.close()


def hash_of(tmp_path: Path, number: int) -> str:
    """The hash of a picture of the line."""
    return canonical((tmp_path / "in" / "Glass" / f"{number:04d}.jpg").read_bytes()).sha256.hex()


def blob_file(tmp_path: Path, name: str) -> Path:
    """Where a blob lies."""
    return tmp_path / "blobs" / name[:2] / name


def orphan(line: Line, tmp_path: Path, *, age: float) -> str:
    """A blob that no row names, so many seconds old."""
    name = sha256(b"left behind").hexdigest()
    line.blobs.put_many([(name, b"left behind")])
    os.utime(blob_file(tmp_path, name), (time.time() - age,) * 2)
    return name


def test_what_agrees_is_sound(line: Line) -> None:
    """Four pictures, four blobs, every hash right."""
    found = check_blobs(line.engine, line.blobs, deep=True)
    assert (found.pictures, found.blobs, found.sound) == (4, 4, True)


def test_an_orphan_is_told_and_removed(line: Line, tmp_path: Path) -> None:
    """Without `repair` it stays."""
    name = orphan(line, tmp_path, age=60)
    found = check_blobs(line.engine, line.blobs)
    assert [fault.sha256 for fault in found.orphans.examples] == [name]
    assert not found.sound
    found = check_blobs(line.engine, line.blobs, repair=True)
    assert (found.removed, found.sound) == (1, True)
    assert not line.blobs.exists(name)
    assert check_blobs(line.engine, line.blobs).blobs == 4


def test_a_new_blob_is_waited_for(line: Line, tmp_path: Path) -> None:
    """A server may be about to commit its row: it is looked at again when it is 10 s old."""
    name, slept = orphan(line, tmp_path, age=0), list[float]()
    found = check_blobs(line.engine, line.blobs, repair=True, sleep=slept.append)
    assert slept == [10.0]
    assert [fault.sha256 for fault in found.orphans.examples] == [name]


def test_while_an_import_runs_new_blobs_are_left(line: Line, tmp_path: Path) -> None:
    """Its pictures are on the disk before their rows: only those older than an hour are orphans for sure."""
    begun = line.start(folder_of(tmp_path / "more", {"Metal": 1}, first=50))
    with writing(line.engine) as session:
        imports.take(session, begun, new_runner())
    name = orphan(line, tmp_path, age=600)
    found = check_blobs(line.engine, line.blobs, repair=True)
    assert (found.young, found.orphans.count, line.blobs.exists(name)) == (1, 0, True)
    os.utime(blob_file(tmp_path, name), (time.time() - 4000,) * 2)
    assert check_blobs(line.engine, line.blobs, repair=True).removed == 1


class PutAgain:
    """A blob store whose blobs are put again by an import as soon as they have been listed; its rows follow later."""

    def __init__(self, blobs: LocalBlobs, again: tuple[str, bytes]) -> None:
        self._blobs, self._again = blobs, again

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def stored(self) -> Iterator[Stored]:
        """All blobs, as they were a moment ago."""
        yield from list(self._blobs.stored())
        self._blobs.put_many([self._again])


def test_an_orphan_that_is_put_again_stays(line: Line, tmp_path: Path) -> None:
    """An import has found the picture there and is about to commit its row: deleted now, it would be lost."""
    name = orphan(line, tmp_path, age=7200)
    blobs = PutAgain(LocalBlobs(tmp_path / "blobs"), (name, b"left behind"))
    found = check_blobs(line.engine, cast(Blobs, blobs), repair=True)
    assert (found.young, found.orphans.count, found.removed) == (1, 0, 0)
    assert line.blobs.get(name) == b"left behind"
    blobs.close()


def test_an_import_that_begins_meanwhile_keeps_its_pictures(line: Line, tmp_path: Path) -> None:
    """Its rows may take longer than the ten seconds that are waited for a server's."""
    begun = line.start(folder_of(tmp_path / "more", {"Metal": 1}, first=50))
    name = orphan(line, tmp_path, age=0)

    def begin(_: float) -> None:
        with writing(line.engine) as session:
            imports.take(session, begun, new_runner())

    found = check_blobs(line.engine, line.blobs, repair=True, sleep=begin)
    assert (found.young, found.orphans.count, line.blobs.exists(name)) == (1, 0, True)


def test_a_missing_picture_is_told_with_where_it_is_used(line: Line, tmp_path: Path) -> None:
    """Nothing can bring it back, so somebody must know what it was."""
    gone = hash_of(tmp_path, 2)
    blob_file(tmp_path, gone).unlink()
    found = check_blobs(line.engine, line.blobs, repair=True)
    (fault,) = found.missing.examples
    assert (fault.sha256, fault.used) == (gone, ("waste: Glass/0002.jpg",))
    assert not found.sound


def test_damaged_pictures_are_found(line: Line, tmp_path: Path) -> None:
    """One of another size at once, one of the same size by its hash with `deep`."""
    short, changed = hash_of(tmp_path, 0), hash_of(tmp_path, 1)
    blob_file(tmp_path, short).write_bytes(b"short")
    data = bytearray(blob_file(tmp_path, changed).read_bytes())
    data[-10] ^= 1
    blob_file(tmp_path, changed).write_bytes(data)
    assert {f.sha256 for f in check_blobs(line.engine, line.blobs).damaged.examples} == {short}
    found = check_blobs(line.engine, line.blobs, deep=True)
    assert {f.sha256 for f in found.damaged.examples} == {short, changed}


def test_bytes_of_an_erased_picture_are_removed(line: Line, tmp_path: Path) -> None:
    """A tombstone has no pixels; one without them is sound."""
    gone = hash_of(tmp_path, 3)
    with writing(line.engine) as session:
        session.execute(update(images).where(images.c.sha256 == gone).values(erased_at=datetime.now(UTC)))
    found = check_blobs(line.engine, line.blobs, repair=True)
    assert (found.undead.count, found.removed, line.blobs.exists(gone)) == (1, 1, False)
    assert check_blobs(line.engine, line.blobs).sound


def test_pictures_in_place_are_looked_for_there(engine: Engine, tmp_path: Path) -> None:
    """A file that is gone is missing, one that shows something else is found with `deep`."""
    blobs = LocalBlobs(tmp_path / "blobs")
    line = Line(engine=engine, blobs=blobs)
    folder = folder_of(tmp_path / "in", {"Glass": 3})
    line.load(folder, in_place=True)
    assert check_blobs(line.engine, blobs, deep=True).sound
    gone, changed = hash_of(tmp_path, 0), hash_of(tmp_path, 1)
    (folder / "Glass" / "0000.jpg").unlink()
    (folder / "Glass" / "0001.jpg").write_bytes((folder / "Glass" / "0002.jpg").read_bytes())
    assert {f.sha256 for f in check_blobs(engine, blobs).missing.examples} == {gone}
    assert {f.sha256 for f in check_blobs(engine, blobs, deep=True).missing.examples} == {gone, changed}
    blobs.close()
