"""From a photo's bytes to a network's input, once inside the graph and once in numpy to hold it against."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.network import Network
from sortline.engine.foreign.reading import SCALINGS, Reading

# Rec. 601, as Pillow turns a picture grey.
_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)
_NUMPY = {
    "FLOAT": np.float32,
    "FLOAT16": np.float16,
    "DOUBLE": np.float64,
    "UINT8": np.uint8,
    "INT8": np.int8,
}
# A quantised network that takes signed bytes has 0..255 at −128..127.
_SIGNED = np.array(128, np.float32)


def entry(network: Network, reading: Reading, output: str) -> tuple[list[Any], list[Any]]:
    """Nodes and constants that turn `images`, uint8 RGB (N, S, S, 3), into the network's input."""
    from onnx import TensorProto, helper, numpy_helper

    steps: list[tuple[str, NDArray[Any] | None, dict[str, Any]]] = [("Cast", None, {"to": TensorProto.FLOAT})]
    if network.channels == 1:
        steps.append(("MatMul", _LUMA, {}))
    elif reading.colour == "bgr":
        steps.append(("Gather", np.array([2, 1, 0], np.int64), {"axis": 3}))
    if network.scaled:
        scale, shift = _affine(network, reading)
        steps += [("Mul", scale, {}), ("Add", shift, {})]
    elif network.element == "INT8":
        steps.append(("Sub", _SIGNED, {}))
    if network.layout == "nchw":
        steps.append(("Transpose", None, {"perm": [0, 3, 1, 2]}))
    steps.append(("Cast", None, {"to": TensorProto.DataType.Value(network.element)}))
    nodes, constants, tensor = [], [], "images"
    for index, (operation, value, attributes) in enumerate(steps):
        inputs, result = [tensor], output if index == len(steps) - 1 else f"entry/{index}"
        if value is not None:
            inputs.append(f"entry/{index}/value")
            constants.append(numpy_helper.from_array(value, inputs[1]))
        nodes.append(helper.make_node(operation, inputs, [result], **attributes))
        tensor = result
    return nodes, constants


def scaled(network: Network, reading: Reading, pictures: NDArray[np.uint8]) -> NDArray[Any]:
    """The network's input for pictures (N, S, S, 3), step by step as its makers' own code would do it."""
    values: NDArray[np.floating] = pictures.astype(np.float32)
    if network.channels == 1:
        values = values @ _LUMA
    if network.scaled:
        scaling = SCALINGS[reading.scale]
        mean = np.array(scaling.mean, np.float32)[: network.channels]
        std = np.array(scaling.std, np.float32)[: network.channels]
        values = (values / 255 - mean) / std
    elif network.element == "INT8":
        values = values - _SIGNED
    if network.channels == 3 and reading.colour == "bgr":
        values = values[..., ::-1]
    if network.layout == "nchw":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, _NUMPY[network.element])


def _affine(network: Network, reading: Reading) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(x / 255 − mean) / std as one multiplication and one addition, in the order the channels have by then."""
    scaling = SCALINGS[reading.scale]
    mean, std = np.array(scaling.mean)[: network.channels], np.array(scaling.std)[: network.channels]
    if network.channels == 3 and reading.colour == "bgr":
        mean, std = mean[::-1], std[::-1]
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
