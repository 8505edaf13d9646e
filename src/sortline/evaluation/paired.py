"""Two classifiers on the same pictures: how far apart they are, and whether that could be chance.

What one alone gets right decides; pictures that both or neither get right say nothing of which is better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference, candidate less live, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of two accuracies on the same pictures, candidate less live, in −1..1, with its 95 % interval.

    `both`, `only_candidate`, `only_live` and `neither` count the pictures by who got them right; `p_value` is that of
    McNemar's test that the two are right equally often.
    """

    both: int
    only_candidate: int
    only_live: int
    neither: int
    value: float
    low: float
    high: float
    p_value: float
    resamples: int
    seed: int

    @property
    def total(self) -> int:
        """How many pictures were compared."""
        return self.both + self.only_candidate + self.only_live + self.neither


def accuracy_difference(
    candidate: NDArray[np.bool_], live: NDArray[np.bool_], *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """How much more often the candidate is right than the live one: right or not, (N,) each, in the same order.

    The interval is the percentile interval of a paired bootstrap (Efron 1979; Efron and Tibshirani 1993, chapter 13).
    Drawing N pictures with replacement only ever changes the four counts, so these are drawn, from a multinomial.
    Half a picture is added to each count before: without it a disagreement that has not come up in few pictures
    could never come up, and no news would read as certainty. Agresti and Min 2005 do so for the Wald interval.

    Raises:
        ValueError: there are no pictures, or not the same number of them.
    """
    if len(candidate) != len(live) or len(live) == 0:
        raise ValueError(f"{len(candidate)} and {len(live)} answers cannot be paired")
    # 3 both, 2 only the candidate, 1 only the live one, 0 neither
    counts = np.bincount(candidate.astype(np.int8) * 2 + live, minlength=4)
    total, value = len(live), (counts[2] - counts[1]) / len(live)
    smoothed = (counts + 0.5) / (total + 2)
    drawn = np.random.default_rng(seed).multinomial(total, smoothed, size=resamples)
    low, high = np.quantile((drawn[:, 2] - drawn[:, 1]) / total, [0.025, 0.975])
    return Difference(
        both=int(counts[3]),
        only_candidate=int(counts[2]),
        only_live=int(counts[1]),
        neither=int(counts[0]),
        value=float(value),
        low=float(min(low, value)),
        high=float(max(high, value)),
        p_value=mcnemar(int(counts[2]), int(counts[1])),
        resamples=resamples,
        seed=seed,
    )


def mcnemar(only_one: int, only_other: int) -> float:
    """The p-value that two classifiers are right equally often, two-sided, from what each alone got right.

    McNemar 1947 compares both counts with a fair coin by a chi-square, which needs some 25 of them. The binomial
    distribution it stands for costs nothing today and is exact at any count.
    """
    from scipy.special import bdtr  # half a second that a server never needs

    return min(1.0, 2 * float(bdtr(min(only_one, only_other), only_one + only_other, 0.5)))


def falls(only_candidate: NDArray[np.int64], only_live: NDArray[np.int64]) -> NDArray[np.float64]:
    """p-values, one-sided, that the candidate is right no less often: McNemar's exact test for each pair of counts."""
    from scipy.special import bdtr

    found: NDArray[np.float64] = bdtr(only_candidate.astype(float), only_candidate + only_live, 0.5)
    return found


def macro_f1_difference(
    rows: NDArray[np.int64], candidate: NDArray[np.int64], live: NDArray[np.int64], classes: int
) -> Interval:
    """The difference of two macro F1 on the same pictures: true class and both predictions, (N,) each.

    A prediction of `classes` or more is none of the classes. The interval is the infinitesimal jackknife's (Efron
    1982, chapter 6; Takahashi et al. 2022 for macro F1): each picture's influence on the difference, and their spread.

    Raises:
        ValueError: there are no pictures.
    """
    if len(rows) == 0:
        raise ValueError("no answers to compare")
    ours, our_pull = _macro_f1(rows, candidate, classes)
    theirs, their_pull = _macro_f1(rows, live, classes)
    value, pull = ours - theirs, our_pull - their_pull
    half = _Z95 * float(np.sqrt(np.mean(pull**2) / len(rows)))
    return Interval(value=value, low=max(-1.0, value - half), high=min(1.0, value + half))


def _macro_f1(
    rows: NDArray[np.int64], predictions: NDArray[np.int64], classes: int
) -> tuple[float, NDArray[np.float64]]:
    """Macro F1 over the classes that occur, and each picture's influence on it, (N,)."""
    right = rows == predictions
    support = np.bincount(rows, minlength=classes + 1)
    hits = np.bincount(rows[right], minlength=classes + 1)
    weight = support + np.bincount(np.minimum(predictions, classes), minlength=classes + 1)
    counted = support > 0
    f1 = np.divide(2 * hits, weight, out=np.zeros(classes + 1), where=counted)
    # F1 = 2 P(both) / (P(true) + P(predicted)): its derivative in the weight of one picture.
    gain = np.divide(2.0, weight, out=np.zeros(classes + 1), where=counted)
    cost = f1 * gain / 2
    pull = gain[rows] * right - cost[rows] - cost[np.minimum(predictions, classes)]
    scale = len(rows) / counted.sum()
    return float(f1[counted].mean()), pull * scale
