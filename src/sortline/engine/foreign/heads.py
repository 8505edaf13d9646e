"""Finding in a graph what a bundle tells apart: the softmax at its end, the linear head, the pooling before it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.graph import FLATTENING, SAME, Graph
from sortline.engine.head import Head

# What a network's own last step was: its outputs are logits, probabilities by softmax or its logarithm, probabilities
# by a sigmoid each, or probabilities by other means.
Answer = Literal["logits", "softmax", "log-softmax", "sigmoid", "probabilities"]

_LAST_STEPS: dict[str, Answer] = {"Softmax": "softmax", "LogSoftmax": "log-softmax", "Sigmoid": "sigmoid"}


def before_softmax(graph: Graph, output: str) -> tuple[str, Answer]:
    """The tensor of logits behind an output, and what was done to it."""
    tensor = graph.behind(output, SAME | FLATTENING)
    node = graph.maker(tensor)
    if node is None or node.op_type not in _LAST_STEPS:
        return tensor, "logits"
    return graph.behind(node.input[0], SAME | FLATTENING), _LAST_STEPS[node.op_type]


def linear_head(graph: Graph, logits: str) -> tuple[Head, str] | None:
    """The head that computes the logits and the tensor it computes them from; None where that is no linear layer.

    It is a guess: a head only if the logits are indeed what it makes of that tensor.
    """
    # Where a map has one place, turning it is another way of flattening it.
    node = graph.maker(graph.behind(logits, SAME | FLATTENING | {"Transpose"}))
    if node is None:
        return None
    if node.op_type == "Gemm":
        return _gemm(graph, node)
    if node.op_type == "MatMul":
        return _matmul(graph, node, None)
    if node.op_type == "Conv":
        return _convolution(graph, node)
    if node.op_type == "Add":
        for product, other in (node.input, reversed(node.input)):
            inner = graph.maker(graph.behind(product, SAME))
            bias = graph.constant(other)
            if inner is not None and inner.op_type == "MatMul" and bias is not None:
                return _matmul(graph, inner, bias)
    return None


def pooling(graph: Graph, embedding: str) -> tuple[str, bool] | None:
    """The map of features whose mean over all places the embedding is, and whether its channels come last."""
    node = graph.maker(graph.behind(embedding, SAME | FLATTENING))
    if node is None:
        return None
    if node.op_type in ("GlobalAveragePool", "AveragePool"):
        return node.input[0], False
    if node.op_type == "ReduceMean" and (axes := _axes(graph, node)) in ([1, 2], [2, 3]):
        return node.input[0], axes == [1, 2]
    return None


def last_pooling(graph: Graph, logits: str) -> str | None:
    """The last tensor on the way to the logits that is a mean over all places of a map, where there is one."""
    reached = graph.ancestors([logits])
    for node in reversed(graph.model.graph.node):
        if node.output[0] in reached and pooling(graph, node.output[0]) and node.op_type != "AveragePool":
            return str(node.output[0])
    return None


def _gemm(graph: Graph, node: Any) -> tuple[Head, str] | None:
    weight = graph.constant(node.input[1])
    bias = graph.constant(node.input[2]) if len(node.input) > 2 else np.zeros(1)
    if weight is None or bias is None or graph.attribute(node, "transA", 0):
        return None
    if not graph.attribute(node, "transB", 0):
        weight = weight.T
    scale, offset = graph.attribute(node, "alpha", 1.0), graph.attribute(node, "beta", 1.0)
    return _head(weight * scale, bias * offset), graph.behind(node.input[0], SAME)


def _matmul(graph: Graph, node: Any, bias: NDArray[Any] | None) -> tuple[Head, str] | None:
    weight = graph.constant(node.input[1])
    if weight is None or weight.ndim != 2 or (bias is not None and bias.size not in (1, weight.shape[1])):
        return None
    return _head(weight.T, np.zeros(1) if bias is None else bias), graph.behind(node.input[0], SAME)


def _convolution(graph: Graph, node: Any) -> tuple[Head, str] | None:
    """On a map of one place a convolution of 1 x 1 is a linear layer, as in Keras' MobileNet."""
    kernel = graph.constant(node.input[1])
    bias = graph.constant(node.input[2]) if len(node.input) > 2 else np.zeros(1)
    if kernel is None or bias is None or kernel.shape[2:] != (1, 1) or graph.attribute(node, "group", 1) != 1:
        return None
    return _head(kernel[:, :, 0, 0], bias), graph.behind(node.input[0], SAME)


def _head(weight: NDArray[Any], bias: NDArray[Any]) -> Head:
    count = len(weight)
    return Head(
        weight=np.ascontiguousarray(weight, np.float32),
        bias=np.broadcast_to(bias.reshape(-1), (count,)).astype(np.float32),
    )


def _axes(graph: Graph, node: Any) -> list[int]:
    """The dimensions a reduction is over; an attribute before opset 18, an input since."""
    axes = graph.attribute(node, "axes")
    if axes is None and len(node.input) > 1:
        axes = graph.constant(node.input[1])
    return sorted(int(axis) % 4 for axis in axes) if axes is not None else []
