"""What a server tells of itself: Prometheus metrics, and the few figures older clients ask for as JSON."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds; from a cache hit to a queue a hundred deep.
_STAGE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_BATCH_BUCKETS = (1, 2, 4, 8)
_GROUP_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200)
_MINUTE = 60


@dataclass(slots=True)
class Latency:
    """Of the predictions since start: how many, and their latency in ms."""

    count: int = 0
    total_ms: float = 0.0
    min_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, milliseconds: float) -> None:
        """One more prediction."""
        self.min_ms = min(self.min_ms, milliseconds) if self.count else milliseconds
        self.max_ms = max(self.max_ms, milliseconds)
        self.count += 1
        self.total_ms += milliseconds

    @property
    def average_ms(self) -> float:
        """Mean, 0 before the first."""
        return self.total_ms / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the server takes: CPU in percent of one core since the reading before, memory of the machine's."""

    cpu_percent: float
    memory_percent: float
    memory_bytes: int


class Metrics:
    """One server's figures since it started. Made once per server; the registry is its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency = Latency()
        self.total_requests = 0
        self._begun = time.monotonic()
        self._process = psutil.Process()
        self._process.cpu_percent()
        # Of its own: a process tells its CPU time since it was last asked, and others ask `_process` when they like.
        self._watched = psutil.Process()
        self._watched.cpu_percent()
        self._usage_at, self._usage = self._begun, self._read_usage()
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_MINUTE)
        self._predictions_total = self._counter(
            "predictions", "Predictions recorded.", "line", "class_name", "verdict", "reason"
        )
        self._shadow_total = self._counter("shadow", "Pictures for a line's shadow.", "line", "outcome")
        self._errors_total = self._counter("errors", "Requests refused or failed.", "type")
        self._requests_total = self._counter("requests", "HTTP requests.", "route", "method", "status")
        self._stage_seconds = self._histogram("stage_seconds", "Time in a stage.", _STAGE_BUCKETS, "stage")
        self._stages = {
            name: self._stage_seconds.labels(name) for name in ("queue", "decode", "infer", "record", "total")
        }
        self._batch = self._histogram("batch_size", "Pictures inferred together.", _BATCH_BUCKETS)
        self._group = self._histogram("record_group_size", "Records committed together.", _GROUP_BUCKETS)
        self._gauge("uptime_seconds", "Time since start.", lambda: self.uptime_seconds)
        self._gauge("resident_memory_bytes", "Memory of the process.", self._memory_bytes)
        self._gauge("cpu_percent", "CPU since the last reading; 100 is one core.", self._process.cpu_percent)

    def watch(self, *, queue_depth: Callable[[], int], in_flight: Callable[[], int]) -> None:
        """From now on it is told, too, what waits and what is under way."""
        self._gauge("queue_depth", "Pictures no inference thread has taken yet.", queue_depth)
        self._gauge("requests_in_flight", "Classify requests taken and not yet answered.", in_flight)

    def predicted(self, line: str, class_name: str, verdict: str, reason: str | None) -> None:
        """One answer was given."""
        self._predictions_total.labels(line, class_name, verdict, reason or "").inc()

    def shadowed(self, line: str, outcome: str) -> None:
        """The line's shadow `agreed` or `disagreed` with the answer, or the picture was `dropped`."""
        self._shadow_total.labels(line, outcome).inc()

    def timed(self, *, queue: float, decode: float, infer: float, total: float, batch: int) -> None:
        """Where an answer's time went, seconds, and how many pictures were inferred together."""
        for stage, seconds in (("queue", queue), ("decode", decode), ("infer", infer), ("total", total)):
            self._stages[stage].observe(seconds)
        self._batch.observe(batch)
        self.latency.add(total * 1000)

    def recorded(self, seconds: float, count: int) -> None:
        """A group was committed, or failed to be."""
        self._stages["record"].observe(seconds)
        self._group.observe(count)

    def requested(self, route: str, method: str, status: int) -> None:
        """A request was answered; `route` is its pattern, never its path, so that the series stay few."""
        self._requests_total.labels(route, method, str(status)).inc()
        self.total_requests += 1
        now = int(time.monotonic())
        if self._seconds and self._seconds[-1][0] == now:
            self._seconds[-1] = (now, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((now, 1))

    def failed(self, kind: str) -> None:
        """A request was refused or failed, by the problem's type."""
        self._errors_total.labels(kind).inc()

    @property
    def requests_per_minute(self) -> int:
        """Requests answered in the last minute."""
        since = int(time.monotonic()) - _MINUTE
        return sum(count for second, count in self._seconds if second > since)

    @property
    def uptime_seconds(self) -> float:
        """Since the server started."""
        return time.monotonic() - self._begun

    def resources(self) -> tuple[float, float]:
        """CPU in percent of one core since the last reading, and memory in percent of the machine's."""
        return self._process.cpu_percent(), self._process.memory_percent()

    def usage(self) -> Usage:
        """What the server takes; read once a second at most, so that many who look see the same."""
        if (now := time.monotonic()) - self._usage_at >= 1:
            self._usage_at, self._usage = now, self._read_usage()
        return self._usage

    def _read_usage(self) -> Usage:
        return Usage(
            cpu_percent=self._watched.cpu_percent(),
            memory_percent=self._watched.memory_percent(),
            memory_bytes=self._watched.memory_info().rss,
        )

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _memory_bytes(self) -> float:
        return float(self._process.memory_info().rss)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"sortline_{name}_total", told, labels, registry=self.registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sortline_{name}", told, labels, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, told: str, read: Callable[[], float]) -> None:
        Gauge(f"sortline_{name}", told, registry=self.registry).set_function(read)
