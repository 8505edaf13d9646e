"""Fine-tuning end to end on a tiny network and drawn photos: it learns, resumes, and exports what it learned."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("onnx", reason="training needs the extra: pip install 'sortline[train]'")

from safetensors.torch import save_file  # noqa: E402  # only where torch is installed

from sortline.engine.onnx_runtime import OnnxRuntime  # noqa: E402
from sortline.training.dataset import Normalise, Photos, mix, vary  # noqa: E402
from sortline.training.export import linear_head, parity, to_onnx  # noqa: E402
from sortline.training.finetune import build_network, finetune, load_backbone, predict  # noqa: E402
from sortline.training.recipe import Augmentation, Recipe  # noqa: E402

# PyTorch's own: JIT and ONNX export announce their successors.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
]

TINY = Recipe(
    backbone="mobilenetv2_035",
    batch_size=8,
    head_steps=60,
    epochs=2,
    learning_rate=1e-3,
    sizes=((0.0, 32), (0.5, 64)),
    serving_size=64,
    photo_size=64,
    bfloat16=False,
)


def stripes(count: int, seed: int) -> Photos:
    """Photos of two classes, mostly red and mostly blue, with noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = random.integers(0, 90, (count, 64, 64, 3), dtype=np.uint8)
    pixels[labels == 0, ..., 0] += 160
    pixels[labels == 1, ..., 2] += 160
    return Photos(pixels=pixels, labels=labels.astype(np.int64))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Untrained backbone weights as a safetensors file."""
    torch.manual_seed(0)
    save_file(build_network(TINY, 0).state_dict(), tmp_path / "backbone.safetensors")
    return tmp_path / "backbone.safetensors"


def test_a_run_learns_and_logs_every_epoch(weights: Path, tmp_path: Path) -> None:
    """Two epochs on red against blue are logged with their sizes, and the kept weights tell the two apart."""
    validation = stripes(16, seed=1)

    outcome = finetune(stripes(32, seed=0), validation, 2, weights, tmp_path / "work", TINY)

    with (tmp_path / "work" / "training_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["size"]) for row in rows] == [("1", "32"), ("2", "64")]
    answers = predict(outcome.network, validation, TINY).argmax(1).numpy()
    assert (answers == validation.labels).mean() == outcome.best.validation_accuracy


def test_a_stopped_run_goes_on(weights: Path, tmp_path: Path) -> None:
    """A run of two epochs equals one stopped after the first and started again."""
    train, validation = stripes(16, seed=0), stripes(8, seed=1)
    at_once = finetune(train, validation, 2, weights, tmp_path / "once", TINY)
    stopped = _run_one_epoch(train, validation, weights, tmp_path / "twice")
    resumed = finetune(train, validation, 2, weights, tmp_path / "twice", TINY)

    assert stopped == 1
    assert [e.train_loss for e in resumed.epochs] == pytest.approx(
        [e.train_loss for e in at_once.epochs], rel=1e-3
    )


def test_a_run_out_of_time_ends(weights: Path, tmp_path: Path) -> None:
    """With no minutes to spend the schedule is over after one epoch, however many were asked for."""
    recipe = dataclasses.replace(TINY, epochs=50, minutes=1e-6)

    outcome = finetune(stripes(8, seed=0), stripes(4, seed=1), 2, weights, tmp_path / "work", recipe)

    assert len(outcome.epochs) == 1


def test_the_export_answers_as_the_network_does() -> None:
    """ONNX Runtime gives PyTorch's logits for any batch size, and the head makes them from the embedding."""
    torch.manual_seed(0)
    network = build_network(TINY, 3).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)

    model = to_onnx(network, TINY)

    found = parity(network, model, pictures, TINY)
    assert (found.photos, found.equal_answers) == (5, 1.0)
    assert found.largest_logit_difference < 1e-4
    outputs, head = OnnxRuntime(model).infer(pictures, features=True), linear_head(network)
    assert outputs.features is not None
    assert outputs.embedding == pytest.approx(outputs.features.mean(axis=(2, 3)), abs=1e-5)
    assert outputs.logits == pytest.approx(outputs.embedding @ head.weight.T + head.bias, abs=1e-4)


def test_weights_of_another_network_are_refused(weights: Path) -> None:
    """The error names the file instead of training from noise."""
    with pytest.raises(ValueError, match=r"backbone\.safetensors does not fit mobilenetv2_050"):
        load_backbone(weights, dataclasses.replace(TINY, backbone="mobilenetv2_050"))


def test_variation_keeps_shape_and_is_repeatable() -> None:
    """The same seed varies photos the same, another seed differently."""
    pixels = torch.from_numpy(stripes(4, seed=0).pixels)
    normalise = Normalise(mean=TINY.mean, std=TINY.std)

    def varied(seed: int) -> torch.Tensor:
        return vary(pixels, 48, Augmentation(), torch.Generator().manual_seed(seed), normalise=normalise)

    assert varied(1).shape == (4, 3, 48, 48)
    assert torch.equal(varied(1), varied(1))
    assert not torch.equal(varied(1), varied(2))


@pytest.mark.parametrize("seed", range(6))
def test_mixed_targets_stay_shares(seed: int) -> None:
    """Whatever mix is drawn, each photo's targets sum to one."""
    how = Augmentation(mix=1.0)
    generator = torch.Generator().manual_seed(seed)

    images, targets = mix(torch.rand(4, 3, 16, 16), torch.eye(4), how, generator)

    assert images.shape == (4, 3, 16, 16)
    assert targets.sum(1).numpy() == pytest.approx(np.ones(4))


def _run_one_epoch(train: Photos, validation: Photos, weights: Path, work: Path) -> int:
    """Stop a run after its first epoch, as a kill between epochs would; returns how many epochs ran."""
    from sortline.training import finetune as module

    original = module._Run.save

    def save_and_stop(self: "module._Run", path: Path) -> None:
        original(self, path)
        raise KeyboardInterrupt

    module._Run.save = save_and_stop  # type: ignore[method-assign]  # the kill
    try:
        finetune(train, validation, 2, weights, work, TINY)
    except KeyboardInterrupt:
        return len(torch.load(work / "checkpoint.pt")["epochs"])
    finally:
        module._Run.save = original  # type: ignore[method-assign]
    return 0
