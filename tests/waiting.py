"""Waiting for what comes by itself, however slow the machine is."""

import time
from collections.abc import Callable


def soon(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Returns once it holds.

    Raises:
        AssertionError: it did not within that time.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
