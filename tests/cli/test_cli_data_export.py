"""`sortline data export`: a version or everything, into a folder."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import add_images
from sortline.catalogue.store.making import create_version
from sortline.catalogue.tables import entries
from sortline.catalogue.version import Draft, Place
from sortline.db.session import writing
from sortline.engine.canonical import canonical
from sortline.lines.store import class_ids, create_line
from sortline.settings import Settings
from sortline.wiring import Installation, installation
from tests.cli.conftest import Sortline
from tests.pictures import photo

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> None:
    """A line `jars` of four pictures: two are version 1, the third has no split, the fourth no label."""
    with installation(Settings(data_dir=tmp_path / "data")) as ready:
        hashes = [_keep(ready, seed) for seed in range(4)]
        with writing(ready.engine) as session:
            line = create_line(session, "jars", class_names=["Glass"]).id
            glass = class_ids(session, line, ["Glass"])["Glass"]
            add_images(session, [_record(sha256) for sha256 in hashes])
            splits = (Split.TRAIN, Split.TEST, Split.NONE, Split.TRAIN)
            session.execute(
                insert(entries),
                [
                    {
                        "id": number + 1,
                        "line_id": line,
                        "image_sha256": hashes[number],
                        "class_id": glass if number < 3 else None,
                        "split": split,
                        "declared": False,
                        "source": "import",
                        "name": f"jar-{number}.jpg",
                        "added_at": NOW,
                    }
                    for number, split in enumerate(splits)
                ],
            )
            wanted = {1: Place(glass, Split.TRAIN), 2: Place(glass, Split.TEST)}
            create_version(session, line, Draft(name="first", author="tester"), wanted, plan={})


@pytest.mark.parametrize("version", [(), ("--version", "1"), ("--version", "first")])
def test_a_version_is_exported(sortline: Sortline, tmp_path: Path, version: tuple[str, ...]) -> None:
    """The active one unless another is named, as class folders unless another layout is."""
    result = sortline("data", "export", tmp_path / "out", "--line", "jars", *version)
    assert result.returncode == 0, result.stderr
    assert "2 pictures in" in result.stdout
    assert "1 train, 1 test" in result.stdout
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg")} == {
        "train/Glass/jar-0.jpg",
        "test/Glass/jar-1.jpg",
    }


def test_everything_is_exported(sortline: Sortline, tmp_path: Path) -> None:
    """Also what is in no version; what cannot be is counted."""
    arguments = ("--line", "jars", "--everything", "--as", "coco", "--json")
    result = sortline("data", "export", tmp_path / "out", *arguments)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["line"], told["version"], told["format"]) == ("jars", None, "coco")
    assert (told["written"], told["unsplit"], told["unlabelled"], told["lost"]) == (2, 1, 1, 0)
    assert (tmp_path / "out" / "train" / "_annotations.coco.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--line", "cans"), "cans"),
        (("--line", "jars", "--version", "7"), "version 7"),
        (("--line", "jars", "--version", "1", "--everything"), "cannot both be meant"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    sortline: Sortline, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    """Nothing is written."""
    result = sortline("data", "export", tmp_path / "out", *arguments)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_lost_pictures_are_told(sortline: Sortline, tmp_path: Path) -> None:
    """The rest is exported; the exit code says that something is wrong."""
    gone = next(path for path in (tmp_path / "data" / "blobs").rglob("*") if path.name == _hash(1))
    gone.unlink()
    result = sortline("data", "export", tmp_path / "out", "--line", "jars")
    assert result.returncode == 1
    assert "1 left out" in result.stdout
    assert _hash(1) in result.stdout
    assert sortline("data", "export", tmp_path / "out", "--line", "jars").returncode == 1
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 1


def _keep(ready: Installation, seed: int) -> str:
    stored = canonical(photo(seed=seed))
    ready.blobs.put_many([(stored.sha256.hex(), stored.data)])
    return stored.sha256.hex()


def _hash(seed: int) -> str:
    return canonical(photo(seed=seed)).sha256.hex()


def _record(sha256: str) -> ImageRecord:
    return ImageRecord(
        sha256=sha256,
        media_type="image/jpeg",
        bytes=1,
        width=120,
        height=90,
        brightness=0.0,
        sharpness=0.0,
        source="import",
        client=None,
        first_seen=NOW,
    )
