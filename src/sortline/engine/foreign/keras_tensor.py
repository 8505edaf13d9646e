"""Tensors of a Keras model on their way into ONNX. Keras has channels last, ONNX' operations want them first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.errors import UnsupportedLayer
from sortline.engine.foreign.writer import Writer


class Tensor(NamedTuple):
    """A tensor in the graph: `shape` without the batch, as Keras has it; `planes` where channels stand first."""

    name: str
    shape: tuple[int, ...]
    planes: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's name, configuration and weights, and Keras' major version, which changed what some mean."""

    name: str
    config: Mapping[str, Any]
    weights: Mapping[str, NDArray[np.float32]]
    version: int

    def refuse(self, kind: str, why: str) -> UnsupportedLayer:
        """The error that names this layer."""
        return UnsupportedLayer(kind, self.name, why)


def as_planes(writer: Writer, tensor: Tensor) -> Tensor:
    """The same with channels first: (N, C, H, W)."""
    if tensor.planes or len(tensor.shape) != 3:
        return tensor
    return Tensor(writer.node("Transpose", tensor.name, perm=[0, 3, 1, 2]), tensor.shape, True)


def as_plain(writer: Writer, tensor: Tensor) -> Tensor:
    """The same as Keras has it, channels last."""
    if not tensor.planes:
        return tensor
    return Tensor(writer.node("Transpose", tensor.name, perm=[0, 2, 3, 1]), tensor.shape, False)


def combined(writer: Writer, operation: str, tensors: Sequence[Tensor]) -> Tensor:
    """One value for each place from several tensors, two at a time; a side of length 1 serves all places."""
    if any(each.planes for each in tensors) and all(len(each.shape) == 3 for each in tensors):
        tensors = [as_planes(writer, each) for each in tensors]
    else:
        tensors = [as_plain(writer, each) for each in tensors]
    result = tensors[0]
    for each in tensors[1:]:
        name = writer.node(operation, result.name, each.name)
        result = Tensor(name, _broadcast(result.shape, each.shape), result.planes)
    return result


def scaled(
    writer: Writer, tensor: Tensor, scale: NDArray[np.floating], shift: NDArray[np.floating]
) -> Tensor:
    """x · scale + shift, each one number or one for each channel."""

    def side(values: NDArray[np.float32]) -> str:
        return writer.constant(
            values.reshape(-1, 1, 1) if tensor.planes and values.size > 1 else values.reshape(-1)
        )

    product = writer.node("Mul", tensor.name, side(scale))
    return Tensor(writer.node("Add", product, side(shift)), tensor.shape, tensor.planes)


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(np.broadcast_shapes(one, other))
