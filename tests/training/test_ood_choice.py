"""The detector is chosen by evidence that the line has, and the evidence is kept."""

import numpy as np
import pytest

from sortline.engine import ood
from sortline.engine.bundle import read_bundle
from sortline.engine.head import Head
from sortline.engine.packaged import packaged_bundles
from sortline.training.assemble import TEST, TRAIN, VALIDATION, Known, fit_detectors
from sortline.training.corruptions import corrupt
from sortline.training.ood_choice import NEAR, Beforehand, Outliers, beforehand, kept_outliers

CLASSES, WIDTH = 5, 16


def known(classes: int = CLASSES, validation: int = 40) -> tuple[Known, Head]:
    """Clusters, mostly training pictures, with a head that fits them."""
    random = np.random.default_rng(0)
    means = random.normal(0, 2, (classes, WIDTH))
    labels = np.arange(60 * classes) % classes
    splits = np.full(len(labels), TRAIN, np.uint8)
    splits[:validation], splits[validation : 2 * validation] = VALIDATION, TEST
    embeddings = (means[labels] + random.normal(0, 1, (len(labels), WIDTH))).astype(np.float32)
    head = Head(weight=means.astype(np.float32), bias=(-np.square(means).sum(axis=1) / 2).astype(np.float32))
    return (
        Known(
            classes=tuple(f"class-{i}" for i in range(classes)),
            labels=labels,
            splits=splits,
            prefixes=np.arange(len(labels), dtype=np.uint64),
            logits=embeddings @ head.weight.T + head.bias,
            embeddings=embeddings,
        ),
        head,
    )


def outliers() -> Outliers:
    """Pictures that lie in the middle of nowhere, and some far out."""
    random = np.random.default_rng(1)
    rows = np.concatenate([random.normal(0, 1, (30, WIDTH)), random.normal(0, 6, (30, WIDTH))])
    return Outliers(embeddings=rows.astype(np.float16), kinds=np.repeat(["blur", "dark"], 30))


def test_the_best_of_all_is_chosen_and_every_figure_kept() -> None:
    """Each detector is tried on each kind; the choice has the highest mean of near and far."""
    found = fit_detectors(*known(), Beforehand(outliers=outliers()))
    assert found.choice is not None
    rows = {(one.detector, one.against): one.auroc for one in found.choice.trials}
    assert rows.keys() == {(name, kind) for name in ood.NAMES for kind in (NEAR, "blur", "dark")}
    mean = {name: rows[name, NEAR] + (rows[name, "blur"] + rows[name, "dark"]) / 2 for name in ood.NAMES}
    assert mean[found.choice.detector] == max(mean.values())
    assert "energy had" in found.choice.why


def test_outliers_stay_with_the_statistics() -> None:
    """The next bundle of this network is tried on them, too, and no picture need be looked at again."""
    kept = kept_outliers(fit_detectors(*known(), Beforehand(outliers=outliers())).statistics)
    assert kept is not None
    assert kept.kinds.tolist() == outliers().kinds.tolist()
    assert kept_outliers(fit_detectors(*known()).statistics) is None


@pytest.mark.parametrize(("classes", "validation"), [(5, 10), (2, 40)])
def test_what_cannot_be_told_is_not_chosen(classes: int, validation: int) -> None:
    """With a handful of held-out pictures, or no class to leave out, there is no choice."""
    assert fit_detectors(*known(classes, validation)).choice is None


def test_every_corruption_changes_the_picture_and_is_the_same_again() -> None:
    """Blur, noise, dark and crop, each of the pictures' shape."""
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 48, 3)).astype(np.uint8)
    first, again = corrupt(pixels), corrupt(pixels)
    assert list(first) == ["blur", "noise", "dark", "crop"]
    for kind, found in first.items():
        assert found.shape == pixels.shape
        assert (found != pixels).any(), kind
        assert np.array_equal(found, again[kind])


def test_a_probe_takes_the_figures_of_the_bundle_it_comes_from() -> None:
    """With its classes and few new pictures no class is left out again; with another class each is."""
    packaged = read_bundle(packaged_bundles()["waste"])
    classes = packaged.manifest.classes
    taken_over = beforehand(packaged, classes, 2700)
    assert {one.detector for one in taken_over.near} == set(ood.NAMES)
    assert taken_over.outliers is not None
    assert taken_over.basis is not None
    assert beforehand(packaged, (*classes, "Batteries"), 2700).near == ()
    assert beforehand(packaged, classes, 5000).near == ()


def test_figures_taken_over_are_told() -> None:
    """The reason names the bundle whose figures they are, and what is far is looked at anew."""
    first = fit_detectors(*known(), Beforehand(outliers=outliers())).choice
    assert first is not None
    near = tuple(one for one in first.trials if one.against == NEAR)
    again = fit_detectors(*known(), Beforehand(outliers=outliers(), near=near, of="apples")).choice
    assert again is not None
    assert again.trials == first.trials
    assert again.why.endswith("as it was for apples, of the same network")
