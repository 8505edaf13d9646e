"""Which detector tells the unknown best: tried on what there is when a bundle is made, since none is best everywhere.

near   each class is left out in turn: a quick head and all statistics are fitted without it, and its held-out pictures
       are to be told from those of the other classes
far    held-out pictures are to be told from pictures that are none of the line's items: corrupted ones, other lines'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle, OodChoice, OodTrial
from sortline.engine.head import Head
from sortline.engine.ood import NAMES
from sortline.engine.ood_scorers import OodScorer, scorers
from sortline.engine.ood_statistics import Arrays, fit_space, fit_statistics, narrowed, spread_rows
from sortline.engine.runtime import Runtime
from sortline.evaluation import metrics
from sortline.training.corruptions import corrupt
from sortline.training.probe import Labelled, fit_probe

NEAR = "a class left out"
# Held-out pictures of a class without which leaving it out tells nothing; classes that are left out at most; training
# pictures that a quick head and its statistics are fitted on.
FEWEST_OF_A_CLASS, MOST_CLASSES, MOST_PICTURES = 5, 6, 1000
# Dimensions of the space in which those of fewer classes are looked for.
_WIDE = 256
# The strength of a quick head's regularisation: in the middle of those that a probe tries.
_STRENGTH = 0.0003
# The training part's number in a bundle's memory.
_TRAIN = 0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """Pictures that are no item of the line, as the network sees them: embeddings (E, D), and each one's kind (E,)."""

    embeddings: NDArray[np.float16]
    kinds: NDArray[np.str_]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a bundle keeps them."""
        return {"outliers.embeddings": self.embeddings.astype(np.float16), "outliers.kinds": self.kinds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beforehand:
    """What is known of a network before a bundle is made of it: other pictures, as it sees them; a PCA basis (D, K)
    that is not far off; and the figures of classes left out, of the bundle `of`, where they need not be found again.
    """

    outliers: Outliers | None = None
    basis: Floats | None = None
    near: tuple[OodTrial, ...] = ()
    of: str = ""


def beforehand(bundle: Bundle, classes: tuple[str, ...], pictures: int) -> Beforehand:
    """What a bundle knows of its network's detectors, for another of the same network.

    Leaving each class out takes as long as a probe may take for everything, so its figures are taken over: where the
    classes are the same ones, and no more than a fifth of the training pictures are new.
    """
    statistics, choice = bundle.ood_statistics(), bundle.manifest.ood_choice
    near: tuple[OodTrial, ...] = ()
    if choice is not None and bundle.manifest.classes == classes:
        trained = int((bundle.remembered()[1] == _TRAIN).sum())
        near = tuple(one for one in choice.trials if one.against == NEAR) if pictures <= 1.2 * trained else ()
    return Beforehand(
        outliers=kept_outliers(statistics),
        basis=statistics.get("pca.basis"),
        near=near,
        of=bundle.manifest.name,
    )


def kept_outliers(statistics: Mapping[str, NDArray[Any]]) -> Outliers | None:
    """The outliers that a bundle keeps; None if it has none."""
    if "outliers.embeddings" not in statistics:
        return None
    return Outliers(embeddings=statistics["outliers.embeddings"], kinds=statistics["outliers.kinds"])


def outliers_of(runtime: Runtime, pixels: NDArray[np.uint8]) -> Outliers:
    """Pictures (N, S, S, 3), N > 0, corrupted in every way, as a network sees them."""
    ways = corrupt(pixels)
    found = [runtime.infer(one[None]).embedding for way in ways.values() for one in way]
    return Outliers(
        embeddings=np.concatenate(found).astype(np.float16), kinds=np.repeat(list(ways), len(pixels))
    )


def choose_detector(
    train: Labelled,
    held_out: Labelled,
    head: Head | None,
    fitted: Mapping[str, OodScorer],
    before: Beforehand,
) -> OodChoice | None:
    """The detector of the highest AUROC, near and far counting alike; None where nothing could tell.

    Args:
        train: what the head and the statistics were fitted on.
        held_out: pictures that they were not.
        head: the network's own; without a linear one no class can be left out.
        fitted: the detectors to choose from.
        before: what is known of the network.
    """
    if head is None:
        return None
    taken = [one for one in before.near if one.detector in fitted]
    found = taken or _mean(_left_out(train, held_out, tuple(fitted), before.basis))
    if before.outliers is not None:
        found = found + _outlying(held_out, head, fitted, before.outliers)
    if not found:
        return None
    order = {name: _score(found, name) for name in NAMES if name in fitted}
    best = max(order, key=lambda name: order[name])
    why = _why(best, order, found) + (
        f"; {NEAR} as it was for {before.of}, of the same network" if taken else ""
    )
    return OodChoice(detector=best, why=why, trials=tuple(found))


def _left_out(
    train: Labelled, held_out: Labelled, names: tuple[str, ...], near: Floats | None
) -> list[OodTrial]:
    """Figures of every detector for every class left out."""
    count = np.bincount(held_out.labels, minlength=int(train.labels.max(initial=0)) + 1)
    able = [one for one in np.unique(train.labels).tolist() if count[one] >= FEWEST_OF_A_CLASS]
    if not able or len(np.unique(train.labels)) < 3:
        return []
    rows = spread_rows(train.labels, MOST_PICTURES)
    some, labels = train.embeddings[rows].astype(np.float32), train.labels[rows]
    space = fit_space(some, _WIDE, near)
    inside = (some - space["pca.mean"]) @ space["pca.basis"]
    x = held_out.embeddings.astype(np.float32)
    found = []
    for place in np.unique(np.linspace(0, len(able) - 1, MOST_CLASSES).astype(int)):
        unknown, keep = held_out.labels == able[place], labels != able[place]
        head, fitted = _without(some[keep], labels[keep], space, inside[keep])
        logits = x @ head.weight.T + head.bias
        for name in names:
            if name in fitted:
                scores = fitted[name](logits, x)
                found.append(_figures(name, NEAR, scores[~unknown], scores[unknown]))
    return found


def _without(
    x: Floats, labels: NDArray[np.integer], wide: Arrays, places: Floats
) -> tuple[Head, dict[str, OodScorer]]:
    """A quick head, and all detectors, of what is left: a logistic regression in its PCA space, a tenth of the work of
    one on all dimensions.
    """
    _, labels = np.unique(labels, return_inverse=True)
    space, inside = narrowed(wide, places)
    nothing = Labelled(embeddings=inside[:0], labels=labels[:0])
    found = fit_probe(
        Labelled(embeddings=inside, labels=labels),
        nothing,
        classes=int(labels.max()) + 1,
        strengths=(_STRENGTH,),
    ).head
    weight = found.weight @ space["pca.basis"].T
    head = Head(weight=weight, bias=found.bias - weight @ space["pca.mean"])
    return head, scorers(fit_statistics(x, labels, head, space, inside), head)


def _outlying(
    held_out: Labelled, head: Head, fitted: Mapping[str, OodScorer], outliers: Outliers
) -> list[OodTrial]:
    """Figures of every detector for every kind of outlier."""
    known, strange = held_out.embeddings.astype(np.float32), outliers.embeddings.astype(np.float32)
    found = []
    for name, score in fitted.items():
        usual, unusual = (score(x @ head.weight.T + head.bias, x) for x in (known, strange))
        found += [
            _figures(name, str(kind), usual, unusual[outliers.kinds == kind])
            for kind in np.unique(outliers.kinds)
        ]
    return found


def _figures(name: str, against: str, known: Floats, unknown: Floats) -> OodTrial:
    return OodTrial(
        detector=name,
        against=against,
        auroc=round(metrics.auroc(unknown, known), 4),
        fpr95=round(metrics.fpr_at_95(known, unknown), 4),
    )


def _mean(figures: list[OodTrial]) -> list[OodTrial]:
    """One row a detector: the mean over the classes left out."""
    found = []
    for name in dict.fromkeys(one.detector for one in figures):
        rows = [one for one in figures if one.detector == name]
        auroc, fpr95 = (float(np.mean([getattr(one, key) for one in rows])) for key in ("auroc", "fpr95"))
        found.append(OodTrial(detector=name, against=NEAR, auroc=round(auroc, 4), fpr95=round(fpr95, 4)))
    return found


def _score(figures: list[OodTrial], name: str) -> float:
    """The mean of near and far, or what there is of them."""
    rows = [one for one in figures if one.detector == name]
    groups = [[one.auroc for one in rows if (one.against == NEAR) is near] for near in (True, False)]
    means = [float(np.mean(group)) for group in groups if group]
    return sum(means) / max(1, len(means))


def _why(best: str, order: Mapping[str, float], figures: list[OodTrial]) -> str:
    kinds = list(dict.fromkeys(one.against for one in figures if one.detector == best))
    against = f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
    return (
        f"mean AUROC {order[best]:.3f} against {against} (near and far counting alike), of {len(order)} detectors; "
        f"energy had {order['energy']:.3f}"
    )
