"""`sortline data fetch`: the licence first, then the file, then the next step."""

import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Sortline
from tests.pictures import photo

ARCHIVE = "realwaste.zip"


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A mirror with a small archive in the publisher's layout."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for seed, name in enumerate(("Glass/Glass_1", "Glass/Glass_2", "Metal/Metal_1")):
            opened.writestr(f"realwaste-main/RealWaste/{name}.jpg", photo(seed=seed))
    (folder / ARCHIVE).write_bytes(archive.getvalue())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_licence_comes_first(sortline: Sortline, mirror: str) -> None:
    """Shown, and not accepted by silence: without a terminal and --yes nothing is downloaded."""
    result = sortline("data", "fetch", "realwaste", "--url", mirror)
    assert result.returncode == 1
    assert "CC BY-NC-SA 4.0" in result.stdout
    assert "no commercial use" in result.stdout
    assert "add --yes" in result.stderr
    assert result.stderr.count("\n") == 1


def test_fetched_it_says_what_comes_next(sortline: Sortline, mirror: str, tmp_path: Path) -> None:
    """The file lies in the data folder, and the printed command imports it."""
    result = sortline("data", "fetch", "realwaste", "--yes", "--url", mirror)
    assert result.returncode == 0, result.stderr
    archive = tmp_path / "data" / "downloads" / "realwaste" / ARCHIVE
    assert archive.read_bytes() == (tmp_path / "mirror" / ARCHIVE).read_bytes()
    assert f"Next: sortline data import {archive} --kind zip --line realwaste --create-line" in result.stdout
    assert "states no checksum" in result.stdout


def test_fetched_it_can_be_imported_at_once(sortline: Sortline, mirror: str) -> None:
    """`--import LINE` goes straight on."""
    result = sortline("data", "fetch", "realwaste", "--yes", "--url", mirror, "--import", "landfill")
    assert result.returncode == 0, result.stderr
    assert "3 added" in result.stdout
    assert "Glass" in result.stdout


def test_offline_it_tells_where_the_file_belongs(sortline: Sortline, mirror: str, tmp_path: Path) -> None:
    """One line with the address and the place; a file put there is taken."""
    offline = ("data", "fetch", "realwaste", "--yes", "--url", "http://127.0.0.1:9")
    result = sortline(*offline)
    place = tmp_path / "data" / "downloads" / "realwaste" / ARCHIVE
    assert result.returncode == 1
    assert str(place) in result.stderr
    assert "cannot reach" in result.stderr
    place.write_bytes((tmp_path / "mirror" / ARCHIVE).read_bytes())
    assert "was there" in sortline(*offline).stdout


def test_names_are_listed(sortline: Sortline) -> None:
    """Without a name it tells which there are; a wrong one is told too."""
    listed = sortline("data", "fetch").stdout
    for name in ("realwaste", "trashnet", "fashion-mnist", "cats-vs-dogs"):
        assert name in listed
    wrong = sortline("data", "fetch", "imagenet")
    assert wrong.returncode == 1
    assert "no data set 'imagenet'" in wrong.stderr
