"""A trained network as ONNX, in the form a bundle holds it.

Input `images`, uint8 RGB, (N, S, S, 3), N free. Outputs `logits` (N, C), `embedding` (N, D), what the linear head sees,
and `features` (N, D, h, w) where the embedding is their mean over places, all float32. Normalisation stands inside the
graph.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortline.engine import golden
from sortline.engine.head import Head
from sortline.errors import SortlineError
from sortline.training.recipe import FinetuneRecipe

# Within what ONNX Runtime 1.20 and OpenVINO 2025, our oldest supported, run as it is.
OPSET = 17
OUTPUTS = ("logits", "embedding", "features")


class ExportFailed(SortlineError):
    """A network that cannot be served as it was trained, with the reason."""

    def __init__(self, backbone: str, reason: str) -> None:
        self.backbone, self.reason = backbone, reason
        super().__init__(f"{backbone} cannot be exported: {reason}")


class Servable(nn.Module):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
    """A timm network with a linear head that takes uint8 pictures (N, S, S, 3) and gives the outputs named."""

    def __init__(self, network: Any, recipe: FinetuneRecipe, outputs: Sequence[str] = OUTPUTS) -> None:
        super().__init__()
        self.network = network
        self.outputs = tuple(outputs)
        # (x / 255 - mean) / std as one multiplication and one addition.
        scale = 1 / (255 * torch.tensor(recipe.std))
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", (-torch.tensor(recipe.mean) * 255 * scale).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The outputs in their order: logits (N, C), embedding (N, D), features (N, D, h, w)."""
        pixels = images.permute(0, 3, 1, 2).float() * self.scale + self.shift
        features = self.network.forward_features(pixels)
        embedding = self.network.forward_head(features, pre_logits=True)
        found = {"embedding": embedding, "features": features}
        if "logits" in self.outputs:
            found["logits"] = self.network.get_classifier()(embedding)
        return tuple(found[name] for name in self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How close ONNX Runtime is to PyTorch: largest difference of a logit, share of equal answers (0..1)."""

    photos: int
    largest_logit_difference: float
    equal_answers: float


def to_onnx(network: nn.Module, recipe: FinetuneRecipe) -> bytes:
    """The network, in evaluation mode on the CPU, as a checked ONNX file with batch normalisation folded.

    `recipe` is resolved. `features` are there only where the embedding is their mean.

    Raises:
        ExportFailed: the network is more than an embedding and a linear head on it.
    """
    outputs = OUTPUTS if _features_make_the_embedding(network, recipe) else OUTPUTS[:2]
    return export(network, recipe, outputs)


def export(network: nn.Module, recipe: FinetuneRecipe, outputs: Sequence[str]) -> bytes:
    """The ONNX file that gives these outputs; ExportFailed where the network does what ONNX cannot say."""
    size = recipe.serving_size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    try:
        # The TorchScript exporter folds batch normalisation into the convolutions.
        torch.onnx.export(
            Servable(network, recipe, outputs).eval(),
            (example,),
            buffer,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in ("images", *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportFailed(recipe.backbone, str(error).splitlines()[0]) from error
    content = buffer.getvalue()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return content


def linear_head(network: Any) -> Head:
    """The network's linear head as the bundle keeps it."""
    layer = network.get_classifier()
    return Head(weight=layer.weight.detach().numpy().copy(), bias=_bias(layer))


def parity(network: nn.Module, model: bytes, pictures: NDArray[np.uint8], recipe: FinetuneRecipe) -> Parity:
    """Compare the two on pictures (N, S, S, 3)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    servable = Servable(network, recipe, ("logits",)).eval()
    largest, equal = 0.0, 0
    for start in range(0, len(pictures), 16):
        batch = pictures[start : start + 16]
        with torch.inference_mode():
            expected = servable(torch.from_numpy(batch))[0].numpy()
        (logits,) = session.run(["logits"], {"images": batch})
        largest = max(largest, float(np.abs(logits - expected).max()))
        equal += int((logits.argmax(1) == expected.argmax(1)).sum())
    return Parity(photos=len(pictures), largest_logit_difference=largest, equal_answers=equal / len(pictures))


def _features_make_the_embedding(network: Any, recipe: FinetuneRecipe) -> bool:
    """Whether the embedding is the mean of the features, found by trying; so a class activation map is exact."""
    servable = Servable(network, recipe).eval()
    pictures = torch.from_numpy(golden.draw(recipe.serving_size)[:2])
    with torch.inference_mode():
        logits, embedding, features = servable(pictures)
        whole = network(pictures.permute(0, 3, 1, 2).float() * servable.scale + servable.shift)
    if embedding.ndim != 2 or not torch.allclose(whole, logits, rtol=1e-3, atol=1e-3):
        raise ExportFailed(recipe.backbone, "its logits are not one linear layer on its embedding")
    if features.ndim != 4 or features.shape[:2] != embedding.shape:
        return False
    return bool(torch.allclose(features.mean((2, 3)), embedding, rtol=1e-3, atol=1e-4))


def _bias(layer: Any) -> NDArray[np.float32]:
    if layer.bias is None:
        return np.zeros(layer.out_features, np.float32)
    bias: NDArray[np.float32] = layer.bias.detach().numpy().copy()
    return bias
