"""Real file systems, on devices of their own: what is left after a power cut, and what is told when a device fails.

The device is a file. A power cut is a copy of it: what the kernel has written is there, what it only holds in memory is
not. It fails when the file can grow no more.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sortline.storage import local
from sortline.storage.errors import StorageUnavailable
from sortline.storage.flush import filesystem, flushes_at_once
from sortline.storage.local import LocalBlobs

Blob = tuple[str, bytes]
SIZE = 32 * 1024 * 1024


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """A device with an ext4 file system, mounted at `disk` beside it."""
    with _mounted(tmp_path / "device", tmp_path / "disk"):
        yield tmp_path / "device"


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Path]:
    """A file system whose device takes half a megabyte more, and fails then."""
    small = tmp_path / "small"
    small.mkdir()
    if not _run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", small):
        pytest.skip("needs the right to mount")
    try:
        with _mounted(small / "device", tmp_path / "disk"):
            blobs = LocalBlobs(tmp_path / "disk" / "blobs")
            blobs.close()
            os.sync()
            (small / "full").write_bytes(bytes(shutil.disk_usage(small).free - 512 * 1024))
            yield tmp_path / "disk" / "blobs"
    finally:
        assert _run("umount", "-l", small)


@pytest.fixture
def left(device: Path, tmp_path: Path) -> Callable[[], dict[str, bool]]:
    """Cuts the power: which blobs are visible afterwards, and whether each is whole."""

    def cut() -> dict[str, bool]:
        copy, mounted = tmp_path / "copy", tmp_path / "mounted"
        shutil.copyfile(device, copy)
        mounted.mkdir(exist_ok=True)
        assert _run("mount", "-o", "loop", copy, mounted)
        try:
            blobs = [path for path in mounted.rglob("??/*") if len(path.name) == 64]
            return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs}
        finally:
            assert _run("umount", mounted)

    return cut


@pytest.mark.parametrize("count", [1, 12, 150])
def test_what_was_put_survives_a_power_cut(
    count: int, device: Path, left: Callable[[], dict[str, bool]]
) -> None:
    """One, as many as the recorder puts, as many as an import puts; and what is not flushed does not."""
    folder = device.parent / "disk"
    kept, derived = LocalBlobs(folder / "blobs"), LocalBlobs(folder / "thumbnails", durable=False)
    group, lost = _blobs(count, seed=1), _blobs(count, seed=2)
    kept.put_many(group)
    derived.put_many(lost)
    found = left()
    kept.close()
    derived.close()
    assert {name: found.get(name) for name, _ in group} == {name: True for name, _ in group}
    assert not all(found.get(name) for name, _ in lost), "the copy would show what was not flushed"


def test_no_part_of_a_blob_is_visible_whenever_the_power_is_cut(
    device: Path, left: Callable[[], dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each flush of two batches: those that are visible are whole."""
    seen: list[dict[str, bool]] = []

    @contextmanager
    def cutting(folder: Path) -> Iterator[Callable[[], None]]:
        with filesystem(folder) as flush:

            def cut_before_and_after() -> None:
                seen.append(left())
                flush()
                seen.append(left())

            yield cut_before_and_after

    monkeypatch.setattr(local, "filesystem", cutting)
    blobs = LocalBlobs(device.parent / "disk" / "blobs")
    group = _blobs(150, seed=3)
    blobs.put_many(group)
    blobs.close()
    assert [all(found.values()) for found in seen] == [True] * 8
    assert [len(found) for found in (seen[0], seen[1], seen[3], seen[7])] == [0, 0, 128, 150]
    assert set(seen[7]) == {name for name, _ in group}


@pytest.mark.parametrize("count", [8, 150])
def test_a_device_that_fails_is_told(count: int, failing: Path) -> None:
    """The kernel takes the bytes and loses them: whoever put them hears of it, however they are flushed."""
    blobs = LocalBlobs(failing)
    assert flushes_at_once(failing)
    with pytest.raises(StorageUnavailable):
        blobs.put_many(_blobs(count, seed=4, size=6_000_000 // count))
    blobs.close()


def _blobs(count: int, *, seed: int, size: int = 20_000) -> list[Blob]:
    drawn = random.Random(seed)
    contents = [drawn.randbytes(size) for _ in range(count)]
    return [(hashlib.sha256(data).hexdigest(), data) for data in contents]


@contextmanager
def _mounted(image: Path, at: Path) -> Iterator[None]:
    with image.open("wb") as file:
        file.truncate(SIZE)
    at.mkdir()
    if shutil.which("mkfs.ext4") is None or not _run("mkfs.ext4", "-q", image):
        pytest.skip("needs mkfs.ext4")
    if not _run("mount", "-o", "loop", image, at):
        pytest.skip("needs the right to mount a loop device")
    try:
        yield
    finally:
        assert _run("umount", at)


def _run(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
