"""Networks of every build go out as ONNX that says what PyTorch says, and come back from it."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")

from sortline.engine.onnx_runtime import OnnxRuntime  # noqa: E402  # only where torch is installed
from sortline.training.augment import Normalise  # noqa: E402
from sortline.training.backbones import build_network, resolve  # noqa: E402
from sortline.training.export import ExportFailed, export, linear_head, parity, to_onnx  # noqa: E402
from sortline.training.recipe import FinetuneRecipe  # noqa: E402
from sortline.training.unfold import load_onnx  # noqa: E402
from tests.training_photos import TINY, stripes  # noqa: E402

# PyTorch's own: JIT and ONNX export announce their successors; timm asks Python about shapes that do not change.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
]

# Name, side in px, whether its embedding is the mean of its features.
BUILDS = [
    ("mobilenetv2_100", 64, True),
    ("efficientnet_b0", 64, True),
    ("resnet18", 64, True),
    ("convnext_atto", 64, False),  # a norm stands between pooling and head
    ("mobilenetv3_small_050", 64, False),  # a layer does
    ("vit_tiny_patch16_224", 64, False),  # tokens are no map
    ("test_vit", 0, False),
]


def built(name: str, size: int, classes: int) -> tuple[torch.nn.Module, FinetuneRecipe]:
    """The network with statistics and norms as training would leave them, and its recipe."""
    recipe = resolve(
        dataclasses.replace(TINY, backbone=name, serving_size=size, sizes=(), drop_path=0.0, dropout=0.0)
    )
    network = build_network(recipe, classes)
    for layer in network.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    return network.eval(), recipe


@pytest.mark.parametrize(("name", "size", "has_features"), BUILDS)
def test_export_and_back(name: str, size: int, has_features: bool) -> None:
    """Both runtimes give PyTorch's logits, the head makes them from the embedding, features are there where the
    embedding is their mean, and a fresh network takes up all weights but the head's.
    """
    network, recipe = built(name, size, classes=3)
    side = recipe.serving_size
    pictures = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)

    model = to_onnx(network, recipe)

    found = parity(network, model, pictures, recipe)
    outputs, head = OnnxRuntime(model).infer(pictures, features=True), linear_head(network)
    largest = float(np.abs(outputs.logits).max())
    assert (found.photos, found.equal_answers) == (5, 1.0)
    assert found.largest_logit_difference < 1e-4 * largest
    assert outputs.logits == pytest.approx(outputs.embedding @ head.weight.T + head.bias, abs=1e-4 * largest)
    assert openvino_logits(model, pictures) == pytest.approx(outputs.logits, abs=1e-3 * largest)
    assert (outputs.features is not None) == has_features
    if outputs.features is not None:
        assert outputs.embedding == pytest.approx(outputs.features.mean(axis=(2, 3)), abs=1e-3)
    comes_back(model, outputs.embedding, pictures, recipe)


def comes_back(model: bytes, embedding: np.ndarray, pictures: np.ndarray, recipe: FinetuneRecipe) -> None:
    """A fresh network with another head gives the same embedding after `load_onnx`, in training mode nearly so."""
    fresh = build_network(recipe, 7)
    before = fresh.get_classifier().weight.clone()  # type: ignore[operator, union-attr, unused-ignore]
    load_onnx(fresh, model, recipe, None)
    assert torch.equal(fresh.get_classifier().weight, before)  # type: ignore[operator, union-attr, unused-ignore]
    again = OnnxRuntime(to_onnx(fresh, recipe)).infer(pictures).embedding
    assert again == pytest.approx(embedding, abs=1e-3 * float(np.abs(embedding).max()))


def openvino_logits(model: bytes, pictures: np.ndarray) -> np.ndarray:
    """What OpenVINO says, in float32."""
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    logits: np.ndarray = compiled(pictures)["logits"]
    return logits


def test_batch_statistics_are_measured_anew() -> None:
    """A network from a bundle has each batch norm's statistics again: with batches of the same photos, training mode
    says nearly what evaluation mode says.
    """
    network, recipe = built("resnet18", 64, classes=2)
    photos = stripes(64, seed=0, size=64)
    fresh = build_network(recipe, 2)
    load_onnx(fresh, to_onnx(network, recipe), recipe, photos)
    normalise = Normalise(mean=recipe.mean, std=recipe.std)
    images = normalise(torch.from_numpy(photos.pixels).permute(0, 3, 1, 2).float() / 255)

    with torch.inference_mode():
        expected, found = fresh.eval()(images), fresh.train()(images)

    assert found.numpy() == pytest.approx(expected.numpy(), abs=0.05 * float(expected.abs().max()))


def test_the_packaged_bundle_can_be_fine_tuned() -> None:
    """The starter's network comes back from its file."""
    from sortline.engine.packaged import load

    bundle = load("waste", runtime="onnxruntime").bundle
    recipe = resolve(FinetuneRecipe(serving_size=bundle.manifest.preprocessing.size))
    network = build_network(recipe, 2)

    load_onnx(network, bundle.model_path.read_bytes(), recipe, None)  # it checks the embeddings itself

    assert not network.training


def test_a_file_of_another_network_is_refused() -> None:
    """By name of what is there and what should be, not by answers that make no sense."""
    network, recipe = built("test_resnet", 32, classes=2)
    model = to_onnx(network, recipe)
    other, other_recipe = built("resnet18", 32, classes=2)

    with pytest.raises(ValueError, match="layers with weights"):
        load_onnx(other, model, other_recipe, None)


class Unsayable(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
    """A network with a step that ONNX has no word for."""

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3)."""
        return torch.linalg.eigvalsh(images[:, :, :3, :3]).mean(2)

    def forward_head(self, features: torch.Tensor, pre_logits: bool) -> torch.Tensor:
        """As they are."""
        return features

    def get_classifier(self) -> torch.nn.Module:
        """No head to speak of."""
        return torch.nn.Identity()


def test_what_onnx_cannot_say_is_an_error_by_name() -> None:
    """The exporter's first line says what it could not do."""
    with pytest.raises(ExportFailed, match=r"cannot be exported: .*linalg_eigvalsh"):
        export(Unsayable(), resolve(TINY), ("embedding",))
