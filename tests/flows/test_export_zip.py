"""An export as one ZIP while it is sent: what it holds, and that nothing of it is kept."""

import io
import json
import struct
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from sqlalchemy import Engine

from sortline.catalogue.entry import NewPicture, Split
from sortline.catalogue.layouts.layout import Format
from sortline.catalogue.store.entries import add_pictures
from sortline.db.session import writing
from sortline.flows.export_zip import _Names, export_zip
from sortline.flows.members import line_members
from sortline.flows.prepare import measured
from sortline.flows.zip_stream import ZipStream
from sortline.lines.store import add_classes, class_ids, create_line
from sortline.storage.objects import ObjectBlobs
from tests.pictures import photo

WHEN = datetime(2026, 11, 21, 12, 30, 10, tzinfo=UTC)


@pytest.fixture
def line(engine: Engine) -> tuple[Engine, ObjectBlobs, int]:
    """Five pictures of two classes, two of them called alike."""
    blobs = ObjectBlobs()
    with writing(engine) as session:
        line_id = create_line(session, "zipped").id
        add_classes(session, line_id, ["Glass", "T-shirt/top"])
        classes = class_ids(session, line_id, ["Glass", "T-shirt/top"])
        for seed, name in enumerate(("a.jpg", "b.jpg", "A.jpg", "c.jpg", "d.jpg")):
            stored, record = measured(photo(seed=seed), now=WHEN, source="test")
            blobs.put_many([(record.sha256, stored.data)])
            picture = NewPicture(
                image=record,
                class_id=classes["Glass" if seed < 3 else "T-shirt/top"],
                declared=Split.TRAIN,
                source="test",
                name=name,
            )
            add_pictures(session, line_id, [picture], origin="import", who="t", trained=lambda _: None)
    return engine, blobs, line_id


def archive(line: tuple[Engine, ObjectBlobs, int], format: Format, scratch: Path) -> zipfile.ZipFile:  # noqa: A002
    """The line's pictures as a ZIP."""
    engine, blobs, line_id = line
    chunks = export_zip(
        engine,
        blobs,
        line_members(engine, line_id),
        format,
        size=5,
        facts={"line": "zipped"},
        scratch=scratch,
    )
    return zipfile.ZipFile(io.BytesIO(b"".join(chunks)))


def test_a_zip_of_class_folders(line: tuple[Engine, ObjectBlobs, int], tmp_path: Path) -> None:
    """Every picture once, whole; names that differ in case alone do not meet on any file system."""
    found = archive(line, Format.FOLDERS, tmp_path / "scratch")
    assert found.testzip() is None
    pictures = [name for name in found.namelist() if name.endswith(".jpg")]
    assert len({name.casefold() for name in pictures}) == 5
    assert {name.rpartition("/")[0] for name in pictures} == {"train/Glass", "train/T-shirt_top"}
    blobs = line[1]
    assert all(blobs.exists(_sha256(found.read(name))) for name in pictures)
    summary = json.loads(found.read("sortline.json"))
    assert (summary["line"], summary["written"], summary["classes"]) == (
        "zipped",
        5,
        {"Glass": 3, "T-shirt/top": 2},
    )
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("format", [Format.COCO, Format.CSV, Format.PARQUET, Format.HUGGING_FACE])
def test_a_zip_has_what_lists_its_pictures(
    line: tuple[Engine, ObjectBlobs, int],
    tmp_path: Path,
    format: Format,  # noqa: A002
) -> None:
    """The manifests of the other formats stand in it too."""
    names = archive(line, format, tmp_path).namelist()
    expected = {
        Format.COCO: "train/_annotations.coco.json",
        Format.CSV: "manifest.csv",
        Format.PARQUET: "manifest.parquet",
        Format.HUGGING_FACE: "train/metadata.parquet",
    }
    assert expected[format] in names
    assert len(names) == 7


def test_one_that_nobody_reads_to_the_end_leaves_nothing(
    line: tuple[Engine, ObjectBlobs, int], tmp_path: Path
) -> None:
    """A client that hangs up closes the iterator; the lists on the disk go with it."""
    (engine, blobs, line_id), scratch = line, tmp_path / "scratch"
    chunks = export_zip(
        engine, blobs, line_members(engine, line_id), Format.CSV, size=5, facts={}, scratch=scratch
    )
    next(iter(chunks))
    assert list(scratch.iterdir()) != []
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert list(scratch.iterdir()) == []


def test_a_picture_that_is_gone_is_counted(line: tuple[Engine, ObjectBlobs, int], tmp_path: Path) -> None:
    """Its archive is whole without it and says so."""
    line[1].delete(_sha256(photo(seed=0)))
    summary = json.loads(archive(line, Format.FOLDERS, tmp_path).read("sortline.json"))
    assert (summary["written"], summary["lost"]) == (4, 1)


def test_many_files_make_a_zip64(tmp_path: Path) -> None:
    """More than 65,535 files, read by Python's own reader and by unzip where there is one."""
    path = tmp_path / "many.zip"
    with TemporaryFile() as table, path.open("wb") as file:
        stream = ZipStream(table, WHEN)
        for number in range(70_000):
            file.write(stream.add(f"{number}.txt", b"%d" % number))
        for block in stream.finish():
            file.write(block)
    with zipfile.ZipFile(path) as found:
        assert len(found.namelist()) == 70_000
        assert found.read("69999.txt") == b"69999"
        assert found.getinfo("7.txt").date_time == (2026, 11, 21, 12, 30, 10)


def test_beyond_four_gigabytes_offsets_are_long() -> None:
    """The table of contents names where a file begins behind 4 GiB."""
    with TemporaryFile() as table:
        stream = ZipStream(table, WHEN)
        stream._offset = 5 << 30
        stream.add("late.jpg", b"x")
        end = b"".join(stream.finish())
    assert struct.pack("<HHQ", 1, 8, 5 << 30) in end
    assert end.count(b"PK\x06\x06") == end.count(b"PK\x06\x07") == 1


def test_memory_stays_flat() -> None:
    """A hundred thousand pictures' names cost what was set aside for them, and no more."""
    names = _Names(100_000)
    tracemalloc.start()
    taken = sum(
        names.take("images/0000", (f"{n}.jpg", f"{n}-x.jpg", f"{n:064x}.jpg")) == f"{n}.jpg"
        for n in range(100_000)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert taken > 98_000


def _sha256(data: bytes) -> str:
    stored, _ = measured(data, now=WHEN, source="test")
    return stored.sha256.hex()
