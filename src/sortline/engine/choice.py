"""Which runtime serves a bundle: the fastest one that is right on this machine.

`choose` runs the bundle's golden pictures through every runtime that can be loaded, drops those whose answers differ
from the reference by more than rounding, measures the rest, and remembers the winner for this bundle on this machine.
Measuring takes all cores for seconds, so a server that is at work goes by `take`, which measures nothing.
"""

import hashlib
import json
import os
import platform
import threading
import time
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine import onnx_runtime, openvino_runtime  # each loads its library when it is used
from sortline.engine.bundle import Bundle, Precision
from sortline.engine.calibration import softmax
from sortline.engine.heads import Headed
from sortline.engine.runtime import Candidate, Runtime
from sortline.errors import SortlineError
from sortline.settings import available_cores

# Largest difference of a probability between a runtime and the reference on a golden picture. Rounding in float32
# gives 1e-5. Coarser arithmetic may serve only a bundle whose accuracy was measured in it; on golden pictures, which
# are unlike any photo, it moves a probability by up to 0.12, and so do two ways of rounding to 8 bits.
TOLERANCE: dict[Precision, float] = {"f32": 1e-3, "bf16": 0.25, "int8": 0.25}
# How long each candidate is measured at a time, seconds, and how often, in turn: the best of the rounds counts, since
# whatever else the machine does can only slow a round down.
TRIAL_SECONDS = 0.08
ROUNDS = 3
# A core's time that a call of the server costs beside the network, whatever the batch: threads woken, the lock of the
# interpreter handed on, small arrays, a core left idle in between. Measured at 50 clients, batches of 4 against single
# pictures, without what the networks took: 0.6 ms less a picture with bfloat16, 1.3 ms with float32 on slower cores.
CALL_SECONDS = 0.0015
# What a server may take at a time. Single pictures got 4 to 8 % less through than pairs in one server that took them in
# turn, whatever a start on a busy machine measured; eight a call were no faster than four, and took 50 MB more with
# OpenVINO, 140 with ONNX Runtime.
SERVED_SIZES = (2, 4)


class RuntimeUnavailable(SortlineError):
    """No runtime can serve a bundle here, with each one's reason."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"No runtime can serve this bundle ({told}). Install onnxruntime or openvino.")


class WrongAnswers(SortlineError):
    """A bundle's golden pictures come out wrong: it, or what runs it, is not what it says."""

    def __init__(self, runtime: str, difference: float) -> None:
        self.runtime, self.difference = runtime, difference
        super().__init__(f"on {runtime} a golden picture's probabilities are off by {difference:.3f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `choose` found: the runtime's name, the batch size that was fastest, and pictures a second by candidate."""

    runtime: str
    batch: int
    images_per_second: dict[str, float]


def choose(
    bundle: Bundle, *, threads: int, preferred: str = "auto", memory: Path | None = None
) -> tuple[Runtime, Choice]:
    """The fastest runtime that answers as the reference does, and how it was chosen.

    Args:
        bundle: The bundle to serve.
        threads: How many threads will call it at once.
        preferred: `auto`, or one of `candidates()` to take that one without measuring.
        memory: A folder where the choice is remembered for this bundle on this machine.

    Raises:
        RuntimeUnavailable: none can be loaded, or none answers rightly.
    """
    note = _note(bundle, threads, preferred, memory)
    if note and (remembered := _recall(note)):
        try:
            return _checked(bundle, remembered.runtime, threads, memory), remembered
        except Exception:  # noqa: BLE001  # a driver that broke since may raise anything: then choose anew
            note.unlink(missing_ok=True)
    runtime, choice = _measure_all(bundle, threads, preferred, memory)
    if note:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asdict(choice)))
    return runtime, choice


def take(
    bundle: Bundle, *, like: Choice, threads: int, preferred: str = "auto", memory: Path | None = None
) -> tuple[Runtime, Choice]:
    """A runtime that answers as the reference does, without measuring: the one remembered for the bundle, else the kind
    that serves now (`like`), else the first that is right. Arguments else as for `choose`, which measures at the next
    start.

    Raises:
        RuntimeUnavailable: none can be loaded, or none answers rightly.
    """
    note, reasons = _note(bundle, threads, preferred, memory), dict[str, str]()
    remembered = _recall(note) if note else None
    names = [remembered.runtime] if remembered else []
    names += [like.runtime, *candidates()] if preferred == "auto" else [preferred]
    for name in dict.fromkeys(names):
        try:
            runtime = _checked(bundle, name, threads, memory)
        except Exception as error:  # noqa: BLE001  # a native library may raise anything; the others still serve
            reasons[name] = str(error).partition("\n")[0]
            continue
        if remembered and remembered.runtime == name:
            return runtime, remembered
        return runtime, Choice(runtime=name, batch=like.batch, images_per_second={})
    raise RuntimeUnavailable(reasons)


def share(
    bundle: Bundle, runtime: Runtime, seen: MutableMapping[str, NDArray[np.float32]] | None = None
) -> Runtime | None:
    """The bundle's head on a runtime that is warm for another bundle of the same backbone.

    None where its network must be loaded after all: its head is not linear, or its accuracy was not measured in that
    runtime's arithmetic. `seen` keeps a network's embeddings (G, D) of golden pictures, by their hash: from one head to
    the next it need not look at them again.

    Raises:
        WrongAnswers: its golden pictures come out wrong, so it is not what it says.
    """
    head, precision = bundle.head(), candidates()[runtime.name].precision
    if head is None or precision not in bundle.manifest.precisions:
        return None
    headed, golden = Headed(runtime, head), bundle.golden()
    shown, seen = hashlib.sha256(golden.pixels.tobytes()).hexdigest(), {} if seen is None else seen
    if shown not in seen:
        seen[shown] = np.concatenate([runtime.infer(pixels[None]).embedding for pixels in golden.pixels])
    try:
        _compare(headed.name, headed.logits(seen[shown]), golden.expected(precision), precision)
    except WrongAnswers:
        if precision == "f32":
            raise
        return None  # coarser arithmetic may differ by more from one network's file to another's
    return headed


def reference(bundle: Bundle) -> Runtime:
    """The runtime that runs everywhere, with the bundle's golden pictures right.

    Raises:
        WrongAnswers: they come out wrong.
        Exception: the network cannot be loaded.
    """
    return _checked(bundle, "onnxruntime", 1, None)


def warm(runtime: Runtime, bundle: Bundle, *, batch: int, threads: int) -> None:
    """Nothing is left to be compiled or set up for single pictures and for batches of this size, one after another."""
    golden = bundle.golden().pixels
    runtime.settle(batch)
    for size in sorted({1, batch}):
        images = np.ascontiguousarray(np.resize(golden, (size, *golden.shape[1:])))
        runtime.infer(images)
        # What a stream keeps for itself is set up by its first call, so each gets one: all at once.
        calls = [
            threading.Thread(target=runtime.infer, args=(images,))
            for _ in range(min(threads, available_cores()))
        ]
        for call in calls:
            call.start()
        for call in calls:
            call.join()


def candidates() -> dict[str, Candidate]:
    """Every runtime by name; the reference, which runs everywhere, last."""
    return {**openvino_runtime.CANDIDATES, **onnx_runtime.CANDIDATES}


def measure(
    runtime: Runtime, images: NDArray[np.uint8], *, threads: int, seconds: float = TRIAL_SECONDS
) -> float:
    """Pictures a second that `threads` threads get through together, images (N, S, S, 3) a call; more than none."""
    runtime.infer(images)
    done = [0] * threads
    end = time.perf_counter() + seconds

    def work(index: int) -> None:
        # Once at least: on a machine that hangs, the time may be over before a thread gets to work.
        while not done[index] or time.perf_counter() < end:
            runtime.infer(images)
            done[index] += len(images)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - start)


def _checked(bundle: Bundle, name: str, threads: int, memory: Path | None) -> Runtime:
    """The runtime of that name, loaded; it answers the golden pictures rightly."""
    if (candidate := candidates().get(name)) is None:
        raise RuntimeUnavailable({name: f"not one of {', '.join(candidates())}"})
    if candidate.precision not in bundle.manifest.precisions:
        raise RuntimeUnavailable({name: f"the bundle's accuracy was not measured in {candidate.precision}"})
    runtime = candidate.load(bundle, threads, memory)
    _check(runtime, bundle, candidate.precision)
    return runtime


def _measure_all(bundle: Bundle, threads: int, preferred: str, memory: Path | None) -> tuple[Runtime, Choice]:
    golden, reasons = bundle.golden(), dict[str, str]()
    loaded, speeds = dict[str, Runtime](), dict[str, float]()
    for name in candidates():
        if preferred not in ("auto", name):
            continue
        try:
            loaded[name] = _checked(bundle, name, threads, memory)
        except Exception as error:  # noqa: BLE001  # a native library may raise anything; the others still serve
            reasons[name] = str(error).partition("\n")[0]
    for _ in range(ROUNDS):
        for name, runtime in loaded.items():
            speed = measure(runtime, golden.pixels[:1], threads=threads)
            speeds[name] = max(speeds.get(name, 0.0), speed)
    if not speeds:
        raise RuntimeUnavailable(reasons or {preferred: f"not one of {', '.join(candidates())}"})
    best = max(speeds, key=lambda name: speeds[name])
    batch = _best_batch(loaded[best], golden.pixels, threads)
    rounded = {name: round(speed, 1) for name, speed in speeds.items()}
    return loaded[best], Choice(runtime=best, batch=batch, images_per_second=rounded)


def _best_batch(runtime: Runtime, pixels: NDArray[np.uint8], threads: int) -> int:
    """The batch size that takes the least of a core's time for a picture, with what a call costs around the network."""
    cores = min(threads, available_cores())
    batches = {
        size: np.ascontiguousarray(np.resize(pixels, (size, *pixels.shape[1:]))) for size in SERVED_SIZES
    }
    speeds = dict[int, float]()
    for _ in range(ROUNDS):
        for size, images in batches.items():
            speed = measure(runtime, images, threads=threads, seconds=TRIAL_SECONDS / 2)
            speeds[size] = max(speeds.get(size, 0.0), speed)
    best, least = SERVED_SIZES[0], float("inf")
    for size, speed in speeds.items():
        cost = cores / speed + CALL_SECONDS / size
        # A larger batch makes each of its pictures wait for all, so it must gain something that can be measured.
        if cost < 0.98 * least:
            best, least = size, cost
    return best


def _check(runtime: Runtime, bundle: Bundle, precision: Precision) -> None:
    golden = bundle.golden()
    # One at a time: a batch would have to be compiled, of a size that may never be served.
    logits = np.concatenate([runtime.infer(pixels[None]).logits for pixels in golden.pixels])
    _compare(runtime.name, logits, golden.expected(precision), precision)


def _compare(
    name: str, logits: NDArray[np.float32], expected: NDArray[np.float32], precision: Precision
) -> None:
    difference = float(np.abs(softmax(logits) - softmax(expected)).max())
    if not difference <= TOLERANCE[precision]:
        raise WrongAnswers(name, difference)


def _note(bundle: Bundle, threads: int, preferred: str, memory: Path | None) -> Path | None:
    """Where the choice is remembered."""
    return memory / "runtimes" / f"{_fingerprint(bundle, threads, preferred)}.json" if memory else None


def _fingerprint(bundle: Bundle, threads: int, preferred: str) -> str:
    parts = [bundle.hash[:16], platform.machine(), str(os.cpu_count()), str(threads), preferred]
    for package in ("openvino", "onnxruntime", "onnxruntime-gpu"):
        try:
            parts.append(f"{package[:8]}{version(package)}")
        except PackageNotFoundError:
            continue
    return "-".join(parts)


def _recall(note: Path) -> Choice | None:
    try:
        found: dict[str, Any] = json.loads(note.read_text())
        return Choice(**found)
    except (OSError, ValueError, TypeError):
        return None
