"""`sortline classify`: files, folders and patterns in; a table, JSON or CSV out."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Sortline
from tests.pictures import photo

pytest.importorskip("onnxruntime")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with Glass/1.jpg, Glass/2.JPG, Metal/3.jpg, a note that is no picture, and a hidden file."""
    folder = tmp_path / "photos [new]"
    for seed, name in enumerate(["Glass/1.jpg", "Glass/2.JPG", "Metal/3.jpg", "Metal/._3.jpg"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photo(seed=seed))
    (folder / "note.txt").write_text("not a picture")
    return folder


def test_json_of_a_folder(sortline: Sortline, photos: Path) -> None:
    """One document: a result for each picture, at any depth, in order, and accuracy by the names of the folders."""
    result = sortline("classify", photos, "--json")
    document = json.loads(result.stdout)
    assert [Path(r["path"]).name for r in document["results"]] == ["1.jpg", "2.JPG", "3.jpg"]
    first = document["results"][0]
    assert first["class"] == next(iter(first["probabilities"]))
    assert first["confidence"] == pytest.approx(max(first["probabilities"].values()))
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert first["verdict"] in {"accept", "review"}
    accuracy = document["accuracy"]
    labels = ("Glass", "Glass", "Metal")
    correct = sum(r["class"] == label for r, label in zip(document["results"], labels, strict=True))
    assert (accuracy["n"], accuracy["correct"]) == (3, correct)
    low, high = accuracy["interval_95"]
    assert low <= accuracy["accuracy"] <= high
    assert result.returncode == 0


def test_csv_has_a_line_for_each_file(sortline: Sortline, photos: Path) -> None:
    """CSV tells the error of a file that cannot be read in its own column; the others have their answers."""
    result = sortline("classify", photos / "Glass" / "1.jpg", photos / "note.txt", "gone.jpg", "--csv")
    good, note, gone = csv.DictReader(io.StringIO(result.stdout))
    assert good["class"]
    assert good["error"] == ""
    assert "not a picture" in note["error"]
    assert "No such file" in gone["error"]
    assert result.returncode == 0


def test_table_tells_errors_on_stderr(sortline: Sortline, photos: Path) -> None:
    """The table has one line a picture with its whole path, however narrow the terminal was."""
    picture = photos / "Glass" / "1.jpg"
    result = sortline("classify", picture, photos / "note.txt", COLUMNS="40")
    assert any(line.strip().startswith(str(picture)) for line in result.stdout.splitlines())
    assert result.stderr.startswith(f"{photos / 'note.txt'}: The bytes are not a picture")


def test_a_pattern_the_shell_left_alone(sortline: Sortline, photos: Path) -> None:
    """Patterns are expanded here where the shell did not, and need no folder."""
    result = sortline("classify", "photos*/**/*.jpg", "--csv")
    assert len(result.stdout.splitlines()) == 1 + 2


def test_exit_code_is_1_only_if_all_failed(sortline: Sortline, photos: Path) -> None:
    """A program can tell that nothing was classified."""
    assert sortline("classify", photos / "note.txt", "--json").returncode == 1
    assert sortline("classify", photos / "note.txt", photos / "Metal").returncode == 0


def test_a_folder_without_pictures(sortline: Sortline, tmp_path: Path) -> None:
    """An empty folder is told in one line."""
    (tmp_path / "empty").mkdir()
    result = sortline("classify", "empty")
    assert (result.returncode, result.stdout) == (1, "")
    assert "There are no pictures in empty" in result.stderr


def test_leaves_no_trace(sortline: Sortline, photos: Path, tmp_path: Path) -> None:
    """Classifying needs no installation and makes none."""
    sortline("classify", photos)
    assert not (tmp_path / "data").exists()
