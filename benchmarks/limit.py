"""The limit: how fast this machine can decode, resize and infer, with nothing around it.

One thread a core does for one batch after another what the server must do for a picture at the least: decode and resize
from JPEG bytes, and infer. Same bundle, same runtime (the server's remembered choice in its data folder), same code.
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
from sortline.settings import available_cores

# How long each part is measured, seconds.
PART_SECONDS = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the limit is made of: milliseconds of one core for a picture, while all cores work."""

    runtime: str
    server_batch: int
    threads: int
    decode_ms: float
    infer_ms: dict[int, float]
    loop: dict[int, float]

    @property
    def batch(self) -> int:
        """The batch size at which the loop was fastest."""
        return max(self.loop, key=lambda size: self.loop[size])


class Limit:
    """Measures the limit in a process of its own, as often as asked."""

    def __init__(self, data_dir: Path, folder: Path | None) -> None:
        self._command = [sys.executable, str(Path(__file__)), "--data-dir", str(data_dir)]
        self._command += ["--photos", str(folder)] if folder else []
        self.samples: list[float] = []
        # Share of all cores that other programs (or a hypervisor's other guests) used during each sample.
        self.others: list[float] = []

    def parts(self) -> Parts:
        """Each part alone, and the loop at every batch size; the fastest is used from then on."""
        found = self._run("--parts")
        sizes = {
            name: {int(size): value for size, value in found[name].items()} for name in ("infer_ms", "loop")
        }
        parts = Parts(**{**found, **sizes})
        self._command += ["--batch", str(parts.batch)]
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


def measure_parts(bundle: Bundle, runtime: Runtime, choice: Choice, jpegs: Sequence[bytes]) -> Parts:
    """The decode and resize alone, inference alone at each batch size, and the loop at each."""
    threads, preprocessing = available_cores(), bundle.manifest.preprocessing

    def decode(turn: int) -> int:
        read(jpegs[turn % len(jpegs)], preprocessing)
        return 1

    decode_speed = _per_second(decode, threads, PART_SECONDS)
    infer, whole = dict[int, float](), dict[int, float]()
    for size in BATCH_SIZES:
        speed = measure(runtime, _golden(bundle, size), threads=threads, seconds=PART_SECONDS)
        infer[size] = threads * 1000 / speed
        whole[size] = loop(bundle, runtime, jpegs, batch=size, threads=threads, seconds=2 * PART_SECONDS)
    return Parts(
        runtime=choice.runtime,
        server_batch=choice.batch,
        threads=threads,
        decode_ms=threads * 1000 / decode_speed,
        infer_ms=infer,
        loop=whole,
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
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--parts", action="store_true", help="measure the parts and every batch size")
    given = parser.parse_args()
    jpegs, _ = photos(given.photos)
    bundle = read_bundle(packaged_bundles()[given.bundle])
    threads = available_cores()
    memory = given.data_dir / "cache" if given.data_dir else None
    runtime, choice = choose(bundle, threads=threads, memory=memory)
    if given.parts:
        print(json.dumps(asdict(measure_parts(bundle, runtime, choice, jpegs))))
        return
    batch = given.batch or choice.batch
    speed = loop(bundle, runtime, jpegs, batch=batch, threads=threads, seconds=given.seconds)
    print(json.dumps({"images_per_second": speed, "batch": batch, "runtime": choice.runtime}))


if __name__ == "__main__":
    main()
