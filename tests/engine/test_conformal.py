"""Prediction sets hold the true class as often as stated, whatever the network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.engine.conformal import ConformalSets, conformal_sets

coverages = st.floats(0.5, 0.99)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, n: int, classes: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, classes) of a network that is right more or less often, and the true classes (n,)."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(classes, size=n)
    logits = chance.normal(size=(n, classes)).astype(np.float32)
    logits[np.arange(n), labels] += skill
    exp = np.exp(logits)
    return exp / exp.sum(axis=1, keepdims=True), labels


@given(seeds, coverages, st.integers(1, 200), st.floats(0, 5))
def test_of_the_pictures_it_was_fitted_on_the_stated_share_is_covered(
    seed: int, coverage: float, n: int, skill: float
) -> None:
    """At least the stated share, corrected for a finite sample: ceil((n + 1) · coverage) of n, if that many."""
    probabilities, labels = drawn(seed, n, 4, skill)
    within = conformal_sets(probabilities, labels, coverage)(probabilities)
    covered = int(within[np.arange(n), labels].sum())
    assert covered >= min(n, np.ceil(round((n + 1) * coverage, 9)))


@given(seeds, st.integers(1, 100), st.tuples(coverages, coverages))
def test_more_coverage_means_larger_sets(seed: int, n: int, both: tuple[float, float]) -> None:
    """The sets of a smaller coverage lie within those of a larger one."""
    probabilities, labels = drawn(seed, n, 5, 1.0)
    small, large = (
        conformal_sets(probabilities, labels, coverage)(probabilities) for coverage in sorted(both)
    )
    assert not (small & ~large).any()


@given(seeds, st.integers(1, 8))
def test_too_few_pictures_rule_nothing_out(seed: int, n: int) -> None:
    """Nine tenths cannot be told from fewer than nine pictures: every class is in every set."""
    probabilities, labels = drawn(seed, n, 3, 5.0)
    assert conformal_sets(probabilities, labels, 0.9)(probabilities).all()


@given(seeds, st.permutations(range(40)))
def test_the_order_of_pictures_does_not_matter(seed: int, order: list[int]) -> None:
    """Held-out pictures are a set."""
    probabilities, labels = drawn(seed, 40, 4, 1.5)
    assert conformal_sets(probabilities, labels, 0.8) == conformal_sets(
        probabilities[order], labels[order], 0.8
    )


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("skill", [0.5, 3.0])
def test_new_pictures_are_covered_as_stated_on_average(coverage: float, skill: float) -> None:
    """Over 200 draws of 99 held-out and 99 new pictures the share covered is the stated one, or hardly more."""
    shares = []
    for seed in range(200):
        probabilities, labels = drawn(seed, 198, 6, skill)
        sets = conformal_sets(probabilities[:99], labels[:99], coverage)
        shares.append(sets(probabilities[99:])[np.arange(99), labels[99:]].mean())
    # 200 · 99 pictures: three standard errors are under one and a half points, both halves considered.
    assert coverage - 0.015 <= np.mean(shares) <= coverage + 0.025


def test_a_set_may_be_empty() -> None:
    """Where no class is as probable as true classes are, nothing fits: the item is ambiguous."""
    assert not ConformalSets(floor=0.9)(np.array([[0.5, 0.5]], np.float32)).any()
