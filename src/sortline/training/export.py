"""A trained network as ONNX, in the form a bundle holds it.

Input `images`, uint8 RGB, (N, S, S, 3), N free. Outputs `logits` (N, C), `embedding` (N, D) after global
pooling and, before it, `features` (N, D, h, w), all float32. Normalisation stands inside the graph.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortline.engine.bundle import Head
from sortline.training.recipe import FinetuneRecipe

# Within what ONNX Runtime 1.20 and OpenVINO 2025, our oldest supported, run as it is.
OPSET = 17
OUTPUTS = ("logits", "embedding", "features")


class Servable(nn.Module):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
    """A timm network with a linear head that takes uint8 pictures (N, S, S, 3)."""

    def __init__(self, network: Any, recipe: FinetuneRecipe) -> None:
        super().__init__()
        self.network = network
        # (x / 255 - mean) / std as one multiplication and one addition.
        scale = 1 / (255 * torch.tensor(recipe.std))
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", (-torch.tensor(recipe.mean) * 255 * scale).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, C), embedding (N, D), features (N, D, h, w)."""
        pixels = images.permute(0, 3, 1, 2).float() * self.scale + self.shift
        features = self.network.forward_features(pixels)
        embedding = self.network.forward_head(features, pre_logits=True)
        return self.network.get_classifier()(embedding), embedding, features


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How close ONNX Runtime is to PyTorch: largest difference of a logit, share of equal answers (0..1)."""

    photos: int
    largest_logit_difference: float
    equal_answers: float


def to_onnx(network: nn.Module, recipe: FinetuneRecipe) -> bytes:
    """The network, in evaluation mode on the CPU, as a checked ONNX file with batch normalisation folded."""
    size = recipe.serving_size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    # The TorchScript exporter folds batch normalisation into the convolutions.
    torch.onnx.export(
        Servable(network, recipe).eval(),
        (example,),
        buffer,
        input_names=["images"],
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "N"} for name in ("images", *OUTPUTS)},
        opset_version=OPSET,
        dynamo=False,
    )
    content = buffer.getvalue()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return content


def linear_head(network: Any) -> Head:
    """The network's linear head as the bundle keeps it."""
    layer = network.get_classifier()
    return Head(weight=layer.weight.detach().numpy().copy(), bias=layer.bias.detach().numpy().copy())


def parity(network: nn.Module, model: bytes, pictures: NDArray[np.uint8], recipe: FinetuneRecipe) -> Parity:
    """Compare the two on pictures (N, S, S, 3)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    servable = Servable(network, recipe).eval()
    largest, equal = 0.0, 0
    for start in range(0, len(pictures), 16):
        batch = pictures[start : start + 16]
        with torch.inference_mode():
            expected = servable(torch.from_numpy(batch))[0].numpy()
        (logits,) = session.run(["logits"], {"images": batch})
        largest = max(largest, float(np.abs(logits - expected).max()))
        equal += int((logits.argmax(1) == expected.argmax(1)).sum())
    return Parity(photos=len(pictures), largest_logit_difference=largest, equal_answers=equal / len(pictures))
