"""Networks as others make them, drawn with onnx.helper, and labelled photos that one of them was made for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

SIDE = 32
CLASSES = ("red", "blue", "dim")


def network(
    *,
    layout: str = "nchw",
    end: str = "Softmax",
    batch: int | str = "N",
    side: int | str = SIDE,
    channels: int = 3,
    element: int = TensorProto.FLOAT,
    outputs: int = 3,
    opset: int = 17,
    kernel: npt.NDArray[Any] | None = None,
    weight: npt.NDArray[Any] | None = None,
    before: Sequence[Any] = (),
) -> ModelProto:
    """Input → (turned to channels first) → 1 x 1 convolution, ReLU, global mean, linear head → `end`.

    `end` is Softmax, LogSoftmax, Sigmoid, nothing for logits, or Hardmax-like "Normalised" for probabilities that no
    softmax makes. `before` are nodes from "input" to "given".
    """
    draw = np.random.default_rng(1)
    kernel = draw.normal(size=(4, channels, 1, 1)) if kernel is None else kernel
    weight = draw.normal(size=(outputs, len(kernel))) if weight is None else weight
    constants = {"kernel": kernel, "weight": weight, "bias": draw.normal(size=len(weight)) * 0.1}
    shape = [batch, channels, side, side] if layout == "nchw" else [batch, side, side, channels]
    tensor, nodes = "given" if before else "input", list(before)

    def add(operation: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [f"t{len(nodes)}"], **attributes))
        return f"t{len(nodes) - 1}"

    if element != TensorProto.FLOAT:
        tensor = add("Cast", tensor, to=TensorProto.FLOAT)
    if layout == "nhwc":
        tensor = add("Transpose", tensor, perm=[0, 3, 1, 2])
    tensor = add("GlobalAveragePool", add("Relu", add("Conv", tensor, "kernel")))
    if isinstance(batch, int):  # as exporters write it that know one batch size
        constants["shape"] = np.array([batch, len(kernel)])
        tensor = add("Reshape", tensor, "shape")
    else:
        tensor = add("Flatten", tensor)
    tensor = add("Gemm", tensor, "weight", "bias", transB=1)
    if end == "Normalised":
        square = add("Mul", tensor, tensor)
        ones = np.ones((outputs, outputs))
        constants["ones"] = ones
        tensor = add("Div", square, add("MatMul", square, "ones"))
    elif end:
        tensor = add(end, tensor, **({} if end == "Sigmoid" else {"axis": 1}))
    nodes.append(helper.make_node("Identity", [tensor], ["output"]))
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("input", element, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, len(weight)])],
        [
            numpy_helper.from_array(v.astype(np.int64 if v.dtype.kind == "i" else np.float32), n)
            for n, v in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model


def particular() -> ModelProto:
    """A network made for BGR at −1 to 1 and for the centre square: it tells `CLASSES` apart on `write_photos` and, read
    in any other way, takes red for blue, or sees nothing dim.
    """
    red_less_blue, blue_less_red, dark = (-1, 0, 1), (1, 0, -1), (-1 / 3, -1 / 3, -1 / 3)
    kernel = np.array([red_less_blue, blue_less_red, dark]).reshape(3, 3, 1, 1)
    return network(kernel=kernel, weight=np.diag([30.0, 30.0, 40.0]))


def write_photos(folder: Path, each: int = 10) -> Path:
    """Photos in a folder for each class: a hue around middle grey, and beside the centre square what is
    bright for the dim ones and dark for the others.
    """
    draw = np.random.default_rng(5)
    tints = {"red": (140, 135, 130), "blue": (130, 135, 140), "dim": (120, 120, 120)}
    for name, colour in tints.items():
        (folder / name).mkdir(parents=True)
        for index in range(each):
            pixels = np.empty((40, 60, 3))
            pixels[:] = 235 if name == "dim" else 20
            pixels[:, 10:50] = colour
            pixels += draw.normal(0, 2, pixels.shape)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


def save(model: ModelProto, path: Path) -> Path:
    """The network as a file."""
    path.write_bytes(model.SerializeToString())
    return path
