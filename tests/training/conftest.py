"""Training in tests takes one thread: two that wait for each other are slower on a machine that does other work."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Where torch is there, and a test has imported it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
