"""Out-of-distribution detection: how unusual a picture is to the network, and from where on it is unknown.

A scorer turns what the network put out into one number a picture, higher is more unusual. A detector is a scorer with
the scores that held-out known pictures got and the threshold that follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sortline.engine.calibration import softmax

# Share of held-out known photos above the threshold, so sent to review as unknown.
FALSE_ALARM_SHARE = 0.05
# WasteX's rule calls an item known only if its largest raw softmax reaches this.
WASTEX_SOFTMAX = 0.7


class OodScorer(Protocol):
    """Scores pictures from the network's outputs; feature-based scorers use the embedding."""

    def __call__(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores, (N,), from raw logits (N, C) and embeddings (N, D); higher is more unusual."""
        ...


def energy(logits: NDArray[np.float32], embedding: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Energy score, (N,): −logsumexp of the raw logits at temperature 1. Liu et al. 2020, equation 4."""
    largest = logits.max(axis=-1)
    score: NDArray[np.float32] = -(largest + np.log(np.exp(logits - largest[..., None]).sum(axis=-1)))
    return score


def max_softmax(
    logits: NDArray[np.float32], embedding: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """One minus the largest raw softmax, (N,), in [0, 1). Hendrycks and Gimpel 2017."""
    score: NDArray[np.float32] = 1 - softmax(logits).max(axis=-1)
    return score


SCORERS: dict[str, OodScorer] = {"energy": energy, "max_softmax": max_softmax}


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
    `min_softmax`, the largest raw softmax under which an item is unknown whatever its score (0 for none).
    """

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


def detector(
    name: Literal["energy", "max_softmax", "wastex"],
    reference: Mapping[str, NDArray[np.float32]],
    thresholds: Mapping[str, float],
    threshold: float | None = None,
) -> Detector:
    """The detector of that name over a bundle's references and thresholds; `threshold` overrides the fitted one.

    `wastex` is the rule of that system: known if energy ≤ τ and the largest raw softmax ≥ 0.7.
    """
    scorer = "energy" if name == "wastex" else name
    return Detector(
        scorer=SCORERS[scorer],
        reference=reference[scorer],
        threshold=thresholds[scorer] if threshold is None else threshold,
        min_softmax=WASTEX_SOFTMAX if name == "wastex" else 0.0,
    )


def fit(
    logits: NDArray[np.float32], embedding: NDArray[np.float32]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """References and thresholds of every scorer from held-out known pictures: logits (M, C), embeddings (M, D).

    5 % of the held-out pictures exceed each threshold.
    """
    reference = {
        name: np.sort(scorer(logits, embedding)).astype(np.float32) for name, scorer in SCORERS.items()
    }
    thresholds = {name: float(np.quantile(s, 1 - FALSE_ALARM_SHARE)) for name, s in reference.items()}
    return reference, thresholds


def never() -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """References and thresholds by which nothing is unknown, for want of pictures that could tell: `ood_score` is 0."""
    most = np.finfo(np.float32).max
    return {name: np.array([most], np.float32) for name in SCORERS}, {name: float(most) for name in SCORERS}
