"""Scores of how unusual a picture is to a network, one function of logits and embeddings each; higher is more unusual.

Energy, maximum softmax and GEN look at the logits alone; the others also at the embedding, by what was fitted on
training pictures (`ood_statistics`). Each agrees with pytorch-ood's of the same name up to a constant factor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sortline.engine.calibration import softmax
from sortline.engine.head import Head
from sortline.engine.ood_statistics import NEEDED, OF_A_HEAD, Arrays, Floats, residual, unit, vim_span

_GEN_POWER, _GEN_CLASSES = 0.1, 100  # Liu et al. 2023, section 4


class OodScorer(Protocol):
    """Scores pictures from the network's outputs; feature-based scorers use the embedding."""

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """Scores, (N,), from raw logits (N, C) and embeddings (N, D); higher is more unusual."""
        ...


def energy(logits: Floats, embedding: Floats | None = None) -> Floats:
    """Energy score, (N,): −logsumexp of the raw logits at temperature 1. Liu et al. 2020, equation 4."""
    largest = logits.max(axis=-1)
    score: Floats = -(largest + np.log(np.exp(logits - largest[..., None]).sum(axis=-1)))
    return score


def max_softmax(logits: Floats, embedding: Floats | None = None) -> Floats:
    """One minus the largest raw softmax, (N,), in [0, 1). Hendrycks and Gimpel 2017."""
    score: Floats = 1 - softmax(logits).max(axis=-1)
    return score


def gen(logits: Floats, embedding: Floats | None = None) -> Floats:
    """Generalised entropy of the 100 largest raw softmaxes, (N,): Σ pᵞ (1 − p)ᵞ, γ = 0.1. Liu et al. 2023, eq. 3."""
    p = softmax(logits)
    if p.shape[-1] > _GEN_CLASSES:
        p = np.partition(p, -_GEN_CLASSES, axis=-1)[..., -_GEN_CLASSES:]
    # Without the bounds a softmax of exactly one would count as much as one of exactly zero: both as nothing.
    p = p.clip(1e-7, 1 - 1e-7)
    score: Floats = ((p * (1 - p)) ** np.float32(_GEN_POWER)).sum(axis=-1)
    return score


@dataclass(frozen=True, slots=True, kw_only=True)
class Mahalanobis:
    """Squared Mahalanobis distance to the nearest class's mean, (N,), by their common spread. Lee et al. 2018."""

    mean: Floats
    basis: Floats
    whitening: Floats
    means: Floats

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """See `OodScorer`."""
        return self.nearest(self.places(embedding))

    def places(self, embedding: Floats) -> Floats:
        """Where embeddings lie in the space, (N, K)."""
        centred: Floats = embedding - self.mean
        return centred @ self.basis

    def nearest(self, places: Floats) -> Floats:
        """The distance of points (N, K) of the space."""
        round_: Floats = places @ self.whitening
        score: Floats = _square_distances(round_, self.means).min(axis=1)
        return score


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeMahalanobis:
    """`Mahalanobis` less the squared distance to all training pictures as one class, (N,). Ren et al. 2021."""

    classes: Mahalanobis
    variance: Floats

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """See `OodScorer`."""
        places = self.classes.places(embedding)
        score: Floats = self.classes.nearest(places)
        score -= np.square(places) @ (1 / self.variance)
        return score


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNeighbours:
    """Distance to the k-th nearest training picture, (N,), all embeddings of length one. Sun et al. 2022."""

    basis: Floats
    bank: Floats
    lengths: Floats  # of the bank's rows, squared
    neighbours: int

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """See `OodScorer`."""
        places = unit(embedding) @ self.basis
        square = self.lengths - 2 * (places @ self.bank.T)
        nearest = np.partition(square, self.neighbours - 1, axis=1)[:, self.neighbours - 1]
        score: Floats = np.sqrt(np.maximum(nearest + np.einsum("nk,nk->n", places, places), 0))
        return score


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualLogit:
    """Energy and, scaled to a logit, what the principal directions leave of the embedding, (N,). Wang et al. 2022."""

    origin: Floats
    principal: Floats
    alpha: float

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """See `OodScorer`."""
        score: Floats = self.alpha * residual(embedding, self.origin, self.principal) + energy(logits)
        return score


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped:
    """Energy of the logits that the embedding gives with large activations clipped, (N,). Sun et al. 2021 (ReAct)."""

    weight: Floats
    bias: Floats
    clip: float

    def __call__(self, logits: Floats, embedding: Floats) -> Floats:
        """See `OodScorer`."""
        return energy(np.minimum(embedding, np.float32(self.clip)) @ self.weight + self.bias)


def scorers(
    arrays: Arrays, head: Head | None, names: Collection[str] = tuple(NEEDED)
) -> dict[str, OodScorer]:
    """Of the scorers named every one that the arrays and the head allow, by name."""
    return {
        name: make(arrays, head)
        for name, make in _MAKERS.items()
        if name in names
        and all(one in arrays for one in NEEDED[name])
        and (head is not None or name not in OF_A_HEAD)
    }


def _mahalanobis(arrays: Arrays, head: Head | None) -> Mahalanobis:
    return Mahalanobis(
        mean=arrays["pca.mean"],
        basis=arrays["pca.basis"],
        whitening=arrays["mahalanobis.whitening"],
        means=arrays["mahalanobis.means"],
    )


def _relative(arrays: Arrays, head: Head | None) -> RelativeMahalanobis:
    return RelativeMahalanobis(classes=_mahalanobis(arrays, head), variance=arrays["pca.variance"])


def _neighbours(arrays: Arrays, head: Head | None) -> NearestNeighbours:
    bank = arrays["knn.bank"].astype(np.float32)
    return NearestNeighbours(
        basis=arrays["pca.basis"],
        bank=bank,
        lengths=np.square(bank).sum(axis=1),
        neighbours=int(arrays["knn.neighbours"]),
    )


def _virtual_logit(arrays: Arrays, head: Head | None) -> VirtualLogit:
    within, origin = arrays["vim.basis"], arrays["vim.origin"]
    span = vim_span(arrays["pca.basis"], arrays["pca.mean"], origin, len(within))
    return VirtualLogit(origin=origin, principal=span @ within, alpha=float(arrays["vim.alpha"]))


def _clipped(arrays: Arrays, head: Head | None) -> Clipped:
    assert head is not None  # noqa: S101  # `scorers` asks for it with one alone
    weight = np.ascontiguousarray(head.weight.T, np.float32)
    return Clipped(weight=weight, bias=head.bias.astype(np.float32), clip=float(arrays["react.clip"]))


def _square_distances(points: Floats, others: Floats) -> Floats:
    """Squared Euclidean distances (N, M) of points (N, K) from others (M, K)."""
    square: Floats = points @ others.T
    square *= -2
    square += np.einsum("nk,nk->n", points, points)[:, None]
    square += np.einsum("mk,mk->m", others, others)
    return square


_MAKERS: Mapping[str, Callable[[Arrays, Head | None], OodScorer]] = {
    "energy": lambda arrays, head: energy,
    "max_softmax": lambda arrays, head: max_softmax,
    "mahalanobis": _mahalanobis,
    "relative_mahalanobis": _relative,
    "knn": _neighbours,
    "vim": _virtual_logit,
    "gen": lambda arrays, head: gen,
    "react": _clipped,
}
