"""How near the server comes to the limit of the machine it runs on.

    python benchmarks/serving.py [--quick] [--photos DIR] [--database-url URL] [--seconds N] [--clients 1,10,50,100]
                                 [--litserve]

One run measures the limit (a bare loop of decode, resize and inference, see limit.py) and the server, started as a user
starts it, under 1, 10, 50 and 100 clients, by turns. Every picture sent is unlike any other (photos.py), one in five
goes to review and is stored. Prints a table and, last, one line of JSON. `docs/performance.md` says how to read it.
"""

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import load
import peers
from limit import Limit, Parts
from load import Load
from photos import first_number, photos
from running_server import RunningServer, running_server

LINE = "/api/v1/lines/waste"
# Nothing is unknown, ambiguous or unreadable; a fifth of what would be accepted goes to review, by lot.
POLICY = {
    "detector": "energy",
    "ood_threshold": 1e9,
    "min_confidence": 0,
    "sample_share": 0.2,
    "min_sharpness": 0,
    "min_brightness": 0,
    "max_brightness": 255,
}
LONG_CLIENTS = 100
WARM_UP_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure: `seconds` a load, `long_seconds` with 100 clients, `limit_seconds` each time at the limit."""

    photos: Path | None
    database_url: str | None
    clients: tuple[int, ...]
    seconds: float
    long_seconds: float
    limit_seconds: float
    litserve: bool

    def duration(self, clients: int) -> float:
        """Seconds for this many clients."""
        return self.long_seconds if clients == LONG_CLIENTS else self.seconds


@dataclass(slots=True, kw_only=True)
class Results:
    """What was measured, as it comes in."""

    first_ready_s: float
    ready_s: float = 0.0
    rss_mb: float = 0.0
    loads: list[Load] = field(default_factory=list)
    recorded: int = 0
    review: int = 0
    stored_share: float = 0.0

    @property
    def answers(self) -> int:
        """Answers of all loads."""
        return sum(found.answers for found in self.loads)

    @property
    def generator_cpu_share(self) -> float:
        """The generator's share of all cores over all loads."""
        return sum(found.cpu_share * found.seconds for found in self.loads) / sum(
            f.seconds for f in self.loads
        )


def main() -> None:
    """Measure, print a table, and last a line of JSON."""
    # As an interrupt is: so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    begun, plan = time.perf_counter(), _plan()
    folder = Path(tempfile.mkdtemp(prefix="sortline-serving-"))
    try:
        measure(plan, folder, begun)
    except BaseException:
        log = folder / "server.log"
        if log.exists():
            print(f"The server's last words:\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(plan: Plan, folder: Path, begun: float) -> None:
    """The whole run, with `folder` for everything it writes."""
    jpegs, what = photos(plan.photos)
    data_dir, log = folder / "data", folder / "server.log"
    print(f"Pictures: {what}. Generator: {load.generator()}. Database: {database_name(plan.database_url)}.")
    if load.generator() != "wrk":
        print("wrk is not installed: a generator in Python takes more of the cores that the server needs.")
    with running_server(data_dir, log=log, database_url=plan.database_url) as server:
        results = Results(first_ready_s=server.ready_s)
    limit = Limit(data_dir, plan.photos)
    print_parts(limit.parts())
    with running_server(data_dir, log=log, database_url=plan.database_url) as server:
        results.ready_s = server.ready_s
        load.prepare(folder / "requests", jpegs, host=f"127.0.0.1:{server.port}", path=f"{LINE}/classify")
        load_server(server, folder / "requests", plan, limit, results)
        results.rss_mb = server.peak_mb
    beside = peers.int8(data_dir, plan.photos, plan.limit_seconds)
    if plan.litserve:
        beside |= peers.litserve(data_dir, folder / "litserve", jpegs, plan.seconds)
        limit.sample(plan.limit_seconds)
    print_results(results, limit)
    figures = (
        summary(results, limit)
        | beside
        | {"database": database_name(plan.database_url), "n": results.answers}
    )
    print(json.dumps(figures | {"seconds": round(time.perf_counter() - begun, 1)}))


def load_server(server: RunningServer, requests: Path, plan: Plan, limit: Limit, results: Results) -> None:
    """Each load in turn, and the limit before, between and after them, while the server idles."""
    server.ask("PATCH", LINE, {"policy": POLICY})
    number, url = first_number(), server.url
    warm = load.run(url, requests, clients=10, seconds=WARM_UP_SECONDS, first=number)
    number += warm.answers + 10
    before = settled_counts(server)
    limit.sample(plan.limit_seconds)
    for clients in plan.clients:
        found = load.run(url, requests, clients=clients, seconds=plan.duration(clients), first=number)
        results.loads.append(found)
        # Beyond what was answered, each client may have sent one more picture, and again for each failure.
        number += found.answers + found.failures + clients
        settled_counts(server)
        limit.sample(plan.limit_seconds)
    after = settled_counts(server)
    results.recorded, results.review = after[0] - before[0], after[1] - before[1]
    results.stored_share = (after[2] - before[2]) / max(results.review, 1)


def settled_counts(server: RunningServer) -> tuple[int, int, int]:
    """Predictions recorded, how many of them went to review, and open review items, once they no longer change."""
    last: tuple[int, int, int] | None = None
    for _ in range(100):
        found = server.ask("GET", f"{LINE}/counts?bucket=day")
        review = sum(row["n"] for row in found["counts"] if row["verdict"] == "review")
        now = (found["total"], review, found["review_open"])
        if now == last:
            return now
        last = now
        time.sleep(0.3)
    raise RuntimeError("the server still records, half a minute after the last request")


def summary(results: Results, limit: Limit) -> dict[str, Any]:
    """The figures by the names that the design gives them; speed and latency of several like loads as medians."""
    figures: dict[str, Any] = {"limit_img_s": round(limit.median, 1)}
    by_clients, beside = dict[int, list[Load]](), dict[int, list[float]]()
    for index, found in enumerate(results.loads):
        by_clients.setdefault(found.clients, []).append(found)
        beside.setdefault(found.clients, []).append(found.images_per_second / limit.beside(index))
    for clients, loads in by_clients.items():
        speed = statistics.median(found.images_per_second for found in loads)
        figures[f"ratio_{clients}"] = round(speed / limit.median, 3)
        figures[f"beside_{clients}"] = round(statistics.median(beside[clients]), 3)
    for clients in (50, 100):
        if clients in by_clients:
            loads = by_clients[clients]
            figures |= {
                f"p50_ms_{clients}": round(statistics.median(found.p50_ms for found in loads), 1),
                f"p99_ms_{clients}": round(statistics.median(found.p99_ms for found in loads), 1),
            }
    if LONG_CLIENTS in by_clients:
        figures["failures_100"] = sum(found.failures for found in by_clients[LONG_CLIENTS])
    return figures | {
        "ready_s": round(results.ready_s, 2),
        "rss_mb": round(results.rss_mb, 1),
        "review_share": round(results.review / max(results.recorded, 1), 3),
        "generator_cpu_share": round(results.generator_cpu_share, 3),
    }


def print_parts(parts: Parts) -> None:
    """What the limit is made of."""
    best = parts.best
    print(
        f"\nRuntime {parts.runtime}; the server has {parts.server_threads} threads that take up to "
        f"{parts.server_batch} pictures at a time. A core's milliseconds for a picture while all cores work:\n"
        f"  decode + resize  {parts.decode_ms:6.2f}"
    )
    for size, milliseconds in parts.infer_ms.items():
        print(f"  infer, batch {size}   {milliseconds:6.2f}")
    print("Bare loop of both, img/s by threads and batch size:")
    for speed in parts.loops:
        mark = "  <- the limit is measured so" if speed == best else ""
        print(f"  {speed.threads} threads, batch {speed.batch}  {speed.images_per_second:7.1f}{mark}")


def print_results(results: Results, limit: Limit) -> None:
    """The table for people."""
    samples, others = limit.samples, limit.others
    print(
        f"\nLimit {limit.median:.1f} img/s: the median of {', '.join(f'{sample:.0f}' for sample in samples)}."
    )
    if max(samples) > 1.15 * min(samples) or max(others) > 0.1:
        print(
            f"This machine was not steady or not ours alone (other programs took {min(others):.0%} to "
            f"{max(others):.0%} of the cores): trust 'beside' over 'of limit', or measure again."
        )
    print(
        "\nclients  seconds   img/s  of limit  beside  p50 ms  p99 ms  max ms  p99/p50  failures  generator"
    )
    for index, found in enumerate(results.loads):
        speed = found.images_per_second
        print(
            f"{found.clients:7d}  {found.seconds:7.1f}  {speed:6.1f}  {speed / limit.median:8.3f}  "
            f"{speed / limit.beside(index):6.3f}  {found.p50_ms:6.1f}  {found.p99_ms:6.1f}  {found.max_ms:6.1f}  "
            f"{found.p99_ms / max(found.p50_ms, 1e-9):7.2f}  {found.failures:8d}  {found.cpu_share:8.1%}"
        )
    print_checks(results)


def print_checks(results: Results) -> None:
    """Whether what was recorded fits what was answered, and what the server needed."""
    in_flight = sum(found.clients for found in results.loads)
    excess, review_share = results.recorded - results.answers, results.review / max(results.recorded, 1)
    # A failed request may have been recorded too: its answer was lost, not its picture.
    right = 0 <= excess <= in_flight + sum(found.failures for found in results.loads)
    print(
        f"\nRecorded {results.recorded}, answered {results.answers}: {excess} more, in flight when a load ended "
        f"(at most {in_flight}): {'as it must be' if right else 'WRONG'}.\n"
        f"To review {review_share:.1%}, of which {results.stored_share:.1%} are pictures of their own.\n"
        f"Ready after {results.ready_s:.2f} s (first start, which measures runtimes: {results.first_ready_s:.2f} s). "
        f"Peak memory {results.rss_mb:.0f} MB.\n"
    )


def database_name(url: str | None) -> str:
    """Which kind of database it is."""
    return urlsplit(url).scheme.partition("+")[0] if url else "sqlite"


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter loads; under three minutes in all")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs to send")
    parser.add_argument("--database-url", help="PostgreSQL by URL; SQLite if unset")
    parser.add_argument("--seconds", type=float, help="seconds a load, of 100 clients too")
    parser.add_argument("--clients", default="1,10,50,100", help="how many clients, commas between")
    parser.add_argument(
        "--litserve", action="store_true", help="also measure LitServe (pip install litserve)"
    )
    given = parser.parse_args()
    usual, long = (10.0, 20.0) if given.quick else (20.0, 180.0)
    return Plan(
        photos=given.photos,
        database_url=given.database_url,
        clients=tuple(int(number) for number in given.clients.split(",")),
        seconds=given.seconds or usual,
        long_seconds=given.seconds or long,
        limit_seconds=3.0 if given.quick else 6.0,
        litserve=given.litserve,
    )


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
