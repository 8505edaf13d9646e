"""Whether anybody notices when a model is replaced while the server is at work.

    python benchmarks/swap.py [--quick] [--photos DIR] [--database-url URL]

The load is steady: half of what the server was just measured to get through, sent when it is due (open_loop.py). By
turns there is the load alone, the load with twenty promotions in a row of bundles that differ in their head, one of
them broken, and the load with a promotion of another backbone every ten seconds. Prints a table and, last, one line of
JSON; benchmarks/README.md says what its keys are.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NoReturn

import load
import open_loop
from drawn_bundles import broken, head_variant, other_backbone
from open_loop import Sent
from photos import first_number, photos
from running_server import RunningServer, program, running_server
from serving import LINE, POLICY, database_name

ALONE, HEADS, BACKBONES = "alone", "20 heads", "backbones"
PROMOTIONS = 20
BROKEN_AT = 10
BACKBONE_EVERY_S = 10.0
WARM_UP_SECONDS, CAPACITY_CLIENTS = 3.0, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, `rounds` times: seconds of the load alone, between two heads, and how many other backbones."""

    photos: Path | None
    database_url: str | None
    capacity_seconds: float
    alone_seconds: float
    head_every: float
    backbones: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Hashes of the bundles that are promoted by turns, and of the broken one."""

    heads: tuple[str, ...]
    backbones: tuple[str, ...]
    broken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A promotion: what was asked for, when it was answered (seconds since 1970), how long that took, the status."""

    model: str
    at: float
    seconds: float
    done: bool


@dataclass(slots=True)
class Phase:
    """A load and the promotions during it."""

    name: str
    sent: list[Sent]
    promoted: list[Promoted] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """Pictures that got no answer, or another than 200."""
        return sum(one.status != 200 for one in self.sent)

    @property
    def stale(self) -> int:
        """Pictures that left after a promotion was answered and were answered by an older bundle."""
        changes = [one for one in self.promoted if one.done]
        count = 0
        for change, following in zip(changes, [*changes[1:], None], strict=True):
            until = following.at - following.seconds if following else float("inf")
            count += sum(
                one.model != change.model for one in self.sent if change.at < one.left < until and one.model
            )
        return count

    @property
    def beside(self) -> list[float]:
        """The latencies, s, of pictures that were under way during a promotion."""
        spans = [(one.at - one.seconds, one.at) for one in self.promoted]
        return [
            one.latency
            for one in self.sent
            if any(one.due < end and one.due + one.latency > begin for begin, end in spans)
        ]

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the pictures did not exceed."""
        return percentile([one.latency for one in self.sent], share) * 1000


def main() -> None:
    """Measure, print a table, and last a line of JSON."""
    signal.signal(signal.SIGTERM, _interrupt)
    begun, plan = time.perf_counter(), _plan()
    folder = Path(tempfile.mkdtemp(prefix="sortline-swap-"))
    try:
        measure(plan, folder, begun)
    except BaseException:
        log = folder / "server.log"
        if log.exists():
            print(f"The server's last words:\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(plan: Plan, folder: Path, begun: float) -> None:
    """The whole run, with `folder` for everything it writes."""
    jpegs, what = photos(plan.photos)
    data_dir, log = folder / "data", folder / "server.log"
    print(f"Pictures: {what}. Database: {database_name(plan.database_url)}.")
    with running_server(data_dir, log=log, database_url=plan.database_url):
        pass  # the first start measures runtimes, which takes memory that a later one does not
    made = make(folder / "made", data_dir, plan.database_url)
    with running_server(data_dir, log=log, database_url=plan.database_url) as server:
        requests = folder / "requests"
        load.prepare(requests, jpegs, host=f"127.0.0.1:{server.port}", path=f"{LINE}/classify")
        server.ask("PATCH", LINE, {"policy": POLICY})
        number = first_number()
        load.run(server.url, requests, clients=10, seconds=WARM_UP_SECONDS, first=number)
        number += 10_000
        capacity = load.run(
            server.url, requests, clients=CAPACITY_CLIENTS, seconds=plan.capacity_seconds, first=number
        )
        rate = capacity.images_per_second / 2
        before_mb = resident_mb(server)
        print(f"Serving on {', '.join(chosen(data_dir))}.")
        print(f"Capacity {capacity.images_per_second:.1f} img/s, so the load is {rate:.1f} a second.")
        phases = Phases(server, requests, folder, rate, number + 100_000)
        run_all(phases, plan, made)
        peak_mb, after_mb = server.peak_mb, resident_mb(server)
    print_table(phases.done)
    print(f"Memory {before_mb:.0f} MB before, {peak_mb:.0f} MB at most, {after_mb:.0f} MB at the end.\n")
    figures = summary(phases.done) | {
        "rss_mb": round(before_mb, 1),
        "rss_mb_swap": round(peak_mb, 1),
        "rss_mb_after": round(after_mb, 1),
        "capacity_img_s": round(capacity.images_per_second, 1),
        "database": database_name(plan.database_url),
        "n": sum(len(phase.sent) for phase in phases.done),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures))


def make(folder: Path, data_dir: Path, database_url: str | None) -> Made:
    """Bundles, imported into the installation as a user would."""
    heads = [head_variant(folder / f"head-{seed}", seed) for seed in (1, 2)]
    backbones = [other_backbone(folder / f"backbone-{seed}", seed) for seed in (1, 2)]
    wrong = broken(folder / "broken", heads[0])
    environment = os.environ | ({"SORTLINE_DATABASE_URL": database_url} if database_url else {})
    for bundle in (*heads, *backbones, wrong):
        command = [*program(), "bundles", "import", str(bundle.folder), "--line", "waste"]
        command += ["--data-dir", str(data_dir)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return Made(
        heads=tuple(bundle.hash for bundle in heads),
        backbones=tuple(bundle.hash for bundle in backbones),
        broken=wrong.hash,
    )


class Phases:
    """Runs one load after the other and keeps what came of them."""

    def __init__(self, server: RunningServer, requests: Path, folder: Path, rate: float, first: int) -> None:
        self._server, self._requests, self._folder = server, requests, folder
        self._rate, self._number = rate, first
        self.done: list[Phase] = []

    def run(self, name: str, seconds: float, models: Sequence[str] = (), every: float = 0.0) -> None:
        """A load, and the promotions during it, each `every` seconds from its first second on."""
        running = open_loop.start(
            self._server.url,
            self._requests,
            rate=self._rate,
            seconds=seconds,
            first=self._number,
            out=self._folder / "sent.jsonl",
        )
        self._number += int(self._rate * seconds) + 1
        promoted: list[Promoted] = []
        thread = threading.Thread(target=self._promote, args=(models, every, promoted))
        try:
            thread.start()
            sent = running.wait()
        finally:
            running.stop()
            thread.join()
        self.done.append(Phase(name, sent, promoted))

    def _promote(self, models: Sequence[str], every: float, promoted: list[Promoted]) -> None:
        begun = time.time() + 1.0
        for index, model in enumerate(models):
            time.sleep(max(0.0, begun + index * every - time.time()))
            asked = time.time()
            body = {"force": True, "reason": "benchmark"}
            try:
                self._server.ask("POST", f"{LINE}/models/{model}/promote", body)
                done = True
            except RuntimeError as error:
                done = False
                if "bundle-not-usable" not in str(error):
                    raise
            now = time.time()
            promoted.append(Promoted(model=model, at=now, seconds=now - asked, done=done))


def run_all(phases: Phases, plan: Plan, made: Made) -> None:
    """Each round: the load alone, with new heads, alone, with other backbones; and alone once more at the end."""
    heads = list(islice(cycle(made.heads), PROMOTIONS - 1))
    heads.insert(BROKEN_AT, made.broken)
    # The first turn leads away from the last head; from then on one backbone follows the other.
    backbones = list(islice(cycle(made.backbones), plan.backbones))
    for _ in range(plan.rounds):
        phases.run(ALONE, plan.alone_seconds)
        phases.run(HEADS, 2.0 + PROMOTIONS * plan.head_every, heads, plan.head_every)
        phases.run(ALONE, plan.alone_seconds)
        phases.run(BACKBONES, plan.backbones * BACKBONE_EVERY_S, backbones, BACKBONE_EVERY_S)
    phases.run(ALONE, plan.alone_seconds)


def summary(phases: Sequence[Phase]) -> dict[str, Any]:
    """The figures by the names that the issue gives them."""
    heads, backbones = named(phases, HEADS), named(phases, BACKBONES)
    wrongly = sum(one.done == (one.model == broken_of(phase)) for phase in heads for one in phase.promoted)
    refused = sum(not one.done for phase in backbones for one in phase.promoted)
    return {
        "failed": sum(phase.failures for phase in phases),
        "p99_ratio_head": round(ratio(phases, HEADS), 3),
        "p99_ratio_backbone": round(ratio(phases, BACKBONES), 3),
        "stale": sum(phase.stale for phase in (*heads, *backbones)),
        "promotions": sum(len(phase.promoted) for phase in (*heads, *backbones)),
        "promotions_wrong": wrongly + refused,
        "p99_ms_alone": round(statistics.median(p.latency_ms(0.99) for p in named(phases, ALONE)), 1),
        "head_s": round(max(map(slowest, heads)), 2),
        "backbone_s": round(max(map(slowest, backbones)), 2),
    }


def named(phases: Sequence[Phase], name: str) -> list[Phase]:
    """The loads of that kind."""
    return [phase for phase in phases if phase.name == name]


def ratio(phases: Sequence[Phase], name: str) -> float:
    """Over the rounds, the median of p99 with such promotions against the mean p99 of the loads alone beside them.

    One round would not do: what else the machine has to do for half a second decides the p99 of a load alone.
    """
    beside = zip(phases, phases[1:], phases[2:], strict=False)
    return statistics.median(
        2 * phase.latency_ms(0.99) / (before.latency_ms(0.99) + after.latency_ms(0.99))
        for before, phase, after in beside
        if phase.name == name
    )


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values) or [0.0]
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def broken_of(phase: Phase) -> str:
    """The bundle that was broken."""
    return phase.promoted[BROKEN_AT].model


def slowest(phase: Phase) -> float:
    """Seconds that the slowest promotion took from the request to the answer."""
    return max((one.seconds for one in phase.promoted if one.done), default=0.0)


def chosen(data_dir: Path) -> list[str]:
    """The runtime and the batch size that the first start found fastest."""
    notes = [json.loads(path.read_text()) for path in (data_dir / "cache" / "runtimes").glob("*.json")]
    return [f"{note['runtime']}, batches of {note['batch']}" for note in notes]


def resident_mb(server: RunningServer) -> float:
    """Memory of the server process now, MB of 10⁶ bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) * 1024 / 1e6


def print_table(phases: Sequence[Phase]) -> None:
    """The table for people."""
    print(
        "\nload        pictures  failures  p50 ms  p99 ms  max ms  beside: n  p99 ms  promoted  slowest s  "
        "left late ms (p99)"
    )
    for phase in phases:
        late = percentile([one.left - one.due for one in phase.sent], 0.99) * 1000
        done = sum(one.done for one in phase.promoted)
        print(
            f"{phase.name:10s}  {len(phase.sent):8d}  {phase.failures:8d}  {phase.latency_ms(0.5):6.1f}  "
            f"{phase.latency_ms(0.99):6.1f}  {phase.latency_ms(1.0):6.1f}  {len(phase.beside):9d}  "
            f"{percentile(phase.beside, 0.99) * 1000:6.1f}  {done:4d}/{len(phase.promoted):<3d}  "
            f"{slowest(phase):9.2f}  {late:8.1f}"
        )
    print()


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter loads; under three minutes in all")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs to send")
    parser.add_argument("--database-url", help="PostgreSQL by URL; SQLite if unset")
    given = parser.parse_args()
    return Plan(
        photos=given.photos,
        database_url=given.database_url,
        capacity_seconds=5.0 if given.quick else 15.0,
        alone_seconds=15.0 if given.quick else 20.0,
        head_every=1.0,
        backbones=4,
        rounds=1 if given.quick else 5,
    )


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
