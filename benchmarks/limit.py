"""The limit: how fast this machine can decode, resize and infer, with nothing around it.

Threads do, batch after batch, the least that the server must do for a picture: decode and resize it from JPEG bytes,
and infer. Same bundle, same runtime (the server's remembered choice in its data folder), same code; as many threads as
cores, or as the server has, and whatever batch size is fastest. A thread never waits for a request, only for its core.
Runs in a process of its own, so that the server's benchmark can ask again and again: a machine's speed drifts.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos import photos
from sortline.engine.bundle import Bundle, read_bundle
from sortline.engine.choice import Choice, choose, measure
from sortline.engine.image import read
from sortline.engine.packaged import packaged_bundles
from sortline.engine.runtime import BATCH_SIZES, Runtime
from sortline.settings import Settings, available_cores

# How long each part is measured, seconds.
PART_SECONDS = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Pictures a second of the bare loop."""

    threads: int
    batch: int
    images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the limit is made of: milliseconds of one core for a picture while all cores work, and the loop's speeds."""

    runtime: str
    server_batch: int
    server_threads: int
    decode_ms: float
    infer_ms: dict[int, float]
    loops: list[Speed]

    @property
    def best(self) -> Speed:
        """The fastest loop: with as many threads as cores or as the server's, at any batch size."""
        return max(self.loops, key=lambda speed: speed.images_per_second)


class Limit:
    """Measures the limit in a process of its own, as often as asked."""

    def __init__(self, data_dir: Path, folder: Path | None, runtime: str | None = None) -> None:
        self._command = [sys.executable, str(Path(__file__)), "--data-dir", str(data_dir)]
        self._command += ["--runtime", runtime] if runtime else []
        self._command += ["--photos", str(folder)] if folder else []
        self.samples: list[float] = []
        # Share of all cores that other programs (or a hypervisor's other guests) used during each sample.
        self.others: list[float] = []

    def parts(self) -> Parts:
        """Each part alone, and the loop at every batch size; the fastest is used from then on."""
        found = self._run("--parts")
        found["infer_ms"] = {int(size): value for size, value in found["infer_ms"].items()}
        found["loops"] = [Speed(**speed) for speed in found["loops"]]
        parts = Parts(**found)
        self._command += ["--threads", str(parts.best.threads), "--batch", str(parts.best.batch)]
        return parts

    def sample(self, seconds: float) -> float:
        """Pictures a second right now; kept in `samples`."""
        begun, busy, own = time.perf_counter(), _busy_seconds(), children_cpu()
        self.samples.append(self._run("--seconds", str(seconds))["images_per_second"])
        others = (_busy_seconds() - busy) - (children_cpu() - own)
        self.others.append(max(0.0, others / (time.perf_counter() - begun) / (os.cpu_count() or 1)))
        return self.samples[-1]

    def beside(self, index: int) -> float:
        """The mean of the samples before and after the load of that index."""
        return (self.samples[index] + self.samples[index + 1]) / 2

    @property
    def median(self) -> float:
        """The limit."""
        return statistics.median(self.samples)

    def _run(self, *arguments: str) -> dict[str, Any]:
        ended = subprocess.run([*self._command, *arguments], stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found


def children_cpu() -> float:
    """CPU seconds of this process's children that have ended; those still running are not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loop(
    bundle: Bundle, runtime: Runtime, jpegs: Sequence[bytes], *, batch: int, threads: int, seconds: float
) -> float:
    """Pictures a second that `threads` threads decode, resize and infer, `batch` at a time."""
    preprocessing = bundle.manifest.preprocessing

    def work(turn: int) -> int:
        images = _batch(batch, preprocessing.size)
        for index in range(batch):
            read(jpegs[(turn * batch + index) % len(jpegs)], preprocessing, out=images[index])
        runtime.infer(images)
        return batch

    return _per_second(work, threads, seconds)


def measure_parts(
    bundle: Bundle, runtime: Runtime, choice: Choice, jpegs: Sequence[bytes], server_threads: int
) -> Parts:
    """The decode and resize alone, inference alone at each batch size, and the loop at each."""
    cores, preprocessing = available_cores(), bundle.manifest.preprocessing

    def decode(turn: int) -> int:
        read(jpegs[turn % len(jpegs)], preprocessing)
        return 1

    decode_speed = _per_second(decode, cores, PART_SECONDS)
    infer = dict[int, float]()
    for size in BATCH_SIZES:
        speed = measure(runtime, _golden(bundle, size), threads=cores, seconds=PART_SECONDS)
        infer[size] = cores * 1000 / speed
    loops = [
        Speed(threads=threads, batch=size, images_per_second=found)
        for threads in sorted({cores, server_threads})
        for size in BATCH_SIZES
        for found in [loop(bundle, runtime, jpegs, batch=size, threads=threads, seconds=2 * PART_SECONDS)]
    ]
    return Parts(
        runtime=choice.runtime,
        server_batch=choice.batch,
        server_threads=server_threads,
        decode_ms=cores * 1000 / decode_speed,
        infer_ms=infer,
        loops=loops,
    )


def _per_second(work: Callable[[int], int], threads: int, seconds: float) -> float:
    """Pictures a second; `work(turn)` does some and says how many. Each thread's first two turns are not counted."""
    done = [0] * threads
    barrier = threading.Barrier(threads + 1)

    def run(thread: int) -> None:
        for turn in range(2):
            work(turn)
        barrier.wait()
        # Threads begin in different places, so that they do not decode the same photo at once.
        turn, end = thread * 31, time.perf_counter() + seconds
        while time.perf_counter() < end:
            done[thread] += work(turn)
            turn += 1

    workers = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    begun = time.perf_counter()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - begun)


def _busy_seconds() -> float:
    """CPU seconds of everything on this machine, with what a hypervisor took; 0 where Linux is not there to ask."""
    try:
        ticks = [int(number) for number in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf(
        "SC_CLK_TCK"
    )  # all but idle and waiting for a disk


def _batch(count: int, size: int) -> NDArray[np.uint8]:
    return np.empty((count, size, size, 3), np.uint8)


def _golden(bundle: Bundle, count: int) -> NDArray[np.uint8]:
    pixels = bundle.golden().pixels
    return np.ascontiguousarray(np.resize(pixels, (count, *pixels.shape[1:])))


def main() -> None:
    """Measure the limit and print it as a line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--data-dir", type=Path, help="the server's data folder, whose remembered choice is used"
    )
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--bundle", default="waste")
    parser.add_argument("--runtime", default=Settings().runtime)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--parts", action="store_true", help="measure the parts and every loop")
    given = parser.parse_args()
    jpegs, settings = photos(given.photos)[0], Settings()
    bundle = read_bundle(packaged_bundles()[given.bundle])
    memory = given.data_dir / "cache" if given.data_dir else None
    # As the server asks, so that what it remembered is found.
    runtime, choice = choose(
        bundle, threads=settings.inference_threads, preferred=given.runtime, memory=memory
    )
    if given.parts:
        found = measure_parts(bundle, runtime, choice, jpegs, settings.inference_threads)
        print(json.dumps(asdict(found)))
        return
    speed = loop(bundle, runtime, jpegs, batch=given.batch, threads=given.threads, seconds=given.seconds)
    print(json.dumps({"images_per_second": speed, "runtime": choice.runtime}))


if __name__ == "__main__":
    main()
