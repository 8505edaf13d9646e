"""A network's own graph, made ready for any number of pictures, and what it gives for drawn ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine import golden
from sortline.engine.foreign.entry import scaled
from sortline.engine.foreign.errors import UnsupportedNetwork
from sortline.engine.foreign.graph import Graph, part, run
from sortline.engine.foreign.network import Network
from sortline.engine.foreign.reading import Reading
from sortline.engine.head import Head

# Before the name of everything that is the network's own, so that a bundle's names are free.
PREFIX = "network/"
_TRIAL = Reading("signed")


class Body:
    """The graph while a bundle's outputs are sought and put on it."""

    def __init__(self, network: Network) -> None:
        import onnx
        from onnx import compose

        self.network = network
        copy = onnx.ModelProto()
        copy.CopyFrom(network.model)
        self.model: Any = compose.add_prefix(copy, PREFIX)
        del self.model.graph.value_info[:]
        _free_batch(self.model, network)
        _keep_zeros(self.model)

    def width(self, tensor: str) -> int:
        """How many values a picture has in a tensor, which must be the same for it alone and among others.

        Raises:
            UnsupportedNetwork: it is computed for one number of pictures only.
        """
        one = self.values(tensor, count=1)
        try:
            two = self.values(tensor, count=2)
        except UnsupportedNetwork:
            two = one
        if len(two) != 2 or not np.allclose(two[:1], one, rtol=1e-3, atol=1e-4):
            raise UnsupportedNetwork(
                f"it computes {self.network.batch or 1} picture(s) at a time only; export it with a free batch "
                "dimension (torch.onnx.export: dynamic_axes={'input': {0: 'N'}, 'output': {0: 'N'}})"
            )
        return int(one[0].size)

    def gives_probabilities(self, tensor: str) -> bool:
        """Whether what a tensor holds for drawn pictures adds up to one, or is one value between 0 and 1."""
        found = [self.values(tensor, reading=Reading(scale), count=4) for scale in ("signed", "raw")]
        values = np.concatenate(found).reshape(8, -1)
        inside = bool((values >= 0).all() and (values <= 1 + 1e-4).all())
        return inside and (values.shape[1] == 1 or bool(np.allclose(values.sum(axis=1), 1, atol=1e-3)))

    def is_head(self, logits: str, head: Head, embedding: str) -> bool:
        """Whether the logits are what this head makes of the embedding."""
        values, expected = self.values(embedding).reshape(2, -1), self.values(logits).reshape(2, -1)
        if values.shape[1] != head.weight.shape[1] or len(head.bias) != expected.shape[1]:
            return False
        return bool(np.allclose(values @ head.weight.T + head.bias, expected, rtol=1e-3, atol=1e-3))

    def is_mean(self, embedding: str, features: str, channels_last: bool) -> bool:
        """Whether the embedding is what it looks like: the mean of the features over all places."""
        mean, values = self.values(embedding), self.values(features)
        if values.ndim != 4:
            return False
        places = values.mean(axis=(1, 2) if channels_last else (2, 3))
        if places.size != mean.size:
            return False
        return bool(np.allclose(places, mean.reshape(places.shape), rtol=1e-2, atol=1e-3))

    def finish(self, nodes: Sequence[Any], constants: Sequence[Any], outputs: Sequence[str]) -> Any:
        """The graph with these nodes added, for these outputs alone."""
        from onnx import TensorProto, helper

        self.model.graph.node.extend(nodes)
        self.model.graph.initializer.extend(constants)
        self.model = part(self.model, outputs)
        shapes = [self.values(name).shape[1:] for name in outputs]
        del self.model.graph.output[:]
        self.model.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *(int(side) for side in shape)])
            for name, shape in zip(outputs, shapes, strict=True)
        )
        return self.model

    def values(self, tensor: str, *, reading: Reading = _TRIAL, count: int = 2) -> NDArray[np.float32]:
        """A tensor for drawn pictures, as float32.

        Raises:
            UnsupportedNetwork: it cannot be computed for so many.
        """
        pictures = golden.draw(self.network.size)[:count]
        feeds = {PREFIX + self.network.input: scaled(self.network, reading, pictures)}
        return run(part(self.model, [tensor]), feeds)[0].astype(np.float32)


def _free_batch(model: Any, network: Network) -> None:
    """Let the first dimension be any: where it is written into the input and into reshapes."""
    from onnx import helper, numpy_helper

    graph = Graph(model)
    (given,) = (each for each in model.graph.input if each.name == PREFIX + network.input)
    sides = [network.size, network.size]
    shape = [network.channels, *sides] if network.layout == "nchw" else [*sides, network.channels]
    given.CopyFrom(helper.make_tensor_value_info(given.name, given.type.tensor_type.elem_type, ["N", *shape]))
    for output in model.graph.output:
        output.CopyFrom(helper.make_empty_tensor_value_info(output.name))
    if network.batch is None:
        return
    for index, node in enumerate(model.graph.node):
        target = graph.constant(node.input[1]) if node.op_type == "Reshape" else None
        if target is None or target.size < 2 or int(target[0]) != network.batch:
            continue
        name = f"{PREFIX}free/{index}"
        # 0 is ONNX' word for: as it was.
        model.graph.initializer.append(numpy_helper.from_array(np.array([0, *target[1:]], np.int64), name))
        node.input[1] = name


def _keep_zeros(model: Any) -> None:
    """Keep ONNX Runtime from joining a Pad of zeros and a MaxPool: the result, up to 1.31 at least, pads with −∞."""
    from onnx import helper, numpy_helper

    graph, lowest = Graph(model), f"{PREFIX}lowest"
    for index, node in reversed(list(enumerate(model.graph.node))):
        padded = graph.maker(node.input[0]) if node.op_type == "MaxPool" else None
        if padded is None or padded.op_type != "Pad":
            continue
        before = graph.maker(padded.input[0])
        if before is not None and before.op_type == "Relu":  # nothing is below zero
            continue
        if not any(each.name == lowest for each in model.graph.initializer):
            value = np.asarray(np.finfo(np.float32).min, np.float32)
            model.graph.initializer.append(numpy_helper.from_array(value, lowest))
        kept = f"{node.output[0]}/kept"
        model.graph.node.insert(index, helper.make_node("Max", [node.input[0], lowest], [kept]))
        model.graph.node[index + 1].input[0] = kept
