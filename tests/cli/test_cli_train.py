"""`sortline train` and `runs`: a run at the command line, done here or followed, and what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.version import Draft
from sortline.db.session import writing
from sortline.flows.versions import Changes, from_changes
from sortline.lines.store import class_ids, create_line
from sortline.settings import Settings
from sortline.wiring import installation
from tests.cli.conftest import Sortline, environment
from tests.training_runs import coloured, installed, line_with
from tests.versions import add_entries
from tests.waiting import soon

OF = ("--line", "colours")
Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def drawn(tmp_path: Path) -> None:
    """A line `colours` with a version of pictures that are known and lie nowhere, and a label that waits."""
    with installation(Settings(data_dir=tmp_path / "data")) as ready, writing(ready.engine) as session:
        line = create_line(session, "colours", class_names=["Red", "Blue"]).id
        red, blue = class_ids(session, line, ["Red", "Blue"]).values()
        ids = add_entries(session, line, [(red, Split.TRAIN), (blue, Split.TRAIN)] * 3)
        from_changes(session, line, Draft(author="tester"), Changes(add=frozenset(ids)))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    """Starts `sortline ARGUMENTS…` and goes on; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, program: Sequence[str] = ("-m", "sortline.cli.main")) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            env=environment(tmp_path),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def document(result: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed."""
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def test_a_run_is_done_here_where_no_worker_runs(
    sortline: Sortline, database_url: str, tmp_path: Path
) -> None:
    """With its verdict, its candidate and its report; no server and no worker is needed."""
    with installed(database_url, tmp_path) as ready:
        line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 12, "Blue": 12}))
    url = {"SORTLINE_DATABASE_URL": database_url}
    result = sortline("train", *OF, "--set", "strengths=[0.01]", "--note", "first", "--json", **url)
    assert result.returncode == 0, result.stderr
    run = document(result)
    assert (run["state"], run["note"], run["recipe"]["strengths"]) == ("succeeded", "first", [0.01])
    assert run["verdict"]["checks"]
    assert "embeddings …" in result.stderr
    (listed,) = document(sortline("runs", "list", *OF, "--json", **url))["runs"]
    assert (listed["id"], listed["bundle"], listed["version"]) == (run["id"], run["bundle"], 1)
    shown = sortline("runs", "show", run["id"][:18], *OF, **url).stdout
    assert "✓ parity:" in shown
    assert f"sortline models promote {run['bundle']['hash'][:12]} --line colours" in shown
    log = sortline("runs", "log", *OF, **url).stdout
    assert run["verdict"]["text"] in log
    assert log.rstrip().endswith(
        f"done: the candidate is {run['bundle']['name']} {run['bundle']['hash'][:12]}"
    )
    place = sortline("runs", "report", *OF, "--output", "report.html", **url).stdout.strip()
    assert Path(place) == tmp_path / "report.html"
    assert "<html" in Path(place).read_text(encoding="utf-8")
    missing = sortline("runs", "report", *OF, "--file", "plan.svg", **url)
    assert (missing.returncode, "report.html" in missing.stderr) == (1, True)


@pytest.mark.usefixtures("drawn")
def test_a_worker_that_runs_is_followed_to_the_failure(sortline: Sortline, start: Started) -> None:
    """The run is the worker's; what failed is told, and the exit code says so."""
    worker = start("worker")
    soon(lambda: "No worker" not in sortline("train", *OF, "--no-wait").stderr)
    result = sortline("train", *OF)
    assert worker.poll() is None
    assert result.returncode == 1
    assert "A worker is running; following it." in result.stderr
    assert "failed: there is nothing to train" in result.stdout
    assert "sortline runs log" in result.stdout
    assert "there is nothing to train" in sortline("runs", "list", *OF).stdout


@pytest.mark.usefixtures("drawn")
def test_a_run_waits_and_is_cancelled(sortline: Sortline) -> None:
    """--no-wait prints its id, and says that nobody does it yet."""
    queued = sortline("train", *OF, "--no-wait", "--version", "v1")
    assert queued.returncode == 0, queued.stderr
    assert "sortline worker" in queued.stderr
    run_id = queued.stdout.strip()
    shown = document(sortline("runs", "show", *OF, "--json"))
    assert (shown["id"], shown["state"], shown["who"]) == (run_id, "queued", "cli")
    assert "is cancelled" in sortline("runs", "cancel", run_id, *OF).stdout
    assert f"{run_id[:18]}  probe   1        cancelled" in sortline("runs", "list", *OF).stdout
    followed = sortline("runs", "log", run_id, "--follow", *OF)
    assert (followed.returncode, followed.stderr.strip()) == (1, "cancelled")


# `sortline`, whose runs stay at learning until they are told to stop.
HELD = """
import time
from sortline.cli.main import main
from sortline.flows import train

def made_by_probe(*_, check, **__):
    while True:
        check()
        time.sleep(0.01)

train.made_by_probe = made_by_probe
main()
"""


@pytest.mark.usefixtures("drawn")
def test_what_ended_runs_worked_on_goes_without_a_worker_too(sortline: Sortline, tmp_path: Path) -> None:
    """The command that did a run tidies up behind it, and behind those before."""
    run = sortline("train", *OF, "--no-wait").stdout.strip()
    work = tmp_path / "data" / "runs" / run / "work"
    work.mkdir(parents=True)
    assert sortline("runs", "cancel", run, *OF).returncode == 0
    failed = sortline("train", *OF)
    assert failed.returncode == 1
    assert failed.stderr.count("failed") == 0, "it is told once, on stdout"
    assert not work.exists()


@pytest.mark.usefixtures("drawn")
def test_a_fine_tune_without_pytorch_is_refused_at_once(sortline: Sortline, tmp_path: Path) -> None:
    """With the command that installs it for this very Python; nothing is queued."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    path = os.pathsep.join([str(blocked), *filter(None, [os.environ.get("PYTHONPATH")])])
    for how in ("--wait", "--no-wait"):
        result = sortline("train", *OF, "--method", "finetune", how, PYTHONPATH=path)
        assert (result.returncode, result.stdout) == (1, "")
        assert "-m pip install 'sortline[train]'" in result.stderr
    assert sys.executable in sortline("train", *OF, "--method", "finetune", PYTHONPATH=path).stderr
    assert document(sortline("runs", "list", *OF, "--json"))["runs"] == []


def test_ctrl_c_leaves_the_run_for_later(sortline: Sortline, start: Started, tmp_path: Path) -> None:
    """It waits for a worker again, and the command says how it goes on."""
    with installed(f"sqlite:///{tmp_path / 'data' / 'sortline.db'}", tmp_path) as ready:
        line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 4, "Blue": 4}))
    process = start("train", *OF, program=("-c", HELD))
    assert process.stderr is not None
    assert process.stderr.readline() == "Training on version 1, in.\n"
    assert process.stderr.readline().endswith("…\n"), "no step of the run was told"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=90)
    assert process.returncode == 130, told
    assert "goes on when a worker runs" in told
    shown = document(sortline("runs", "show", *OF, "--json"))
    assert (shown["state"], shown["attempt"]) == ("queued", 1)


def test_a_recipe_is_printed_with_every_default(sortline: Sortline, tmp_path: Path) -> None:
    """With a file's values, and on top of them those of --set; what is printed can be given back."""
    (tmp_path / "mine.toml").write_text('epochs = 5\nbackbone = "resnet50"\n[augmentation]\nflip = false\n')
    more = ("--set", "epochs=7", "--set", "augmentation.tilt_degrees=0", "--set", "weights=hub")
    printed = sortline("train", "--method", "finetune", "--recipe", "mine.toml", *more, "--print-recipe")
    assert printed.returncode == 0, printed.stderr
    found = tomllib.loads(printed.stdout)
    assert (found["epochs"], found["backbone"], found["weights"]) == (7, "resnet50", "hub")
    assert found["augmentation"]["flip"] is False
    assert found["augmentation"]["tilt_degrees"] == 0
    assert found["batch_size"] == 32
    (tmp_path / "again.toml").write_text(printed.stdout)
    again = sortline("train", "--method", "finetune", "--recipe", "again.toml", "--print-recipe")
    assert again.stdout == printed.stdout


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("train", "--line", "cans"), "there is no line 'cans'"),
        (("train", *OF, "--method", "guess"), "allowed: probe, finetune"),
        (("train", *OF, "--set", "strength=1"), "is not known; allowed: seed"),
        (("train", *OF, "--set", "seed=2", "--set", "seed.low=1"), "--set seed.low=1"),
        (("train", *OF, "--recipe", "none.toml"), "cannot read the recipe none.toml"),
        (("runs", "show", *OF), "has no run yet"),
        (("runs", "cancel", "0" * 32, *OF), "sortline runs list"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    sortline: Sortline, arguments: tuple[str, ...], reason: str
) -> None:
    """And no run is queued."""
    result = sortline(*arguments)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
