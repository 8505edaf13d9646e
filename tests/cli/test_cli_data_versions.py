"""`sortline data versions|create|activate|restore|diff|insights`: a line's versions, at the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.importing import Options
from sortline.catalogue.store import imports
from sortline.catalogue.store.labels import label
from sortline.catalogue.tables import import_entries
from sortline.catalogue.version import Draft
from sortline.db.session import writing
from sortline.flows.versions import Changes, from_changes
from sortline.lines.store import class_ids, create_line
from sortline.settings import Settings
from sortline.wiring import installation
from tests.cli.conftest import Sortline
from tests.versions import add_entries

OF = ("--line", "jars")


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> str:
    """A line `jars`: six pictures in version 1, one labelled anew since; the id of an import of two more."""
    with installation(Settings(data_dir=tmp_path / "data")) as ready, writing(ready.engine) as session:
        line = create_line(session, "jars", class_names=["Glass", "Metal"]).id
        glass, metal = class_ids(session, line, ["Glass", "Metal"]).values()
        ids = add_entries(session, line, [(glass, Split.TRAIN)] * 4 + [(metal, Split.TEST)] * 2)
        from_changes(session, line, Draft(author="tester"), Changes(add=frozenset(ids)))
        label(session, line, ids[:1], metal, origin="review", who="ada")
        brought = imports.create(
            session, line, kind="folder", location="/photos", options=Options(), who="tester"
        )
        more = add_entries(session, line, [(glass, Split.TRAIN)] * 2, days=2)
        rows = [{"import_id": brought.id, "entry_id": one} for one in more]
        session.execute(import_entries.insert(), rows)
    return brought.id


def told(sortline: Sortline, *arguments: str) -> Any:
    """What a command tells with --json."""
    result = sortline("data", *arguments, *OF, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_versions_are_made_listed_and_made_active(sortline: Sortline) -> None:
    """Of what waits; the first stays active until somebody says so."""
    result = sortline("data", "create", *OF, "--name", "checked", "--notes", "by ada")
    assert result.returncode == 0, result.stderr
    assert "version 2 (checked), 6 pictures: 1 relabelled" in result.stdout
    assert "sortline data activate 2 --line jars" in result.stdout
    second, first = told(sortline, "versions")
    assert (first["active"], second["active"], second["parent"]) == (True, False, 1)
    assert (second["name"], second["notes"], second["made_from"]) == ("checked", "by ada", "staged")
    assert sortline("data", "activate", "checked", *OF).returncode == 0
    assert [one["active"] for one in told(sortline, "versions")] == [True, False]
    listed = sortline("data", "versions", *OF).stdout
    assert "v2 checked" in listed
    assert "6 added" in listed


def test_versions_are_made_of_an_import_a_filter_and_a_merge(sortline: Sortline, data: str) -> None:
    """Each as a child of the active one, or of the one that is named."""
    brought = told(sortline, "create", "--from-import", data[:13])
    assert (brought["added"], brought["size"]) == (2, 8)
    metal = told(sortline, "create", "--of", "1", "--class", "Metal", "--split", "test")
    assert (metal["removed"], metal["size"], metal["parent"]) == (4, 2, 1)
    early = told(sortline, "create", "--everything", "--until", "2026-03-02", "--parent", "v1")
    assert (early["relabelled"], early["size"]) == (1, 6)
    merged = told(sortline, "create", "--merge", "2", "--parent", "4")
    assert (merged["parent"], merged["merged"], merged["size"]) == (4, 2, 8)
    restored = told(sortline, "restore", "3", "--name", "only metal")
    assert (restored["name"], restored["size"], restored["made_from"]) == ("only metal", 2, "restore")


def test_a_diff_tells_counts_and_changes(sortline: Sortline) -> None:
    """By the names of pictures and classes."""
    told(sortline, "create")
    found = told(sortline, "diff", "1", "2")
    assert found["counts"] == {"added": 0, "removed": 0, "relabelled": 1, "resplit": 0}
    (change,) = found["changes"]
    assert change["name"] == "photo 1.jpg"
    assert change["before"] == {"class": "Glass", "split": "train"}
    assert change["after"] == {"class": "Metal", "split": "train"}
    text = sortline("data", "diff", "1", "2", *OF).stdout
    assert "1 relabelled" in text
    assert "Glass (train)" in text
    assert "--limit" in sortline("data", "diff", "1", "2", *OF, "--limit", "0").stdout


def test_insights_of_a_version_and_of_everything(sortline: Sortline) -> None:
    """The active version unless another is named, or everything is meant."""
    version, everything = told(sortline, "insights"), told(sortline, "insights", "--everything")
    assert (version["version"], version["pictures"], everything["version"]) == (1, 6, None)
    assert (everything["pictures"], everything["classes"]["Metal"]["pictures"]) == (8, 3)
    assert version["classes"]["Glass"]["splits"] == {"none": 0, "train": 4, "validation": 0, "test": 0}
    assert sum(count for _, _, count in version["width"]["histogram"]) == 6
    assert len(version["brightness"]["lowest"]) == 6
    text = sortline("data", "insights", *OF, "--version", "1").stdout
    assert "jars, version 1 (v1): 6 pictures" in text
    assert "near-duplicates: 0 pictures" in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("versions", "--line", "cans"), "cans"),
        (("create", *OF, "--of", "1", "--merge", "1"), "cannot both be meant"),
        (("create", *OF, "--split", "exam"), "train, validation, test or none"),
        (("create", *OF, "--class", "Wood"), "Wood"),
        (("create", *OF, "--from-import", "ffff"), "sortline data imports"),
        (("create", *OF, "--name", "v7"), "cannot name a version"),
        (("create", *OF, "--of", "1"), "nothing differs from version v1"),
        (("activate", "9", *OF), "no version 9"),
        (("restore", "1", *OF), "nothing differs"),
        (("diff", "1", "x", *OF), "no version x"),
        (("insights", *OF, "--everything", "--version", "1"), "cannot both be meant"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    sortline: Sortline, arguments: tuple[str, ...], reason: str
) -> None:
    """And no version is made."""
    result = sortline("data", *arguments)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(told(sortline, "versions")) == 1
