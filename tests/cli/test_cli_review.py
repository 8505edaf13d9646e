"""`sortline review`: figures, out to a table, back with labels, and key by key."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sortline.cli.main import build
from sortline.db.session import reading
from sortline.flows.lines import create_line
from sortline.flows.set_aside import set_aside
from sortline.lines.store import get_line
from sortline.review.item import ItemFilter
from sortline.review.store.items import list_items
from sortline.settings import Settings
from sortline.wiring import installation
from tests.pictures import photo


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an installation whose line `returns` has two classes and three pictures that wait."""
    from sortline.db.session import writing
    from sortline.lines.store import add_classes

    monkeypatch.setenv("SORTLINE_DATA_DIR", str(tmp_path / "data"))
    with installation(Settings()) as ready:
        with writing(ready.engine) as session:
            line = create_line(session, ready.bundles_dir, "returns", who="test", reason="for a test")
            add_classes(session, line.id, ["Glass", "Metal"])
        for seed in range(3):
            set_aside(ready.engine, ready.blobs, line.id, photo(seed=seed), guessed=None, source="belt-1")
    return tmp_path


def sortline(*arguments: str, keys: str = "", code: int = 0) -> str:
    """What the command prints."""
    result = CliRunner().invoke(build(), ["review", *arguments, "--line", "returns"], input=keys)
    assert result.exit_code == code, result.output
    return result.output


def labels() -> list[str | None]:
    """States of the line's items that are done, and how many wait."""
    with installation(Settings()) as ready, reading(ready.engine) as session:
        line_id = get_line(session, "returns").id
        return [item.state for item in list_items(session, line_id, ItemFilter(state="done")).items]


def test_a_table_goes_out_and_comes_back_with_labels(folder: Path) -> None:
    """Pictures too; rows without a label stay as they are, labels nobody knows are refused or become classes."""
    table = folder / "queue.csv"
    sortline("export", "--output", str(table), "--pictures", str(folder / "pictures"))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reason"] for row in rows] == ["uploaded"] * 3
    assert {path.stem for path in (folder / "pictures").iterdir()} == {row["item"] for row in rows}
    rows[0]["label"], rows[1]["label"] = "Glass", "Wood"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    told = json.loads(sortline("label", "--from", str(table), "--json", code=1))
    assert (told["decided"], len(told["refused"])) == (1, 1)
    assert "already" in sortline("label", "--from", str(table), "--new-classes", code=1)
    assert len(labels()) == 2
    stats = json.loads(sortline("stats", "--json"))
    assert stats["waiting"] == {"uploaded": 1}
    assert "1 uploaded" in sortline("stats")


def test_a_key_is_a_label(folder: Path) -> None:
    """One key for a class; undo brings the picture back; 0 ends."""
    output = sortline("label", keys="1u20")
    assert "[1] Glass" in output
    assert "undone" in output
    assert labels() == ["done"]


def test_a_table_without_the_columns_is_refused(folder: Path) -> None:
    """And the message says what to do."""
    table = folder / "bad.csv"
    table.write_text("picture,class\n1,Glass\n")
    result = CliRunner().invoke(build(), ["review", "label", "--line", "returns", "--from", str(table)])
    assert "columns item and label" in str(result.exception)
