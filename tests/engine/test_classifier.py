"""The library's three lines, and that every runtime here gives the same answer."""

from pathlib import Path

import numpy as np
import pytest

import sortline
from sortline.engine.bundle import BundleError, read_bundle
from sortline.engine.choice import RuntimeUnavailable, candidates, choose, measure
from sortline.engine.classifier import Classifier
from sortline.engine.packaged import packaged_bundles
from sortline.engine.runtime import batches
from tests.pictures import drawn, encode, photo


@pytest.fixture(scope="module")
def waste() -> Classifier:
    """The packaged classifier."""
    return sortline.load("waste", runtime="onnxruntime")


def test_path_bytes_and_pixels_are_one(waste: Classifier, tmp_path: Path) -> None:
    """A lossless file by path, its bytes and its pixels give the same prediction."""
    pixels = drawn(300, 200)
    path = tmp_path / "photo.png"
    path.write_bytes(encode(pixels, "png"))
    found = [waste.classify(image) for image in (str(path), path, path.read_bytes(), pixels)]
    assert all(np.array_equal(found[0].logits, other.logits) for other in found)
    assert (found[3].width, found[3].height) == (300, 200)


def test_batch_agrees_with_single(waste: Classifier) -> None:
    """Forty pictures at once are forty pictures one by one."""
    pictures = [photo(seed=seed) for seed in range(40)]
    together = waste.classify_batch(pictures)
    assert len(together) == 40
    for picture, found in zip(pictures[::7], together[::7], strict=True):
        assert np.allclose(waste.classify(picture).logits, found.logits, atol=1e-4)


def test_nothing_gives_nothing(waste: Classifier) -> None:
    """No pictures, no predictions."""
    assert waste.classify_batch([]) == []


def test_explanation_has_the_size_of_the_input(waste: Classifier) -> None:
    """The class activation map covers the network's input and has a strongest place."""
    found = waste.explain(photo(), "Glass")
    assert found.shape == (224, 224)
    assert found.dtype == np.uint8
    assert found.max() > 200


@pytest.mark.parametrize("name", sorted(candidates()))
def test_each_runtime_agrees_with_the_reference(waste: Classifier, name: str) -> None:
    """Whatever runs here answers golden pictures and others as ONNX Runtime does."""
    try:
        runtime, _ = choose(waste.bundle, threads=2, preferred=name)
    except RuntimeUnavailable as reason:
        pytest.skip(str(reason))
    images = np.stack([drawn(224, 224, seed) for seed in range(7)])
    expected, found = waste.runtime.infer(images), runtime.infer(images, features=True)
    tolerance = 1e-3 if candidates()[name].precision == "f32" else 0.5
    assert np.allclose(expected.logits, found.logits, atol=tolerance)
    assert found.features is not None
    assert found.features.shape[:2] == (7, 1280)
    assert np.allclose(found.features.mean(axis=(2, 3)), found.embedding, atol=0.05)


def test_choice_is_remembered(tmp_path: Path) -> None:
    """The second load takes the first one's choice without measuring."""
    bundle = read_bundle(packaged_bundles()["waste"])
    first, second = (choose(bundle, threads=1, memory=tmp_path)[1] for _ in range(2))
    assert first == second
    assert first.images_per_second[first.runtime] == max(first.images_per_second.values())


def test_a_machine_that_hangs_has_a_speed(waste: Classifier) -> None:
    """Though the time is over before a thread begins: each does one call, so that speeds can be held together."""
    assert measure(waste.runtime, waste.bundle.golden().pixels[:1], threads=2, seconds=0) > 0


def test_unknown_runtime_is_named() -> None:
    """A runtime that does not exist is refused with those that do."""
    with pytest.raises(RuntimeUnavailable, match="onnxruntime"):
        choose(read_bundle(packaged_bundles()["waste"]), threads=1, preferred="abacus")


def test_unknown_bundle_names_those_in_the_package() -> None:
    """A wrong name is told what there is."""
    with pytest.raises(BundleError, match="waste"):
        sortline.load("no-such-bundle")


def test_any_number_is_cut_into_compiled_sizes() -> None:
    """Every count is the sum of its batches, each of a size that there is."""
    for count in range(1, 40):
        for sizes in ((1,), (1, 4), (1, 2, 4, 8)):
            cut = list(batches(count, sizes))
            assert sum(cut) == count
            assert set(cut) <= set(sizes)
    assert list(batches(7, (1, 4))) == [4, 1, 1, 1]
