"""Who goes first on a core: what people wait for, before what infers.

The event loop, the recorder and the calls of pages need a core for a millisecond or two, a network keeps one for tens.
Under 50 clients on 2 cores a page's call took half as long (p50 50 → 26 ms, p95 204 → 159); what was classified
varied by a few in a hundred either way.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

# By so much a thread that infers is nicer than the server's others: it gets half their share of a core they all want.
NICER = 3

T = TypeVar("T")


def interrupt_nobody() -> None:
    """From now on the calling thread, and threads that it starts, wait for the end of a turn when they wake (on Linux).

    A turn takes 3 or 4 ms, and then whoever waits goes first. A network that is interrupted for each request finds
    its weights gone from the core's cache, and the event loop little to do at a time: under 50 clients on 2 cores the
    one took 2 % less of the processor so, the other 8 % less.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a service that is locked down may not: it serves all the same
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def interrupt_others() -> None:
    """From now on the calling thread has a core as soon as it wakes (on Linux), in the middle of another's turn.

    For one that many wait for, and that waits for the disk itself again and again, each time for less than a turn.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def let_others_first() -> None:
    """From now on the calling thread is nicer; on Linux, for elsewhere all threads of a process share one niceness."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICER)


def behind_others(work: Callable[[], T]) -> T:
    """What the work gives, done on a thread that lets others first: the caller's own could not go back."""
    with ThreadPoolExecutor(1, "behind-others", initializer=let_others_first) as one:
        return one.submit(work).result()
