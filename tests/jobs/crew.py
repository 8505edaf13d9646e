"""A worker for tests, in a process of its own: `python -m tests.jobs.crew DATABASE-URL FOLDER [SILENCE-S]`.

What its jobs do they write into the folder, a line for each time a step was really run.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import Event

from sortline.db.engine import connect
from sortline.jobs.context import Context, Transient
from sortline.jobs.lock import sole_worker
from sortline.jobs.schedule import Schedule
from sortline.jobs.worker import JobKind, run_jobs

FOLDER = "SORTLINE_TEST_JOBS"


def note(name: str, text: str) -> None:
    """A line in a file of the folder; written at once, so that a kill loses none."""
    with (Path(os.environ[FOLDER]) / name).open("a") as file:
        file.write(f"{text}\n")


def count(context: Context) -> None:
    """`steps` steps of `seconds` each; the sum of their results is told at the end."""
    args, total = context.job.args, 0
    for number in range(args["steps"]):
        total += context.step(f"step {number}", lambda number=number: _one(context, number, args["seconds"]))
        context.progress(phase="counting", done=number + 1, total=args["steps"])
        context.log(f"step {number} is done")
    context.progress(sum=total)


def _one(context: Context, number: int, seconds: float) -> int:
    note("steps", f"{context.job.id} {number} {os.getpid()} {context.attempt}")
    context.wait(seconds)
    return number


def hold(context: Context) -> None:
    """Runs until it is told to end, looking up as often as it can."""
    note("holds", f"{context.job.id} begins {time.time()}")
    try:
        context.step("hold", lambda: _forever(context))
    finally:
        note("holds", f"{context.job.id} ends {time.time()}")


def _forever(context: Context) -> None:
    while True:
        context.check()
        time.sleep(0.001)


def flaky(context: Context) -> None:
    """A step that works at the third try."""
    tries: list[int] = []

    def attempt() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise Transient("the hub is away")
        return len(tries)

    context.progress(tries=context.step("download", attempt))


def broken(context: Context) -> None:
    """Fails as no handler should."""
    context.log("about to break")
    raise ZeroDivisionError("no more\nthan this")


def deadly(context: Context) -> None:
    """Takes its worker with it."""
    note("deaths", context.job.id)
    os.kill(os.getpid(), signal.SIGKILL)


def tick(context: Context) -> None:
    """Says when it ran."""
    note("ticks", context.job.id)


def deaf(context: Context) -> None:
    """Looks up never."""
    note("holds", f"{context.job.id} begins {time.time()}")
    time.sleep(3600)


KINDS = {
    "count": JobKind(run=count),
    "hold": JobKind(run=hold, at_once=4),
    "flaky": JobKind(run=flaky),
    "broken": JobKind(run=broken),
    "deadly": JobKind(run=deadly),
    "tick": JobKind(run=tick),
    "deaf": JobKind(run=deaf),
}


def main(url: str, folder: str, silence_s: str = "15", schedule: str = "") -> None:
    """Works until SIGTERM."""
    os.environ[FOLDER] = folder
    stop, engine = Event(), connect(url)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    schedules = {"ticking": Schedule(kind="tick", cron=schedule)} if schedule else {}
    with sole_worker(engine):
        print("ready", flush=True)  # noqa: T201  # it is what the test waits for
        ended = run_jobs(engine, KINDS, schedules, stop, silence_s=float(silence_s))
    engine.dispose()
    if not ended:
        os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
