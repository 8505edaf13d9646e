"""Figures of a classifier from its answers: arrays in, numbers out.

Labels and predictions are class indices in 0..C-1, shape (N,); confidences are the probability of the
predicted class, (N,); `right` says which answers are right, (N,).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """A share of `total` with its 95 % interval, each in 0..1."""

    value: float
    low: float
    high: float
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How well one class is found: precision, recall and F1 in 0..1 (0 where undefined); its photos."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """Error among the most confident share of the answers.

    `coverage` and `risk`, each (N,): the error of the k most confident answers at coverage k / N.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]


def accuracy(labels: Indices, predictions: Indices) -> Proportion:
    """Share of right predictions with its Wilson interval; ValueError on none."""
    return wilson(int(np.sum(labels == predictions)), len(labels))


def wilson(successes: int, total: int, z: float = 1.959963984540054) -> Proportion:
    """Successes / total with the Wilson score interval (95 % at the default z). Wilson 1927.

    Raises:
        ValueError: `total` is not positive or `successes` is not in 0..total.
    """
    if total <= 0 or not 0 <= successes <= total:
        raise ValueError(f"{successes} successes of {total} is no proportion")
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At 0 and 1 the bound is exact, and rounding would put it on the wrong side of the value.
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == total else min(1.0, float(centre + half))
    return Proportion(value=share, low=low, high=high, total=total)


def confusion_matrix(labels: Indices, predictions: Indices, classes: int) -> NDArray[np.int64]:
    """Counts, shape (C, C): row is the true class, column the predicted one."""
    flat = np.bincount(np.asarray(labels) * classes + np.asarray(predictions), minlength=classes * classes)
    return flat.reshape(classes, classes)


def per_class(confusion: NDArray[np.int64], names: tuple[str, ...]) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of each class from a confusion matrix (C, C), or (C, C + k) with k further columns for
    predictions that are none of the classes.
    """
    hits = np.diag(confusion).astype(float)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)[: len(confusion)]
    precision, recall = _ratio(hits, predicted), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + predicted)
    return tuple(
        ClassFigures(name=n, precision=float(p), recall=float(r), f1=float(f), support=int(s))
        for n, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
    )


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that have a picture, in 0..1; ValueError on none. The matrix is as for `per_class`.

    A class that is only predicted does not enter, so two classifiers on the same pictures are averaged over the same
    classes; what was taken for it lowers the recall of the classes that it was.
    """
    hits = np.diag(confusion).astype(float)
    support = confusion.sum(axis=1)
    if not support.any():
        raise ValueError("no pictures, no macro F1")
    f1 = _ratio(2 * hits, support + confusion.sum(axis=0)[: len(confusion)])
    return float(f1[support > 0].mean())


def expected_calibration_error(confidences: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their answers, in 0..1.

    Naeini et al. 2015; 15 bins as in Guo et al. 2017.
    """
    index = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    confidence = np.bincount(index, weights=confidences, minlength=bins)
    hits = np.bincount(index, weights=right, minlength=bins)
    return float(np.abs(confidence - hits).sum() / len(index))


def risk_coverage(confidences: Floats, right: NDArray[np.bool_]) -> RiskCoverage:
    """The curve of selective classification, most confident first. Geifman and El-Yaniv 2017."""
    order = np.argsort(-np.asarray(confidences), kind="stable")
    taken = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~np.asarray(right, dtype=bool)[order])
    return RiskCoverage(coverage=taken / len(order), risk=wrong / taken)


def accepted_error(confidences: Floats, right: NDArray[np.bool_], coverage: float) -> float:
    """Error among the most confident `coverage` (0..1, at least one answer) of the answers."""
    curve = risk_coverage(confidences, right)
    taken = max(1, round(coverage * len(curve.risk)))
    return float(curve.risk[taken - 1])


def auroc(positive: Floats, negative: Floats) -> float:
    """Chance that a positive scores above a negative, ties counted half (Mann–Whitney U).

    Raises:
        ValueError: a side is empty.
    """
    if len(positive) == 0 or len(negative) == 0:
        raise ValueError("AUROC needs scores on both sides")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    up_to = np.searchsorted(ordered, positive, side="right")
    return float((below + up_to).sum() / (2 * len(positive) * len(negative)))


def fpr_at_95(known: Floats, unknown: Floats) -> float:
    """Share of the unknown let through where 95 % of the known are; lower scores are known, in 0..1.

    The threshold is the smallest known score that keeps at least 95 %. Liang et al. 2018 (FPR at 95 % TPR).

    Raises:
        ValueError: a side is empty.
    """
    if len(known) == 0 or len(unknown) == 0:
        raise ValueError("FPR95 needs scores on both sides")
    threshold = np.sort(known)[int(np.ceil(0.95 * len(known))) - 1]
    return float(np.mean(np.asarray(unknown) <= threshold))


def _ratio(above: NDArray[np.float64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    """above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
