"""On SQLite one worker does everything: a lock beside the database, which the system lets go of with the process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO

from sqlalchemy import Engine

from sortline.errors import SortlineError

log = logging.getLogger(__name__)

NAME = "worker.lock"
# Seconds between looks whether the other worker is gone.
LOOK_S = 0.5


class AnotherWorker(SortlineError):
    """A worker is at work on this SQLite database already."""

    def __init__(self, folder: Path, process: str) -> None:
        self.folder, self.process = folder, process
        super().__init__(
            f"a worker{f' (process {process})' if process else ''} is at work in {folder} already, and SQLite takes "
            "one; `sortline up` has its own. Several can share a PostgreSQL database: set SORTLINE_DATABASE_URL"
        )


@contextmanager
def sole_worker(engine: Engine, *, wait: Event | None = None) -> Iterator[bool]:
    """Whether this process may be a worker, which on SQLite no other is meanwhile.

    With `wait` it stands by for another to end, and gives False where that event is set before.

    Raises:
        AnotherWorker: there is one, and `wait` is not given.
    """
    if engine.dialect.name != "sqlite":
        yield True
        return
    folder = Path(engine.url.database or "").absolute().parent
    with (folder / NAME).open("a+b") as file:
        if wait is not None and not _waited(file, wait):
            yield False
            return
        if wait is None and not _locked(file):
            raise AnotherWorker(folder, _process(file))
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield True


def _waited(file: BinaryIO, stop: Event) -> bool:
    """Whether the lock is ours, before that event is set."""
    told = False
    while not _locked(file):
        if not told:
            log.info("another worker is at work (process %s); this one stands by", _process(file))
            told = True
        if stop.wait(LOOK_S):
            return False
    return True


def _process(file: BinaryIO) -> str:
    file.seek(0)
    return file.read(20).decode(errors="replace")


if sys.platform == "win32":
    import msvcrt

    def _locked(file: BinaryIO) -> bool:
        """Whether the lock is ours. A byte far behind the text: what is locked on Windows cannot be read."""
        file.seek(1 << 20)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(file: BinaryIO) -> bool:
        """Whether the lock is ours. Of the process alone: unlike flock's it is not held on by children it forked."""
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
