"""Out-of-distribution detection: how unusual a picture is to the network, and from where on it is unknown.

A scorer (`ood_scorers`) turns what the network put out into one number a picture, higher is more unusual. A detector is
a scorer with the scores that held-out known pictures got and the threshold that follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sortline.engine.ood_scorers import OodScorer, energy, gen, max_softmax

# Share of held-out known photos above the threshold, so sent to review as unknown.
FALSE_ALARM_SHARE = 0.05
# WasteX's rule calls an item known only if its largest raw softmax reaches this.
WASTEX_SOFTMAX = 0.7

# What a policy may ask for: a scorer, WasteX's rule of two, or what was chosen when the bundle was made.
DetectorName = Literal[
    "auto",
    "energy",
    "max_softmax",
    "mahalanobis",
    "relative_mahalanobis",
    "knn",
    "vim",
    "gen",
    "react",
    "wastex",
]
# The detectors that a bundle may hold scores of; of equally good ones the first is chosen.
NAMES: tuple[str, ...] = tuple(name for name in get_args(DetectorName) if name not in ("auto", "wastex"))
# Those that need nothing but logits, which every network has.
SCORERS: dict[str, OodScorer] = {"energy": energy, "max_softmax": max_softmax, "gen": gen}


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """For each picture: `scores` (N,) as the scorer gave them, `unusual` (N,) the share of held-out known photos that
    are less unusual, in [0, 1], and `ood` (N,) whether it counts as unknown.
    """

    scores: NDArray[np.float32]
    unusual: NDArray[np.float64]
    ood: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A scorer with what it needs to judge: `reference` (M,) sorted scores of held-out known photos, `threshold`, and
    `min_softmax`, the largest raw softmax under which an item is unknown whatever its score (0 for none). `name` is the
    scorer's.
    """

    name: str
    scorer: OodScorer
    reference: NDArray[np.float32]
    threshold: float
    min_softmax: float = 0.0

    def __call__(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> Detection:
        """What the detector says of logits (N, C) and embeddings (N, D)."""
        scores = self.scorer(logits, embedding)
        ood = scores > self.threshold
        if self.min_softmax:
            ood |= max_softmax(logits) > 1 - self.min_softmax
        return Detection(
            scores=scores, unusual=np.searchsorted(self.reference, scores) / len(self.reference), ood=ood
        )


def scorer_name(asked: DetectorName, chosen: str | None, threshold: float | None) -> str:
    """The scorer that a policy's detector stands for, in a bundle that chose `chosen` (None: it chose none).

    A threshold of one's own belongs to a scorer. With `auto` it is energy's: the choice changes from one bundle to the
    next, and the number would mean something else each time.
    """
    if asked == "wastex":
        return "energy"
    if asked != "auto":
        return asked
    return "energy" if chosen is None or threshold is not None else chosen


def detector(
    name: DetectorName,
    reference: Mapping[str, NDArray[np.float32]],
    thresholds: Mapping[str, float],
    threshold: float | None = None,
    *,
    chosen: str | None = None,
    scorers: Mapping[str, OodScorer] = SCORERS,
) -> Detector:
    """The detector of that name over a bundle's references and thresholds; `threshold` overrides the fitted one.

    `wastex` is the rule of that system: known if energy ≤ τ and the largest raw softmax ≥ 0.7. `auto` is `chosen`. A
    bundle that does not have the one asked for judges by energy, and by its fitted threshold: a line goes on
    classifying when an older bundle is made live.
    """
    wanted = scorer_name(name, chosen, threshold)
    found = wanted if wanted in reference and wanted in scorers else "energy"
    return Detector(
        name=found,
        scorer=scorers[found],
        reference=reference[found],
        threshold=thresholds[found] if threshold is None or found != wanted else threshold,
        min_softmax=WASTEX_SOFTMAX if name == "wastex" else 0.0,
    )


def fit(
    logits: NDArray[np.float32],
    embedding: NDArray[np.float32],
    scorers: Mapping[str, OodScorer] = SCORERS,
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """References and thresholds of every scorer from held-out known pictures: logits (M, C), embeddings (M, D).

    5 % of the held-out pictures exceed each threshold.
    """
    reference = {
        name: np.sort(scorer(logits, embedding)).astype(np.float32) for name, scorer in scorers.items()
    }
    thresholds = {name: float(np.quantile(s, 1 - FALSE_ALARM_SHARE)) for name, s in reference.items()}
    return reference, thresholds


def never() -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """References and thresholds by which nothing is unknown, for want of pictures that could tell: `ood_score` is 0."""
    most = np.finfo(np.float32).max
    return {name: np.array([most], np.float32) for name in SCORERS}, {name: float(most) for name in SCORERS}
