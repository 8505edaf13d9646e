"""A worker for tests, in a process of its own: `python -m tests.jobs.crew DATABASE-URL FOLDER OPTIONS`.

What its jobs do they write into the folder, a line for each time a step was really run.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np

from sortline.db.engine import connect
from sortline.errors import SortlineError
from sortline.jobs.context import Context, Transient
from sortline.jobs.lock import sole_worker
from sortline.jobs.schedule import Schedule
from sortline.jobs.worker import JobKind, run_jobs

FOLDER = "SORTLINE_TEST_JOBS"


def note(name: str, text: str) -> None:
    """A line in a file of the folder; written at once, so that a kill loses none."""
    with (Path(os.environ[FOLDER]) / name).open("a") as file:
        file.write(f"{text}\n")


def notes(name: str) -> list[str]:
    """The lines of a file of the folder."""
    path = Path(os.environ[FOLDER]) / name
    return path.read_text().splitlines() if path.exists() else []


def count(context: Context) -> None:
    """`steps` steps; the sum of their results is told at the end. A step in `held`, by number and attempt, lasts until
    the file `go` names it.
    """
    args, total = context.job.args, 0
    for number in range(args["steps"]):
        total += context.step(f"step {number}", lambda number=number: _one(context, number))
        context.progress(phase="counting", done=number + 1, total=args["steps"])
        context.log(f"step {number} is done")
    context.progress(sum=total)


def _one(context: Context, number: int) -> int:
    note("steps", f"{context.job.id} {number} {os.getpid()} {context.attempt}")
    if [number, context.attempt] in context.job.args.get("held", []):
        _until(context, lambda: f"{number} {context.attempt}" in notes("go"))
    return number


def _until(context: Context, holds: Callable[[], bool]) -> None:
    while not holds():
        context.wait(0.01)


def hold(context: Context) -> None:
    """Runs until it is told to end, looking up as often as it can."""
    note("holds", f"{context.job.id} begins")
    try:
        context.step("hold", lambda: _forever(context))
    finally:
        note("holds", f"{context.job.id} ends")


def _forever(context: Context) -> None:
    while True:
        context.check()
        time.sleep(0.001)


def gather(context: Context) -> None:
    """Ends when `present` jobs have begun, itself among them, so that a test sees who is at work with whom."""
    context.step("gather", lambda: _together(context))


def _together(context: Context) -> None:
    note("gathered", f"{context.job.id} begins {os.getpid()}")
    begun = context.job.args["present"]
    _until(context, lambda: len([line for line in notes("gathered") if "begins" in line]) >= begun)
    note("gathered", f"{context.job.id} ends {os.getpid()}")


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


def odd(context: Context) -> None:
    """Tells what JSON does not know."""
    context.progress(pair=context.step("pair", lambda: (1, 2)), loss=math.inf, accuracy=np.float32(0.5))
    context.progress(nested={"f1": math.nan}, loss=[math.nan][0])
    context.log("no \0NUL")


def fickle(context: Context) -> None:
    """Steps of another name each time a worker takes it."""
    context.step(f"as {context.attempt}", lambda: context.attempt)
    note("fickle", context.job.id)
    context.step("wait", lambda: context.wait(3600))


def tick(context: Context) -> None:
    """Says when it ran."""
    note("ticks", context.job.id)


def deaf(context: Context) -> None:
    """Looks up never."""
    note("holds", f"{context.job.id} begins")
    time.sleep(3600)


KINDS = {
    "count": JobKind(run=count),
    "hold": JobKind(run=hold, at_once=4),
    "gather": JobKind(run=gather, at_once=4),
    "alone": JobKind(run=gather, at_once=1),
    "flaky": JobKind(run=flaky),
    "broken": JobKind(run=broken),
    "odd": JobKind(run=odd),
    "fickle": JobKind(run=fickle),
    "tick": JobKind(run=tick),
    "deaf": JobKind(run=deaf),
}


# What this process has not the means for.
UNABLE = {"unable": JobKind(run=broken, able=False)}


def main(url: str, folder: str, options: str = "{}") -> None:
    """Works until SIGTERM. The options are JSON: `silence_s`, `grace_s`, and `schedule`, when to tick."""
    os.environ[FOLDER] = folder
    given = json.loads(options)
    schedule = given.pop("schedule", None)
    stop, engine = Event(), connect(url)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    schedules = {"ticking": Schedule(kind="tick", cron=schedule)} if schedule else {}
    try:
        with sole_worker(engine):
            note("workers", str(os.getpid()))
            ended = run_jobs(engine, KINDS | UNABLE, schedules, stop, **given)
    except SortlineError as error:
        sys.exit(str(error))
    engine.dispose()
    if not ended:
        os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
