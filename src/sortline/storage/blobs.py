"""Blobs by content hash (SHA-256): what `put_many` returned from is on the disk.

SortlineError
├── StorageUnavailable   the folder cannot be written or read now
├── UnknownBlob          no such blob is stored
└── InvalidBlobName      a name that is no SHA-256 in hex
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from sortline.errors import SortlineError

_NAME = re.compile(r"[0-9a-f]{64}")
# The disk merges what several threads flush at once; beyond a few there is nothing left to merge.
_WRITERS = 4
# A temporary file lives for milliseconds. Younger ones may be another process's at work.
_LEFTOVER_AGE_S = 3600


class Blobs(Protocol):
    """Bytes under their SHA-256 in hex. Every method raises InvalidBlobName for a name that is none."""

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """The blobs, as (name, bytes), survive a crash from now on. Known ones are not written again.

        Raises:
            StorageUnavailable: the disk is full, read-only or broken; no part of a blob is visible.
        """

    def get(self, sha256: str) -> bytes:
        """The blob's bytes.

        Raises:
            UnknownBlob: it is not stored.
        """

    def exists(self, sha256: str) -> bool:
        """Whether the blob is stored."""

    def delete(self, sha256: str) -> None:
        """The blob is not stored any more, if it ever was."""


class LocalBlobs:
    """Blobs as files in a folder, 256 sub-folders by the first two hex characters.

    Raises:
        StorageUnavailable: the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._unfinished = self._folder / "unfinished"
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="blobs")
        with self._available():
            self._prepare()

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """See `Blobs`. Each file is flushed, renamed into place, and its folder flushed, once per folder."""
        files = {self._path(sha256): data for sha256, data in blobs}
        with self._available():
            fresh = [(path, data) for path, data in files.items() if not _whole(path, len(data))]
            self._each(self._write, fresh)
            # Also for those that stood there already: another thread may have renamed one a moment ago, its
            # folder not yet on the disk. Flushing a clean folder costs microseconds.
            self._each(_flush_folder, [(folder,) for folder in {path.parent for path in files}])

    def get(self, sha256: str) -> bytes:
        """See `Blobs`."""
        path = self._path(sha256)
        with self._available():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                raise UnknownBlob(sha256) from None

    def exists(self, sha256: str) -> bool:
        """See `Blobs`."""
        return self._path(sha256).is_file()

    def delete(self, sha256: str) -> None:
        """See `Blobs`."""
        with self._available():
            self._path(sha256).unlink(missing_ok=True)

    def close(self) -> None:
        """Its threads are gone."""
        self._pool.shutdown()

    def _prepare(self) -> None:
        # All folders at once, so that a write never has to make one and flush its parent: 256 take 5 ms.
        self._unfinished.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (self._folder / f"{number:02x}").mkdir(exist_ok=True)
        _flush_folder(self._folder)
        _flush_folder(self._folder.parent)
        for leftover in self._unfinished.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                    leftover.unlink()

    def _path(self, sha256: str) -> Path:
        name = _valid(sha256)
        return self._folder / name[:2] / name

    def _write(self, path: Path, data: bytes) -> None:
        unfinished = self._unfinished / f"{path.name}-{uuid4().hex}"
        try:
            with unfinished.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    def _each(self, work: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
        if len(arguments) == 1:
            # A hand-over to another thread costs more than it gains.
            work(*arguments[0])
            return
        running = [self._pool.submit(work, *each) for each in arguments]
        # All are awaited before a failure is raised: nothing is written after `put_many` has failed.
        wait(running)
        for future in running:
            future.result()

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageUnavailable(self._folder, error.strerror or str(error)) from error


class MemoryBlobs:
    """Blobs in this process's memory, for tests and trials: durable as long as it lives."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """See `Blobs`."""
        self._blobs.update({_valid(sha256): bytes(data) for sha256, data in blobs})

    def get(self, sha256: str) -> bytes:
        """See `Blobs`."""
        try:
            return self._blobs[_valid(sha256)]
        except KeyError:
            raise UnknownBlob(sha256) from None

    def exists(self, sha256: str) -> bool:
        """See `Blobs`."""
        return _valid(sha256) in self._blobs

    def delete(self, sha256: str) -> None:
        """See `Blobs`."""
        self._blobs.pop(_valid(sha256), None)


class StorageUnavailable(SortlineError):
    """Pictures cannot be kept or read now."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot use the blob folder {path}: {reason}; free disk space or make it writable, "
            "or choose another with --data-dir"
        )


class UnknownBlob(SortlineError):
    """No blob of this hash is stored."""

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(f"no picture {sha256} is stored; it was deleted, or never kept")


class InvalidBlobName(SortlineError):
    """Only a SHA-256 in lower-case hex names a blob, so that no name can leave the folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name[:80]!r} names no picture; use its SHA-256, 64 lower-case hex characters")


def _valid(sha256: str) -> str:
    if not _NAME.fullmatch(sha256):
        raise InvalidBlobName(sha256)
    return sha256


def _whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        # Windows opens no folders; NTFS journals the rename itself.
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
