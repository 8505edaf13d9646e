"""Latencies: counted in steps, kept now and then, told as percentiles."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.errors import SortlineError
from sortline.monitoring.meter import Key, Meter, latency_step, percentiles


@given(st.lists(st.floats(0.2, 60_000), min_size=1, max_size=300))
def test_percentiles_are_right_to_five_percent(latencies: list[float]) -> None:
    """Half, 95 % and 99 % of the answers stayed under them, but for the width of a step."""
    found = percentiles(Counter(map(latency_step, latencies)))
    assert found is not None
    for told, share in ((found.p50, 50), (found.p95, 95), (found.p99, 99)):
        assert told == pytest.approx(np.percentile(latencies, share, method="inverted_cdf"), rel=0.055)
    assert found.n == len(latencies)


def test_nothing_has_no_percentiles() -> None:
    """Before the first answer there is nothing to tell."""
    assert percentiles({}) is None


def test_what_could_not_be_kept_is_kept_later() -> None:
    """A database that is away loses nothing; what is kept is not counted again."""
    kept, away = Counter[Key](), [True]

    def keep(counted: Mapping[Key, int]) -> None:
        if away[0]:
            raise SortlineError("away")
        kept.update(counted)

    meter = Meter(keep)
    meter.add(1, 4.0)
    meter.flush()
    away[0] = False
    meter.add(1, 4.0)
    meter.add(2, 4.0)
    meter.flush()
    meter.flush()
    assert sorted((line, n) for (line, _, _), n in kept.items()) == [(1, 2), (2, 1)]
    assert (meter.per_minute(1), meter.per_minute(3)) == (2, 0)
