"""OpenVINO's operations as ONNX': each takes an operation with its inputs and gives the names of its outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.errors import UnsupportedLayer
from sortline.engine.foreign.writer import Writer

# OpenVINO's element types by ONNX' names.
ELEMENTS = {
    "f32": "FLOAT",
    "f16": "FLOAT16",
    "f64": "DOUBLE",
    "u8": "UINT8",
    "i8": "INT8",
    "i32": "INT32",
    "i64": "INT64",
    "boolean": "BOOL",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: OpenVINO's node, the tensors it takes, and where its translation is written."""

    writer: Writer
    node: Any
    inputs: tuple[str, ...]

    @property
    def attributes(self) -> dict[str, Any]:
        """What it is configured with."""
        return dict(self.node.get_attributes())

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an input."""
        return tuple(int(side) for side in self.node.input_value(index).get_partial_shape().to_shape())

    def constant(self, index: int) -> NDArray[Any]:
        """The value of an input that must be known."""
        source = self.node.input_value(index).get_node()
        if source.get_type_name() != "Constant":
            raise self.refuse("what it is told is computed")
        return np.asarray(source.get_data())

    def integers(self, index: int) -> list[int]:
        """The values of an input of whole numbers, in a list."""
        return [int(value) for value in self.constant(index).reshape(-1)]

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """One more node; the name of its output."""
        return self.writer.node(operation, *inputs, **attributes)

    def number(self, value: float, like: int = 0) -> str:
        """A constant of the element type of an input."""
        element = self.node.input_value(like).get_element_type()
        return self.writer.constant(np.asarray(value, element.to_dtype()))

    def refuse(self, why: str) -> UnsupportedLayer:
        """The error that names this operation."""
        return UnsupportedLayer(self.node.get_type_name(), self.node.get_friendly_name(), why)


Translate = Callable[[Operation], list[str]]


def _constant(op: Operation) -> list[str]:
    value = np.asarray(op.node.get_data())
    if value.dtype.name not in ("float32", "float16", "float64", "int8", "uint8", "int32", "int64", "bool"):
        raise op.refuse(f"its values are of the type {value.dtype.name}")
    return [op.writer.constant(value)]


def _convert(op: Operation) -> list[str]:
    from onnx import TensorProto

    target = op.attributes["destination_type"]
    if target not in ELEMENTS:
        raise op.refuse(f"it converts to {target}")
    return [op.add("Cast", op.inputs[0], to=TensorProto.DataType.Value(ELEMENTS[target]))]


def _same(operation: str, op: Operation) -> list[str]:
    return [op.add(operation, *op.inputs)]


def _convolution(op: Operation) -> list[str]:
    return [op.add("Conv", *op.inputs, **_window(op), dilations=list(op.attributes["dilations"]))]


def _group_convolution(op: Operation) -> list[str]:
    groups, outs, *rest = op.shape(1)
    kernel = op.add("Reshape", op.inputs[1], op.writer.integers(groups * outs, *rest))
    dilations = list(op.attributes["dilations"])
    return [op.add("Conv", op.inputs[0], kernel, **_window(op), dilations=dilations, group=groups)]


def _average_pool(op: Operation) -> list[str]:
    counted = 0 if op.attributes.get("exclude-pad", op.attributes.get("exclude_pad")) else 1
    return [op.add("AveragePool", op.inputs[0], **_window(op), **_pool(op), count_include_pad=counted)]


def _max_pool(op: Operation) -> list[str]:
    if op.node.get_output_size() > 1 and list(op.node.output(1).get_target_inputs()):
        raise op.refuse("its second output is used")
    return [op.add("MaxPool", op.inputs[0], **_window(op), **_pool(op))]


def _pool(op: Operation) -> dict[str, Any]:
    rounding = str(op.attributes.get("rounding_type", "floor"))
    if rounding not in ("floor", "ceil"):
        raise op.refuse(f"it rounds by {rounding}")
    return {"kernel_shape": list(op.attributes["kernel"]), "ceil_mode": int(rounding == "ceil")}


def _window(op: Operation) -> dict[str, Any]:
    """Strides and pads; OpenVINO keeps the pads that its own rule came to."""
    attributes = op.attributes
    strides = list(attributes["strides"])
    padding = str(attributes["auto_pad"])
    if padding in ("same_upper", "same_lower", "valid"):
        return {"strides": strides, "auto_pad": padding.upper()}
    return {"strides": strides, "pads": [*attributes["pads_begin"], *attributes["pads_end"]]}


def _matmul(op: Operation) -> list[str]:
    sides = []
    for index, turned in enumerate((op.attributes["transpose_a"], op.attributes["transpose_b"])):
        rank = len(op.shape(index))
        order = [*range(rank - 2), rank - 1, rank - 2]
        sides.append(
            op.add("Transpose", op.inputs[index], perm=order) if turned and rank > 1 else op.inputs[index]
        )
    return [op.add("MatMul", *sides)]


def _clamp(op: Operation) -> list[str]:
    low, high = (op.number(float(op.attributes[side])) for side in ("min", "max"))
    return [op.add("Clip", op.inputs[0], low, high)]


def _swish(op: Operation) -> list[str]:
    slope = op.add("Mul", *op.inputs) if len(op.inputs) > 1 else op.inputs[0]
    return [op.add("Mul", op.inputs[0], op.add("Sigmoid", slope))]


def _gelu(op: Operation) -> list[str]:
    x = op.inputs[0]
    if str(op.attributes.get("approximation_mode", "ERF")).upper() == "TANH":
        cube = op.add("Mul", op.add("Mul", op.add("Mul", x, x), x), op.number(0.044715))
        inner = op.add("Tanh", op.add("Mul", op.add("Add", x, cube), op.number((2 / np.pi) ** 0.5)))
    else:
        inner = op.add("Erf", op.add("Mul", x, op.number(0.5**0.5)))
    return [op.add("Mul", op.add("Mul", x, op.add("Add", inner, op.number(1.0))), op.number(0.5))]


def _hard_sigmoid(op: Operation) -> list[str]:
    if len(op.inputs) == 1:  # HSigmoid: its slope is fixed
        return [op.add("HardSigmoid", op.inputs[0], alpha=1 / 6, beta=0.5)]
    alpha, beta = float(op.constant(1)), float(op.constant(2))
    return [op.add("HardSigmoid", op.inputs[0], alpha=alpha, beta=beta)]


def _mish(op: Operation) -> list[str]:
    return [op.add("Mul", op.inputs[0], op.add("Tanh", op.add("Softplus", op.inputs[0])))]


def _elu(op: Operation) -> list[str]:
    return [op.add("Elu", op.inputs[0], alpha=float(op.attributes["alpha"]))]


def _squared_difference(op: Operation) -> list[str]:
    difference = op.add("Sub", *op.inputs)
    return [op.add("Mul", difference, difference)]


def _over_axis(operation: str, op: Operation) -> list[str]:
    return [op.add(operation, op.inputs[0], axis=int(op.attributes["axis"]))]


def _reduce(operation: str, op: Operation) -> list[str]:
    keep, axes = int(bool(op.attributes["keep_dims"])), op.integers(1)
    if operation == "ReduceSum":  # the only one whose axes are an input in our opset
        return [op.add(operation, op.inputs[0], op.writer.integers(*axes), keepdims=keep)]
    return [op.add(operation, op.inputs[0], axes=axes, keepdims=keep)]


def _normalise(op: Operation) -> list[str]:
    """MVN: less the mean, and by the deviation where asked."""
    axes, attributes = op.integers(1), op.attributes
    centred = op.add("Sub", op.inputs[0], op.add("ReduceMean", op.inputs[0], axes=axes, keepdims=1))
    if not attributes["normalize_variance"]:
        return [centred]
    variance = op.add("ReduceMean", op.add("Mul", centred, centred), axes=axes, keepdims=1)
    epsilon = op.number(float(attributes["eps"]))
    if str(attributes["eps_mode"]).lower() == "inside_sqrt":
        return [op.add("Div", centred, op.add("Sqrt", op.add("Add", variance, epsilon)))]
    return [op.add("Div", centred, op.add("Add", op.add("Sqrt", variance), epsilon))]


def _transpose(op: Operation) -> list[str]:
    order = op.integers(1) or list(reversed(range(len(op.shape(0)))))
    return [op.add("Transpose", op.inputs[0], perm=order)]


def _reshape(op: Operation) -> list[str]:
    shape = [int(side) for side in op.node.get_output_partial_shape(0).to_shape()]
    return [op.add("Reshape", op.inputs[0], op.writer.integers(*shape))]


def _shape_of(op: Operation) -> list[str]:
    dtype = op.node.get_output_element_type(0).to_dtype()
    return [op.writer.constant(np.array(op.shape(0), dtype))]


def _broadcast(op: Operation) -> list[str]:
    shape = [int(side) for side in op.node.get_output_partial_shape(0).to_shape()]
    return [op.add("Expand", op.inputs[0], op.writer.integers(*shape))]


def _squeeze(operation: str, op: Operation) -> list[str]:
    if len(op.inputs) < 2:
        return [op.add(operation, op.inputs[0])]
    return [op.add(operation, op.inputs[0], op.writer.integers(*op.integers(1)))]


def _split(op: Operation) -> list[str]:
    axis = op.integers(1)[0]
    if op.node.get_type_name() == "VariadicSplit":
        lengths = [
            int(op.node.get_output_partial_shape(i).to_shape()[axis])
            for i in range(op.node.get_output_size())
        ]
    else:
        count = int(op.attributes["num_splits"])
        lengths = [op.shape(0)[axis] // count] * count
    starts = np.cumsum([0, *lengths])
    return [
        op.add("Slice", op.inputs[0], *(op.writer.integers(int(each)) for each in (start, end, axis)))
        for start, end in pairwise(starts)
    ]


def _strided_slice(op: Operation) -> list[str]:
    masks = {
        name: list(op.attributes.get(f"{name}_mask") or [])
        for name in ("begin", "end", "new_axis", "ellipsis")
    }
    shrink = list(op.attributes.get("shrink_axis_mask") or [])
    if any(masks["new_axis"]) or any(masks["ellipsis"]):
        raise op.refuse("it adds dimensions")
    begin, end = op.integers(1), op.integers(2)
    steps = op.integers(3) if len(op.inputs) > 3 else [1] * len(begin)
    far = np.iinfo(np.int32).max
    for axis, step in enumerate(steps):
        if axis < len(shrink) and shrink[axis]:
            end[axis] = begin[axis] + 1 if begin[axis] != -1 else far
            continue
        if axis < len(masks["begin"]) and masks["begin"][axis]:
            begin[axis] = 0 if step > 0 else far
        if axis < len(masks["end"]) and masks["end"][axis]:
            end[axis] = far if step > 0 else -far
    bounds = [op.writer.integers(*each) for each in (begin, end, list(range(len(begin))), steps)]
    name = op.add("Slice", op.inputs[0], *bounds)
    dropped = [axis for axis, gone in enumerate(shrink) if gone]
    return [op.add("Squeeze", name, op.writer.integers(*dropped)) if dropped else name]


def _gather(op: Operation) -> list[str]:
    if int(op.attributes.get("batch_dims", 0)):
        raise op.refuse("it gathers for each picture by itself")
    return [op.add("Gather", op.inputs[0], op.inputs[1], axis=op.integers(2)[0])]


def _concat(op: Operation) -> list[str]:
    return [op.add("Concat", *op.inputs, axis=int(op.attributes["axis"]))]


def _pad(op: Operation) -> list[str]:
    mode = str(op.attributes["pad_mode"]).lower()
    if mode not in ("constant", "reflect", "edge"):
        raise op.refuse(f"it pads by {mode}")
    pads = op.writer.integers(*op.integers(1), *op.integers(2))
    value = [op.inputs[3]] if mode == "constant" and len(op.inputs) > 3 else []
    return [op.add("Pad", op.inputs[0], pads, *value, mode=mode)]


def _fake_quantise(op: Operation) -> list[str]:
    """Values rounded to one of `levels` between two bounds, as a quantised network keeps them.

    Not by QuantizeLinear: runtimes then compute in 8 bits, which on processors without VNNI is off by a tenth.
    """
    low, high, out_low, out_high = (op.constant(index).astype(np.float64) for index in range(1, 5))
    steps = int(op.attributes["levels"]) - 1

    def number(values: NDArray[np.float64]) -> str:
        return op.writer.constant(values.astype(np.float32))

    inside = op.add("Min", op.add("Max", op.inputs[0], number(low)), number(high))
    level = op.add("Round", op.add("Mul", op.add("Sub", inside, number(low)), number(steps / (high - low))))
    return [op.add("Add", op.add("Mul", level, number((out_high - out_low) / steps)), number(out_low))]


_SAME = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Power": "Pow",
    "Relu": "Relu",
    "PRelu": "PRelu",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
    "Exp": "Exp",
    "Log": "Log",
    "Sqrt": "Sqrt",
    "Abs": "Abs",
    "Negative": "Neg",
    "Floor": "Floor",
    "Ceiling": "Ceil",
    "Erf": "Erf",
    "HSwish": "HardSwish",
    "SoftPlus": "Softplus",
    "Slice": "Slice",
}

OPERATIONS: dict[str, Translate] = {name: partial(_same, onnx) for name, onnx in _SAME.items()} | {
    "Constant": _constant,
    "Convert": _convert,
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "AvgPool": _average_pool,
    "MaxPool": _max_pool,
    "MatMul": _matmul,
    "Clamp": _clamp,
    "Swish": _swish,
    "Gelu": _gelu,
    "HSigmoid": _hard_sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "Mish": _mish,
    "Elu": _elu,
    "SquaredDifference": _squared_difference,
    "Softmax": partial(_over_axis, "Softmax"),
    "LogSoftmax": partial(_over_axis, "LogSoftmax"),
    "ReduceMean": partial(_reduce, "ReduceMean"),
    "ReduceMax": partial(_reduce, "ReduceMax"),
    "ReduceMin": partial(_reduce, "ReduceMin"),
    "ReduceProd": partial(_reduce, "ReduceProd"),
    "ReduceSum": partial(_reduce, "ReduceSum"),
    "MVN": _normalise,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Broadcast": _broadcast,
    "ShapeOf": _shape_of,
    "Squeeze": partial(_squeeze, "Squeeze"),
    "Unsqueeze": partial(_squeeze, "Unsqueeze"),
    "Split": _split,
    "VariadicSplit": _split,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "Concat": _concat,
    "Pad": _pad,
    "FakeQuantize": _fake_quantise,
}
