"""Threads that decode and infer, outside the GIL, whatever waits."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sortline.engine.classifier import Prediction
from sortline.engine.image import Limits, Picture, read
from sortline.errors import SortlineError
from sortline.serving.live import LiveLine
from sortline.serving.niceness import let_others_first

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where a prediction's time went, seconds; `infer` is its batch's time, which all of the batch waited for."""

    queue: float
    decode: float
    infer: float
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """A prediction with its timing and, where asked for, the class activation map (S, S) uint8."""

    prediction: Prediction
    timing: Timing
    activation_map: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One picture to classify. Exactly one of `done` and `failed` is called, once, on an inference thread."""

    line: LiveLine
    data: bytes | memoryview
    done: Callable[[Inferred], None]
    failed: Callable[[Exception], None]
    explain: bool = False
    limits: Limits = field(default_factory=Limits)
    submitted: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class _Errand:
    """Work that each thread does once: a thread that has done it waits at `together` for the others."""

    work: Callable[[], object]
    together: threading.Barrier
    errors: list[Exception]

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001  # told to the one who sent it
            self.errors.append(error)
        self.together.wait()


class Inference:
    """A pool of threads over one first-in, first-out queue. The door (`Admission`) bounds what can wait in it."""

    def __init__(self, threads: int) -> None:
        self._jobs: queue.SimpleQueue[Job | _Errand | None] = queue.SimpleQueue()
        self.threads = threads
        self._workers = [
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """The threads take jobs."""
        # What a detector multiplies is small, and BLAS's own threads would spin against these.
        threadpool_limits(limits=1, user_api="blas")
        for worker in self._workers:
            worker.start()

    def submit(self, job: Job) -> None:
        """The job is done as soon as a thread is free."""
        self._jobs.put(job)

    def waiting(self) -> int:
        """Jobs no thread has taken yet."""
        return self._jobs.qsize()

    def on_every_thread(self, work: Callable[[], object]) -> None:
        """Each thread has done the work once, so that what it keeps for itself is ready.

        Raises:
            Exception: what the work raised first.
        """
        together = threading.Barrier(self.threads + 1)
        errors: list[Exception] = []
        for _ in self._workers:
            self._jobs.put(_Errand(work, together, errors))
        together.wait()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """What was submitted is done, and the threads are gone."""
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        let_others_first()
        while self._next():
            pass

    def _next(self) -> bool:
        """Does the next job, with others that wait; False when there are no more. No picture is held while it waits."""
        job = self._jobs.get()
        if job is None:
            return False
        if isinstance(job, _Errand):
            job.run()
            return True
        jobs = [job, *self._more(job.line.batch - 1)]
        for _, batch in groupby(jobs, key=lambda job: id(job.line)):
            _classify(list(batch))
        return True

    def _more(self, count: int) -> list[Job]:
        """Up to `count` jobs that are waiting already."""
        found: list[Job] = []
        while len(found) < count:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None or isinstance(job, _Errand):  # not for now: it goes to the end of the queue
                self._jobs.put(job)
                break
            found.append(job)
        return found


def _classify(jobs: list[Job]) -> None:
    """Every job of one line gets its answer or its error."""
    taken = time.perf_counter()
    size = jobs[0].line.model.preprocessing.size
    images = np.empty((len(jobs), size, size, 3), np.uint8)
    read_jobs: list[tuple[Job, Picture, float]] = []
    for job in jobs:
        begun = time.perf_counter()
        try:
            picture = read(
                job.data, job.line.model.preprocessing, limits=job.limits, out=images[len(read_jobs)]
            )
        except Exception as error:  # one bad picture, or a fault in reading it, fails its own job alone
            if not isinstance(error, SortlineError):
                log.exception("reading failed")
            _fail([job], error)
            continue
        read_jobs.append((job, picture, time.perf_counter() - begun))
    if not read_jobs:
        return
    try:
        answers = _infer(read_jobs, images[: len(read_jobs)], taken)
    except Exception as error:
        log.exception("inference failed")
        _fail([job for job, _, _ in read_jobs], error)
        return
    for (job, _, _), answer in zip(read_jobs, answers, strict=True):
        job.done(answer)


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    # A traceback holds the jobs, a job whoever waits for it, and that one the error: such a ring, with the pictures in
    # it, would stay until the collector comes by.
    for job in jobs:
        job.failed(error.with_traceback(None))


def _infer(
    read_jobs: list[tuple[Job, Picture, float]], images: NDArray[np.uint8], taken: float
) -> list[Inferred]:
    line = read_jobs[0][0].line
    pictures = [picture for _, picture, _ in read_jobs]
    begun = time.perf_counter()
    outputs = line.model.runtime.infer(images, features=any(job.explain for job, _, _ in read_jobs))
    predictions = line.model.interpret(pictures, images, outputs, line.detector, line.sets)
    infer = time.perf_counter() - begun
    return [
        Inferred(
            prediction=prediction,
            timing=Timing(queue=taken - job.submitted, decode=decode, infer=infer, batch=len(images)),
            activation_map=line.model.activation_map(outputs, index) if job.explain else None,
        )
        for index, ((job, _, decode), prediction) in enumerate(zip(read_jobs, predictions, strict=True))
    ]
