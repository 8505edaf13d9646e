"""Thresholds from a budget keep it, catch the more the larger it is, and come to what was said of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortline.engine.budget import Budget, Thresholds, choose
from sortline.engine.expected import expected
from sortline.engine.traffic import Known, Traffic, View

STEPS = 300


def known(seed: int, n: int = 300, wrong: float = 0.1) -> Known:
    """Held-out pictures, each with its rank among them; wrong answers are less confident and a bit more unusual."""
    chance = np.random.default_rng(seed)
    correct = chance.random(n) >= wrong
    odd = chance.random(n) + 0.3 * ~correct
    none = np.zeros(n, bool)
    return Known(
        unusual=np.argsort(np.argsort(odd)) / n,
        confidence=np.where(correct, chance.beta(9, 1, n), chance.beta(4, 2, n)),
        correct=correct,
        watched=none,
        ambiguous=none,
    )


def traffic(seed: int, n: int = 3000, foreign: float = 0.0, unreadable: float = 0.01) -> Traffic:
    """What comes: known pictures as those held out, and a share of foreign items, unusual and less confident."""
    chance = np.random.default_rng(seed)
    alien, like = chance.random(n) < foreign, known(seed + 1, n)
    none = np.zeros(n, bool)
    return Traffic(
        unusual=np.where(alien, 1 - 0.05 * chance.random(n) ** 2, np.floor(like.unusual * STEPS) / STEPS),
        confidence=np.where(alien, chance.beta(3, 2, n), like.confidence),
        unreadable=chance.random(n) < unreadable,
        watched=none,
        ambiguous=none,
    )


def view(seed: int = 0, **facts: object) -> View:
    """A line that sees some 2,000 pictures a day, with changes."""
    usual = View(
        known=known(seed),
        traffic=traffic(seed),
        per_day=(1900.0, 2000.0, 2100.0),
        sample_share=0.01,
        steps=STEPS,
    )
    return replace(usual, **facts)  # type: ignore[arg-type]  # the fields are the ones above


seeds = st.integers(0, 10_000)


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0, 3000), st.floats(0, 0.2))
def test_a_budget_of_reviews_is_kept_or_said_not_to_be(seed: int, reviews: float, foreign: float) -> None:
    """The reviews expected a day are at most those asked for, unless it says that none can keep it."""
    seen = view(seed, traffic=traffic(seed, n=400, foreign=foreign))
    choice = choose(Budget(reviews_per_day=reviews), seen)
    found = expected(choice.thresholds, seen).reviews_per_day
    assert found is not None
    assert choice.within == (found.value <= reviews + 1e-6)


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0, 0.3))
def test_a_budget_of_errors_is_kept_or_said_not_to_be(seed: int, error: float) -> None:
    """The share of wrong items among the accepted is at most the one asked for."""
    seen = view(seed, traffic=traffic(seed, n=400, foreign=0.05))
    choice = choose(Budget(max_error=error), seen)
    if choice.within:
        assert expected(choice.thresholds, seen).accepted_error.value <= error + 1e-6


@pytest.mark.parametrize("foreign", [0.0, 0.1])
def test_more_reviews_catch_more(foreign: float) -> None:
    """What a person sees of foreign items and wrong answers rises with the budget, to all of it."""
    seen = view(traffic=traffic(0, foreign=foreign))
    rates = []
    for reviews in (50, 200, 800, 1990):
        found = expected(choose(Budget(reviews_per_day=reviews), seen).thresholds, seen).catch_rate
        assert found is not None
        rates.append(found.value)
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1, abs=0.01)


def test_a_smaller_error_asks_for_more_reviews() -> None:
    """The reviews expected fall as more mistakes are allowed."""
    seen = view()
    loads = [
        expected(choose(Budget(max_error=error), seen).thresholds, seen).review_share.value
        for error in (0.005, 0.01, 0.02, 0.05, 0.1)
    ]
    assert loads == sorted(loads, reverse=True)
    assert loads[0] > loads[-1]


def test_both_wishes_at_once_are_kept_where_they_can_be() -> None:
    """Half the pictures reviewed allow two in a hundred wrong; forty reviews a day do not, and those are kept to."""
    seen = view()
    assert choose(Budget(reviews_per_day=1000, max_error=0.02), seen).within
    tight = choose(Budget(reviews_per_day=60, max_error=0.001), seen)
    assert not tight.within
    found = expected(tight.thresholds, seen).reviews_per_day
    assert found is not None
    assert found.value <= 60


def test_foreign_items_are_looked_for_before_any_came() -> None:
    """With reviews to spare, at least 5 % of known pictures are called unknown, whatever traffic was like."""
    for budget in (Budget(reviews_per_day=400), Budget(max_error=0.05)):
        rank = choose(budget, view()).thresholds.rank
        assert 1 - (rank + 1) / STEPS >= 0.05 - 1 / STEPS


def test_foreign_items_among_what_is_accepted_count_as_wrong() -> None:
    """Thresholds that let everything through accept every foreign item: a tenth of the traffic, all wrong."""
    all_through = Thresholds(rank=STEPS - 1, min_confidence=0.0)
    none = expected(all_through, view(traffic=traffic(0, foreign=0.0))).accepted_error
    some = expected(all_through, view(traffic=traffic(0, foreign=0.1))).accepted_error
    assert some.value - none.value == pytest.approx(0.09, abs=0.025)


def test_without_traffic_held_out_pictures_stand_for_it() -> None:
    """A new line has thresholds, too; with no volume nobody knows how many reviews they mean."""
    seen = view(traffic=None, per_day=())
    found = expected(choose(Budget(max_error=0.02), seen).thresholds, seen)
    assert found.reviews_per_day is None
    assert 0 < found.review_share.value < 1
    told = expected(choose(Budget(reviews_per_day=20), replace(seen, per_day=(100.0,))).thresholds, seen)
    assert told.review_share.value <= 0.2


def test_watched_and_unreadable_pictures_are_part_of_the_load() -> None:
    """They are reviewed whatever the thresholds, and leave less of the budget."""
    some = traffic(0, unreadable=0.05)
    seen = view(traffic=replace(some, watched=np.arange(len(some)) % 10 == 0))
    assert not choose(Budget(reviews_per_day=200), seen).within
    assert choose(Budget(reviews_per_day=400), seen).within


def test_figures_come_true_within_their_intervals() -> None:
    """Of 40 lines, what a long stream then comes to lies within the interval told beforehand nearly always."""
    thresholds = Thresholds(rank=int(0.9 * STEPS), min_confidence=0.7)
    truth = expected(thresholds, view(known=known(99, 30_000), traffic=traffic(99, 30_000, foreign=0.08)))
    inside = {"review_share": 0, "accepted_error": 0, "catch_rate": 0}
    for seed in range(40):
        told = expected(thresholds, view(seed, traffic=traffic(seed, 1500, foreign=0.08)))
        for name in inside:
            estimate = getattr(told, name)
            inside[name] += estimate.low <= getattr(truth, name).value <= estimate.high
    assert min(inside.values()) >= 35, inside
