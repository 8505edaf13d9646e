"""A line with an empty queue, for the tests of the review loop."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.review.queued import Queue


@pytest.fixture
def waiting(engine: Engine) -> Queue:
    """A line with an empty queue."""
    return Queue(engine)
