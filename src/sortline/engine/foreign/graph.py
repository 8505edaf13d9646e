"""Looking around in an ONNX graph and running parts of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.errors import UnsupportedNetwork

# Operations that change nothing about the values, or only how they lie.
SAME = frozenset({"Identity", "Dropout", "Cast"})
FLATTENING = frozenset({"Flatten", "Reshape", "Squeeze"})


class Graph:
    """A ModelProto one may ask who makes what."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._made_by = {name: node for node in model.graph.node for name in node.output if name}
        self._inputs = {each.name for each in model.graph.input}
        self._values = {each.name for each in model.graph.initializer}

    def maker(self, tensor: str) -> Any | None:
        """The node that computes a tensor; None for inputs and weights."""
        return self._made_by.get(tensor)

    def behind(self, tensor: str, operations: Iterable[str]) -> str:
        """The tensor from which this one came through these operations only, as far back as they reach."""
        passing = frozenset(operations)
        while (node := self.maker(tensor)) is not None and node.op_type in passing:
            tensor = node.input[0]
        return tensor

    def ancestors(self, tensors: Iterable[str]) -> set[str]:
        """Every tensor that these are computed from, and they themselves."""
        wanted = set(tensors)
        waiting = list(wanted)
        while waiting:
            node = self.maker(waiting.pop())
            fresh = set(_reads(node)) - wanted if node is not None else set()
            wanted |= fresh
            waiting += fresh
        return wanted

    def constant(self, tensor: str) -> NDArray[Any] | None:
        """The value of a tensor that does not depend on the picture; None for one that does."""
        from onnx import numpy_helper

        for each in self.model.graph.initializer:
            if each.name == tensor:
                return np.asarray(numpy_helper.to_array(each))
        reached = self.ancestors([tensor])
        if reached & (self._inputs - self._values) or self.maker(tensor) is None:
            return None
        return run(part(self.model, [tensor], inputs=False), {})[0]

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """An attribute's value."""
        from onnx import helper

        return next(
            (helper.get_attribute_value(each) for each in node.attribute if each.name == name), default
        )


def part(model: Any, outputs: Iterable[str], *, inputs: bool = True) -> Any:
    """A copy of the model that computes these tensors and nothing that they do not need."""
    import onnx
    from onnx import helper

    names = list(outputs)
    needed = Graph(model).ancestors(names)
    cut = onnx.ModelProto()
    cut.ir_version = model.ir_version
    cut.opset_import.extend(model.opset_import)
    graph = cut.graph
    graph.name = model.graph.name or "network"
    graph.node.extend(node for node in model.graph.node if any(name in needed for name in node.output))
    graph.initializer.extend(each for each in model.graph.initializer if each.name in needed)
    if inputs:
        values = {each.name for each in model.graph.initializer}
        graph.input.extend(each for each in model.graph.input if each.name not in values)
    known = {each.name: each for each in model.graph.output}
    graph.output.extend(known.get(name) or helper.make_empty_tensor_value_info(name) for name in names)
    return cut


def run(model: Any, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """What the model gives for these inputs, by the letter: ONNX Runtime with nothing optimised.

    What is served is optimised, and an optimisation may be wrong: 1.31 joins a Pad of zeros and a MaxPool into one
    that pads with minus infinity. Only a plain run can tell.

    Raises:
        UnsupportedNetwork: it cannot be run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return [np.asarray(each) for each in session.run(None, dict(feeds))]
    except Exception as error:  # its C++ raises kinds of its own, which share no base
        raise UnsupportedNetwork(
            f"ONNX Runtime cannot run it ({' '.join(str(error).split())[:200]})"
        ) from error


def _reads(node: Any) -> Iterable[str]:
    """What a node reads, the graphs inside it included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
        for graph in graphs:
            for inner in graph.node:
                yield from _reads(inner)
            yield from (output.name for output in graph.output)
