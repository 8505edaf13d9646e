"""A bundle's network back into PyTorch, so that training can go on from it.

A bundle's ONNX file has batch normalisation folded into the convolutions, and its exporter named the weights as it
liked. So the same network of timm is filled with numbers that occur once and exported in the same way: whatever carries
a parameter's numbers there carries that parameter in the bundle's file, at the same place of the graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from sortline.engine import golden
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.training.backbones import head_names
from sortline.training.dataset import Photos
from sortline.training.export import Servable, export
from sortline.training.recipe import FinetuneRecipe
from sortline.training.seeds import generator

# Enough for the mean and variance of a channel: each photo gives hundreds of places or more, but in the last layers.
_PHOTOS = 256
_BATCH = 32
# Largest difference of an embedding, as a share of the largest value.
_PARITY = 1e-3

Array = NDArray[np.float32]
_BatchNorm = nn.modules.batchnorm._BatchNorm


def load_onnx(network: nn.Module, model: bytes, recipe: FinetuneRecipe, photos: Photos | None) -> None:
    """Fills all layers of the network but its head from a bundle's file, and checks that it then says the same.

    Batch normalisation, folded in the file, gets the statistics of some of `photos`, and weights that undo them: what
    the network says does not change, and training finds it normalised.

    Raises:
        ValueError: the file holds another network.
    """
    head = {name: network.state_dict()[name].clone() for name in head_names(network)}
    marked = _mark(network)
    pairs = list(_paired(_layers(export(network, recipe, ("embedding",))), _layers(model)))
    with torch.no_grad():
        _fill(network, marked, pairs, set(head))
        network.load_state_dict(head, strict=False)
    network.eval()
    _normalise_anew(network, _folded(network, marked, pairs), _some(photos, recipe), recipe)
    _check(network, model, recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A node of the graph that has weights: what it does, and the weights in the order of its inputs."""

    does: str
    weights: tuple[Array, ...]


def _layers(model: bytes) -> list[_Layer]:
    """What leads to `embedding` and has weights, in the graph's order."""
    graph = onnx.load_from_string(model).graph
    weights = {
        each.name: numpy_helper.to_array(each)
        for each in graph.initializer
        if each.data_type == onnx.TensorProto.FLOAT
    }
    # The exporter writes weights that happen to be equal once, and names the others after them.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    needed, layers = {"embedding"}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            held = tuple(weights[name] for name in node.input if name in weights)
            if held and node.op_type != "Identity":
                layers.append(_Layer(does=node.op_type, weights=held))
    return layers[::-1]


def _paired(reference: list[_Layer], found: list[_Layer]) -> Iterator[tuple[_Layer, _Layer]]:
    """Each layer of the marked network with the one in its place in the file."""
    if len(reference) != len(found):
        raise ValueError(f"it has {len(found)} layers with weights, not {len(reference)}")
    for ours, theirs in zip(reference, found, strict=True):
        shapes = tuple(tuple(w.shape for w in layer.weights) for layer in (ours, theirs))
        if ours.does != theirs.does or shapes[0] != shapes[1]:
            raise ValueError(
                f"it has {theirs.does} {shapes[1]} where the network has {ours.does} {shapes[0]}"
            )
        yield ours, theirs


def _mark(network: nn.Module) -> dict[str, Array]:
    """Numbers that occur once in all the network's weights but batch normalisation's, which changes nothing then but
    for its bias; what those numbers are, by the weight's name.
    """
    draw = generator(0, "marks")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0, 0.05, generator=draw))
        for layer in _batch_norms(network).values():
            layer.weight.fill_(1)
            layer.running_mean.zero_()
            layer.running_var.fill_(1 - layer.eps)
    scales = {f"{name}.weight" for name in _batch_norms(network)}
    return {
        name: parameter.detach().numpy().copy()
        for name, parameter in network.named_parameters()
        if name not in scales
    }


def _fill(
    network: nn.Module, marked: dict[str, Array], pairs: list[tuple[_Layer, _Layer]], head: set[str]
) -> None:
    """Each marked parameter from where its numbers are found."""
    parameters, missing = dict(network.named_parameters()), set(marked) - head
    for ours, theirs in pairs:
        for mine, value in zip(ours.weights, theirs.weights, strict=True):
            for name in [n for n in missing if marked[n].size == mine.size]:
                if (placed := _as_placed(marked[name], mine, value)) is not None:
                    parameters[name].copy_(torch.from_numpy(placed))
                    missing.remove(name)
        if ours.does == "BatchNormalization":
            _fill_batch_norm(network, marked, ours, theirs)
    if missing:
        raise ValueError(f"{min(missing)} cannot be found in it")


def _as_placed(mark: Array, mine: Array, value: Array) -> Array | None:
    """`value` as the parameter has it, if `mine` carries its mark, transposed perhaps or with sides of 1."""
    if np.allclose(mine.reshape(mark.shape), mark, rtol=1e-4, atol=1e-6):
        return value.reshape(mark.shape).copy()
    if mark.ndim == 2 and mine.shape == mark.shape[::-1] and np.allclose(mine.T, mark, rtol=1e-4, atol=1e-6):
        return value.T.copy()
    return None


def _fill_batch_norm(network: nn.Module, marked: dict[str, Array], ours: _Layer, theirs: _Layer) -> None:
    """Batch normalisation that stands before its convolution was not folded: scale, bias, mean, variance."""
    for name, layer in _batch_norms(network).items():
        if np.array_equal(marked[f"{name}.bias"], ours.weights[1]):
            values = [torch.from_numpy(value.copy()) for value in theirs.weights]
            for held, value in zip(_held(layer), values, strict=True):
                held.copy_(value)


def _held(layer: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return layer.weight, layer.bias, layer.running_mean, layer.running_var


def _folded(network: nn.Module, marked: dict[str, Array], pairs: list[tuple[_Layer, _Layer]]) -> list[Any]:
    """The network's layers of batch normalisation that have none of their own in the file."""
    kept = [ours.weights[1] for ours, _ in pairs if ours.does == "BatchNormalization"]
    return [
        layer
        for name, layer in _batch_norms(network).items()
        if not any(np.array_equal(marked[f"{name}.bias"], bias) for bias in kept)
    ]


def _batch_norms(network: nn.Module) -> dict[str, Any]:
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, _BatchNorm)}


def _some(photos: Photos | None, recipe: FinetuneRecipe) -> NDArray[np.uint8]:
    """Photos from all over the set, or drawn pictures where there are none."""
    if photos is None or len(photos) == 0:
        return golden.draw(recipe.serving_size)
    return np.asarray(photos.pixels[:: max(1, len(photos) // _PHOTOS)][:_PHOTOS])


def _normalise_anew(
    network: nn.Module, layers: list[Any], pixels: NDArray[np.uint8], recipe: FinetuneRecipe
) -> None:
    """Sets each layer's statistics to what comes into it, and its scale and bias so that nothing changes."""
    sums = {id(layer): torch.zeros(2, layer.num_features, dtype=torch.float64) for layer in layers}
    counts = dict.fromkeys(sums, 0)

    def measure(layer: Any, inputs: tuple[Tensor, ...]) -> None:
        seen = inputs[0].double().transpose(0, 1).flatten(1)
        sums[id(layer)] += torch.stack([seen.sum(1), seen.square().sum(1)])
        counts[id(layer)] += seen.shape[1]

    hooks = [layer.register_forward_pre_hook(measure) for layer in layers]
    servable = Servable(network, recipe)
    with torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            servable(torch.from_numpy(pixels[start : start + _BATCH].copy()))
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for layer in layers:
            mean, square = sums[id(layer)] / max(counts[id(layer)], 1)
            variance = (square - mean.square()).clamp(min=0)
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(variance)
            layer.weight.copy_((variance + layer.eps).sqrt())
            layer.bias.add_(mean)


def _check(network: nn.Module, model: bytes, recipe: FinetuneRecipe) -> None:
    pictures = golden.draw(recipe.serving_size)
    with torch.inference_mode():
        ours = Servable(network, recipe)(torch.from_numpy(pictures))[1].numpy()
    theirs = OnnxRuntime(model).infer(pictures).embedding
    difference = float(np.abs(ours - theirs).max() / max(float(np.abs(theirs).max()), 1e-6))
    if not difference < _PARITY:
        raise ValueError(
            f"with its weights the network gives other embeddings (by {difference:.1e} of the largest)"
        )
