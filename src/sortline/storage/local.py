"""Blobs as files in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sortline.storage.blobs import FOLDERS, Stored, is_name, valid_name
from sortline.storage.errors import StorageUnavailable, UnknownBlob
from sortline.storage.flush import begin_flush, filesystem, flush_folder, flushes_at_once

# From so many files on, the whole file system is flushed instead of file by file: 500 files of 20 KB in 0.10 s instead
# of 0.21. In batches, because whoever else flushes waits: beside 500 files of 100 KB the recorder's p99 was 18 ms file
# by file, 27 ms in batches, 175 ms all at once. File by file, as many are open at once.
_MANY = 32
_BATCH = 128
_BATCH_BYTES = 16 * 1024 * 1024
# A temporary file lives for milliseconds. Younger ones may be another process's at work.
_LEFTOVER_AGE_S = 3600


class LocalBlobs:
    """Blobs as files in a folder, 256 sub-folders by the first two hex characters.

    If not `durable`, nothing is flushed, folders are made by the first write, and an empty file counts as none: that is
    what a power cut makes of one that was not flushed.

    Raises:
        StorageUnavailable: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._unfinished = self._folder / "unfinished"
        self._durable = durable
        with self._available():
            if durable:
                self._prepare()
            self._remove_leftovers()
        self._at_once = durable and flushes_at_once(self._folder)

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """See `Blobs`.

        A batch is written, its files flushed, renamed into place, and each of its folders flushed. Of many, the whole
        file system is flushed instead of files, and again instead of folders.
        """
        files = {self._path(sha256): data for sha256, data in blobs}
        with self._available():
            fresh = [(path, data) for path, data in files.items() if not _known(path, len(data))]
            together = self._at_once and len(fresh) >= _MANY
            write, most = (self._write_together, _BATCH) if together else (self._write_each, _MANY)
            for batch in _batches(fresh, most):
                write(batch)
            if self._durable and not together:
                # Also for those that stood there already: another thread may have renamed one a moment ago, its
                # folder not yet on the disk. Flushing a clean folder costs microseconds.
                for folder in {path.parent for path in files}:
                    flush_folder(folder)

    def get(self, sha256: str) -> bytes:
        """See `Blobs`."""
        path = self._path(sha256)
        with self._available():
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise UnknownBlob(sha256) from None
        if not data and not self._durable:
            raise UnknownBlob(sha256)
        return data

    def exists(self, sha256: str) -> bool:
        """See `Blobs`."""
        path = self._path(sha256)
        with self._available():
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                return False
        return self._durable or size > 0

    def delete(self, sha256: str) -> None:
        """See `Blobs`. Its folder is flushed, so that what was erased does not come back."""
        path = self._path(sha256)
        with self._available():
            try:
                path.unlink()
            except FileNotFoundError:
                return
            if self._durable:
                flush_folder(path.parent)

    def delete_older(self, sha256: str, than: datetime) -> bool:
        """See `Blobs`."""
        path, aside = self._path(sha256), self._name_unfinished(self._path(sha256))
        with self._available():
            try:
                if path.stat().st_mtime >= than.timestamp():
                    return False
                # Aside first: whoever puts it from now on does not find it, and writes it anew. Whoever put it since
                # that look has touched it.
                path.replace(aside)
            except FileNotFoundError:
                return True
            older = aside.stat().st_mtime < than.timestamp()
            if older:
                aside.unlink()
            else:
                aside.replace(path)
            if self._durable:
                flush_folder(path.parent)
        return older

    def stored(self) -> Iterator[Stored]:
        """See `Blobs`. One of the 256 folders at a time."""
        for folder in FOLDERS:
            with self._available():
                found = self._listed(self._folder / folder)
            yield from found

    def close(self) -> None:
        """See `Blobs`."""

    def _prepare(self) -> None:
        # All folders at once, so that a write never has to make one and flush its parent: 256 take 5 ms.
        self._unfinished.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            (self._folder / folder).mkdir(exist_ok=True)
        flush_folder(self._folder)
        flush_folder(self._folder.parent)

    def _remove_leftovers(self) -> None:
        if not self._unfinished.exists():
            return
        for leftover in self._unfinished.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                    leftover.unlink()

    def _path(self, sha256: str) -> Path:
        name = valid_name(sha256)
        return self._folder / name[:2] / name

    def _listed(self, folder: Path) -> list[Stored]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if is_name(entry.name))
        except FileNotFoundError:
            if self._durable:
                # It was made when the store was opened: its disk is gone.
                raise
            return []
        found = []
        for name in names:
            with suppress(FileNotFoundError):
                status = (folder / name).stat()
                if status.st_size or self._durable:
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    found.append(Stored(name=name, size=status.st_size, modified=modified))
        return found

    def _write_each(self, fresh: Sequence[tuple[Path, bytes]]) -> None:
        with self._placing(fresh) as placed, ExitStack() as closing:
            opened = []
            # All are on their way to the disk before the first is waited for: it merges them, with no more threads.
            for unfinished, path, data in placed:
                if not self._durable:
                    self._unfinished.mkdir(parents=True, exist_ok=True)
                    path.parent.mkdir(exist_ok=True)
                file = closing.enter_context(unfinished.open("xb"))
                file.write(data)
                file.flush()
                opened.append(file.fileno())
                if self._durable:
                    begin_flush(file.fileno())
            if self._durable:
                for descriptor in opened:
                    os.fsync(descriptor)
            closing.close()
            for unfinished, path, _ in placed:
                unfinished.replace(path)

    def _write_together(self, fresh: Sequence[tuple[Path, bytes]]) -> None:
        with self._placing(fresh) as placed, filesystem(self._folder) as flush:
            for unfinished, _, data in placed:
                unfinished.write_bytes(data)
            flush()
            for unfinished, path, _ in placed:
                unfinished.replace(path)
            flush()

    @contextmanager
    def _placing(self, fresh: Sequence[tuple[Path, bytes]]) -> Iterator[list[tuple[Path, Path, bytes]]]:
        """Where each file is written, where it is found then, and its bytes; a failure leaves nothing unfinished."""
        placed = [(self._name_unfinished(path), path, data) for path, data in fresh]
        try:
            yield placed
        except OSError:
            for unfinished, _, _ in placed:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)
            raise

    def _name_unfinished(self, path: Path) -> Path:
        return self._unfinished / f"{path.name}-{uuid4().hex}"

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageUnavailable(self._folder, error.strerror or str(error)) from error


def _batches(files: Sequence[tuple[Path, bytes]], most: int) -> Iterator[list[tuple[Path, bytes]]]:
    batch: list[tuple[Path, bytes]] = []
    room = _BATCH_BYTES
    for path, data in files:
        if batch and (len(batch) == most or len(data) > room):
            yield batch
            batch, room = [], _BATCH_BYTES
        batch.append((path, data))
        room -= len(data)
    if batch:
        yield batch


def _known(path: Path, size: int) -> bool:
    """Whether the file is there as a whole; it counts as put now, so that nobody takes it for forgotten."""
    try:
        if path.stat().st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
