"""`sortline data import`, `imports` and `check`: what is told, and how they end."""

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Sortline, environment
from tests.importing import folder_of
from tests.pictures import huge_png


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Class folders with Glass 4, Metal 3, and a file of 100 megapixels."""
    folder = folder_of(tmp_path / "photos", {"Glass": 4, "Metal": 3})
    (folder / "Metal" / "huge.png").write_bytes(huge_png())
    return folder


def test_import_tells_classes_and_what_was_refused(sortline: Sortline, photos: Path, tmp_path: Path) -> None:
    """A table of classes and splits, examples of what was refused by reason, and every such file in the CSV."""
    result = sortline("data", "import", photos, "--line", "waste", "--report", "report.csv")
    assert result.returncode == 0, result.stderr
    assert "7 added, 1 refused" in result.stdout
    counts = dict(re.findall(r"^ *(Glass|Metal) +(\d+)", result.stdout, re.MULTILINE))
    assert counts == {"Glass": "4", "Metal": "3"}
    assert "1 too-many-pixels" in result.stdout
    (report,) = csv.DictReader((tmp_path / "report.csv").read_text(encoding="utf-8").splitlines())
    assert (report["file"], report["code"]) == ("Metal/huge.png", "too-many-pixels")


def test_import_tells_a_program(sortline: Sortline, photos: Path) -> None:
    """One document; run again, everything is known and nothing is added."""
    told = json.loads(sortline("data", "import", photos, "--line", "waste", "--json").stdout)
    assert (told["state"], told["kind"], told["total"], told["done"]) == ("done", "folder", 8, 8)
    assert told["outcomes"] == {"added": 7, "refused": 1}
    assert sum(told["classes"]["Glass"].values()) == 4
    again = json.loads(sortline("data", "import", photos, "--line", "waste", "--json").stdout)
    assert again["outcomes"] == {"known": 7, "refused": 1}
    # A version is made of what is new, and nothing was the second time.
    assert (told["version"], again["version"]) == ({"number": 1, "name": "photos"}, None)
    listed = json.loads(sortline("data", "imports", "--json").stdout)
    assert [one["import"] for one in listed] == [again["import"], told["import"]]


def test_a_line_is_made_only_when_asked(sortline: Sortline, photos: Path) -> None:
    """A wrong name is an error that says how; with --create-line it is a new line."""
    result = sortline("data", "import", photos, "--line", "wast")
    assert result.returncode == 1
    assert "there is no line 'wast' (known: waste); add --create-line" in result.stderr
    assert sortline("data", "import", photos, "--line", "wast", "--create-line").returncode == 0
    assert "wast" in sortline("lines", "list").stdout


def test_what_cannot_be_opened_is_one_line(sortline: Sortline, tmp_path: Path) -> None:
    """A folder that is not there, and options that contradict each other."""
    result = sortline("data", "import", tmp_path / "nowhere", "--line", "waste")
    assert (result.returncode, result.stdout) == (1, "")
    assert "nowhere" in result.stderr.splitlines()[-1]
    result = sortline("data", "import", tmp_path, "--line", "waste", "--resplit", "--drop")
    assert "--resplit and --drop cannot both be meant" in result.stderr


def test_an_import_that_takes_nothing_has_failed(sortline: Sortline, tmp_path: Path) -> None:
    """An empty folder is told at once, and files that are no pictures in the report; again, known ones are taken."""
    (tmp_path / "in").mkdir()
    empty = sortline("data", "import", tmp_path / "in", "--line", "waste")
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "in holds no files" in empty.stderr
    (tmp_path / "in" / "Glass").mkdir()
    (tmp_path / "in" / "Glass" / "1.jpg").write_bytes(b"no picture")
    refused = sortline("data", "import", tmp_path / "in", "--line", "waste")
    assert refused.returncode == 1
    assert "1 refused" in refused.stdout
    assert "No picture was taken" in refused.stderr
    folder = folder_of(tmp_path / "few", {"Glass": 1})
    for _ in range(2):
        assert sortline("data", "import", folder, "--line", "waste").returncode == 0


# `sortline`, whose imports stay behind their first picture until they are told to stop.
HELD = """
import time
from sortline.cli.main import main
from sortline.flows import ingest_turn

class Ahead(ingest_turn.Ahead):
    taken = 0

    def take(self, most, *, seconds):
        made = [] if self.taken else super().take(1, seconds=seconds)
        self.taken += len(made)
        return made or time.sleep(0.01) or []

ingest_turn.Ahead = Ahead
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_stops_and_the_same_command_goes_on(sortline: Sortline, tmp_path: Path) -> None:
    """It ends with 130 and says how to go on; the next run brings it to its end."""
    folder = folder_of(tmp_path / "many", {"Glass": 12})
    command = [sys.executable, "-c", HELD, "data", "import", str(folder), "--line", "waste"]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while _done(tmp_path / "data" / "sortline.db") == 0:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 130
    assert re.search(r"Stopped after \d+ of 12 files; the same command goes on from there", errors)
    told = json.loads(sortline("data", "import", folder, "--line", "waste", "--json").stdout)
    assert (told["state"], told["outcomes"]) == ("done", {"added": 12})


def _done(database: Path) -> int:
    if not database.exists():
        return 0
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT max(done) FROM imports").fetchone()
    except sqlite3.OperationalError:  # not there yet
        return 0
    finally:
        connection.close()
    return row[0] or 0


def test_check_finds_and_mends(sortline: Sortline, photos: Path, tmp_path: Path) -> None:
    """All well: 0. A blob nobody knows: 1 until --repair. A picture that is gone: told with the name it came under."""
    sortline("data", "import", photos, "--line", "waste")
    result = sortline("data", "check", "--deep")
    assert (result.returncode, "Everything agrees" in result.stdout) == (0, True), result.stdout
    blobs = tmp_path / "data" / "blobs"
    orphan = blobs / "ab" / f"ab{'0' * 62}"
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (time.time() - 100,) * 2)
    assert sortline("data", "check").returncode == 1
    repaired = json.loads(sortline("data", "check", "--repair", "--json").stdout)
    assert (repaired["sound"], repaired["blobs"]["removed"], orphan.exists()) == (True, 1, False)
    next(file for file in blobs.glob("??/*") if len(file.name) == 64).unlink()
    result = sortline("data", "check")
    assert result.returncode == 1
    assert re.search(r"used in waste: (Glass|Metal)/\d{4}\.jpg", result.stdout)
