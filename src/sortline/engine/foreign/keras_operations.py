"""Arithmetic between tensors and numbers that Keras keeps as layers of their own: `inputs / 127.5 - 1`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortline.engine.foreign.keras_tensor import Tensor, as_plain, combined
from sortline.engine.foreign.writer import Writer

# By Keras 2's names of functions and by Keras 3's classes of operations.
_ARITHMETIC = {
    "math.add": "Add",
    "math.subtract": "Sub",
    "math.multiply": "Mul",
    "math.truediv": "Div",
    "math.divide": "Div",
    "__operators__.add": "Add",
    "__operators__.sub": "Sub",
    "__operators__.mul": "Mul",
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "TrueDivide": "Div",
    "Divide": "Div",
}


def operation(writer: Writer, layer: Mapping[str, Any], inputs: Sequence[Any]) -> Tensor | None:
    """What an operation gives; None where the layer is not one of these."""
    name = _operation_name(layer)
    if name not in _ARITHMETIC or len(inputs) != 2:
        return None
    tensors = [each for each in inputs if isinstance(each, Tensor)]
    if not tensors:
        return None
    if len(tensors) == 2:
        return combined(writer, _ARITHMETIC[name], tensors)
    # Numbers may be one for each channel, which come last in Keras' own order.
    one_each = any(np.size(each) > 1 for each in inputs if not isinstance(each, Tensor))
    tensor = as_plain(writer, tensors[0]) if one_each else tensors[0]
    sides = [
        tensor.name if isinstance(each, Tensor) else writer.constant(np.asarray(each, np.float32))
        for each in inputs
    ]
    return tensor._replace(name=writer.node(_ARITHMETIC[name], *sides))


def _operation_name(layer: Mapping[str, Any]) -> str:
    """Keras 3 has layers of the same names: on two tensors they do the same, and no layer takes a number."""
    kind = str(layer["class_name"])
    return str(layer["config"]["function"]) if kind == "TFOpLambda" else kind
