"""How well one bundle answers: every figure of it, from its answers alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.evaluation import metrics
from sortline.evaluation.answers import UNKNOWN, Answers
from sortline.evaluation.metrics import ClassFigures, Proportion, RiskCoverage
from sortline.evaluation.plain import plain

BINS = 15  # Guo et al. 2017

# Points of a risk–coverage curve that are kept: a percent of coverage each.
_POINTS = 100
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Answers whose confidence lies in [low, high): how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Whether confidences mean what they say.

    `error` is the expected calibration error, in 0..1. A perfect network has one above zero too, by chance: with as
    many answers of these confidences it stays below `chance` in 95 of 100 cases. `bins` leaves out the empty ones.
    """

    error: float
    chance: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierFigures:
    """How well a set of pictures that belong to no class is told from known ones.

    `auroc`: the chance that an outlier is more unusual than a known picture; `fpr95`: the share of outliers let
    through where 95 % of the known pictures are; `flagged`: the share of them that goes to review as unknown.
    """

    name: str
    images: int
    auroc: float
    fpr95: float
    flagged: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is measured of a bundle beside its answers: median time for one picture, its network's bytes, outliers."""

    latency_ms: float | None = None
    size_bytes: int | None = None
    outliers: tuple[OutlierFigures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well a bundle answers N pictures. What cannot be known (of no pictures, say) is None.

    confusion: (C, C + 1), a row is the true class, a column the answer; the last column holds answers that are none of
    the classes. Pictures whose class the bundle does not know stand there too: they count as sent to review, and so as
    not right. `review` is the share that goes to a person, these and flagged ones; `accepted` how often the rest is
    right. Calibration, risk and its mean over all coverages (AURC, Geifman et al. 2019) leave such pictures out.
    """

    images: int
    accuracy: Proportion | None
    macro_f1: float | None
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]
    calibration: Calibration | None
    risk_coverage: RiskCoverage | None
    aurc: float | None
    review: Proportion | None
    accepted: Proportion | None

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        document: dict[str, Any] = plain(self)
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong answer: which picture, what it is and was taken for, how surely, whether it would have gone to review
    all the same; what the live bundle says of it, where there is one that knows the class.
    """

    key: str
    truth: str
    predicted: str
    confidence: float
    flagged: bool
    live: str | None = field(default=None)


def figures(answers: Answers, classes: tuple[str, ...] | None = None, *, seed: int = 0) -> Figures:
    """All figures of the answers, class by class over `classes` (by default those the bundle knows).

    Raises:
        ValueError: a picture's true class is not among `classes`.
    """
    names = answers.classes if classes is None else classes
    confusion = _confusion(answers, names)
    known = answers.known
    right, confidences = answers.right[known], answers.confidences[known].astype(float)
    curve = metrics.risk_coverage(confidences, right) if known.any() else None
    accepted = ~answers.reviewed
    return Figures(
        images=len(answers),
        accuracy=_share(answers.right),
        macro_f1=metrics.macro_f1(confusion) if len(answers) else None,
        classes=metrics.per_class(confusion, names),
        confusion=confusion,
        calibration=calibration(confidences, right, seed=seed) if known.any() else None,
        risk_coverage=curve and _thinned(curve),
        aurc=float(curve.risk.mean()) if curve else None,
        review=_share(answers.reviewed),
        accepted=_share(answers.right[accepted]),
    )


def calibration(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], *, seed: int = 0, bins: int = BINS
) -> Calibration:
    """Calibration of answers of these confidences, (N,) in 0..1, that were right or not, (N,); ValueError on none.

    `chance` comes from redrawing each bin's right answers at its mean confidence (consistency resampling, Bröcker and
    Smith 2007).
    """
    if len(confidences) == 0:
        raise ValueError("no answers, no calibration")
    index = np.minimum((confidences * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    filled = np.flatnonzero(count)
    count = count[filled]
    confidence = np.bincount(index, weights=confidences, minlength=bins)[filled] / count
    hits = np.bincount(index, weights=right, minlength=bins)[filled]
    drawn = np.random.default_rng(seed).binomial(count, confidence.clip(0, 1), size=(_RESAMPLES, len(filled)))
    by_chance = np.abs(drawn - count * confidence).sum(axis=1) / len(confidences)
    return Calibration(
        error=metrics.expected_calibration_error(confidences, right, bins),
        chance=float(np.quantile(by_chance, 0.95)),
        bins=tuple(
            Bin(low=i / bins, high=(i + 1) / bins, count=int(n), confidence=float(c), accuracy=float(h / n))
            for i, n, c, h in zip(filled.tolist(), count, confidence, hits, strict=True)
        ),
    )


def outlier_figures(
    name: str,
    known: NDArray[np.floating],
    outliers: NDArray[np.floating],
    flagged: NDArray[np.bool_],
) -> OutlierFigures:
    """Figures of a set of outliers from the scores of known pictures (N,) and of the outliers (M,), higher is more
    unusual, and which outliers are flagged (M,).

    Raises:
        ValueError: a side is empty.
    """
    return OutlierFigures(
        name=name,
        images=len(outliers),
        auroc=metrics.auroc(outliers, known),
        fpr95=metrics.fpr_at_95(known, outliers),
        flagged=float(np.mean(flagged)),
    )


def mistakes(
    answers: Answers,
    live: Answers | None = None,
    *,
    limit: int = 24,
    pictured: Collection[str] | None = None,
) -> tuple[Mistake, ...]:
    """The wrong answers of which the bundle is surest, at most `limit`, of pictures whose class it knows.

    `live` are another bundle's answers for the same pictures in the same order; `pictured` the keys of those that can
    be shown, which come first.
    """
    wrong = np.flatnonzero(answers.known & ~answers.right)
    shown = None if pictured is None else frozenset(pictured)
    blank = np.array([shown is not None and answers.keys[row] not in shown for row in wrong.tolist()], bool)
    surest = wrong[np.lexsort((-answers.confidences[wrong], blank))][:limit]
    return tuple(
        Mistake(
            key=answers.keys[row],
            truth=answers.truth[row],
            predicted=answers.classes[answers.predictions[row]],
            confidence=float(answers.confidences[row]),
            flagged=bool(answers.flagged[row]),
            live=None if live is None or not live.known[row] else live.classes[live.predictions[row]],
        )
        for row in surest.tolist()
    )


def rows_of(truth: Sequence[str], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Indices into `classes` of the true classes, (N,); ValueError if one is not among them."""
    index = {name: i for i, name in enumerate(classes)}
    try:
        return np.array([index[name] for name in truth], np.int64)
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]!r} is the class of a picture and not among those to report"
        ) from None


def columns_of(answers: Answers, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Indices into `classes` of the answers, (N,); the number of classes where it is none of them, or review."""
    index = {name: i for i, name in enumerate(classes)}
    column = np.array([index.get(name, len(classes)) for name in answers.classes], np.int64)
    return np.where(answers.labels == UNKNOWN, len(classes), column[answers.predictions])


def _confusion(answers: Answers, classes: tuple[str, ...]) -> NDArray[np.int64]:
    square = metrics.confusion_matrix(
        rows_of(answers.truth, classes), columns_of(answers, classes), len(classes) + 1
    )
    return square[:-1]


def _share(of: NDArray[np.bool_]) -> Proportion | None:
    return metrics.wilson(int(of.sum()), len(of)) if len(of) else None


def _thinned(curve: RiskCoverage) -> RiskCoverage:
    """The curve at each percent of coverage, or all of it where it is shorter."""
    total = len(curve.risk)
    picked = np.unique(np.ceil(np.arange(1, _POINTS + 1) * total / _POINTS).astype(int)) - 1
    return RiskCoverage(coverage=curve.coverage[picked], risk=curve.risk[picked])
