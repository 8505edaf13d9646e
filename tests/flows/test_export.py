"""Exports: what is written is read again with the same labels, splits and hashes. On both databases."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyarrow import parquet
from sqlalchemy import Engine

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.layouts.layout import ExportMember, Format
from sortline.catalogue.sources.item import Item
from sortline.catalogue.sources.source import open_source
from sortline.catalogue.store.images import add_images
from sortline.db.session import writing
from sortline.engine.canonical import canonical
from sortline.flows.export import SUMMARY, CannotExport, Exported, TargetTaken, export
from sortline.storage.objects import ObjectBlobs
from tests.pictures import drawn, encode, photo

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)


@pytest.fixture
def blobs() -> ObjectBlobs:
    """Pictures in memory."""
    return ObjectBlobs()


@pytest.mark.parametrize("chosen", list(Format), ids=str)
def test_what_was_exported_imports_as_it_was(
    chosen: Format, engine: Engine, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    """Labels, splits and hashes come back through the importer, whatever the layout."""
    members = [_kept(engine, blobs, seed, "Glass" if seed % 2 else "Food, Organics") for seed in range(24)]
    exported = export(engine, blobs, members, tmp_path / "out", chosen)
    assert (exported.written, exported.seen) == (24, 24)
    assert exported.classes == {"Glass": 12, "Food, Organics": 12}
    assert exported.splits == {"train": 8, "validation": 8, "test": 8}
    if chosen is Format.HUGGING_FACE:
        assert _read_by_hand(tmp_path / "out") == _facts(members)
    else:
        assert _imported(tmp_path / "out", chosen) == _facts(members)


def test_a_folder_has_the_names_pictures_came_with(
    engine: Engine, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    """Without their folders; a name that stands twice is told apart by the hash."""
    members = [
        _kept(engine, blobs, 0, "Glass", name="a/b/jar.JPG"),
        _kept(engine, blobs, 3, "Glass", name="c/jar.jpeg"),
        _kept(engine, blobs, 6, "Glass", name=None),
        _kept(engine, blobs, 9, "Glass", name="readme.jpg"),
        _kept(engine, blobs, 12, "Glass", name="https://shop.example/box.png?size=3"),
        _kept(engine, blobs, 15, "Glass", name="../../../etc/passwd"),
        _kept(engine, blobs, 18, "Glass", name="photo.jpg#17"),
    ]
    export(engine, blobs, members, tmp_path / "out", Format.FOLDERS)
    assert {path.name for path in (tmp_path / "out" / "train" / "Glass").iterdir()} == {
        "jar.jpg",
        f"jar-{members[1].sha256[:12]}.jpg",
        f"{members[2].sha256}.jpg",
        f"{members[3].sha256}.jpg",
        "box.jpg",
        "passwd.jpg",
        "photo.jpg#17.jpg",
    }
    assert not any(path.name == "passwd" for path in tmp_path.rglob("*"))


def test_classes_get_folders_that_any_file_system_takes(
    engine: Engine, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    """What cannot be a folder is replaced; which folder is which class is written down."""
    classes = ["../up", "a/b", "a:b", "CON", ".hidden", "glass", "Glass", "x" * 300, "Ü", "test"]
    members = [_kept(engine, blobs, 3 * number, name) for number, name in enumerate(classes)]
    exported = export(engine, blobs, members, tmp_path / "out", Format.FOLDERS)
    folders = {path.name for path in (tmp_path / "out" / "train").iterdir()}
    assert folders == {
        "_.._up", "a_b", "a_b-2", "_CON", "_.hidden", "glass", "Glass-2", "x" * 180, "Ü", "_test"
    }  # fmt: skip
    assert _summary(tmp_path / "out")["classes_by_folder"]["a_b-2"] == "a:b"
    assert exported.written == len(classes)
    assert {label for label, _, _ in _imported(tmp_path / "out", Format.FOLDERS)} == folders


def test_what_cannot_be_exported_is_counted(engine: Engine, blobs: ObjectBlobs, tmp_path: Path) -> None:
    """Erased, lost, unknown, unlabelled and unsplit pictures are left out, each under its own name."""
    erased = _kept(engine, blobs, 0, "Glass", erased=True)
    lost = _kept(engine, blobs, 1, "Glass")
    blobs.delete(lost.sha256)
    unknown = ExportMember(sha256="0" * 64, class_name="Glass", split=Split.TRAIN)
    unlabelled = replace(_kept(engine, blobs, 2, "Glass"), class_name=None)
    unsplit = replace(_kept(engine, blobs, 3, "Glass"), split=Split.NONE)
    good = _kept(engine, blobs, 4, "Glass")
    members = [erased, lost, unknown, unlabelled, unsplit, good]

    exported = export(engine, blobs, members, tmp_path / "out", Format.FOLDERS, facts={"version": 3})
    assert (exported.written, exported.erased, exported.lost) == (1, 1, 2)
    assert (exported.unlabelled, exported.unsplit, exported.seen) == (1, 1, 6)
    assert exported.lost_examples == ["0" * 64, lost.sha256]
    assert _summary(tmp_path / "out") | {"version": 3, "written": 1, "erased": 1} == _summary(
        tmp_path / "out"
    )

    table = export(engine, blobs, members, tmp_path / "table", Format.CSV)
    assert (table.written, table.unsplit, table.splits["none"]) == (2, 0, 1)


def test_an_export_is_whole_or_not_there(engine: Engine, blobs: ObjectBlobs, tmp_path: Path) -> None:
    """Ended in the middle, nothing is left; a folder with something in it is never written into."""
    members = [_kept(engine, blobs, seed, "Glass") for seed in range(40)]

    def stop(so_far: Exported) -> None:
        if so_far.seen >= 32:
            raise KeyboardInterrupt

    target = tmp_path / "deep" / "out"
    for chosen in Format:
        with pytest.raises(KeyboardInterrupt):
            export(engine, blobs, members, target, chosen, progress=stop)
        assert list(target.parent.iterdir()) == []
    target.mkdir()
    assert export(engine, blobs, members, target, Format.COCO).written == 40
    before = sorted(path for path in target.rglob("*"))
    with pytest.raises(TargetTaken):
        export(engine, blobs, members, target, Format.COCO)
    with pytest.raises(TargetTaken):
        export(engine, blobs, members, target / SUMMARY, Format.COCO)
    with pytest.raises(CannotExport):
        export(engine, blobs, members, target / SUMMARY / "below", Format.COCO)
    assert sorted(path for path in target.rglob("*")) == before
    assert list(target.parent.iterdir()) == [target]


def test_a_picture_registered_in_place_is_copied(engine: Engine, blobs: ObjectBlobs, tmp_path: Path) -> None:
    """From the file it lies in; if that changed since, it is lost, not exported under a wrong label."""
    file = tmp_path / "jar.jpg"
    member = _kept(engine, blobs, 5, "Glass", place=file)
    blobs.delete(member.sha256)
    assert export(engine, blobs, [member], tmp_path / "one", Format.FOLDERS).written == 1
    file.write_bytes(photo(seed=77))
    assert export(engine, blobs, [member], tmp_path / "two", Format.FOLDERS).lost == 1


def test_coco_has_one_box_around_each_picture(engine: Engine, blobs: ObjectBlobs, tmp_path: Path) -> None:
    """Ids are unique within a file, categories the same in all files."""
    members = [_kept(engine, blobs, seed, f"class {seed % 4}") for seed in range(24)]
    export(engine, blobs, members, tmp_path / "out", Format.COCO)
    documents = [
        json.loads((tmp_path / "out" / split / "_annotations.coco.json").read_text("utf-8"))
        for split in ("train", "valid", "test")
    ]
    assert documents[0]["categories"] == documents[1]["categories"] == documents[2]["categories"]
    for document in documents:
        assert sorted(image["id"] for image in document["images"]) == list(range(1, 9))
        for box in document["annotations"]:
            assert (box["bbox"], box["area"]) == ([0, 0, 60, 45], 2700)
    assert not list((tmp_path / "out").rglob("*.part"))


def test_numbers_stay_class_names_for_hugging_face(
    engine: Engine, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    """Classes called 10, 9 and NA keep their names, and every split has the same list."""
    names = ["10", "9", "NA"]
    members = [
        replace(_kept(engine, blobs, seed, name), split=split)
        for seed, (name, split) in enumerate(zip(names, SPLITS, strict=True))
    ]
    export(engine, blobs, members, tmp_path / "out", Format.HUGGING_FACE)
    assert _read_by_hand(tmp_path / "out") == _facts(members)
    for split in ("train", "validation", "test"):
        schema = parquet.read_schema(tmp_path / "out" / split / "metadata.parquet")
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert features["label"] == {"names": sorted(names), "_type": "ClassLabel"}


def test_members_are_taken_as_they_are_needed(
    engine: Engine, blobs: ObjectBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a chunk is read ahead of what is written, and progress tells of every part."""
    monkeypatch.setattr("sortline.flows.export._CHUNK", 20)
    kept = [_kept(engine, blobs, seed, "Glass") for seed in range(50)]
    taken, seen = 0, []

    def members() -> Iterable[ExportMember]:
        nonlocal taken
        for member in kept:
            taken += 1
            yield member

    def progress(so_far: Exported) -> None:
        seen.append(so_far.seen)
        assert taken - so_far.seen <= 20

    export(engine, blobs, members(), tmp_path / "out", Format.CSV, progress=progress)
    assert seen == [16, 20, 36, 40, 50]
    with (tmp_path / "out" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        assert [row["sha256"] for row in csv.DictReader(file)] == [member.sha256 for member in kept]


def _kept(
    engine: Engine,
    blobs: ObjectBlobs,
    seed: int,
    class_name: str,
    *,
    name: str | None = "photo.jpg",
    erased: bool = False,
    place: Path | None = None,
) -> ExportMember:
    """A picture in the database and the blobs, in the split its seed says."""
    stored = canonical(encode(drawn(60, 45, seed), "jpeg", quality=80))
    sha256 = stored.sha256.hex()
    blobs.put_many([(sha256, stored.data)])
    if place is not None:
        place.write_bytes(stored.data)
    record = ImageRecord(
        sha256=sha256,
        media_type=stored.media_type,
        bytes=len(stored.data),
        width=60,
        height=45,
        brightness=0.0,
        sharpness=0.0,
        source="import",
        client=None,
        first_seen=NOW,
        erased_at=NOW if erased else None,
        place=str(place) if place else None,
    )
    with writing(engine) as session:
        add_images(session, [record])
    return ExportMember(sha256=sha256, class_name=class_name, split=SPLITS[seed % 3], name=name)


def _facts(members: Iterable[ExportMember]) -> set[tuple[str | None, Split | None, str]]:
    return {(member.class_name, member.split, member.sha256) for member in members}


def _imported(top: Path, chosen: Format) -> set[tuple[str | None, Split | None, str]]:
    location = {Format.CSV: top / "manifest.csv", Format.PARQUET: top / "manifest.parquet"}.get(chosen, top)
    with open_source(str(location)) as source:
        return {
            (item.label, item.split, canonical(item.read()).sha256.hex())
            for item in source.items()
            if isinstance(item, Item)
        }


def _read_by_hand(top: Path) -> set[tuple[str | None, Split | None, str]]:
    """As `datasets` reads it: each metadata.parquet names files below its own folder."""
    found = set()
    for folder, split in (("train", Split.TRAIN), ("validation", Split.VALIDATION), ("test", Split.TEST)):
        table = parquet.read_table(top / folder / "metadata.parquet")
        names = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
        for row in table.to_pylist():
            data = (top / folder / row["file_name"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == row["sha256"]
            found.add((names[row["label"]], split, row["sha256"]))
    return found


def _summary(top: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((top / SUMMARY).read_text("utf-8"))
    return found
