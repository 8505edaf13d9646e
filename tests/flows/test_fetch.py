"""Data sets from their publishers: whole, checked, gone on with after any interruption, or brought by hand."""

import hashlib
import io
import json
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sortline.catalogue.publishers import DATASETS, Published, PublishedFile, UnknownDataset, published
from sortline.flows.download import CannotKeep, NoSpace, NotThere, Received, Unreachable, download
from sortline.flows.fetch import AlreadyFetching, DamagedArchive, NotFetched, WrongChecksum, fetch, missing

NOW = (0.0, 0.0, 0.0)


@dataclass
class Publisher:
    """What a local server gives, and what it was asked for."""

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)  # after so many bytes of an answer, one for each request
    statuses: list[int] = field(default_factory=list)  # of the first requests, before it serves
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        """The file, the rest of it, or what the test wants instead."""
        publisher = self.publisher
        publisher.asked.append(dict(self.headers))
        if publisher.statuses and (status := publisher.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and publisher.ranges and self.headers.get("If-Range") in (None, publisher.etag):
            start = int(asked[1])
            if start >= len(publisher.content):
                self.send_error(416)
                return
            self.send_response(206)
            total = len(publisher.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = publisher.content[start:]
        self.send_header("Content-Length", str(len(body)))
        if publisher.etag:
            self.send_header("ETag", publisher.etag)
        self.end_headers()
        if publisher.breaks:
            body = body[: publisher.breaks.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A server with 1 MB that no checksum would confuse."""
    served = Publisher(content=bytes(range(256)) * 4096)
    handler = type("Handler", (_Handler,), {"publisher": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def dataset(publisher: Publisher, **changes: object) -> Published:
    """A data set of one file, as the server has it."""
    file = PublishedFile(
        name="photos.bin",
        url=f"{publisher.url}/photos.bin",
        bytes=len(publisher.content),
        sha256=hashlib.sha256(publisher.content).hexdigest(),
        stated_by="the test",
    )
    return replace(DATASETS["trashnet"], name="photos", files=(replace(file, **changes),))  # type: ignore[arg-type]  # as given


def names(folder: Path) -> list[str]:
    """What lies in a folder, without the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_file_comes_whole_and_is_not_fetched_twice(publisher: Publisher, tmp_path: Path) -> None:
    """It stands under its name, with a note of what it is; the second time nothing is asked of the publisher."""
    heard: list[Received] = []
    (first,) = fetch(dataset(publisher), tmp_path / "d", progress=lambda _, far: heard.append(far))
    assert first.path.read_bytes() == publisher.content
    assert (first.checked, first.downloaded) == (True, True)
    assert heard[-1] == Received(done=len(publisher.content), total=len(publisher.content))
    assert names(tmp_path / "d") == ["photos.bin", "received.json"]
    (again,) = fetch(dataset(publisher), tmp_path / "d")
    assert (again.downloaded, len(publisher.asked)) == (False, 1)
    note = json.loads((tmp_path / "d" / "received.json").read_text())["photos.bin"]
    assert (note["sha256"], note["url"]) == (first.sha256, f"{publisher.url}/photos.bin")


def test_a_broken_connection_is_gone_on_with(publisher: Publisher, tmp_path: Path) -> None:
    """Within one call: each further request asks for the rest alone, of the same state of the file."""
    publisher.breaks = [300_000, 300_000]
    (got,) = fetch(dataset(publisher), tmp_path, waits=NOW)
    assert got.path.read_bytes() == publisher.content
    assert [asked.get("Range") for asked in publisher.asked] == [None, "bytes=300000-", "bytes=600000-"]
    assert publisher.asked[1]["If-Range"] == '"one"'


def test_what_arrived_is_kept_for_the_next_run(publisher: Publisher, tmp_path: Path) -> None:
    """A run that gave up, or was killed, leaves what it has; the next asks for the rest."""
    publisher.breaks = [400_000]
    with pytest.raises(NotFetched, match="Run the same command again"):
        fetch(dataset(publisher), tmp_path, waits=())
    assert (tmp_path / "photos.bin.part").stat().st_size == 400_000
    assert missing(dataset(publisher), tmp_path) == len(publisher.content) - 400_000
    fetch(dataset(publisher), tmp_path)
    assert publisher.asked[-1]["Range"] == "bytes=400000-"
    assert names(tmp_path) == ["photos.bin", "received.json"]


def test_another_state_of_the_file_begins_again(publisher: Publisher, tmp_path: Path) -> None:
    """Two halves of different files are never put together."""
    publisher.breaks = [400_000]
    with pytest.raises(NotFetched):
        fetch(dataset(publisher), tmp_path, waits=())
    publisher.content, publisher.etag = publisher.content[::-1], '"two"'
    (got,) = fetch(dataset(publisher), tmp_path)
    assert got.path.read_bytes() == publisher.content


@pytest.mark.parametrize("etag", ['"one"', None, 'W/"weak"'])
def test_a_server_that_sends_no_parts_begins_again(
    publisher: Publisher, tmp_path: Path, etag: str | None
) -> None:
    """Without ranges, or without a name for the file's state, it comes from its start, and whole."""
    publisher.etag, publisher.ranges, publisher.breaks = etag, etag != '"one"', [400_000]
    (got,) = fetch(dataset(publisher), tmp_path, waits=NOW)
    assert got.path.read_bytes() == publisher.content
    assert len(publisher.asked) == 2


def test_a_server_that_always_breaks_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    """Tries without progress end; those with progress do not count."""
    publisher.ranges, publisher.breaks = False, [1000] * 50
    with pytest.raises(NotFetched) as caught:
        fetch(dataset(publisher), tmp_path, waits=NOW)
    assert isinstance(caught.value.problem, Unreachable)
    assert len(publisher.asked) == len(NOW) + 1


def test_part_longer_than_the_file_is_dropped(publisher: Publisher, tmp_path: Path) -> None:
    """416 to the request for the rest: what arrived is of another file."""
    (tmp_path / "photos.bin.part").write_bytes(b"x" * 2_000_000)
    (tmp_path / "photos.bin.part.etag").write_text('"one"')
    (got,) = fetch(dataset(publisher), tmp_path, waits=NOW)
    assert got.path.read_bytes() == publisher.content


def test_a_wrong_checksum_is_kept_aside(publisher: Publisher, tmp_path: Path) -> None:
    """A file that is not the published one does not get its name; the error tells both checksums."""
    with pytest.raises(WrongChecksum, match=r"instead of 0000.* \(stated by the test\)") as caught:
        fetch(dataset(publisher, sha256="0" * 64), tmp_path)
    assert names(tmp_path) == ["photos.bin.rejected"]
    assert caught.value.found == hashlib.sha256(publisher.content).hexdigest()


def test_a_file_put_there_by_hand_is_checked_and_stays(publisher: Publisher, tmp_path: Path) -> None:
    """Taken as if downloaded; where it is the wrong one it stays in its place."""
    (tmp_path / "photos.bin").write_bytes(publisher.content)
    (got,) = fetch(dataset(publisher), tmp_path)
    assert (got.checked, got.downloaded, publisher.asked) == (True, False, [])
    (tmp_path / "photos.bin").write_bytes(b"something else")
    with pytest.raises(WrongChecksum, match=re.escape(str(tmp_path / "photos.bin is not"))):
        fetch(dataset(publisher), tmp_path)
    assert (tmp_path / "photos.bin").read_bytes() == b"something else"


def test_without_a_published_checksum_what_was_received_is_noted(
    publisher: Publisher, tmp_path: Path
) -> None:
    """Its SHA-256 is in the notes, as unchecked; an archive cut short is found all the same."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a/b.txt", "text")
    publisher.content = archive.getvalue()
    unchecked = dataset(publisher, name="photos.zip", sha256=None, stated_by=None)
    (got,) = fetch(unchecked, tmp_path)
    note = json.loads((tmp_path / "received.json").read_text())["photos.zip"]
    assert (got.checked, note["checked"], note["sha256"]) == (False, False, got.sha256)
    got.path.unlink()
    publisher.content = publisher.content[:-30]
    with pytest.raises(DamagedArchive):
        fetch(unchecked, tmp_path)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_file_that_is_gone_is_not_asked_for_again(
    publisher: Publisher, tmp_path: Path, status: int
) -> None:
    """The error says where to put it by hand; nothing is left behind."""
    publisher.statuses = [status] * 9
    with pytest.raises(NotFetched, match=f"answers {status}.*put it at {re.escape(str(tmp_path))}") as caught:
        fetch(dataset(publisher), tmp_path)
    assert isinstance(caught.value.problem, NotThere)
    assert len(publisher.asked) == 1
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(publisher: Publisher, tmp_path: Path) -> None:
    """503 and 429 pass."""
    publisher.statuses = [503, 429, 200]
    (got,) = fetch(dataset(publisher), tmp_path, waits=NOW)
    assert got.path.read_bytes() == publisher.content


def test_offline_it_says_where_to_put_the_file(publisher: Publisher, tmp_path: Path) -> None:
    """Nothing answers; the file brought by hand is then gone on with."""
    gone = replace(dataset(publisher).files[0], url="http://127.0.0.1:9/photos.bin")
    offline = replace(dataset(publisher), files=(gone,))
    with pytest.raises(NotFetched, match=r"cannot reach.*on any machine, put it at") as caught:
        fetch(offline, tmp_path / "d", waits=NOW)
    shutil.copyfile(io_file(tmp_path, publisher.content), caught.value.path)
    (got,) = fetch(offline, tmp_path / "d")
    assert (got.checked, got.downloaded) == (True, False)


def io_file(folder: Path, content: bytes) -> Path:
    """A file somewhere else, as brought on a stick."""
    path = folder / "stick.bin"
    path.write_bytes(content)
    return path


def test_a_mirror_has_the_files_by_their_names(publisher: Publisher, tmp_path: Path) -> None:
    """`base_url` stands for everything before the file's name."""
    elsewhere = replace(dataset(publisher).files[0], url="http://127.0.0.1:9/other/photos.bin")
    (got,) = fetch(replace(dataset(publisher), files=(elsewhere,)), tmp_path, base_url=f"{publisher.url}/m/")
    assert got.path.read_bytes() == publisher.content


def test_a_full_disk_is_told_before_it_is_full(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is known from the first answer; nothing is written."""
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NotFetched, match="MiB free") as caught:
        fetch(dataset(publisher), tmp_path)
    assert isinstance(caught.value.problem, NoSpace)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_told(publisher: Publisher, tmp_path: Path) -> None:
    """No traceback where a file stands in the folder's place."""
    (tmp_path / "d").write_text("a file")
    with httpx.Client() as client, pytest.raises(CannotKeep):
        download(client, f"{publisher.url}/photos.bin", tmp_path / "d" / "photos.bin")


def test_two_processes_do_not_write_one_file(publisher: Publisher, tmp_path: Path) -> None:
    """The second is refused while the first is at work."""
    with holding(tmp_path), pytest.raises(AlreadyFetching):
        fetch(dataset(publisher), tmp_path)
    fetch(dataset(publisher), tmp_path)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """The lock of a download under way."""
    fcntl = pytest.importorskip("fcntl")
    with (folder / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_proxy_of_the_environment_is_used(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HTTP_PROXY` takes the request for a host that this machine could not reach."""
    monkeypatch.setenv("HTTP_PROXY", publisher.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    far = replace(dataset(publisher).files[0], url="http://publisher.invalid/photos.bin")
    (got,) = fetch(replace(dataset(publisher), files=(far,)), tmp_path, waits=NOW)
    assert got.path.read_bytes() == publisher.content
    assert publisher.asked[0]["Host"] == "publisher.invalid"


def test_the_table_of_data_sets_is_complete() -> None:
    """Each says what it is, on what terms and how to import it; checksums are whole and have an author."""
    assert set(DATASETS) == {"realwaste", "trashnet", "fashion-mnist", "cats-vs-dogs"}
    for name, one in DATASETS.items():
        assert published(name) is one
        assert all((one.title, one.homepage, one.licence, one.conditions, one.cite, one.layout))
        assert one.kind in {"zip", "idx"}
        for file in one.files:
            assert file.url.startswith("https://")
            assert file.url.endswith(file.name)
            assert (file.sha256 is None) == (file.stated_by is None)
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    with pytest.raises(UnknownDataset, match="known: realwaste"):
        published("imagenet")
    assert DATASETS["fashion-mnist"].location(Path("d")) == Path("d")
    assert DATASETS["trashnet"].location(Path("d")) == Path("d/dataset-resized.zip")
