"""What a summary tells a person is what the pictures themselves would."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.catalogue.duplicates import GroupCounts, GroupTally
from sortline.catalogue.entry import Split
from sortline.catalogue.insights import (
    BARS,
    balance,
    brightness_outliers,
    growth,
    sharpness_outliers,
    spread,
)
from sortline.catalogue.summary import Summary
from tests.versions import NOON, drawn_facts

PICTURES = [drawn_facts(number, 1, Split.TRAIN) for number in range(1, 2001)]


@given(values=st.lists(st.integers(1, 10_000), min_size=1))
def test_a_spread_is_that_of_the_values(values: list[int]) -> None:
    """Least, greatest and mean exactly; every value in one bar."""
    found = spread({value: values.count(value) for value in values})
    assert (found.min, found.max) == (min(values), max(values))
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert 1 <= len(found.histogram) <= BARS
    assert [bar.count for bar in found.histogram] == [
        sum(bar.low <= value < bar.high for value in values) for bar in found.histogram
    ]
    assert sum(bar.count for bar in found.histogram) == len(values)


def test_nothing_has_no_spread() -> None:
    """And no outliers, no balance, no growth: an empty line answers as well."""
    empty = Summary()
    assert (spread({}).max, spread({}).histogram) == (0.0, ())
    assert (brightness_outliers(empty).low, sharpness_outliers(empty).high) == (0, 0)
    assert balance([]).ratio == 0.0
    assert growth({}) == ()


def test_aspects_are_divided_again() -> None:
    """They are counted in hundredths."""
    found = spread({75: 1, 133: 3}, 100)
    assert (found.min, found.max, found.mean) == (0.75, 1.33, pytest.approx(1.185))


def test_outliers_lie_beyond_the_fences() -> None:
    """The fences are near those of the values themselves; what is counted lies beyond what is told."""
    odd = [
        replace(PICTURES[0], entry_id=3000 + n, brightness=value) for n, value in enumerate([2.0, 3.5, 250.0])
    ]
    everything = [
        *(replace(one, brightness=100.0 + one.entry_id % 40) for one in PICTURES), *odd
    ]  # fmt: skip
    found = brightness_outliers(Summary.of(everything))
    values = [one.brightness for one in everything]
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    assert found.low_fence == pytest.approx(lower - reach, abs=3)
    assert found.high_fence == pytest.approx(upper + reach, abs=3)
    assert found.median == pytest.approx(np.median(values), abs=1)
    assert (found.low, found.high) == (2, 1)
    assert found.lowest[:2] == ((3000, 2.0), (3001, 3.5))
    assert found.highest[0] == (3002, 250.0)


def test_sharpness_is_looked_at_in_octaves() -> None:
    """A picture a hundred times less sharp than the others is an outlier, one twice as sharp is none."""
    pictures = [replace(one, sharpness=200.0 + one.entry_id % 200) for one in PICTURES]
    pictures.append(replace(PICTURES[0], entry_id=4000, sharpness=2.0))
    pictures.append(replace(PICTURES[0], entry_id=4001, sharpness=500.0))
    found = sharpness_outliers(Summary.of(pictures))
    assert (found.low, found.high) == (1, 0)
    assert found.lowest[0] == (4000, 2.0)
    assert found.highest[0] == (4001, 500.0)
    assert 200 < found.median < 400


def test_balance_counts_classes_of_equal_size() -> None:
    """Four equal ones are four; one that has nearly all is little more than one; empty ones are none."""
    assert balance([5, 5, 5, 5, 0]).effective == pytest.approx(4)
    uneven = balance([997, 1, 1, 1])
    assert uneven.effective < 1.03
    assert (uneven.largest, uneven.smallest, uneven.ratio) == (997, 1, 997.0)


def test_growth_adds_up() -> None:
    """In the order of days, whatever order they came in."""
    first = NOON.date()
    assert growth({first + timedelta(days=3): 2, first: 5}) == ((first, 5, 5), (date(2026, 3, 4), 2, 7))


def test_a_tally_of_groups_goes_on_from_what_was_counted() -> None:
    """Also where more groups are known of than are named: those that come and go are told in their place."""
    counted = GroupCounts(
        groups=80, pictures=170, conflicts=60, leaks=0, conflicting=tuple(range(10, 60)), leaking=()
    )
    tally = GroupTally.of(GroupTally("7-1", counted).document())
    assert (tally.stamp, tally.told()) == ("7-1", counted)
    alone, pair = [(1, Split.TRAIN)], [(1, Split.TRAIN), (2, Split.TRAIN)]
    tally.change(59, pair, alone)  # the last that was named
    tally.change(5, alone, pair)
    tally.change(1000, pair, [(1, Split.TRAIN)] * 2)  # one that was not
    told = tally.told()
    assert (told.groups, told.pictures, told.conflicts, told.leaks) == (80, 170, 59, 0)
    assert told.conflicting == (5, *range(10, 59))
