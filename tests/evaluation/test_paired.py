"""Whether a difference could be chance: against scipy, simulation and values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from sortline.evaluation.paired import accuracy_difference, falls, macro_f1_difference, mcnemar

counts = st.integers(0, 60)


def answers(both: int, only_candidate: int, only_live: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or not, candidate and live, with these counts."""
    candidate = [True] * (both + only_candidate) + [False] * (only_live + neither)
    live = [True] * both + [False] * only_candidate + [True] * only_live + [False] * neither
    return np.array(candidate, bool), np.array(live, bool)


@given(counts, counts)
@settings(max_examples=40, deadline=None)
def test_mcnemar_is_the_binomial_test(only_one: int, only_other: int) -> None:
    """It equals scipy's exact two-sided test of a fair coin; without any difference nothing is significant."""
    expected = binomtest(only_one, only_one + only_other).pvalue if only_one + only_other else 1.0

    assert mcnemar(only_one, only_other) == pytest.approx(expected, abs=1e-12)


def test_mcnemar_by_hand() -> None:
    """One of six: 2 · (1 + 6) / 2⁶; McNemar's chi-square agrees where counts are large."""
    assert mcnemar(1, 5) == pytest.approx(14 / 64)
    assert mcnemar(300, 220) == pytest.approx(0.000526, abs=1e-5)  # (|300 − 220| − 1)² / 520 = 12.0


@given(counts, counts)
@settings(max_examples=40, deadline=None)
def test_falls_is_the_one_sided_test(only_candidate: int, only_live: int) -> None:
    """It equals scipy's test that the live bundle alone is right no more often."""
    total = only_candidate + only_live
    expected = binomtest(only_live, total, alternative="greater").pvalue if total else 1.0

    found = falls(np.array([only_candidate]), np.array([only_live]))

    assert found[0] == pytest.approx(expected, abs=1e-12)


@given(counts, counts, counts, counts)
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_its_value_and_the_counts_add_up(a: int, b: int, c: int, d: int) -> None:
    """Whatever the counts, −1 ≤ low ≤ value ≤ high ≤ 1."""
    if a + b + c + d == 0:
        a = 1
    found = accuracy_difference(*answers(a, b, c, d), resamples=200)

    assert (found.both, found.only_candidate, found.only_live, found.neither) == (a, b, c, d)
    assert found.total == a + b + c + d
    assert found.value == pytest.approx((b - c) / found.total)
    assert -1 <= found.low <= found.value <= found.high <= 1


@given(counts, counts, counts, counts)
@settings(max_examples=40, deadline=None)
def test_the_other_way_round_the_interval_is_mirrored(a: int, b: int, c: int, d: int) -> None:
    """Exchanging the two negates the difference; the interval follows within the bootstrap's own noise."""
    candidate, live = answers(a + 1, b, c, d)

    one, other = accuracy_difference(candidate, live), accuracy_difference(live, candidate)

    assert one.value == -other.value
    assert one.p_value == other.p_value
    noise = 0.02 + 2 / one.total
    assert one.low == pytest.approx(-other.high, abs=noise)
    assert one.high == pytest.approx(-other.low, abs=noise)


def test_drawing_counts_is_drawing_pictures() -> None:
    """The interval is that of resampling the pictures themselves."""
    candidate, live = answers(500, 60, 30, 110)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(live), size=(4000, len(live)))
    slow = np.quantile((candidate[rows].mean(1) - live[rows].mean(1)), [0.025, 0.975])

    found = accuracy_difference(candidate, live, resamples=20_000)

    assert [found.low, found.high] == pytest.approx(slow, abs=0.002)


@pytest.mark.parametrize(
    ("total", "shares"), [(60, (0.8, 0.06, 0.05, 0.09)), (750, (0.87, 0.03, 0.02, 0.08))]
)
def test_the_interval_covers_the_truth(total: int, shares: tuple[float, ...]) -> None:
    """In 95 of 100 drawn test sets, within the noise of 600 of them; rather more where pictures are few."""
    rng, covered = np.random.default_rng(0), 0
    for drawn in rng.multinomial(total, shares, size=600):
        found = accuracy_difference(*answers(*drawn.tolist()), resamples=500)
        covered += found.low <= shares[1] - shares[2] <= found.high

    assert 0.93 <= covered / 600 <= 0.99


def test_no_disagreement_in_few_pictures_is_not_certainty() -> None:
    """Ten pictures on which both agree leave room for a difference; two thousand hardly."""
    few, many = accuracy_difference(*answers(10, 0, 0, 0)), accuracy_difference(*answers(2000, 0, 0, 0))

    assert few.low < -0.05 < 0.05 < few.high
    assert -0.005 < many.low <= 0 <= many.high < 0.005


def test_the_same_seed_gives_the_same_interval() -> None:
    """A comparison can be repeated."""
    pair = answers(80, 9, 6, 5)

    assert accuracy_difference(*pair, seed=3) == accuracy_difference(*pair, seed=3)
    assert accuracy_difference(*pair, seed=3) != accuracy_difference(*pair, seed=4)


def test_nothing_or_unequal_parts_cannot_be_paired() -> None:
    """There is no difference of nothing."""
    for pair in ((np.ones(0, bool), np.ones(0, bool)), (np.ones(2, bool), np.ones(3, bool))):
        with pytest.raises(ValueError, match="paired"):
            accuracy_difference(*pair)
    with pytest.raises(ValueError, match="no answers"):
        macro_f1_difference(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 2)


def test_macro_f1_and_its_interval_agree_with_scikit_learn_and_a_bootstrap() -> None:
    """The value is scikit-learn's; the interval that of resampling 900 pictures."""
    rng = np.random.default_rng(2)
    rows = rng.choice(4, 900, p=[0.5, 0.3, 0.15, 0.05])
    candidate = np.where(rng.random(900) < 0.85, rows, rng.integers(0, 5, 900))  # 4: none of the classes
    live = np.where(rng.random(900) < 0.8, rows, rng.integers(0, 4, 900))

    def difference(picked: np.ndarray) -> float:
        return macro_f1_difference(rows[picked], candidate[picked], live[picked], 4).value

    found = macro_f1_difference(rows, candidate, live, 4)
    drawn = [difference(rng.integers(0, 900, 900)) for _ in range(1000)]

    scores = [
        f1_score(rows, said, labels=range(4), average="macro", zero_division=0) for said in (candidate, live)
    ]
    assert found.value == pytest.approx(scores[0] - scores[1])
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.008)
