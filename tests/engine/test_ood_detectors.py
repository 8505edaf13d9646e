"""Detectors that look at embeddings: they agree with pytorch-ood, tell what they should, and live in a bundle."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sortline.engine import ood
from sortline.engine.bundle import Bundle, BundleError, npz, read_bundle, write_bundle
from sortline.engine.classifier import Classifier
from sortline.engine.head import Head
from sortline.engine.ood_scorers import gen, scorers
from sortline.engine.ood_statistics import fit_space, fit_statistics, principal
from sortline.engine.packaged import packaged_bundles
from sortline.engine.routing import Policy
from sortline.training.probe import one_thread

CLASSES, WIDTH, COUNT = 4, 24, 400


@dataclasses.dataclass(frozen=True)
class Data:
    """Clusters about four means: training pictures, others of the same, pictures of nothing, and a head."""

    train: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    strange: np.ndarray
    head: Head

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """What the head says."""
        return embeddings @ self.head.weight.T + self.head.bias


def drawn(width: int = WIDTH, seed: int = 0) -> Data:
    """Data of that width."""
    random = np.random.default_rng(seed)
    means = random.normal(0, 2, (CLASSES, width))
    labels = np.arange(COUNT) % CLASSES
    near = [(means[labels] + random.normal(0, 1, (COUNT, width))).astype(np.float32) for _ in range(2)]
    return Data(
        train=near[0],
        labels=labels,
        known=near[1],
        strange=random.normal(0, 4, (COUNT, width)).astype(np.float32),
        head=Head(
            weight=means.astype(np.float32), bias=(-np.square(means).sum(axis=1) / 2).astype(np.float32)
        ),
    )


def fitted(data: Data) -> dict[str, Any]:
    """The statistics of the training pictures."""
    return fit_statistics(data.train, data.labels, data.head, fit_space(data.train))


@pytest.fixture(scope="module")
def data() -> Data:
    """Twenty-four dimensions, few enough that nothing is left out."""
    return drawn()


@pytest.fixture(scope="module")
def ours(data: Data) -> Mapping[str, ood.OodScorer]:
    """Every detector."""
    return scorers(fitted(data), data.head)


@pytest.mark.parametrize("name", ["mahalanobis", "relative_mahalanobis", "knn", "vim", "gen", "react"])
def test_agrees_with_pytorch_ood(name: str, data: Data, ours: Mapping[str, ood.OodScorer]) -> None:
    """The same scores up to a constant factor: theirs sums where ours takes a mean, or the other way round."""
    torch = pytest.importorskip("torch", reason="needs the extra train")
    theirs = pytest.importorskip("pytorch_ood.detector", reason="needs pytorch-ood")
    weight, bias = torch.from_numpy(data.head.weight), torch.from_numpy(data.head.bias)
    train, labels = torch.from_numpy(data.train), torch.from_numpy(data.labels)
    asked = np.concatenate([data.known, data.strange])
    x = torch.from_numpy(asked)
    if name == "mahalanobis":
        expected = 2 * COUNT * theirs.Mahalanobis(None).fit_features(train, labels).predict_features(x)
    elif name == "relative_mahalanobis":
        expected = COUNT * theirs.RMD(None).fit_features(train, labels).predict_features(x)
    elif name == "knn":
        ours = scorers({**fitted(data), "knn.neighbours": np.array(5)}, data.head)
        expected = theirs.KNN(None, k=5).fit_features(train, labels).predict_features(x)
    elif name == "vim":
        detector = theirs.ViM(None, d=WIDTH // 2, w=weight, b=bias)
        expected = detector.fit_features(train, labels).predict_features(x)
    elif name == "gen":
        expected = CLASSES * theirs.GEN(None).predict_logits(x @ weight.T + bias)
    else:
        detector = theirs.ReAct(lambda rows: rows, lambda rows: rows @ weight.T + bias)
        expected = detector.fit_feature_maps(train, labels).predict_feature_maps(x)
    found = ours[name](data.logits(asked), asked)
    assert np.allclose(found, expected.numpy(), rtol=5e-3, atol=2e-3 * float(np.abs(found).mean()))


@pytest.mark.parametrize("name", ["mahalanobis", "relative_mahalanobis", "knn", "vim", "react", "energy"])
def test_what_belongs_to_no_cluster_is_more_unusual(
    name: str, data: Data, ours: Mapping[str, ood.OodScorer]
) -> None:
    """Nearly every picture of nothing scores above the median of the known."""
    known, strange = (ours[name](data.logits(x), x) for x in (data.known, data.strange))
    assert (strange > np.median(known)).mean() > 0.9


def test_a_wide_embedding_keeps_at_most_128_dimensions() -> None:
    """Of 300 dimensions the first are iterated to, and span what an exact decomposition does."""
    random = np.random.default_rng(1)
    spread = np.append(np.linspace(5, 3, 20), np.full(280, 0.1))
    x = (random.normal(0, 1, (600, 300)) * spread).astype(np.float32)
    centred = x - x.mean(axis=0)
    with one_thread():
        basis, variance = principal(centred, 20)
        values, vectors = np.linalg.eigh(np.cov(centred, rowvar=False, bias=True))
        space = fit_space(x)
    assert np.allclose(variance, values[:-21:-1], rtol=1e-3)
    assert np.allclose(np.abs(np.linalg.svd(vectors[:, :-21:-1].T @ basis, compute_uv=False)), 1, atol=1e-3)
    assert space["pca.basis"].shape == (300, 128)


def test_gen_counts_a_torn_answer_as_unusual() -> None:
    """Two likely classes are more unusual than one; so are a hundred of a thousand."""
    sure, torn = np.array([[20, 0, 0]], np.float32), np.array([[20, 20, 0]], np.float32)
    assert gen(torn)[0] > gen(sure)[0]
    many = np.zeros((1, 1000), np.float32)
    assert gen(many)[0] > gen(np.where(np.arange(1000) == 3, 30, many))[0]


@pytest.mark.parametrize(
    ("asked", "chosen", "threshold", "found"),
    [
        ("auto", "vim", None, "vim"),
        ("auto", None, None, "energy"),
        ("auto", "vim", -3.0, "energy"),
        ("knn", "vim", None, "knn"),
        ("wastex", "vim", None, "energy"),
    ],
)
def test_auto_is_the_choice_of_the_bundle(
    asked: ood.DetectorName, chosen: str | None, threshold: float | None, found: str
) -> None:
    """A threshold of one's own is a number of one detector, so with `auto` it is energy's."""
    assert ood.scorer_name(asked, chosen, threshold) == found


@pytest.fixture
def bundle() -> Bundle:
    """The packaged bundle."""
    return read_bundle(packaged_bundles()["waste"])


def rewritten(folder: Path, bundle: Bundle, arrays: Mapping[str, Any], **changes: object) -> Bundle:
    """The bundle with other arrays in ood.npz."""
    files = {name: (bundle.folder / name).read_bytes() for name in bundle.manifest.files}
    manifest = bundle.manifest.model_copy(update=changes)
    return write_bundle(folder, manifest, files | {"ood.npz": npz(**arrays)})


def asked(bundle: Bundle, policy: Policy) -> ood.Detector:
    """The detector that a policy gets of a bundle; it needs no runtime."""
    return Classifier(bundle, SimpleNamespace()).detector(policy)  # type: ignore[arg-type]


def test_the_packaged_bundle_chose_a_detector(bundle: Bundle) -> None:
    """Its own policy asks for the choice; every detector stands beside it, with its figures."""
    choice = bundle.manifest.ood_choice
    assert choice is not None
    assert bundle.manifest.policy.detector == "auto"
    assert asked(bundle, bundle.manifest.policy).name == choice.detector
    assert {trial.detector for trial in choice.trials} == set(ood.NAMES) == set(bundle.ood_reference())
    for name in ood.NAMES:
        assert asked(bundle, Policy(detector=name)).name == name  # type: ignore[arg-type]


def test_the_packaged_thresholds_flag_a_twentieth_of_validation(bundle: Bundle) -> None:
    """What a detector says of the validation pictures it remembers is what its threshold was fitted to."""
    memory, head = bundle.memory(), bundle.head()
    assert head is not None
    x = memory.embeddings[memory.splits == 1].astype(np.float32)
    for name in ood.NAMES:
        found = asked(bundle, Policy(detector=name))(x @ head.weight.T + head.bias, x)  # type: ignore[arg-type]
        assert found.ood.mean() == pytest.approx(0.05, abs=0.01), name


def test_a_bundle_made_before_still_judges_by_energy(bundle: Bundle, tmp_path: Path) -> None:
    """It holds two detectors and chose none: whatever else is asked for is answered by energy, at its threshold."""
    reference = {name: bundle.ood_reference()[name] for name in ("energy", "max_softmax")}
    thresholds = {name: bundle.manifest.ood_thresholds[name] for name in reference}
    old = rewritten(tmp_path / "old", bundle, reference, ood_thresholds=thresholds, ood_choice=None)
    for policy in (Policy(), Policy(detector="knn", ood_threshold=0.3)):
        found = asked(old, policy)
        assert (found.name, found.threshold) == ("energy", thresholds["energy"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"luck.table": np.zeros(3)}, "luck.table"),
        ({"luck": np.zeros(3)}, "luck"),
        ({"knn.bank": None}, r"knn lacks knn\.bank"),
        ({"pca.mean": np.zeros(7, np.float32)}, "as wide as an embedding"),
        ({"knn.bank": np.zeros((4, 7), np.float16)}, r"dimensions of pca\.basis"),
    ],
)
def test_what_a_reader_does_not_understand_is_named(
    bundle: Bundle, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    """An array that is unknown, lacking or of another shape is refused by name."""
    arrays = {**bundle.ood_reference(), **bundle.ood_statistics(), **change}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    thresholds = bundle.manifest.ood_thresholds | ({"luck": 0.0} if "luck" in change else {})
    with pytest.raises(BundleError, match=named):
        rewritten(tmp_path / "other", bundle, arrays, ood_thresholds=thresholds)
