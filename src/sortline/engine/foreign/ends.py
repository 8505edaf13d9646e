"""The end of a network: where its logits, its embedding and its features are, and the nodes that give them as a bundle
does.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sortline.engine.foreign.body import PREFIX, Body
from sortline.engine.foreign.errors import WrongClassCount
from sortline.engine.foreign.graph import Graph
from sortline.engine.foreign.heads import Answer, before_softmax, last_pooling, linear_head, pooling
from sortline.engine.head import Head

_LEAST = 1e-7  # a smaller probability counts as this, so that its logarithm is a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Tensors of a network: `last`, its logits or, by `answer`, what comes of them; `embedding`; `features`, the map
    whose mean that is, channels last or not.

    `head` computes the logits from the embedding where it is linear; `pair` says that one output tells two classes
    apart.
    """

    last: str
    answer: Answer
    pair: bool
    embedding: str
    head: Head | None = None
    features: str | None = None
    channels_last: bool = False


def find_ends(body: Body, classes: int) -> Ends:
    """The ends of a network for so many classes.

    Raises:
        WrongClassCount: it has another number of outputs.
        UnsupportedNetwork: see `Body.width`.
    """
    graph = Graph(body.model)
    last, answer = before_softmax(graph, PREFIX + body.network.output)
    width = body.width(last)
    pair = width == 1 and classes == 2
    if width != classes and not pair:
        raise WrongClassCount(width, classes)
    if answer == "logits" and body.gives_probabilities(last):
        answer = "probabilities"
    plain = Ends(last=last, answer=answer, pair=pair, embedding=last_pooling(graph, last) or last)
    found = linear_head(graph, last) if answer != "probabilities" else None
    if found is None or not body.is_head(last, *found):
        return plain
    head, embedding = found
    ends = replace(plain, head=_as_pair(head) if pair else head, embedding=embedding)
    pooled = pooling(graph, embedding)
    if pooled is None or not body.is_mean(embedding, *pooled):
        return ends
    return replace(ends, features=pooled[0], channels_last=pooled[1])


def close(body: Body, ends: Ends) -> Any:
    """The network with a bundle's outputs: logits, embedding and, where they are known, features."""
    nodes, constants, outputs = _flat(ends.embedding, "embedding"), list[Any](), ["logits", "embedding"]
    if ends.head is not None:
        nodes.append(_node("Gemm", ["embedding", "head/weight", "head/bias"], "logits", transB=1))
        constants = _constants(ends.head)
    else:
        nodes += _logits(ends)
    if ends.features is not None:
        order = [0, 3, 1, 2] if ends.channels_last else [0, 1, 2, 3]
        nodes.append(_node("Transpose", [ends.features], "features/turned", perm=order))
        nodes.append(_as_float("features/turned", "features"))
        outputs.append("features")
    return body.finish(nodes, constants, outputs)


def _logits(ends: Ends) -> list[Any]:
    """Logits that no linear head gives: of one output for two classes half of it for each, once with a minus."""
    nodes, tensor = _flat(ends.last, "answer"), "answer"

    def add(operation: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(_node(operation, list(inputs), f"answer/{len(nodes)}", **attributes))
        return str(nodes[-1].output[0])

    def number(value: float) -> str:
        return add("Constant", value_float=value)

    if ends.answer == "probabilities":
        chance = add("Clip", tensor, number(_LEAST), number(1 - _LEAST if ends.pair else 1.0))
        tensor = add("Log", chance)
        if ends.pair:
            tensor = add("Sub", tensor, add("Log", add("Sub", number(1.0), chance)))
    if ends.pair:
        half = add("Mul", tensor, number(0.5))
        tensor = add("Concat", add("Neg", half), half, axis=1)
    nodes.append(_node("Identity", [tensor], "logits"))
    return nodes


def _flat(tensor: str, output: str) -> list[Any]:
    """A tensor as (N, D), float32."""
    return [_node("Flatten", [tensor], f"{output}/flat", axis=1), _as_float(f"{output}/flat", output)]


def _as_float(tensor: str, output: str) -> Any:
    from onnx import TensorProto

    return _node("Cast", [tensor], output, to=TensorProto.FLOAT)


def _node(operation: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operation, inputs, [output], **attributes)


def _constants(head: Head) -> list[Any]:
    from onnx import numpy_helper

    arrays = {"head/weight": head.weight, "head/bias": head.bias}
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def _as_pair(head: Head) -> Head:
    """Two rows of a single output's weights: the second class's half, and its opposite for the first."""
    weight, bias = head.weight / 2, head.bias / 2
    return Head(weight=np.concatenate([-weight, weight]), bias=np.concatenate([-bias, bias]))
