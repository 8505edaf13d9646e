"""Forgetting single predictions after thirty days: their counts by hour were written with them and stay."""

import logging
import threading
import time
from datetime import UTC, datetime

from sqlalchemy import Engine

from sortline.db.session import writing
from sortline.errors import SortlineError
from sortline.monitoring import store

log = logging.getLogger(__name__)

HOUR = 3600.0


class RollUp:
    """A thread that forgets what is too old, at start and then hourly, in chunks that keep no other writer waiting."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="roll-up", daemon=True)

    def start(self) -> None:
        """The thread runs."""
        self._thread.start()

    def close(self) -> None:
        """It has stopped between two chunks."""
        self._stop.set()
        self._thread.join()

    def once(self) -> int:
        """How many predictions were forgotten now."""
        total, before = 0, datetime.now(UTC) - store.KEEP
        while not self._stop.is_set():
            begun = time.perf_counter()
            with writing(self._engine) as session:
                forgotten = store.roll_up(session, before)
            total += forgotten
            if not forgotten:
                break
            # As long a pause as the chunk took, so that another writer is never kept waiting for long.
            self._stop.wait(time.perf_counter() - begun)
        return total

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                if forgotten := self.once():
                    log.info("forgot %d predictions older than %s", forgotten, store.KEEP)
            except SortlineError as error:
                log.warning("old predictions stay for another hour: %s", error)
            except Exception:  # the thread must live on, or the table grows for ever
                log.exception("old predictions stay for another hour")
            self._stop.wait(HOUR)
