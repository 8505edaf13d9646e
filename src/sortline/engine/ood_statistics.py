"""What detectors that look at embeddings know of the known: fitted on training pictures, kept in a bundle's ood.npz.

    pca.mean (D,), pca.basis (D, K), pca.variance (K,)
        the K ≤ 128 directions in which the training pictures differ most
    mahalanobis.whitening (K, K), mahalanobis.means (C, K)
        what makes their spread about their classes' means round, and those means after it
    knn.bank (B, K) float16, knn.neighbours ()
        embeddings of length one in that space, and how many neighbours count
    vim.origin (D,), vim.basis (K or K + 1, d), vim.alpha ()
        where all logits are zero, the principal directions from there, and what makes a distance from them a logit
    react.clip ()
        the value that nine tenths of all activations do not reach
    outliers.embeddings (E, D) float16, outliers.kinds (E,)
        pictures that are none, as this network sees them: what the detectors were tried on, for the next choice

All but those marked are float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.head import Head

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float32]

DIMENSIONS = 128
# Training pictures in the bank (what one picture costs is a product of 1,024 × 128 numbers), and which nearest counts:
# of 1, 2, 3, 5, 10, 20 and 50 the first told a class left out best, on RealWaste's validation part and on two networks.
BANK, NEIGHBOURS = 1024, 1
# Training pictures that statistics are fitted on; of more, some from all over are taken.
MOST = 4000
# Pictures for each dimension at least, so that a spread can be told.
_PICTURES_A_DIMENSION = 4
# The share of activations that is not clipped (Sun et al. 2021), and how many are enough to tell it from.
_CLIPPED, _CLIPPED_FROM = 0.9, 200_000
# Of the mean variance: what keeps a direction in which nothing varies from counting for everything.
_RIDGE = 1e-6
# Embeddings up to this width are decomposed exactly; of wider ones the first directions are iterated to.
_EXACT = 256
_SPARE, _ROUNDS = 32, 3

# The arrays that each detector needs.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "energy": (),
    "max_softmax": (),
    "gen": (),
    "mahalanobis": ("pca.mean", "pca.basis", "mahalanobis.whitening", "mahalanobis.means"),
    "relative_mahalanobis": (
        "pca.mean",
        "pca.basis",
        "pca.variance",
        "mahalanobis.whitening",
        "mahalanobis.means",
    ),
    "knn": ("pca.basis", "knn.bank", "knn.neighbours"),
    "vim": ("pca.mean", "pca.basis", "vim.origin", "vim.basis", "vim.alpha"),
    "react": ("react.clip",),
}
# Those that need the linear head, too.
OF_A_HEAD = frozenset({"vim", "react"})
OUTLIERS = ("outliers.embeddings", "outliers.kinds")
KNOWN = frozenset(name for names in NEEDED.values() for name in names) | frozenset(OUTLIERS)


def fit_space(
    embeddings: Floats, dimensions: int = DIMENSIONS, near: Floats | None = None
) -> dict[str, NDArray[Any]]:
    """The PCA space of training pictures (N, D), the arrays `pca.…`, of at most so many dimensions.

    `near` (D, K) is a basis that is not far off: that of the same network's earlier pictures.
    """
    mean = embeddings.mean(axis=0)
    most = max(1, min(dimensions, embeddings.shape[1], len(embeddings) // _PICTURES_A_DIMENSION))
    basis, variance = principal(embeddings - mean, most, near)
    return {"pca.mean": mean, "pca.basis": basis, "pca.variance": variance + _ridge(variance)}


def narrowed(space: Arrays, inside: Floats) -> tuple[dict[str, NDArray[Any]], Floats]:
    """The space of fewer pictures within that of more, and their places in it: a hundredth of the work of `fit_space`.

    Args:
        space: of more dimensions than are kept, of more pictures.
        inside: (N, R), the places in it of those that count.
    """
    mean = inside.mean(axis=0)
    most = max(1, min(DIMENSIONS, inside.shape[1], len(inside) // _PICTURES_A_DIMENSION))
    directions, variance = principal(inside - mean, most)
    basis = space["pca.basis"]
    found = {
        "pca.mean": space["pca.mean"] + basis @ mean,
        "pca.basis": basis @ directions,
        "pca.variance": variance + _ridge(variance),
    }
    return found, (inside - mean) @ directions


def fit_statistics(
    embeddings: Floats,
    labels: NDArray[np.integer],
    head: Head | None,
    space: Arrays,
    inside: Floats | None = None,
) -> dict[str, NDArray[Any]]:
    """The space's arrays and all others but outliers; those that need a linear head only where there is one.

    Args:
        embeddings: (N, D), training pictures of at least two classes.
        labels: (N,), each one's class.
        head: what makes logits of them.
        space: what `fit_space` made of them.
        inside: (N, K), their places in it, where they are known.
    """
    if inside is None:
        inside = (embeddings - space["pca.mean"]) @ space["pca.basis"]
    found = {**space, **_classes(inside, labels), **_bank(embeddings, inside, space)}
    if head is not None:
        found |= _vim(embeddings, inside, space, head)
        some = embeddings[:: max(1, embeddings.size // _CLIPPED_FROM)]
        found["react.clip"] = np.array(np.quantile(some, _CLIPPED), np.float32)
    return found


def principal(centred: Floats, dimensions: int, near: Floats | None = None) -> tuple[Floats, Floats]:
    """The directions (D, K) in which rows (N, D) about zero vary most, and the variance (K,) along each, largest first.

    Exact up to 256 dimensions; beyond, by subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4), for
    which one round is enough from a basis `near`.
    """
    width, order = centred.shape[1], slice(None, -dimensions - 1, -1)
    if width <= _EXACT:
        values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
        return np.ascontiguousarray(vectors[:, order]), np.maximum(values[order], 0)
    drawn = np.random.default_rng(0).standard_normal((width, dimensions + _SPARE)).astype(np.float32)
    around = drawn if near is None else np.concatenate([near, drawn[:, near.shape[1] :]], axis=1)
    for _ in range(_ROUNDS if near is None else 1):
        around, _ = np.linalg.qr(centred.T @ (centred @ around))
    inside = centred @ around
    values, vectors = np.linalg.eigh(inside.T @ inside / len(inside))
    return np.ascontiguousarray(around @ vectors[:, order]), np.maximum(values[order], 0)


def misfit(arrays: Arrays, names: set[str], width: int | None) -> str | None:
    """What is wrong with a bundle's arrays, in words: one that is not known, lacking or of another shape; None if none.

    Args:
        arrays: those of ood.npz that are no detector's scores.
        names: the detectors that the bundle has scores of.
        width: of an embedding, D, where it is known.
    """
    if unknown := set(arrays) - KNOWN:
        return f"it holds {', '.join(sorted(unknown))}, which this version does not know"
    if unknown := names - set(NEEDED):
        return f"it has the detector {', '.join(sorted(unknown))}, which this version does not know"
    for name in sorted(names):
        if missing := [one for one in NEEDED[name] if one not in arrays]:
            return f"the detector {name} lacks {', '.join(missing)}"
    wide = {one: arrays[one].shape[0] for one in ("pca.mean", "pca.basis", "vim.origin") if one in arrays}
    if "outliers.embeddings" in arrays:
        wide["outliers.embeddings"] = arrays["outliers.embeddings"].shape[-1]
    if len(set(wide.values()) | ({width} if width is not None else set())) > 1:
        return f"{', '.join(wide)} are not as wide as an embedding"
    deep = {one: arrays[one].shape[-1] for one in ("mahalanobis.means", "knn.bank") if one in arrays}
    if "pca.basis" in arrays and any(depth != arrays["pca.basis"].shape[1] for depth in deep.values()):
        return f"{', '.join(deep)} are not of the dimensions of pca.basis"
    return None


def spread_rows(labels: NDArray[np.integer], most: int = MOST) -> NDArray[np.int64]:
    """The rows of at most `most` pictures, from all over each class."""
    order = np.argsort(labels, kind="stable")
    return order if len(order) <= most else order[np.linspace(0, len(order) - 1, most).astype(np.int64)]


def _ridge(variance: Floats) -> np.float32:
    return np.float32(_RIDGE * float(variance.mean()) + np.finfo(np.float32).tiny)


def _classes(inside: Floats, labels: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
    """Means of the classes in a space where their common spread is round (Lee et al. 2018)."""
    names, index = np.unique(labels, return_inverse=True)
    of_class = np.eye(len(names), dtype=np.float32)[index]
    means = (of_class.T @ inside) / of_class.sum(axis=0)[:, None]
    apart = inside - means[index]
    values, vectors = np.linalg.eigh((apart.T @ apart / len(apart)).astype(np.float64))
    values = np.maximum(values, 0)
    whitening = (vectors / np.sqrt(values + _RIDGE * values.mean() + 1e-30)).astype(np.float32)
    return {"mahalanobis.whitening": whitening, "mahalanobis.means": means @ whitening}


def _bank(x: Floats, inside: Floats, space: Arrays) -> dict[str, NDArray[Any]]:
    """Some training pictures of length one in the space."""
    rows = np.linspace(0, len(x) - 1, min(BANK, len(x))).astype(np.int64)
    places = inside[rows] + space["pca.mean"] @ space["pca.basis"]
    bank = (places / _lengths(x[rows])[:, None]).astype(np.float16)
    return {"knn.bank": bank, "knn.neighbours": np.array(NEIGHBOURS, np.int64)}


def unit(x: Floats) -> Floats:
    """The rows with length one; a row of zeros stays one."""
    return x / _lengths(x)[:, None]


def _lengths(x: Floats) -> Floats:
    found: Floats = np.maximum(np.sqrt(np.einsum("nd,nd->n", x, x)), np.float32(1e-12))
    return found


def _vim(x: Floats, inside: Floats, space: Arrays, head: Head) -> dict[str, NDArray[Any]]:
    """The principal directions about the point where all logits are zero (Wang et al. 2022, section 4).

    About that point o the second moment is the covariance and (mean − o)(mean − o)ᵀ, so its first directions are looked
    for in the span of the first of the covariance and mean − o: exactly, where the basis spans everything.
    """
    mean: Floats = space["pca.mean"]
    basis: Floats = space["pca.basis"]
    variance: Floats = space["pca.variance"]
    origin: Floats = -(np.linalg.pinv(head.weight) @ head.bias).astype(np.float32)
    span = vim_span(basis, mean, origin, basis.shape[1] + (basis.shape[1] < basis.shape[0]))
    moved: Floats = mean - origin
    away: Floats = span.T @ moved
    beyond = (x - mean) @ span[:, len(variance) :]
    spread = np.concatenate([variance, np.square(beyond).mean(axis=0)])
    _, vectors = np.linalg.eigh(np.outer(away, away).astype(np.float64) + np.diag(spread))
    first = vectors[:, ::-1][:, : max(1, basis.shape[1] // 2)].astype(np.float32)
    from_origin: Floats = np.concatenate([inside, beyond], axis=1) + away
    distance = _left(x - origin, from_origin @ first)
    largest = (x @ head.weight.T + head.bias).max(axis=1).mean()
    alpha = float(largest / max(float(distance.mean()), 1e-12))
    return {"vim.origin": origin, "vim.basis": first, "vim.alpha": np.array(alpha, np.float32)}


def vim_span(basis: Floats, mean: Floats, origin: Floats, directions: int) -> Floats:
    """The basis (D, K), and, of K + 1 directions, that from the origin to the mean as far as it is not in it."""
    if directions == basis.shape[1]:
        return basis
    away = mean - origin
    apart = away - basis @ (basis.T @ away)
    return np.concatenate([basis, unit(apart[None]).T], axis=1)


def residual(x: Floats, origin: Floats, principal: Floats) -> Floats:
    """How far rows (N, D) lie from the principal directions (D, d) through the origin, (N,)."""
    centred: Floats = x - origin
    return _left(centred, centred @ principal)


def _left(centred: Floats, within: Floats) -> Floats:
    """What is left of each row's length beside what lies within."""
    square = np.einsum("nd,nd->n", centred, centred) - np.einsum("nd,nd->n", within, within)
    found: Floats = np.sqrt(np.maximum(square, 0))
    return found
