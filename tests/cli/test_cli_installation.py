"""`sortline lines`, `bundles` and `doctor`: what an installation has, and what is wrong with it."""

from pathlib import Path

from tests.cli.conftest import Sortline


def test_lines_are_created_listed_and_made_default(sortline: Sortline) -> None:
    """A new installation has the line waste; another serves the same bundle and becomes the default."""
    created = sortline("lines", "create", "returns", "--title", "Returned [goods]", "--bundle", "waste")
    assert "served by the bundle waste" in created.stdout
    assert sortline("lines", "default", "returns").stdout == "returns is the default line now.\n"
    rows = [line.split() for line in sortline("lines", "list").stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["returns", "waste"]
    assert rows[0][1:5] == ["Returned", "[goods]", "yes", "9"]


def test_bundles_are_listed_without_an_installation(sortline: Sortline, tmp_path: Path) -> None:
    """Looking at the bundles makes no database; once there is one, it says what they serve."""
    assert "waste" in sortline("bundles").stdout
    assert not (tmp_path / "data").exists()
    sortline("lines", "create", "returns", "--bundle", "waste")
    assert "returns, waste" in sortline("bundles").stdout


def test_a_bundles_card_is_printed(sortline: Sortline) -> None:
    """`bundles show` prints the model card as it is where nobody looks at a terminal."""
    from sortline.engine.packaged import packaged_bundles

    card = (packaged_bundles()["waste"] / "card.md").read_text(encoding="utf-8")
    assert sortline("bundles", "show", "waste").stdout.strip() == card.strip()


def test_doctor_finds_a_whole_installation_well(sortline: Sortline, tmp_path: Path) -> None:
    """All good: exit code 0, the runtimes with their speed, and nothing was made by looking."""
    result = sortline("doctor")
    assert result.returncode == 0, result.stdout
    for told in ("onnxruntime", "fine-tunes", "pictures/s", "cores", "free", "SQLite"):
        assert told in result.stdout
    assert "✗" not in result.stdout
    assert not (tmp_path / "data").exists()


def test_doctor_says_what_to_do(sortline: Sortline, tmp_path: Path) -> None:
    """A database that is none and a data folder that is a file are told, with a remedy, and exit code 1."""
    (tmp_path / "broken.db").write_text("not a database" * 100)
    result = sortline("doctor", SORTLINE_DATABASE_URL=f"sqlite:///{tmp_path / 'broken.db'}")
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("✗")]
    assert "set SORTLINE_DATABASE_URL to another" in line or "choose another" in line
