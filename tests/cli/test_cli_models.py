"""`sortline models` and `bundles import|export`: a bundle comes in, goes live, and is gone back from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from sortline.cli.main import build
from tests.bundles import broken, head_variant, starter
from tests.cli.conftest import environment

Sortline = Callable[..., CompletedProcess[str]]
ON = ("--line", "waste")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with another head in `head`, a broken one in `broken`."""
    made = tmp_path_factory.mktemp("made")
    broken(made / "broken", head_variant(made / "head"))
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a new installation."""
    folder = tmp_path_factory.mktemp("installed")
    CliRunner().invoke(build(), ["lines", "list", "--data-dir", str(folder)])
    return folder


@pytest.fixture
def sortline(tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Sortline:
    """Runs `sortline ARGUMENTS…` in this process, which takes a tenth of the time, on a copy of the installation."""
    shutil.copytree(installed, tmp_path / "data")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str | Path) -> CompletedProcess[str]:
        ended = CliRunner().invoke(build(), [str(one) for one in arguments])
        told = f"{ended.stderr}{ended.exception or ''}"
        return CompletedProcess(arguments, ended.exit_code, ended.stdout, told)

    return run


def test_a_bundle_goes_live_and_back(sortline: Sortline, folder: Path) -> None:
    """Imported and offered, refused without evidence, forced with a reason, rolled back; the ledger has it all."""
    told = sortline("bundles", "import", folder / "head", *ON).stdout
    assert "sortline models promote" in told
    refused = sortline("models", "promote", "head-1", *ON)
    assert refused.returncode == 1
    assert "no run compared it" in refused.stderr
    assert (
        "live on waste" in sortline("models", "promote", "head-1", *ON, "--force", "--reason", "a try").stdout
    )
    listed = {one["name"]: one for one in json.loads(sortline("models", "list", *ON, "--json").stdout)}
    assert (listed["head-1"]["state"], listed["waste"]["state"]) == ("live", "previous")
    assert listed["head-1"]["dataset"]["version"] == starter().manifest.dataset.version
    assert "again" in sortline("models", "rollback", *ON).stdout
    ledger = json.loads(sortline("models", "ledger", *ON, "--json").stdout)
    assert [entry["action"] for entry in ledger] == ["rollback", "promote", "promote"]
    assert (ledger[1]["who"], ledger[1]["reason"], ledger[1]["evidence"]["forced"]) == ("cli", "a try", True)
    then = sortline("models", "ledger", *ON, "--at", ledger[1]["at"][:19].replace(" ", "T")).stdout
    assert "waste" in then.splitlines()[1]


def test_a_broken_bundle_does_not_get_into_the_ledger(sortline: Sortline, folder: Path) -> None:
    """Known, but neither promoted nor made a shadow; the line says what is wrong."""
    sortline("bundles", "import", folder / "broken", *ON)
    for command in (("promote", "--force", "--reason", "x"), ("shadow",)):
        refused = sortline("models", command[0], "broken-head-1", *ON, *command[1:])
        assert (refused.returncode, "golden picture" in refused.stderr) == (1, True)
    assert len(json.loads(sortline("models", "ledger", *ON, "--json").stdout)) == 1


def test_a_shadow_is_started_and_stopped(sortline: Sortline, folder: Path) -> None:
    """`show` knows it by its role."""
    sortline("bundles", "import", folder / "head", *ON)
    assert "without answering" in sortline("models", "shadow", "head-1", *ON).stdout
    shown = json.loads(sortline("models", "show", "shadow", *ON, "--json").stdout)
    assert (shown["name"], shown["state"], shown["shadowed"]) == ("head-1", "shadow", [])
    assert "shadow no longer" in sortline("models", "shadow", "shadow", *ON, "--stop").stdout


def test_a_bundle_goes_out_and_comes_in_as_a_zip(sortline: Sortline, tmp_path: Path, folder: Path) -> None:
    """The same bundle, in an installation that never saw it."""
    sortline("bundles", "import", folder / "head")
    out = sortline("bundles", "export", "head-1", tmp_path / "head.zip")
    assert "head.zip" in out.stdout
    elsewhere = ("--data-dir", tmp_path / "another")
    told = sortline("bundles", "import", tmp_path / "head.zip", *elsewhere).stdout
    assert told.startswith("head-1 ")
    refused = sortline("bundles", "import", tmp_path, *elsewhere)
    assert (refused.returncode, "there is no bundle.json in it" in refused.stderr) == (1, True)
