"""A summary kept up by changes equals one counted anew."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.catalogue.entry import Split
from sortline.catalogue.extremes import KEPT, Extremes
from sortline.catalogue.summary import (
    SAMPLED,
    SAMPLES_KEPT,
    SHOWN,
    Facts,
    Summary,
    UnknownSummaryFormat,
    aspect_bin,
    sharpness_bin,
    sharpness_edge,
)
from tests.versions import NOON, drawn_facts

MANY = [drawn_facts(number, 1 + number % 3, Split(number % 4)) for number in range(1, 1001)]


@st.composite
def facts(draw: st.DrawFn, entry_id: int) -> Facts:
    """A picture: few values, so that many have the same."""
    return Facts(
        entry_id=entry_id,
        class_id=draw(st.sampled_from([None, 1, 2])),
        split=draw(st.sampled_from(list(Split))),
        width=draw(st.integers(1, 5000)),
        height=draw(st.integers(1, 5000)),
        bytes=draw(st.integers(1, 10**7)),
        brightness=draw(st.sampled_from([0.0, 12.5, 255.0]) | st.floats(0, 255)),
        sharpness=draw(st.sampled_from([0.0, 100.0]) | st.floats(0, 1e6)),
        added_at=NOON + timedelta(days=draw(st.integers(0, 3))),
    )


@given(data=st.data())
def test_any_sequence_of_changes_leaves_no_trace(data: st.DataObject) -> None:
    """Added, removed, labelled anew, written and read back: the same as of what is left; extremes included."""
    summary, left = Summary(), dict[int, Facts]()
    for number in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["add", "add", "remove", "move", "store"])):
            case "add":
                left[number] = data.draw(facts(number))
                summary.add(left[number])
            case "remove" if left:
                summary.remove(left.pop(data.draw(st.sampled_from(sorted(left)))))
            case "move" if left:
                before = left[data.draw(st.sampled_from(sorted(left)))]
                after = _with_class(before, data.draw(st.sampled_from([None, 1, 2])))
                summary.move(before.entry_id, (before.class_id, before.split), (after.class_id, after.split))
                left[before.entry_id] = after
            case _:
                summary = Summary.from_bytes(summary.to_bytes())
    anew = Summary.of(left.values())
    assert summary == anew
    assert summary.size == len(left)
    assert [one.first(SHOWN) for one in _lists(summary)] == [one.first(SHOWN) for one in _lists(anew)]
    if not summary.short:
        assert {one: summary.sampled(one) for one in (1, 2)} == {one: anew.sampled(one) for one in (1, 2)}


def test_extremes_stay_exact_while_the_most_extreme_leave() -> None:
    """Also where more leave than the list has in store: what it tells is right, and it says that it is short."""
    summary = Summary.of(MANY)
    assert [entry for entry, _ in summary.darkest.first(SHOWN)] == _darkest(MANY)[:SHOWN]
    gone = set(_darkest(MANY)[: KEPT - 3])
    for one in MANY:
        if one.entry_id in gone:
            summary.remove(one)
    left = [one for one in MANY if one.entry_id not in gone]
    assert [entry for entry, _ in summary.darkest.first(SHOWN)] == _darkest(left)[:3]
    assert summary.short
    # One that comes now is told where it belongs, or not at all: never after a picture that the list does not have.
    summary.add(late := drawn_facts(2000, 1, Split.TRAIN))
    told = [entry for entry, _ in summary.darkest.first(SHOWN)]
    assert told == _darkest([*left, late])[: len(told)]
    summary.list_anew([*left, late])
    assert not summary.short
    assert [entry for entry, _ in summary.darkest.first(SHOWN)] == _darkest([*left, late])[:SHOWN]


def test_samples_of_a_class_are_its_own_while_it_has_any() -> None:
    """Drawn from all over it; those that leave give way to others, and where too many left the summary says so."""
    summary = Summary.of(MANY)
    ones = {one.entry_id for one in MANY if one.class_id == 1}
    drawn = summary.sampled(1)
    assert len(drawn) == SAMPLED
    assert max(drawn) - min(drawn) > 100
    for _ in range(SAMPLES_KEPT):
        gone = summary.sampled(1)[0]
        ones.remove(gone)
        summary.move(gone, (1, Split(gone % 4)), (2, Split(gone % 4)))
        assert set(summary.sampled(1)) <= ones
    assert summary.short


def test_a_small_set_is_never_short() -> None:
    """It has no more pictures than the list tells."""
    summary = Summary.of(MANY[:5])
    assert not summary.short
    for one in MANY[:5]:
        summary.remove(one)
    assert not summary.short
    assert summary == Summary()


def test_days_are_utc_days() -> None:
    """A picture added after midnight in Kigali was added on the day before."""
    kigali = timezone(timedelta(hours=2))
    one = drawn_facts(1, 1, Split.TRAIN, added_at=datetime(2026, 3, 2, 0, 30, tzinfo=kigali))
    assert list(Summary.of([one]).days) == [date(2026, 3, 1)]


@given(value=st.floats(0, 1e12, allow_nan=False))
def test_a_sharpness_lies_in_its_bin(value: float) -> None:
    """From its edge to the next one's, whatever its size."""
    number = sharpness_bin(value)
    # 1 + value is rounded, so a value just below an edge may count as on it.
    assert 1 + sharpness_edge(number) <= 1 + value < 1 + sharpness_edge(number + 1)


def test_sharpness_bins_rise() -> None:
    """In steps of a sixteenth of an octave."""
    edges = [sharpness_edge(number) for number in range(200)]
    assert edges[0] == 0.0
    assert edges[16] == 1.0
    assert all(low < high for low, high in pairwise(edges))


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(640, 480, 133), (480, 640, 75), (1, 10_000, 1), (100, 100, 100)]
)
def test_an_aspect_is_in_hundredths(width: int, height: int, expected: int) -> None:
    """Rounded, never 0."""
    assert aspect_bin(width, height) == expected


def test_a_newer_format_is_refused_by_name() -> None:
    """Rather than read wrongly."""
    document = json.loads(zlib.decompress(Summary().to_bytes())) | {"format": 99}
    with pytest.raises(UnknownSummaryFormat, match="99"):
        Summary.from_bytes(zlib.compress(json.dumps(document).encode()))


def _with_class(one: Facts, class_id: int | None) -> Facts:
    return replace(one, class_id=class_id, split=Split.TEST)


def _lists(summary: Summary) -> list[Extremes]:
    return [summary.darkest, summary.brightest, summary.flattest, summary.sharpest]


def _darkest(pictures: list[Facts]) -> list[int]:
    return [one.entry_id for one in sorted(pictures, key=lambda one: (one.brightness, one.entry_id))]
