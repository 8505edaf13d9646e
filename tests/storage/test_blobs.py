"""Blobs that survive, and refusals that leave nothing behind."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sortline.storage.blobs import (
    Blobs,
    InvalidBlobName,
    LocalBlobs,
    MemoryBlobs,
    StorageUnavailable,
    UnknownBlob,
)


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryBlobs()
        return
    local = LocalBlobs(tmp_path / "blobs")
    yield local
    local.close()


def named(*contents: bytes) -> list[tuple[str, bytes]]:
    """Contents with their SHA-256."""
    return [(hashlib.sha256(data).hexdigest(), data) for data in contents]


def stored(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_can_be_got(blobs: Blobs) -> None:
    """Several at once, one twice, an empty one; again without harm; deleted for good."""
    group = named(b"one", b"two", b"one", b"")
    blobs.put_many(group)
    blobs.put_many(group)
    blobs.put_many([])
    assert [blobs.get(name) for name, _ in group] == [b"one", b"two", b"one", b""]
    name = group[0][0]
    blobs.delete(name)
    blobs.delete(name)
    assert not blobs.exists(name)
    with pytest.raises(UnknownBlob):
        blobs.get(name)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 63 + "/"]
)
def test_a_name_that_is_no_hash_is_refused(blobs: Blobs, name: str) -> None:
    """No name can leave the folder, whatever is asked."""
    for use in (blobs.get, blobs.exists, blobs.delete, lambda bad: blobs.put_many([(bad, b"")])):
        with pytest.raises(InvalidBlobName):
            use(name)


def test_files_and_folders_are_flushed_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files in two folders: three files, then two folders; a known file: its folder alone."""
    blobs = LocalBlobs(tmp_path)
    group = [("aa" + "0" * 62, b"x"), ("aa" + "1" * 62, b"y"), ("bb" + "0" * 62, b"z")]
    flushed: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr("os.fsync", note)
    blobs.put_many(group)
    assert sorted(name for name in flushed if len(name) == 2) == ["aa", "bb"]
    assert sum(len(name) > 2 for name in flushed) == 3
    assert {len(name) for name in flushed[3:]} == {2}, "folders after their files"
    flushed.clear()
    blobs.put_many(group[:1])
    assert flushed == ["aa"]
    blobs.close()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    """A file of another size than its content's is written anew."""
    blobs = LocalBlobs(tmp_path)
    ((name, data),) = group = named(b"whole")
    (tmp_path / name[:2] / name).write_bytes(b"wh")
    blobs.put_many(group)
    assert blobs.get(name) == data
    blobs.close()


def test_threads_may_put_the_same_blob_at_once(tmp_path: Path) -> None:
    """Eight threads, one picture: one whole file, nothing else."""
    blobs = LocalBlobs(tmp_path)
    ((name, data),) = group = named(b"same" * 1000)
    threads = [threading.Thread(target=blobs.put_many, args=(group,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(tmp_path) == [tmp_path / name[:2] / name]
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
from pathlib import Path
from sortline.storage.blobs import LocalBlobs, StorageUnavailable
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
    assert [path.name[0] for path in stored(tmp_path)] == ["b", "c"]


def test_a_killed_writer_leaves_whole_files_only(tmp_path: Path) -> None:
    """Whatever moment the process dies, every visible file is whole; its leftovers go an hour later."""
    program = """
import hashlib, os, sys
from pathlib import Path
from sortline.storage.blobs import LocalBlobs
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
    visible = [path for path in stored(tmp_path) if path.parent.name != "unfinished"]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in visible)
    leftovers = [*(tmp_path / "unfinished").iterdir(), tmp_path / "unfinished" / "left"]
    leftovers[-1].touch()
    for leftover in leftovers:
        os.utime(leftover, (time.time() - 7200, time.time() - 7200))
    young = tmp_path / "unfinished" / "young"
    young.touch()
    LocalBlobs(tmp_path).close()
    assert list((tmp_path / "unfinished").iterdir()) == [young]
