"""`sortline bundles import` with a network made elsewhere, as it is typed."""

from pathlib import Path

from tests.cli.conftest import Sortline
from tests.foreign_models import particular, save, write_photos


def test_import_measures_and_registers(sortline: Sortline, tmp_path: Path) -> None:
    """The table of what was tried, what to mind, the hash, and how to make it live; then the bundle serves a line."""
    model, photos = save(particular(), tmp_path / "theirs.onnx"), write_photos(tmp_path / "photos")
    done = sortline(
        "bundles", "import", model, "--classes", "red,blue,dim", "--photos", photos, "--licence", "MIT"
    )
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[1].split()
    assert first[0] == "signed-bgr-crop"
    assert "100.0" in first
    assert "It reads pictures as signed-bgr-crop" in done.stdout
    promote = done.stdout.splitlines()[-1].partition(": sortline ")[2]
    typed = promote.replace("LINE", "waste").replace("WHY", "theirs").split()
    assert sortline(*typed).returncode == 0
    assert "trying 20 ways" in done.stderr
    card = sortline("bundles", "show", "theirs").stdout
    assert "made elsewhere" in card
    assert sortline("lines", "create", "hues", "--bundle", "theirs").returncode == 0


def test_import_without_photos_names_the_ways(sortline: Sortline, tmp_path: Path) -> None:
    """One line on stderr with what may be said; and one that asks for the classes."""
    model = save(particular(), tmp_path / "theirs.onnx")
    refused = sortline("bundles", "import", model, "--classes", "red,blue,dim")
    assert refused.returncode == 1
    assert "--preprocess: unit, signed, imagenet, raw, caffe" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    classless = sortline("bundles", "import", model)
    assert classless.returncode == 1
    assert "--classes" in classless.stderr


def test_import_for_a_line_that_is_not_there(sortline: Sortline, tmp_path: Path) -> None:
    """Nothing is begun for a line that does not exist; for one that does the bundle is a candidate."""
    model = save(particular(), tmp_path / "theirs.onnx")
    options = ["--classes", "red,blue,dim", "--preprocess", "signed-bgr-crop", "--line"]
    refused = sortline("bundles", "import", model, *options, "nowhere")
    assert refused.returncode == 1
    assert "nowhere" in refused.stderr
    offered = sortline("bundles", "import", model, *options, "waste")
    assert offered.returncode == 0, offered.stderr
    assert "--line waste" in offered.stdout
