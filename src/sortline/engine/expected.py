"""What thresholds come to: reviews a day, wrong items among the accepted, what is caught, each with its interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.budget import Thresholds
from sortline.engine.traffic import View, tail

_DRAWS = 2000
_INTERVAL = (0.025, 0.975)
# Jeffreys' prior, so that no mistake among a few hundred pictures does not mean none for certain.
_PRIOR = 0.5

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What thresholds come to. Shares are of all pictures; `accepted_error` is of the accepted ones, `catch_rate` the
    share of foreign items and wrong answers that a person sees. `reviews_per_day` is of one day, with days as different
    as they were; None where nobody knows how many pictures come. `catch_rate` is None where there is nothing to catch.
    """

    reviews_per_day: Estimate | None
    review_share: Estimate
    unknown_share: Estimate
    ambiguous_share: Estimate
    accepted_error: Estimate
    catch_rate: Estimate | None

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def expected(thresholds: Thresholds, view: View, *, seed: int = 0) -> Expected:
    """What the thresholds come to on pictures like those in view.

    Intervals come from the Bayesian bootstrap (Rubin 1981) over traffic, over held-out pictures and over days. They do
    not hold the difference between held-out pictures and what comes.
    """
    chance = np.random.default_rng(seed)
    point = _figures(thresholds, view, None)
    drawn = _figures(thresholds, view, chance)
    reviews = None
    if view.volume is not None:
        days = chance.choice(np.asarray(view.per_day, float), _DRAWS)
        reviews = _estimate(point["review"] * view.volume, drawn["review"] * days)
    nothing = float(point["deserving"][0]) <= 0
    return Expected(
        reviews_per_day=reviews,
        review_share=_estimate(point["review"], drawn["review"]),
        unknown_share=_estimate(point["unknown"], drawn["unknown"]),
        ambiguous_share=_estimate(point["ambiguous"], drawn["ambiguous"]),
        accepted_error=_estimate(point["error"], drawn["error"]),
        catch_rate=None if nothing else _estimate(point["catch"], drawn["catch"]),
    )


def _figures(thresholds: Thresholds, view: View, chance: np.random.Generator | None) -> dict[str, Draws]:
    """Every figure, (draws,): as it is, or as chance might have had it."""
    known, cut = view.known, thresholds.cut(view.steps)
    traffic = _traffic_shares(thresholds, view, chance)
    sure = (known.confidence >= thresholds.min_confidence) & ~known.ambiguous
    passed = (known.unusual <= cut) & sure & ~known.watched
    cells = [
        passed & known.correct,
        passed & ~known.correct,
        ~passed & known.correct,
        ~passed & ~known.correct,
    ]
    counts = np.array([cell.sum() for cell in cells], float)
    right, wrong, _, caught = _drawn(counts, chance, _PRIOR)
    readable, accepted = traffic["readable"], traffic["accepted"]
    with np.errstate(divide="ignore", invalid="ignore"):
        of = len(view.stream) if chance is None else None
        ours = view.known_share(np.nan_to_num(traffic["tail"] / readable), of=of)
        foreign = readable * (1 - ours)
        above = float((known.unusual > cut).mean())
        found = np.clip(traffic["above"] - readable * ours * above, 0, foreign)
        hidden = np.nan_to_num((foreign - found) / accepted).clip(0, 1)
        error = (1 - hidden) * np.nan_to_num(wrong / (wrong + right)) + hidden
        deserving = readable * ours * (wrong + caught) + foreign
        catch = np.nan_to_num((readable * ours * caught + found) / deserving)
    return {
        "review": 1 - accepted * (1 - view.sample_share),
        "unknown": traffic["unknown"],
        "ambiguous": traffic["ambiguous"],
        "error": np.where(accepted > 0, error, 0.0),
        "deserving": deserving,
        "catch": catch.clip(0, 1),
    }


def _traffic_shares(
    thresholds: Thresholds, view: View, chance: np.random.Generator | None
) -> dict[str, Draws]:
    """Shares of the traffic by what becomes of it, in the order in which reasons hold."""
    stream, cut = view.stream, thresholds.cut(view.steps)
    unsure = stream.ambiguous | (stream.confidence < thresholds.min_confidence)
    reason = np.select(
        [stream.unreadable, stream.unusual > cut, stream.watched, unsure], [0, 1, 2, 3], default=4
    )
    in_tail = tail(stream.unusual)
    # Of a picture all that matters is its reason and whether it is in the tail: ten kinds.
    counts = np.bincount(reason * 2 + in_tail, minlength=10).astype(float)
    shares = _drawn(counts, chance, 0.0)
    by_reason = shares[0::2] + shares[1::2]
    return {
        "unknown": by_reason[1],
        "ambiguous": by_reason[3],
        "accepted": by_reason[4],
        "readable": 1 - by_reason[0],
        "tail": shares[3] + shares[5] + shares[7] + shares[9],
        "above": by_reason[1],
    }


def _drawn(counts: NDArray[np.float64], chance: np.random.Generator | None, prior: float) -> Draws:
    """Shares of kinds of pictures, (kinds, draws)."""
    amounts = counts[None, :]
    if chance is not None:
        amounts = chance.gamma(np.maximum(counts + prior, 1e-9), size=(_DRAWS, len(counts)))
    shares: Draws = (amounts / amounts.sum(axis=1, keepdims=True)).T
    return shares


def _estimate(point: Draws, drawn: Draws) -> Estimate:
    value = float(point[0])
    low, high = (float(edge) for edge in np.quantile(drawn, _INTERVAL))
    # The value leaves out what chance explains, so that it may lie below all that chance might have had.
    return Estimate(value=value, low=min(low, value), high=max(high, value))
