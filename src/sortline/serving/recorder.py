"""Group commit: the disk is flushed once for many records.

What arrives while one group is written makes up the next. While pictures wait for an inference thread, a group also
waits for more records, up to `LINGER`: then it is the threads that limit what the server gets through, so the wait
costs no throughput, and every flush that it saves leaves them more of the processor. An idle server never waits.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sortline.errors import SortlineError

log = logging.getLogger(__name__)

Record = TypeVar("Record")

# Rows a transaction may hold, so that no other writer of the database waits long.
MAX_GROUP = 200
# Seconds a group waits for more at most, a tenth of what a picture waits in the queue when fifty clients keep it full.
LINGER = 0.025


@dataclass(frozen=True, slots=True)
class Entry(Generic[Record]):
    """Something to keep, and whom to tell: `settled(None)` once it is kept for good, or with the error."""

    record: Record
    settled: Callable[[Exception | None], None]


class Recorder(Generic[Record]):
    """One thread that keeps records in groups: it is an edge of its own, whose `commit` opens the transaction."""

    def __init__(
        self,
        commit: Callable[[Sequence[Record]], None],
        *,
        more_to_come: Callable[[], bool] = lambda: False,
        observe: Callable[[float, int], None] = lambda seconds, count: None,
    ) -> None:
        """`commit(records)` returns once all of them are durable, or raises and has kept none.

        `more_to_come()` says whether pictures wait to be inferred; `observe(seconds, count)` is told of each group.
        """
        self._commit, self._more_to_come, self._observe = commit, more_to_come, observe
        self._entries: queue.SimpleQueue[Entry[Record] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """The thread takes entries."""
        self._thread.start()

    def submit(self, entry: Entry[Record]) -> None:
        """The entry is part of the next group."""
        self._entries.put(entry)

    def close(self) -> None:
        """What was submitted is settled, and the thread is gone."""
        self._entries.put(None)
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            group, going = self._take()
            if group:
                self._keep(group)

    def _take(self) -> tuple[list[Entry[Record]], bool]:
        """The next group, at least one entry but at the end, and whether more may come."""
        group: list[Entry[Record]] = []
        entry, until = self._entries.get(), time.monotonic() + LINGER
        while entry is not None:
            group.append(entry)
            wait = until - time.monotonic() if self._more_to_come() else 0.0
            if len(group) == MAX_GROUP:
                return group, True
            try:
                entry = self._entries.get(timeout=wait) if wait > 0 else self._entries.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _keep(self, group: list[Entry[Record]]) -> None:
        begun = time.perf_counter()
        error = self._try([entry.record for entry in group])
        self._observe(time.perf_counter() - begun, len(group))
        # The database or the disk said no to all of them. Anything else may be one record's fault: each on its own.
        alone = error is not None and len(group) > 1 and not isinstance(error, SortlineError)
        for entry in group:
            entry.settled(self._try([entry.record]) if alone else error)

    def _try(self, records: list[Record]) -> Exception | None:
        try:
            self._commit(records)
        except Exception as error:  # noqa: BLE001  # the thread must live on, and each waiting request learn of it
            log.error("a group of %d was not recorded: %s", len(records), error)
            return error
        return None
