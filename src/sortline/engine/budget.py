"""Thresholds from a budget: so many reviews a day, or so many wrong items among those accepted.

Every pair of an OOD threshold and a confidence on a grid is judged by what it would have done to recent traffic and to
held-out pictures. `expected` tells what the chosen pair comes to, with intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortline.engine.ood import FALSE_ALARM_SHARE
from sortline.engine.traffic import View, tail

# Thresholds tried. All pairs of them take some 30 ms on 5,000 pictures.
_RANKS, _CONFIDENCES = 40, 120
# Never more than a fifth of the known pictures are called unknown: a person would see too many that are not.
_MOST_FALSE_ALARMS = 0.2
# Of the reviews that are free, as many at most are taken by what is unknown before confidence has a say.
_FOR_UNKNOWN = 0.5

Grid = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is wanted: at most `reviews_per_day`, at most the share `max_error` of accepted items wrong, or both."""

    reviews_per_day: float | None = None
    max_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """An item is unknown above the `rank`-th smallest of the detector's reference scores (from 0), and ambiguous below
    `min_confidence`.
    """

    rank: int
    min_confidence: float

    def cut(self, steps: int) -> float:
        """What `unusual` is above for unknown items, with a reference of so many scores."""
        return (self.rank + 0.5) / steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The thresholds, and whether they keep the budget: where none does, they are as near as it gets."""

    thresholds: Thresholds
    within: bool


def choose(budget: Budget, view: View) -> Choice:
    """The thresholds for a budget.

    For a number of reviews: of the pairs that keep it, the one that catches most of what needs a person, foreign items
    and wrong answers. For an error: of those that keep it, the one that asks for fewest reviews. Foreign items need not
    have come yet to be looked for: the OOD threshold is never above the one that a bundle is made with (5 % of known
    pictures unknown), unless that alone took half of the reviews that are free.
    """
    ranks = _ranks(view.steps)
    confidences = _confidences(view)
    grid = _judged(view, ranks, confidences)
    share = _share(budget, view)
    allowed = np.broadcast_to((ranks <= _loosest(view, ranks, share))[:, None], grid.load.shape)
    kept, error_kept = np.ones_like(allowed), np.ones_like(allowed)
    if share is not None:
        kept = grid.load <= share
    if budget.max_error is not None:
        error_kept = (grid.error <= budget.max_error) & (grid.accepted > 0)
    place, within = _best(budget, grid, allowed, kept, error_kept)
    row, column = np.unravel_index(place, grid.load.shape)
    found = Thresholds(rank=int(ranks[row]), min_confidence=float(confidences[column]))
    return Choice(thresholds=found, within=within)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What each pair (rank, confidence) comes to, as shares of all pictures; `error` is a share of the accepted."""

    load: Grid
    accepted: Grid
    error: Grid
    caught: Grid


def _share(budget: Budget, view: View) -> float | None:
    """The share of pictures that may be reviewed; None where any may."""
    if budget.reviews_per_day is None or not view.volume:
        return None
    return budget.reviews_per_day / view.volume


def _ranks(steps: int) -> NDArray[np.int64]:
    """Ranks to try, from the one that calls nothing held out unknown down."""
    most = min(int(_MOST_FALSE_ALARMS * steps), steps - 1)
    # Fewer and fewer the more false alarms: what matters lies near 0.
    above = np.unique(np.round(most * np.linspace(0, 1, _RANKS) ** 2).astype(np.int64))
    return steps - 1 - above


def _confidences(view: View) -> Grid:
    """Confidences to try, from 0 up, as they are written into a policy."""
    pooled = np.concatenate([view.known.confidence, view.stream.confidence])
    quantiles = np.quantile(pooled, np.linspace(0, 1, _CONFIDENCES) ** 1.5)
    return np.unique(np.concatenate([[0.0], np.round(quantiles, 4), [1.0]]))


def _loosest(view: View, ranks: NDArray[np.int64], share: float | None) -> int:
    """The largest rank that may be chosen."""
    default = max(int(np.ceil(view.steps * (1 - FALSE_ALARM_SHARE))) - 1, 0)
    candidates = np.unique(
        np.append(ranks[ranks >= default], ranks[ranks <= default].max(initial=ranks.min()))
    )
    if share is None:
        return int(candidates.min())
    stream = view.stream
    always = stream.unreadable | stream.watched | stream.ambiguous
    # Nearly all that is accepted is open to the control share.
    fixed, free = float(always.mean()) + view.sample_share, stream.unusual[~always]
    for rank in candidates:
        taken = float((free > (rank + 0.5) / view.steps).sum()) / len(stream)
        if taken <= _FOR_UNKNOWN * max(share - fixed, 0):
            return int(rank)
    return int(candidates.max())


def _judged(view: View, ranks: NDArray[np.int64], confidences: Grid) -> _Judged:
    cuts = ((ranks + 0.5) / view.steps)[:, None]
    stream, known = view.stream, view.known
    usual = (stream.unusual <= cuts) & ~(stream.unreadable | stream.watched | stream.ambiguous)
    accepted = _both(usual, stream.confidence >= confidences[:, None])
    passing = (known.unusual <= cuts) & ~(known.watched | known.ambiguous)
    sure = known.confidence >= confidences[:, None]
    passed, wrong = _both(passing, sure), _both(passing & ~known.correct, sure)
    readable = stream.unusual[~stream.unreadable]
    in_tail = np.array(tail(readable).mean() if len(readable) else 0.0)
    ours = float(view.known_share(in_tail, of=len(readable)))
    scale = len(readable) / len(stream)
    foreign = scale * (1 - ours)
    above = (readable > cuts).mean(axis=1) if len(readable) else np.zeros(len(ranks))
    found = np.clip(scale * (above - ours * (known.unusual > cuts).mean(axis=1)), 0, foreign)[:, None]
    # Those of them that confidence would catch are not counted on.
    hidden = np.divide(foreign - found, accepted, out=np.zeros_like(accepted), where=accepted > 0).clip(0, 1)
    missed = np.divide(wrong, passed, out=np.zeros_like(passed), where=passed > 0)
    return _Judged(
        load=1 - accepted * (1 - view.sample_share),
        accepted=accepted,
        error=(1 - hidden) * missed + hidden,
        caught=scale * ours * (float((~known.correct).mean()) - wrong) + found,
    )


def _both(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Grid:
    """Share of pictures for which both hold, for every row and column."""
    together = rows.astype(np.float32) @ columns.astype(np.float32).T
    shares: Grid = together.astype(np.float64) / rows.shape[1]
    return shares


def _best(
    budget: Budget,
    grid: _Judged,
    allowed: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    error_kept: NDArray[np.bool_],
) -> tuple[int, bool]:
    """The best pair, and whether it keeps the budget."""
    good = allowed & kept & error_kept
    # The second key decides between pairs that come to the same: fewer reviews, then fewer mistakes.
    by_load, by_catch = (grid.load, -grid.caught), (-grid.caught, grid.load)
    if good.any():
        return _first(by_catch if budget.max_error is None else by_load, good), True
    if (allowed & kept).any():  # the error cannot be kept within the reviews, or at all
        has_any = allowed & kept & (grid.accepted > 0)
        keys = (grid.error, grid.load) if budget.reviews_per_day is None else by_catch
        return _first(keys, has_any if has_any.any() else allowed & kept), False
    return _first(by_load, allowed), False


def _first(keys: tuple[Grid, Grid], among: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(among)
    order = np.lexsort([np.round(key.ravel()[places], 9) for key in reversed(keys)])
    return int(places[order[0]])
