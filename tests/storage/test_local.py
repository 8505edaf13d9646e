"""Blobs in a folder: flushed before they are told of, and refusals that leave nothing behind."""

import errno
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sortline.storage import flush, local
from sortline.storage.errors import StorageUnavailable, UnknownBlob
from sortline.storage.local import LocalBlobs

MANY = 100


def named(*contents: bytes) -> list[tuple[str, bytes]]:
    """Contents with their SHA-256."""
    return [(hashlib.sha256(data).hexdigest(), data) for data in contents]


def many() -> list[tuple[str, bytes]]:
    """As many as an import puts at once."""
    return named(*(b"%d" % number * 100 for number in range(MANY)))


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files and folders that are flushed, one by one, as they are."""
    noted: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        noted.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr("os.fsync", note)
    return noted


def test_files_and_folders_are_flushed_before_it_returns(tmp_path: Path, flushed: list[str]) -> None:
    """Three files in two folders: three files, then two folders; a known file: its folder alone."""
    blobs = LocalBlobs(tmp_path)
    flushed.clear()
    group = [("aa" + "0" * 62, b"x"), ("aa" + "1" * 62, b"y"), ("bb" + "0" * 62, b"z")]
    blobs.put_many(group)
    assert sorted(name for name in flushed if len(name) == 2) == ["aa", "bb"]
    assert sum(len(name) > 2 for name in flushed) == 3
    assert {len(name) for name in flushed[3:]} == {2}, "folders after their files"
    flushed.clear()
    blobs.put_many(group[:1])
    assert flushed == ["aa"]
    blobs.close()


def test_a_group_of_the_recorder_is_flushed_file_by_file(tmp_path: Path, flushed: list[str]) -> None:
    """What others write to the disk meanwhile is not waited for: one flush a file, one a folder."""
    blobs = LocalBlobs(tmp_path)
    flushed.clear()
    group = many()[:16]
    blobs.put_many(group)
    assert sum(len(name) > 2 for name in flushed) == 16
    assert sorted(name for name in flushed if len(name) == 2) == sorted({name[:2] for name, _ in group})
    blobs.close()


def test_many_are_flushed_with_their_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushed: list[str]
) -> None:
    """In two batches, each once when it is written and not visible, once when it is visible; then it returns."""
    seen: list[tuple[int, int]] = []

    @contextmanager
    def noting(folder: Path) -> Iterator[Callable[[], None]]:
        assert files(folder / "unfinished") == [], "failures are counted from before the first write"
        yield lambda: seen.append(
            (
                sum(path.stat().st_size > 0 for path in files(folder / "unfinished")),
                sum(path.parent.name != "unfinished" for path in files(folder)),
            )
        )

    monkeypatch.setattr(local, "filesystem", noting)
    monkeypatch.setattr(local, "flushes_at_once", lambda _: True)
    blobs = LocalBlobs(tmp_path)
    flushed.clear()
    monkeypatch.setattr(local, "_BATCH", 60)
    blobs.put_many(many())
    assert seen == [(60, 0), (0, 60), (40, 60), (0, 100)]
    assert flushed == []
    blobs.close()


def test_many_are_flushed_one_by_one_where_the_system_cannot_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushed: list[str]
) -> None:
    """An old kernel, or a file system that tells of no failures."""
    monkeypatch.setattr(local, "flushes_at_once", lambda _: False)
    blobs = LocalBlobs(tmp_path)
    flushed.clear()
    blobs.put_many(many())
    assert sum(len(name) > 2 for name in flushed) == MANY
    assert len(files(tmp_path)) == MANY
    blobs.close()


@pytest.mark.parametrize("failing", [1, 2])
def test_a_disk_that_cannot_flush_shows_no_part_of_a_blob(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the renames nothing is visible; after them all are whole. Either way the caller is told."""

    @contextmanager
    def broken(folder: Path) -> Iterator[Callable[[], None]]:
        calls = iter(range(1, 3))

        def flush() -> None:
            if next(calls) == failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        yield flush

    monkeypatch.setattr(local, "filesystem", broken)
    monkeypatch.setattr(local, "flushes_at_once", lambda _: True)
    blobs = LocalBlobs(tmp_path)
    with pytest.raises(StorageUnavailable, match="Input/output error"):
        blobs.put_many(many())
    assert len(files(tmp_path)) == (0 if failing == 1 else MANY)
    assert all(blobs.get(one.name) == dict(many())[one.name] for one in blobs.stored())
    blobs.close()


@pytest.mark.parametrize("count", [1, MANY])
def test_a_disk_that_takes_part_of_a_file_shows_no_part_of_a_blob(count: int, tmp_path: Path) -> None:
    """A write that the disk cuts short is gone on with, and fails."""
    blobs = LocalBlobs(tmp_path)
    group = named(*(b"%05d" % number * 1000 for number in range(count)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(StorageUnavailable, match="File too large"):
            blobs.put_many(group)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(tmp_path) == []
    blobs.close()


@pytest.mark.parametrize(
    ("release", "kind", "trusted"),
    [
        ("6.1.0-18-amd64", 0xEF53, True),
        ("5.17.0", 0x58465342, True),
        ("5.16.20", 0xEF53, False),
        ("4.4.0", 0xEF53, False),
        ("6.1.0", 0x65735546, False),  # FUSE
        ("6.1.0", 0x794C7630, False),  # overlay
        ("unknown", 0xEF53, False),
    ],
)
def test_only_systems_that_tell_of_failures_are_trusted(
    release: str, kind: int, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux 5.17 or later, on a file system of its own."""
    real = os.uname()
    monkeypatch.setattr("os.uname", lambda: os.uname_result((*real[:2], release, *real[3:])))
    monkeypatch.setattr(flush, "_kind", lambda _: kind)
    assert flush.flushes_at_once(tmp_path) is trusted


def test_derived_blobs_are_not_flushed_and_make_their_folders_when_written(
    tmp_path: Path, flushed: list[str]
) -> None:
    """Opening one costs nothing, and whoever deletes the folder to gain space may do so at any time."""
    blobs = LocalBlobs(tmp_path / "thumbnails" / "128", durable=False)
    assert not (tmp_path / "thumbnails").exists()
    assert list(blobs.stored()) == []
    for _ in range(2):
        blobs.put_many(many())
        assert len(files(tmp_path)) == MANY
        shutil.rmtree(tmp_path / "thumbnails")
    assert flushed == []
    blobs.close()


def test_what_a_power_cut_left_of_a_derived_blob_is_none(tmp_path: Path) -> None:
    """An empty file is made again."""
    blobs = LocalBlobs(tmp_path, durable=False)
    ((name, data),) = group = named(b"thumbnail")
    blobs.put_many(group)
    (tmp_path / name[:2] / name).write_bytes(b"")
    assert not blobs.exists(name)
    assert list(blobs.stored()) == []
    with pytest.raises(UnknownBlob):
        blobs.get(name)
    blobs.put_many(group)
    assert blobs.get(name) == data
    blobs.close()


def test_a_known_blob_counts_as_put_now(tmp_path: Path) -> None:
    """Whoever removes what no row names leaves what somebody is about to name."""
    blobs = LocalBlobs(tmp_path)
    ((name, _),) = group = named(b"forgotten")
    blobs.put_many(group)
    os.utime(tmp_path / name[:2] / name, (0, 0))
    # A file system's clock may be a tick behind.
    now = time.time() - 1
    blobs.put_many(group)
    (one,) = blobs.stored()
    assert one.modified.timestamp() >= now
    blobs.close()


def test_a_blob_put_while_it_is_deleted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put between the look at its time and its deletion, it is there afterwards; put later, it is written anew."""
    blobs = LocalBlobs(tmp_path / "blobs")
    name = hashlib.sha256(b"wanted").hexdigest()
    put = [(name, b"wanted")]
    blobs.put_many(put)
    path = tmp_path / "blobs" / name[:2] / name
    replace = Path.replace
    for moment in ("before", "after"):
        os.utime(path, (1_000_000, 1_000_000))

        def aside(self: Path, to: Path, moment: str = moment) -> Path:
            monkeypatch.setattr(Path, "replace", replace)
            if moment == "before":
                blobs.put_many(put)
                return self.replace(to)
            moved = self.replace(to)
            blobs.put_many(put)
            return moved

        monkeypatch.setattr(Path, "replace", aside)
        blobs.delete_older(name, datetime.now(UTC) - timedelta(minutes=1))
        assert blobs.get(name) == b"wanted"
        assert path.stat().st_mtime > 1_000_000
    assert list((tmp_path / "blobs" / "unfinished").iterdir()) == []
    blobs.close()


def test_a_deleted_blob_does_not_come_back(tmp_path: Path, flushed: list[str]) -> None:
    """Its folder is flushed; one that was not there costs nothing."""
    blobs = LocalBlobs(tmp_path)
    ((name, _),) = group = named(b"erased")
    blobs.put_many(group)
    flushed.clear()
    blobs.delete(name)
    blobs.delete(name)
    assert flushed == [name[:2]]
    blobs.close()


def test_other_files_are_not_listed(tmp_path: Path) -> None:
    """What lies in the folder and is no blob: leftovers, a sub-folder, somebody's notes."""
    blobs = LocalBlobs(tmp_path)
    ((name, _),) = group = named(b"blob")
    blobs.put_many(group)
    (tmp_path / "unfinished" / f"{name}-1").touch()
    (tmp_path / name[:2] / "notes.txt").touch()
    (tmp_path / "thumbnails").mkdir()
    assert [one.name for one in blobs.stored()] == [name]
    blobs.close()


def test_a_disk_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    """Nobody shall take it for the loss of all pictures."""
    blobs = LocalBlobs(tmp_path / "blobs")
    shutil.rmtree(tmp_path / "blobs")
    with pytest.raises(StorageUnavailable, match="blobs"):
        list(blobs.stored())
    with pytest.raises(StorageUnavailable):
        blobs.put_many(named(b"x"))
    blobs.close()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    """A file of another size than its content's is written anew."""
    blobs = LocalBlobs(tmp_path)
    ((name, data),) = group = named(b"whole")
    (tmp_path / name[:2] / name).write_bytes(b"wh")
    blobs.put_many(group)
    assert blobs.get(name) == data
    blobs.close()


@pytest.mark.parametrize("folder", ["/proc/sortline/blobs", "/dev/null/blobs"])
def test_a_folder_that_cannot_be_made_is_said_at_once(folder: str) -> None:
    """The error names the folder and what to do."""
    with pytest.raises(StorageUnavailable, match=f"{folder}.*--data-dir"):
        LocalBlobs(Path(folder))


def test_a_disk_that_takes_no_more_leaves_nothing_behind(tmp_path: Path) -> None:
    """A write the system cuts short is a typed error; no part is visible, and smaller blobs still fit."""
    program = """
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sortline.storage.errors import StorageUnavailable
from sortline.storage.local import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    blobs.put_many([("a" * 64, b"x" * 1000000), ("b" * 64, b"y" * 10)])
except StorageUnavailable as error:
    print(blobs.exists("a" * 64), error.reason)
blobs.put_many([("c" * 64, b"z" * 10)])
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False File too large"
    assert [path.name[0] for path in files(tmp_path)] == ["c"]


def test_a_killed_writer_leaves_whole_files_only(tmp_path: Path) -> None:
    """Whatever moment the process dies, every visible file is whole; its leftovers go an hour later."""
    program = """
import hashlib, os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sortline.storage.local import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    group = [os.urandom(300_000) for _ in range(8)]
    blobs.put_many([(hashlib.sha256(data).hexdigest(), data) for data in group])
"""
    for pause in (0.02, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    visible = [path for path in files(tmp_path) if path.parent.name != "unfinished"]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in visible)
    leftovers = [*(tmp_path / "unfinished").iterdir(), tmp_path / "unfinished" / "left"]
    leftovers[-1].touch()
    for leftover in leftovers:
        os.utime(leftover, (time.time() - 7200, time.time() - 7200))
    young = tmp_path / "unfinished" / "young"
    young.touch()
    LocalBlobs(tmp_path).close()
    assert list((tmp_path / "unfinished").iterdir()) == [young]
