"""The worker's part in thumbnails: those of new pictures are made before anybody asks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from sqlalchemy import Engine

from sortline.flows.thumbnails import make_missing
from sortline.storage.blobs import Blobs

# Seconds of a turn: what else waits, as an import, comes after it.
TURN_S = 2.0


class ThumbnailWork:
    """Makes missing thumbnails, a turn at a time, newest pictures first.

    `mark` is a file that remembers up to which entry all were made, so that a worker that starts does not look at
    every picture again; it may be lost.
    """

    def __init__(self, engine: Engine, blobs: Blobs, thumbnails: Mapping[int, Blobs], mark: Path) -> None:
        self._engine, self._blobs, self._thumbnails, self._mark = engine, blobs, thumbnails, mark
        self._after = _read(mark)
        # Where the turn before stopped, and the newest entry it had begun with.
        self._before: int | None = None
        self._newest = self._after

    def __call__(self, stop: Event) -> bool:
        """Whether there was anything to do."""
        end = time.monotonic() + TURN_S
        found = make_missing(
            self._engine,
            self._blobs,
            self._thumbnails,
            after=self._after,
            before=self._before,
            stopped=lambda: stop.is_set() or time.monotonic() > end,
        )
        if self._before is None and found.newest is not None:
            self._newest = found.newest
        if not found.complete:
            self._before = found.before
            return True
        self._before = None
        if self._newest > self._after:
            self._after = self._newest
            _write(self._mark, self._after)
        return found.newest is not None


def _read(mark: Path) -> int:
    try:
        return int(mark.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _write(mark: Path, entry_id: int) -> None:
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        beside = mark.with_suffix(".new")
        beside.write_text(str(entry_id), encoding="ascii")
        beside.replace(mark)
