"""A line with an empty queue, for the tests of the review loop."""

from __future__ import annotations

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from tests.review.queued import Queue

# How long an example takes says what else the machine is at.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A line with an empty queue, where nothing is drawn for the control share: its places are by lot."""
    monkeypatch.setattr("sortline.review.order._CONTROL", 0.0)
    return Queue(engine)
