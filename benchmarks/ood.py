"""How well each detector tells what a line does not know, beside the one that is chosen when a bundle is made.

    python benchmarks/ood.py [--quick] [--cache DIR]

near     each RealWaste class is left out in turn: a head and all detectors are fitted without it on the frozen
         embeddings of a MobileNetV2 with ImageNet weights, which saw no photo of it either; the class's photos are to
         be told from test photos of the other eight
far      cats and dogs, Fashion-MNIST and drawn noise are to be told from RealWaste's test photos: by the same network
         under a head for all nine classes, and by the packaged bundle
shifted  TrashNet: classes that are known, photographed elsewhere. The least unusual 80 % are accepted: how many of
         those are wrong, and how well the score tells wrong answers from right ones

The choice (`auto`) is made as for any bundle, on training and validation photos of the classes known in each case
alone, and on corrupted ones of these. It needs PyTorch once, to export the ImageNet network. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ood_pictures import (
    DATA,
    Half,
    Photos,
    embedded,
    far_sets,
    files,
    imagenet_network,
    realwaste,
    runtime_of,
)
from ood_tables import (
    AUTO,
    WASTEX,
    Told,
    auroc,
    print_figures,
    print_near,
    print_shifted,
    print_thresholds,
)
from sortline.engine import ood
from sortline.engine.bundle import Bundle, read_bundle
from sortline.engine.head import Head
from sortline.engine.ood_scorers import energy, max_softmax, scorers
from sortline.engine.packaged import packaged_bundles
from sortline.evaluation import metrics
from sortline.training.assemble import TEST, TRAIN, VALIDATION, Detectors, Known, fit_detectors
from sortline.training.assess import TRASHNET
from sortline.training.corruptions import PICTURES, corrupt
from sortline.training.ood_choice import Beforehand, Outliers
from sortline.training.probe import Labelled, fit_probe, one_thread
from sortline.training.recipe import ProbeRecipe

# WasteX's fixed rule, fitted to its own InceptionV3: unknown if energy is above, or the largest raw softmax below.
WASTEX_ENERGY, WASTEX_SOFTMAX = -4.338604, 0.7

Floats = NDArray[np.float32]


def main() -> None:
    """Measure, print the tables and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer far and shifted pictures")
    parser.add_argument("--cache", type=Path, help="keep embeddings here (default: nowhere)")
    given = parser.parse_args()
    begun = time.perf_counter()
    with _folder(given.cache) as cache, one_thread():
        most = 200 if given.quick else 1000
        photos = realwaste()
        frozen = _Frozen(photos, cache, most)
        near, chosen = frozen.near()
        far, everything = frozen.far()
        packaged = _Packaged(cache, most)
        packaged_far = packaged.far()
        shifted = {"frozen ImageNet weights": frozen.shifted(everything), "packaged": packaged.shifted()}
    print_figures(near, far, packaged_far)
    print_near(near, chosen)
    print(
        f"\nWith all nine classes {_chosen(everything[0])} was chosen, in the packaged bundle {packaged.chosen}."
    )
    print_thresholds({"near": near, "far": far, "packaged: far": packaged_far})
    print_shifted(shifted)
    means = {name: (auroc(near[name].values()) + auroc(far[name].values())) / 2 for name in near}
    best = max(means[name] for name in ood.NAMES)
    figures = {
        "auto_minus_best": means[AUTO] - best,
        "auto_minus_energy": means[AUTO] - means["energy"],
        "near_auroc": auroc(near[AUTO].values()),
        "far_auroc": auroc(far[AUTO].values()),
        "accepted_error_80": shifted["frozen ImageNet weights"][AUTO][0],
        "packaged_far_auroc": auroc(packaged_far[AUTO].values()),
        "packaged_far_minus_energy": auroc(packaged_far[AUTO].values())
        - auroc(packaged_far["energy"].values()),
        "packaged_accepted_error_80": shifted["packaged"][AUTO][0],
    }
    counts = {"database": None, "n": len(photos.labels), "seconds": round(time.perf_counter() - begun, 1)}
    print(json.dumps({**{key: round(value, 4) for key, value in figures.items()}, **counts}))


class _Frozen:
    """RealWaste under heads on frozen ImageNet embeddings."""

    def __init__(self, photos: Photos, cache: Path, most: int) -> None:
        print("MobileNetV2, frozen ImageNet weights", flush=True)
        network, how = imagenet_network(cache)
        self._photos = photos
        self._embeddings = embedded(network, files(photos.paths, how), cache, "frozen-realwaste")
        rows = np.flatnonzero(photos.parts == VALIDATION)
        # A few of each class, so that leaving one out leaves the others'.
        order = rows[np.argsort(photos.labels[rows], kind="stable")]
        self._corrupted = order[np.linspace(0, len(order) - 1, PICTURES + 4).astype(int)]
        pixels = np.stack([one() for one in files([photos.paths[row] for row in self._corrupted], how)])
        ways = corrupt(pixels)
        self._kinds = np.repeat(list(ways), len(pixels))
        pictures = [lambda one=one: one for way in ways.values() for one in way]  # type: ignore[misc]
        self._outliers = embedded(network, pictures, cache, "frozen-corrupted")
        self._far = {
            name: embedded(network, sources, cache, f"frozen-{name}")
            for name, sources in far_sets(how, most).items()
        }
        self._trashnet, self._trash = _trashnet(network, how, cache, "frozen", most)

    def near(self) -> tuple[dict[str, dict[str, Told]], dict[str, str]]:
        """Figures by detector and class left out; and which detector was chosen without which class."""
        found: dict[str, dict[str, Told]] = {}
        chosen = {}
        for index, name in enumerate(self._photos.classes):
            known, head, outliers = self._known(index)
            detectors = fit_detectors(known, head, Beforehand(outliers=outliers))
            test = known.embeddings[known.splits == TEST]
            strange = self._embeddings[self._photos.labels == index]
            for detector, told in _judged(detectors, head, test, strange).items():
                found.setdefault(detector, {})[name] = told
            chosen[name] = _chosen(detectors)
        return found, chosen

    def far(self) -> tuple[dict[str, dict[str, Told]], tuple[Detectors, Head]]:
        """Figures by detector and set, all nine classes known; and those detectors and that head."""
        known, head, outliers = self._known(None)
        detectors = fit_detectors(known, head, Beforehand(outliers=outliers))
        test = known.embeddings[known.splits == TEST]
        found: dict[str, dict[str, Told]] = {}
        for name, strange in self._far.items():
            for detector, told in _judged(detectors, head, test, strange).items():
                found.setdefault(detector, {})[name] = told
        return found, (detectors, head)

    def shifted(self, everything: tuple[Detectors, Head]) -> dict[str, tuple[float, float]]:
        """Accepted error at 80 % coverage, and AUROC of wrong against right, by detector."""
        detectors, head = everything
        return _shifted(detectors, head, self._trashnet, self._trash, self._photos.classes)

    def _known(self, left_out: int | None) -> tuple[Known, Head, Outliers]:
        """The photos without a class, a head fitted on their training part, and corrupted ones of theirs."""
        photos = self._photos
        keep = np.ones(len(photos.labels), bool) if left_out is None else photos.labels != left_out
        names, labels = np.unique(photos.labels[keep], return_inverse=True)
        parts, embeddings = photos.parts[keep], self._embeddings[keep]
        train, validation = (
            Labelled(embeddings=embeddings[parts == part], labels=labels[parts == part])
            for part in (TRAIN, VALIDATION)
        )
        head = fit_probe(train, validation, classes=len(names), strengths=ProbeRecipe().strengths).head
        theirs = np.tile(keep[self._corrupted], len(np.unique(self._kinds)))
        known = Known(
            classes=tuple(photos.classes[one] for one in names),
            labels=labels,
            splits=parts,
            prefixes=np.zeros(len(labels), np.uint64),
            logits=_logits(head, embeddings),
            embeddings=embeddings,
        )
        return known, head, Outliers(embeddings=self._outliers[theirs], kinds=self._kinds[theirs])


class _Packaged:
    """The packaged bundle as it ships, whose network was trained on all nine classes."""

    def __init__(self, cache: Path, most: int) -> None:
        print("the packaged bundle", flush=True)
        self.bundle: Bundle = read_bundle(packaged_bundles()["waste"])
        head = self.bundle.head()
        assert head is not None
        self._head, how = head, self.bundle.manifest.preprocessing
        name = f"packaged-{self.bundle.backbone[:12]}"
        network = runtime_of(self.bundle.model_path.read_bytes())
        self._far = {
            one: embedded(network, sources, cache, f"{name}-{one}")
            for one, sources in far_sets(how, most).items()
        }
        self._trashnet, self._trash = _trashnet(network, how, cache, name, most)
        statistics = self.bundle.ood_statistics()
        self._detectors = Detectors(
            scorers=scorers(statistics, head),
            reference=self.bundle.ood_reference(),
            thresholds=self.bundle.manifest.ood_thresholds,
            statistics=statistics,
            choice=self.bundle.manifest.ood_choice,
        )

    @property
    def chosen(self) -> str:
        """What was chosen when it was made."""
        return _chosen(self._detectors)

    def far(self) -> dict[str, dict[str, Told]]:
        """Figures by detector and set."""
        memory = self.bundle.memory()
        test = memory.embeddings[memory.splits == TEST]
        found: dict[str, dict[str, Told]] = {}
        for name, strange in self._far.items():
            for detector, told in _judged(self._detectors, self._head, test, strange).items():
                found.setdefault(detector, {})[name] = told
        return found

    def shifted(self) -> dict[str, tuple[float, float]]:
        """See `_Frozen.shifted`."""
        classes = self.bundle.manifest.classes
        return _shifted(self._detectors, self._head, self._trashnet, self._trash, classes)


def _judged(detectors: Detectors, head: Head, known: Half, strange: Half) -> dict[str, Told]:
    """Every detector's figures, those of the choice, and those of WasteX's fixed rule."""
    sides = [(_logits(head, side), side.astype(np.float32)) for side in (known, strange)]
    found = {}
    for name in ood.NAMES:
        if name in detectors.scorers:
            scores = [detectors.scorers[name](*side) for side in sides]
            found[name] = _told(scores, [one > detectors.thresholds[name] for one in scores])
    found[AUTO] = found[_chosen(detectors)]
    fixed = [
        (energy(logits) > WASTEX_ENERGY) | (max_softmax(logits) > 1 - WASTEX_SOFTMAX) for logits, _ in sides
    ]
    found[WASTEX] = replace(found["energy"], flagged=float(fixed[0].mean()), caught=float(fixed[1].mean()))
    return found


def _chosen(detectors: Detectors) -> str:
    return detectors.choice.detector if detectors.choice else "energy"


def _told(scores: list[Floats], flagged: list[NDArray[np.bool_]]) -> Told:
    known, strange = scores
    return Told(
        auroc=metrics.auroc(strange, known),
        fpr95=metrics.fpr_at_95(known, strange),
        flagged=float(flagged[0].mean()),
        caught=float(flagged[1].mean()),
    )


def _shifted(
    detectors: Detectors, head: Head, embeddings: Half, names: tuple[str, ...], classes: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    logits, x = _logits(head, embeddings), embeddings.astype(np.float32)
    right = np.array([classes[row] for row in logits.argmax(axis=1)]) == np.array(names)
    found = {}
    for name, scorer in detectors.scorers.items():
        scores = scorer(logits, x)
        found[name] = (
            metrics.accepted_error(-scores, right, 0.8),
            metrics.auroc(scores[~right], scores[right]),
        )
    return found | {AUTO: found[_chosen(detectors)]}


def _trashnet(
    network: object, how: object, cache: Path, name: str, most: int
) -> tuple[Half, tuple[str, ...]]:
    """TrashNet's embeddings, and the RealWaste class of each photo."""
    paths = sorted(path for path in (DATA / "trashnet").glob("*/*.jpg") if path.parent.name in TRASHNET)
    paths = paths if most >= 1000 else paths[::4]
    rows = embedded(network, files(paths, how), cache, f"{name}-trashnet")  # type: ignore[arg-type]
    return rows, tuple(TRASHNET[path.parent.name] for path in paths)


def _logits(head: Head, embeddings: Half) -> Floats:
    logits: Floats = embeddings.astype(np.float32) @ head.weight.T + head.bias
    return logits


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sortline-ood-") as scratch:
        yield Path(scratch)


if __name__ == "__main__":
    main()
