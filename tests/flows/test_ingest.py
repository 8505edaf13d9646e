"""Importing: every file is taken once or stands in the report, whatever ends the import in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine, select, update

from sortline.catalogue.importing import Import, ImportBusy, ImportLost, State
from sortline.catalogue.sources.item import Item
from sortline.catalogue.store import imports
from sortline.catalogue.tables import images
from sortline.catalogue.tables import imports as imports_table
from sortline.catalogue.version import InvalidVersionName, VersionNameTaken
from sortline.db.session import reading, writing
from sortline.engine.canonical import canonical
from sortline.flows.finish import finish_import
from sortline.flows.ingest import SourceLost, run_import
from sortline.flows.prepare import Ahead
from sortline.jobs.process import new_runner
from sortline.lines import classes
from sortline.storage.errors import StorageUnavailable
from sortline.storage.local import LocalBlobs
from tests.importing import Line, folder_of
from tests.pictures import bad_inputs, drawn, encode, exif_with, photo, stored_turned


@pytest.fixture
def line(engine: Engine, tmp_path: Path) -> Iterator[Line]:
    """An empty line, its pictures in a folder."""
    blobs = LocalBlobs(tmp_path / "blobs")
    yield Line(engine=engine, blobs=blobs)
    blobs.close()


def test_a_folder_is_imported_by_its_class_folders(line: Line, tmp_path: Path) -> None:
    """Each picture once, under its folder's class, with its bytes stored and its looks measured."""
    found = line.load(folder_of(tmp_path / "in", {"Glass": 5, "Metal": 3}))
    assert (found.state, found.done, found.total) == (State.DONE, 8, 8)
    assert found.outcomes == {"added": 8}
    labels = line.labelled()
    assert sorted(labels.values(), key=str) == ["Glass"] * 5 + ["Metal"] * 3
    with reading(line.engine) as session:
        rows = session.execute(select(images)).all()
    assert all(line.blobs.exists(row.sha256) for row in rows)
    assert {(row.width, row.height, row.format, row.source) for row in rows} == {(64, 64, "jpeg", "import")}
    assert all(row.phash and row.sharpness > 0 and 0 < row.brightness < 255 for row in rows)


def test_importing_again_adds_nothing(line: Line, tmp_path: Path) -> None:
    """The same folder a second time: every picture is known, and no row is added."""
    folder = folder_of(tmp_path / "in", {"Glass": 6, "Metal": 6})
    line.load(folder)
    before = line.rows()
    again = line.load(folder)
    assert again.outcomes == {"known": 12}
    assert line.rows() == before


def test_every_file_is_taken_or_reported(line: Line, tmp_path: Path) -> None:
    """Odd pictures are taken, broken files are refused, each with its own reason; nothing is dropped silently."""
    folder = tmp_path / "in" / "Glass"
    folder.mkdir(parents=True)
    upright = Image.fromarray(drawn(120, 90, 1))
    sixteen = Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16))
    frames = [Image.fromarray(drawn(80, 60, seed)) for seed in (3, 4)]
    good = {
        "cmyk.jpg": encode(Image.fromarray(drawn(100, 80, 2)).convert("CMYK"), "jpeg", subsampling=2),
        "sixteen.png": encode(sixteen, "png"),
        "turned.jpg": encode(stored_turned(upright, 6), "jpeg", exif=exif_with(6)),
        "moving.gif": encode(frames[0], "gif", save_all=True, append_images=frames[1:]),
    }
    bad = {f"{name.replace(' ', '-')}.jpg": data for name, data in bad_inputs().items()}
    for name, data in (good | bad).items():
        (folder / name).write_bytes(data)
    found = line.load(tmp_path / "in")
    report = {Path(name).name: problems[0].code for name, problems in line.problems(found).items()}
    assert {Path(name).name for name in line.labelled()} == set(good)
    assert report == {
        "empty.jpg": "empty",
        "text.jpg": "not-an-image",
        "truncated-JPEG.jpg": "truncated-image",
        "truncated-PNG.jpg": "truncated-image",
        "huge-PNG.jpg": "too-many-pixels",
        "PDF.jpg": "unsupported-format",
    }
    assert sum(found.outcomes.values()) == found.total == len(good) + len(bad)
    with reading(line.engine) as session:
        turned = canonical(good["turned.jpg"]).sha256.hex()
        row = session.execute(select(images).where(images.c.sha256 == turned)).one()
    assert (row.width, row.height) == (120, 90)


def test_an_unknown_class_is_refused_where_asked(line: Line, tmp_path: Path) -> None:
    """With `new_classes` off, pictures of a class nobody knows stay out, bytes and all."""
    with writing(line.engine) as session:
        classes.add_classes(session, line.id, ["Glass"])
    folder = folder_of(tmp_path / "in", {"Glass": 2, "Metal": 2})
    found = line.load(folder, new_classes=False)
    assert found.outcomes == {"added": 2, "refused": 2}
    assert found.problems == {"unknown-class": 2}
    refused = [canonical(file.read_bytes()).sha256.hex() for file in (folder / "Metal").iterdir()]
    assert not any(line.blobs.exists(sha256) for sha256 in refused)


def test_a_class_is_found_by_its_former_name(line: Line, tmp_path: Path) -> None:
    """A label from before a rename leads to the class of today."""
    with writing(line.engine) as session:
        classes.add_classes(session, line.id, ["Glass"])
        classes.rename_class(session, line.id, "Glass", "Bottle glass", who="tester")
    line.load(folder_of(tmp_path / "in", {"Glass": 2}))
    assert set(line.labelled().values()) == {"Bottle glass"}


def test_a_retired_class_is_given_to_no_new_picture(line: Line, tmp_path: Path) -> None:
    """Its pictures are refused, with what to do; the others are taken."""
    with writing(line.engine) as session:
        classes.add_classes(session, line.id, ["Glass"])
        classes.retire_class(session, line.id, "Glass", who="tester")
    found = line.load(folder_of(tmp_path / "in", {"Glass": 2, "Metal": 2}))
    assert found.problems == {"retired-class": 2}
    assert set(line.labelled().values()) == {"Metal"}


def test_one_picture_under_two_labels_is_a_conflict(line: Line, tmp_path: Path) -> None:
    """The label it had first stays, and the report names the file; with `relabel` the new one is taken."""
    data = photo(64, 64, 7)
    for name in ("Glass", "Metal"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "a.jpg").write_bytes(data)
    found = line.load(tmp_path / "in")
    assert found.problems["label-conflict"] == 1
    assert set(line.labelled().values()) == {"Glass"}
    line.load(tmp_path / "in" / "Metal", relabel=True, label="Metal")
    assert set(line.labelled().values()) == {"Metal"}


def test_an_import_that_was_stopped_goes_on(line: Line, tmp_path: Path) -> None:
    """Stopped behind its first chunk, it keeps that, and the next run takes the rest, each picture once."""
    folder = folder_of(tmp_path / "in", {"Glass": 90, "Metal": 90})
    stop = threading.Event()
    first = line.load(folder, stop=stop, progress=lambda _: stop.set())
    assert first.state is State.QUEUED
    assert 0 < first.done < 180
    second = line.load(folder)
    assert (second.id, second.state, second.done) == (first.id, State.DONE, 180)
    assert second.outcomes == {"added": 180}


def test_a_source_that_changed_is_read_from_the_start(line: Line, tmp_path: Path) -> None:
    """Positions would mean other files: everything is looked at again, and nothing is added twice."""
    folder = folder_of(tmp_path / "in", {"Glass": 100})
    stop = threading.Event()
    first = line.load(folder, stop=stop, progress=lambda _: stop.set())
    (folder / "Glass" / "0000a.jpg").write_bytes(photo(64, 64, 900))
    second = line.load(folder)
    assert second.done == second.total == 101
    assert second.outcomes == {"known": first.done, "added": 101 - first.done}


def test_two_processes_never_run_one_import(line: Line, tmp_path: Path) -> None:
    """While its process is alive nobody else gets it; once that is silent for 15 s anybody does, and it stops."""
    begun = line.start(folder_of(tmp_path / "in", {"Glass": 150}))
    seen: list[str] = []

    def meddle(_: Import) -> None:
        if seen:
            return
        with pytest.raises(ImportBusy):
            run_import(line.tools, begun.id)
        silent = datetime.now(UTC) - timedelta(seconds=16)
        with writing(line.engine) as session:
            session.execute(update(imports_table).values(heartbeat_at=silent))
        seen.append(run_import(line.tools, begun.id).state)

    with pytest.raises(ImportLost):
        run_import(line.tools, begun.id, progress=meddle)
    assert seen == [State.DONE]
    assert line.rows()["entries"] == 150


def test_an_import_of_a_dead_process_is_free_at_once(line: Line, tmp_path: Path) -> None:
    """A process that is known to have ended on this machine need not be waited for."""
    begun = line.start(folder_of(tmp_path / "in", {"Glass": 3}))
    host, _, begin, turn = new_runner().rsplit("/", 3)
    dead = f"{host}/{2**22 - 7}/{begin}/{turn}"
    with writing(line.engine) as session:
        assert imports.take(session, begun, dead)
    assert run_import(line.tools, begun.id).state is State.DONE


def test_a_name_that_is_taken_is_refused_before_any_file_is_read(line: Line, tmp_path: Path) -> None:
    """When it is asked for, and again when the import begins; the import whose version has the name goes on."""
    folder = folder_of(tmp_path / "in", {"Glass": 3})
    queued = line.start(folder, name="spring")
    with pytest.raises(InvalidVersionName):
        line.start(folder, name="12")
    other = line.start(folder_of(tmp_path / "other", {"Metal": 3}, first=50), name="spring")
    done = run_import(line.tools, queued.id, finish=finish_import)
    assert done.version_id is not None
    with pytest.raises(VersionNameTaken):
        line.start(folder, name="spring")
    assert line.start(folder, name="spring", version=False).state is State.QUEUED
    with pytest.raises(VersionNameTaken):
        run_import(line.tools, other.id, finish=finish_import)
    assert line.rows()["entries"] == 3
    with writing(line.engine) as session:
        session.execute(update(imports_table).where(imports_table.c.id == done.id).values(state=State.FAILED))
    assert line.start(folder, name="spring").id == done.id
    assert run_import(line.tools, done.id, finish=finish_import).state is State.DONE


def test_a_cancelled_import_stops(line: Line, tmp_path: Path) -> None:
    """Cancelled by somebody else, it ends at its next chunk and stays cancelled."""
    begun = line.start(folder_of(tmp_path / "in", {"Glass": 150}))

    def cancel(found: Import) -> None:
        with writing(line.engine) as session:
            imports.cancel(session, found.id)

    with pytest.raises(ImportLost, match="was cancelled"):
        run_import(line.tools, begun.id, progress=cancel)
    with reading(line.engine) as session:
        assert imports.get(session, begun.id).state is State.CANCELLED


class FullDisk(LocalBlobs):
    """Takes one chunk and then no more."""

    chunks = 1

    def put_many(self, blobs: object) -> None:
        """See `Blobs`."""
        if self.chunks == 0:
            raise StorageUnavailable(Path("blobs"), "No space left on device")
        self.chunks -= 1
        super().put_many(blobs)  # type: ignore[arg-type]  # passed on as it came


def test_a_full_disk_fails_the_import_and_keeps_what_was_done(engine: Engine, tmp_path: Path) -> None:
    """The error says what is full; once there is room, the import goes on where it was."""
    disk = FullDisk(tmp_path / "blobs")
    line = Line(engine=engine, blobs=disk)
    folder = folder_of(tmp_path / "in", {"Glass": 150})
    with pytest.raises(StorageUnavailable, match="No space left"):
        line.load(folder)
    failed = line.start(folder)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert "No space left" in failed.error
    assert 0 < failed.done == line.rows()["entries"] < 150
    disk.chunks = 1000
    assert line.load(folder).outcomes == {"added": 150}
    disk.close()


def test_a_source_that_goes_away_fails_the_import(line: Line, tmp_path: Path) -> None:
    """Fifty files in a row that the system cannot read are a lost disk, not bad files: it can go on later."""
    folder = folder_of(tmp_path / "in", {"Glass": 60})
    begun = line.start(folder)
    kept = {file: file.read_bytes() for file in folder.rglob("*.jpg")}

    class Gone:
        """The same listing, but nothing can be read."""

        def __init__(self) -> None:
            from sortline.catalogue.sources.source import open_source

            self._source = open_source(str(folder))
            self.kind, self.location = self._source.kind, self._source.location
            self.total, self.fingerprint = self._source.total, self._source.fingerprint
            self.problems = self._source.problems

        def items(self, start: int = 0) -> Iterator[Item]:
            for item in self._source.items(start):
                assert isinstance(item, Item)
                yield Item(position=item.position, name=item.name, label=item.label, split=None, read=_dead)

        def close(self) -> None:
            self._source.close()

        def __enter__(self) -> Gone:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    with pytest.raises(SourceLost, match="run the import again"):
        run_import(line.tools, begun.id, source=Gone())
    assert line.load(folder).outcomes == {"added": len(kept)}


def _dead() -> bytes:
    raise OSError(5, os.strerror(5))


def test_pictures_can_stay_where_they_lie(line: Line, tmp_path: Path) -> None:
    """In place nothing is copied; the row says where the file is."""
    folder = folder_of(tmp_path / "in", {"Glass": 3})
    line.load(folder, in_place=True)
    with reading(line.engine) as session:
        places = {row.sha256: row.place for row in session.execute(select(images))}
    assert set(places.values()) == {str(file) for file in folder.rglob("*.jpg")}
    assert not any(line.blobs.exists(sha256) for sha256 in places)


def test_an_erased_picture_is_not_taken_again(line: Line, tmp_path: Path) -> None:
    """Its tombstone refuses it, and no bytes of it are written."""
    folder = folder_of(tmp_path / "in", {"Glass": 2})
    line.load(folder)
    gone = canonical((folder / "Glass" / "0000.jpg").read_bytes()).sha256.hex()
    line.blobs.delete(gone)
    with writing(line.engine) as session:
        erased = update(images).where(images.c.sha256 == gone).values(erased_at=datetime.now(UTC))
        session.execute(erased)
    found = line.load(folder)
    assert found.problems == {"erased": 1}
    assert not line.blobs.exists(gone)


def test_ahead_keeps_order_and_bounds() -> None:
    """Results come in the items' order, and no more wait than allowed."""
    made, taken, most = 0, 0, 0
    lock = threading.Lock()

    def slow(number: int) -> int:
        nonlocal made, most
        time.sleep(0.002 if number % 7 == 0 else 0)
        with lock:
            made += 1
            most = max(most, made - taken)
        return number

    ahead = Ahead(iter(range(1, 300)), slow, threads=4, size=lambda _: 10, most=20, most_bytes=100)
    found: list[int] = []
    while not ahead.finished:
        with lock:
            taken = len(found) + 5  # at most, from now on
        found += ahead.take(5, seconds=1)
        with lock:
            taken = len(found)
    ahead.close()
    assert found == list(range(1, 300))
    assert most <= 10 + 4


def test_ahead_raises_what_its_items_raise_after_what_came_before() -> None:
    """What was made before the source broke is taken first."""

    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the cable")

    ahead = Ahead(broken(), lambda number: number, threads=2, size=lambda _: 0)
    found: list[int] = []
    while len(found) < 2:
        found += ahead.take(10, seconds=0.1)
    with pytest.raises(OSError, match="the cable"):
        ahead.take(10, seconds=1)
    ahead.close()
    assert found == [1, 2]
