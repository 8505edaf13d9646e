"""What a summary tells a person: spreads, outliers, balance, growth. Numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from sortline.catalogue.extremes import Extremes
from sortline.catalogue.summary import SHOWN, Summary, sharpness_edge

# Bars of a histogram, at most.
BARS = 20
# How many interquartile ranges beyond the quartiles an outlier lies. Tukey 1977, Exploratory Data Analysis.
_FENCE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How many values lie in `low` ≤ value < `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a value is distributed; all 0 where there is none."""

    min: float
    max: float
    mean: float
    histogram: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """Values beyond Tukey's fences, and the most extreme pictures on either side as (entry id, value).

    `low` values are less than `low_fence`, `high` are at least `high_fence`; the fences lie on edges of the summary's
    bins, so that the counts are exact.
    """

    low_fence: float
    high_fence: float
    low: int
    high: int
    lowest: tuple[tuple[int, float], ...]
    highest: tuple[tuple[int, float], ...]
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How evenly pictures are spread over the classes that have any.

    `ratio` is the largest class over the smallest. `effective` is how many classes of equal size would be as uneven:
    exp of the entropy (Hill 1973, order 1). Both 0 without pictures.
    """

    largest: int
    smallest: int
    ratio: float
    effective: float


def spread(counts: Mapping[int, int], scale: float = 1.0) -> Spread:
    """The spread of whole numbers, each divided by `scale`, from how often each occurs."""
    if not counts:
        return Spread(min=0.0, max=0.0, mean=0.0, histogram=())
    total = sum(counts.values())
    mean = sum(value * count for value, count in counts.items()) / total
    return Spread(
        min=min(counts) / scale, max=max(counts) / scale, mean=mean / scale, histogram=_bars(counts, scale)
    )


def brightness_outliers(summary: Summary) -> Outliers:
    """Pictures unusually dark or bright."""
    return _outliers(summary.brightness, float, summary.darkest, summary.brightest)


def sharpness_outliers(summary: Summary) -> Outliers:
    """Pictures unusually blurred or sharp; fences in octaves, for the values lie orders of magnitude apart."""
    return _outliers(summary.sharpness, sharpness_edge, summary.flattest, summary.sharpest)


def balance(sizes: Sequence[int]) -> Balance:
    """How evenly classes of these sizes are filled; empty ones do not count."""
    filled = [size for size in sizes if size > 0]
    if not filled:
        return Balance(largest=0, smallest=0, ratio=0.0, effective=0.0)
    total = sum(filled)
    entropy = -sum(size / total * math.log(size / total) for size in filled)
    largest, smallest = max(filled), min(filled)
    return Balance(largest=largest, smallest=smallest, ratio=largest / smallest, effective=math.exp(entropy))


def growth(days: Mapping[date, int]) -> tuple[tuple[date, int, int], ...]:
    """(day, pictures added then, pictures by then), for days on which any were added, in order."""
    ordered = sorted(days)
    totals = accumulate(days[day] for day in ordered)
    return tuple((day, days[day], total) for day, total in zip(ordered, totals, strict=True))


def _bars(counts: Mapping[int, int], scale: float) -> tuple[Bar, ...]:
    first, last = min(counts), max(counts)
    # Whole numbers wide, so that every bar may hold as many different values.
    width = -(-(last - first + 1) // BARS)
    heights = [0] * -(-(last - first + 1) // width)
    for value, count in counts.items():
        heights[(value - first) // width] += count
    return tuple(
        Bar(low=(first + at * width) / scale, high=(first + (at + 1) * width) / scale, count=count)
        for at, count in enumerate(heights)
    )


def _outliers(
    counts: Mapping[int, int], edge: Callable[[int], float], lowest: Extremes, highest: Extremes
) -> Outliers:
    if not counts:
        return Outliers(low_fence=0.0, high_fence=0.0, low=0, high=0, lowest=(), highest=(), median=0.0)
    lower, median, upper = (_quantile(counts, share) for share in (0.25, 0.5, 0.75))
    reach = _FENCE * (upper - lower)
    first, behind = max(0, math.floor(lower - reach)), math.ceil(upper + reach)
    return Outliers(
        low_fence=edge(first),
        high_fence=edge(behind),
        low=sum(count for at, count in counts.items() if at < first),
        high=sum(count for at, count in counts.items() if at >= behind),
        lowest=lowest.first(SHOWN),
        highest=highest.first(SHOWN),
        median=_between(edge, median),
    )


def _quantile(counts: Mapping[int, int], share: float) -> float:
    """Where this share of the values lies, in bins, taking those in one bin to be spread evenly."""
    wanted = share * sum(counts.values())
    passed = 0
    for at in sorted(counts):
        if passed + counts[at] >= wanted:
            return at + (wanted - passed) / counts[at]
        passed += counts[at]
    raise ValueError(f"{share} is no share")


def _between(edge: Callable[[int], float], at: float) -> float:
    whole = math.floor(at)
    low, high = edge(whole), edge(whole + 1)
    return low + (high - low) * (at - whole)
