"""Another linear head on a network that stays as it is: as a file for a bundle, and on a runtime that is warm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sortline.engine.head import Head
from sortline.engine.runtime import Outputs, Runtime

_WEIGHT, _BIAS = "sortline.head.weight", "sortline.head.bias"


class Headed:
    """A runtime whose logits come from a head of one's own on the embedding: nothing is compiled, and no memory taken
    but the head's.
    """

    def __init__(self, runtime: Runtime, head: Head) -> None:
        # Heads do not pile up: the network below is the same.
        self.network: Runtime = runtime.network if isinstance(runtime, Headed) else runtime
        self.name = self.network.name
        self._weight = np.ascontiguousarray(head.weight.T, np.float32)
        self._bias = head.bias.astype(np.float32)

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """See `Runtime.infer`."""
        outputs = self.network.infer(images, features=features)
        return Outputs(
            logits=self.logits(outputs.embedding),
            embedding=outputs.embedding,
            features=outputs.features,
        )

    def logits(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the head says (N, C) of embeddings (N, D)."""
        logits: NDArray[np.float32] = embedding @ self._weight + self._bias
        return logits

    def settle(self, batch: int) -> None:
        """See `Runtime.settle`. The network is shared, so what others call it with is not ours to say."""


def compose(model: bytes, head: Head) -> bytes:
    """The ONNX file of a bundle with another head: `logits` = `embedding` @ weight.T + bias, all else as it was."""
    import onnx  # 50 MB that a server never needs
    from onnx import helper, numpy_helper

    network = onnx.load_from_string(model)
    graph = network.graph
    kept = _needed(graph, {output.name for output in graph.output} - {"logits"})
    nodes = [node for node in graph.node if any(name in kept for name in node.output)]
    initialisers = [each for each in graph.initializer if each.name in kept]
    gemm = helper.make_node("Gemm", ["embedding", _WEIGHT, _BIAS], ["logits"], name="head", transB=1)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend([*nodes, gemm])
    graph.initializer.extend(
        [
            *initialisers,
            numpy_helper.from_array(np.ascontiguousarray(head.weight, np.float32), _WEIGHT),
            numpy_helper.from_array(head.bias.astype(np.float32), _BIAS),
        ]
    )
    (logits,) = (output for output in graph.output if output.name == "logits")
    logits.type.tensor_type.shape.dim[1].dim_value = len(head.bias)
    onnx.checker.check_model(network)
    content: bytes = network.SerializeToString()
    return content


def _needed(graph: object, names: set[str]) -> set[str]:
    """Every tensor that those named are computed from, and they themselves; the old head's own are not."""
    wanted, made_by = set(names), {name: node for node in graph.node for name in node.output}  # type: ignore[attr-defined]
    waiting = list(names)
    while waiting:
        node = made_by.get(waiting.pop())
        fresh = {name for name in node.input if name} - wanted if node is not None else set()
        wanted |= fresh
        waiting += fresh
    return wanted - {_WEIGHT, _BIAS}
