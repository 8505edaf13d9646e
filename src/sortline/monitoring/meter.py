"""How fast answers come: counted in memory as they are given, written every few seconds, read as percentiles."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sortline.errors import SortlineError
from sortline.monitoring.recorded import hour_of

log = logging.getLogger(__name__)

# Latencies within a tenth of each other count as one, from a tenth of a millisecond up.
_RATIO, _LEAST_MS = 1.1, 0.1
# Seconds between writes. What a killed server had not written is missing from percentiles, and from nothing else.
INTERVAL = 10.0
_MINUTE = 60

# Line id, hour (see `hour_of`), step.
Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latencies in ms under which half, 95 % and 99 % of `n` answers stayed, to within 5 %."""

    p50: float
    p95: float
    p99: float
    n: int


def latency_step(milliseconds: float) -> int:
    """The step that a latency counts in, from 0."""
    return max(0, math.ceil(math.log(max(milliseconds, _LEAST_MS) / _LEAST_MS, _RATIO)))


def percentiles(steps: Mapping[int, int]) -> Percentiles | None:
    """The percentiles of counted latencies; None where there are none."""
    total = sum(steps.values())
    if not total:
        return None
    half, most, nearly_all = (_reached(steps, share * total) for share in (0.5, 0.95, 0.99))
    return Percentiles(p50=half, p95=most, p99=nearly_all, n=total)


def _reached(steps: Mapping[int, int], wanted: float) -> float:
    """The latency by which so many answers were given: the middle of its step."""
    seen = 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= wanted:
            middle: float = _LEAST_MS * _RATIO ** (step - 0.5)
            return round(middle, 3)
    raise ValueError("more is wanted than was counted")


class Meter:
    """Counts a server's answers by line. A thread hands the counted latencies to `keep`; any thread may add."""

    def __init__(self, keep: Callable[[Mapping[Key, int]], None]) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._counted: Counter[Key] = Counter()
        self._seconds: dict[int, deque[list[int]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="meter", daemon=True)

    def add(self, line_id: int, milliseconds: float) -> None:
        """One answer was given now, and took so long."""
        key, second = (line_id, hour_of(datetime.now(UTC)), latency_step(milliseconds)), int(time.monotonic())
        with self._lock:
            self._counted[key] += 1
            seconds = self._seconds.setdefault(line_id, deque(maxlen=_MINUTE))
            if seconds and seconds[-1][0] == second:
                seconds[-1][1] += 1
            else:
                seconds.append([second, 1])

    def per_minute(self, line_id: int) -> int:
        """Answers of a line in the last minute."""
        since = int(time.monotonic()) - _MINUTE
        with self._lock:
            return sum(n for second, n in self._seconds.get(line_id, ()) if second > since)

    def start(self) -> None:
        """From now on what is counted is kept."""
        self._thread.start()

    def close(self) -> None:
        """What was counted is kept, and the thread is gone."""
        self._stop.set()
        self._thread.join()

    def flush(self) -> None:
        """What was counted until now is kept; it is counted on where that fails."""
        with self._lock:
            taken, self._counted = self._counted, Counter()
        if not taken:
            return
        try:
            self._keep(taken)
        except SortlineError as error:
            log.warning("latencies are not written yet: %s", error)
            with self._lock:
                self._counted.update(taken)

    def _work(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.flush()
        except Exception:  # the thread must live on
            log.exception("some latencies were not written")
