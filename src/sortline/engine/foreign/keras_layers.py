"""Keras' layers as ONNX operations: each takes a writer, the layer and its input tensors, and gives its output."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sortline.engine.foreign import keras_activations as activations
from sortline.engine.foreign.keras_activations import activate
from sortline.engine.foreign.keras_tensor import Layer, Tensor, as_plain, as_planes, combined, scaled
from sortline.engine.foreign.writer import Writer

Apply = Callable[[Writer, Layer, Sequence[Tensor]], Tensor]


def weight_names(kind: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a layer's weights in the order Keras keeps them."""
    bias = ("bias",) if config.get("use_bias", True) else ()
    gamma = ("gamma",) if config.get("scale", True) else ()
    beta = ("beta",) if config.get("center", True) else ()
    if kind == "Normalization" and config.get("mean") is not None:
        return ()
    return {
        "Conv2D": ("kernel", *bias),
        "DepthwiseConv2D": ("kernel", *bias),
        "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", *bias),
        "Dense": ("kernel", *bias),
        "BatchNormalization": (*gamma, *beta, "moving_mean", "moving_variance"),
        "LayerNormalization": (*gamma, *beta),
        "Normalization": ("mean", "variance"),
        "PReLU": ("alpha",),
        "LayerScale": ("gamma",),
    }.get(kind, ())


def _convolution(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    groups = int(layer.config.get("groups", 1))
    kernel = layer.weights["kernel"].transpose(3, 2, 0, 1)  # (h, w, in, out) → (out, in, h, w)
    result = _convolve(writer, layer, inputs[0], kernel, layer.weights.get("bias"), groups)
    return activate(writer, layer, result, layer.config.get("activation"))


def _depthwise(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    kernel = _depthwise_kernel(layer.weights["kernel"])
    result = _convolve(writer, layer, inputs[0], kernel, layer.weights.get("bias"), inputs[0].shape[-1])
    return activate(writer, layer, result, layer.config.get("activation"))


def _separable(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    depthwise = _depthwise_kernel(layer.weights["depthwise_kernel"])
    middle = _convolve(writer, layer, inputs[0], depthwise, None, inputs[0].shape[-1])
    pointwise = layer.weights["pointwise_kernel"].transpose(3, 2, 0, 1)
    plain = Layer(layer.name, {}, {}, layer.version)
    result = _convolve(writer, plain, middle, pointwise, layer.weights.get("bias"), 1)
    return activate(writer, layer, result, layer.config.get("activation"))


def _depthwise_kernel(kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(h, w, in, multiplier) → (in · multiplier, 1, h, w), a channel's outputs side by side."""
    height, width, channels, multiplier = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)


def _convolve(
    writer: Writer, layer: Layer, tensor: Tensor, kernel: np.ndarray[Any, Any], bias: Any, groups: int
) -> Tensor:
    tensor = as_planes(writer, tensor)
    window = _Window(layer, kernel.shape[2:])
    names = [tensor.name, writer.constant(np.ascontiguousarray(kernel))]
    if bias is not None:
        names.append(writer.constant(bias))
    name = writer.node(
        "Conv",
        *names,
        strides=window.strides,
        dilations=window.dilations,
        group=groups,
        pads=window.pads(tensor.shape),
    )
    return Tensor(name, (*window.sides(tensor.shape), len(kernel)), True)


def _max_pooling(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return _pool(writer, layer, inputs[0], "MaxPool", {})


def _average_pooling(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return _pool(writer, layer, inputs[0], "AveragePool", {"count_include_pad": 0})


def _pool(writer: Writer, layer: Layer, tensor: Tensor, operation: str, options: Mapping[str, Any]) -> Tensor:
    tensor = as_planes(writer, tensor)
    size = _pair(layer.config["pool_size"])
    window = _Window(layer, size)
    name = writer.node(
        operation,
        tensor.name,
        kernel_shape=list(size),
        strides=window.strides,
        pads=window.pads(tensor.shape),
        **options,
    )
    return Tensor(name, (*window.sides(tensor.shape), tensor.shape[-1]), True)


class _Window:
    """How a kernel moves over a picture, as a layer is configured."""

    def __init__(self, layer: Layer, kernel: Sequence[int]) -> None:
        config = layer.config
        given = config.get("strides")
        self.strides = _pair(given if given is not None else config.get("pool_size", 1))
        self.dilations = _pair(config.get("dilation_rate", 1))
        self._same = config.get("padding", "valid") == "same"
        if config.get("padding", "valid") not in ("same", "valid"):
            raise layer.refuse("layer", f"it has the padding {config['padding']!r}")
        self._reach = [(k - 1) * d + 1 for k, d in zip(kernel, self.dilations, strict=True)]

    def sides(self, shape: Sequence[int]) -> tuple[int, int]:
        """Height and width of the output for an input (H, W, C)."""
        height, width = (
            math.ceil(side / stride) if self._same else (side - reach) // stride + 1
            for side, stride, reach in zip(shape[:2], self.strides, self._reach, strict=True)
        )
        return height, width

    def pads(self, shape: Sequence[int]) -> list[int]:
        """Rows and columns added: top, left, bottom, right. TensorFlow puts the odd one at the end."""
        if not self._same:
            return [0, 0, 0, 0]
        before, after = [], []
        for side, stride, reach, out in zip(
            shape[:2], self.strides, self._reach, self.sides(shape), strict=True
        ):
            total = max((out - 1) * stride + reach - side, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after


def _global_average(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return _global(writer, layer, inputs[0], "GlobalAveragePool")


def _global_max(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return _global(writer, layer, inputs[0], "GlobalMaxPool")


def _global(writer: Writer, layer: Layer, tensor: Tensor, operation: str) -> Tensor:
    pooled = writer.node(operation, as_planes(writer, tensor).name)
    channels = tensor.shape[-1]
    if layer.config.get("keepdims"):
        return Tensor(pooled, (1, 1, channels), True)
    return Tensor(writer.node("Flatten", pooled, axis=1), (channels,), False)


def _dense(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_plain(writer, inputs[0])
    kernel, bias = layer.weights["kernel"], layer.weights.get("bias")
    name = writer.node("MatMul", tensor.name, writer.constant(kernel))
    if bias is not None:
        name = writer.node("Add", name, writer.constant(bias))
    result = Tensor(name, (*tensor.shape[:-1], kernel.shape[1]), False)
    return activate(writer, layer, result, layer.config.get("activation"))


def _batch_normalization(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    if axis not in (-1, len(inputs[0].shape)):
        raise layer.refuse("BatchNormalization", f"it is over the axis {axis}, not the last")
    mean, variance = layer.weights["moving_mean"], layer.weights["moving_variance"]
    scale = layer.weights.get("gamma", np.ones_like(mean))
    shift = layer.weights.get("beta", np.zeros_like(mean))
    epsilon = float(layer.config.get("epsilon", 1e-3))
    tensor = inputs[0]
    if tensor.planes:
        # Runtimes fold it into the convolution before it.
        values = [writer.constant(each) for each in (scale, shift, mean, variance)]
        return Tensor(
            writer.node("BatchNormalization", tensor.name, *values, epsilon=epsilon), tensor.shape, True
        )
    factor = scale / np.sqrt(variance + epsilon)
    return scaled(writer, tensor, factor, shift - mean * factor)


def _layer_normalization(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_plain(writer, inputs[0])
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(tensor.shape)):
        raise layer.refuse("LayerNormalization", f"it is over the axes {axis}, not the last")
    width = tensor.shape[-1]
    gamma = layer.weights.get("gamma", np.ones(width, np.float32))
    beta = layer.weights.get("beta", np.zeros(width, np.float32))
    epsilon = float(layer.config.get("epsilon", 1e-3))
    values = [writer.constant(gamma), writer.constant(beta)]
    return tensor._replace(
        name=writer.node("LayerNormalization", tensor.name, *values, axis=-1, epsilon=epsilon)
    )


def _normalization(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    if layer.config.get("mean") is not None:
        mean, variance = (np.asarray(layer.config[each], np.float32) for each in ("mean", "variance"))
    elif {"mean", "variance"} <= set(layer.weights):
        mean, variance = layer.weights["mean"], layer.weights["variance"]
    else:
        raise layer.refuse("Normalization", "the file has no weights for it")
    if layer.config.get("invert"):
        raise layer.refuse("Normalization", "it is inverted")
    mean = mean.reshape(-1)
    deviation = np.maximum(np.sqrt(variance.reshape(-1)), np.float32(1e-7))
    return scaled(writer, inputs[0], np.reciprocal(deviation), -mean / deviation)


def _rescaling(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    scale, offset = (
        np.asarray(layer.config.get(k, d), np.float32) for k, d in (("scale", 1.0), ("offset", 0.0))
    )
    return scaled(writer, inputs[0], scale, offset)


def _layer_scale(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    gamma = layer.weights["gamma"]
    return scaled(writer, inputs[0], gamma, np.zeros_like(gamma))


def _zero_padding(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_planes(writer, inputs[0])
    (top, bottom), (left, right) = _sides(layer.config["padding"])
    name = writer.node("Pad", tensor.name, writer.integers(0, 0, top, left, 0, 0, bottom, right))
    height, width, channels = tensor.shape
    return Tensor(name, (height + top + bottom, width + left + right, channels), True)


def _cropping(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_planes(writer, inputs[0])
    (top, bottom), (left, right) = _sides(layer.config["cropping"])
    height, width, channels = tensor.shape
    bounds = [
        writer.integers(top, left),
        writer.integers(height - bottom, width - right),
        writer.integers(2, 3),
    ]
    name = writer.node("Slice", tensor.name, *bounds)
    return Tensor(name, (height - top - bottom, width - left - right, channels), True)


def _flatten(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_plain(writer, inputs[0])
    if len(tensor.shape) == 1:
        return tensor
    return Tensor(writer.node("Flatten", tensor.name, axis=1), (math.prod(tensor.shape),), False)


def _reshape(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_plain(writer, inputs[0])
    wanted = [int(side) for side in layer.config["target_shape"]]
    known = math.prod(side for side in wanted if side != -1)
    shape = tuple(math.prod(tensor.shape) // max(known, 1) if side == -1 else side for side in wanted)
    return Tensor(writer.node("Reshape", tensor.name, writer.integers(-1, *shape)), shape, False)


def _concatenate(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    rank = len(inputs[0].shape)
    axis = int(layer.config.get("axis", -1))
    axis = (axis if axis < 0 else axis - rank - 1) + rank  # among Keras' dimensions without the batch
    tensors = [as_planes(writer, each) if rank == 3 else as_plain(writer, each) for each in inputs]
    position = (2, 3, 1)[axis] if rank == 3 else axis + 1
    shape = list(inputs[0].shape)
    shape[axis] = sum(each.shape[axis] for each in inputs)
    return Tensor(
        writer.node("Concat", *(each.name for each in tensors), axis=position), tuple(shape), rank == 3
    )


def _average(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    total = combined(writer, "Add", inputs)
    share = writer.constant(1 / len(inputs))
    return Tensor(writer.node("Mul", total.name, share), total.shape, total.planes)


def _elementwise(operation: str) -> Apply:
    return lambda writer, layer, inputs: combined(writer, operation, inputs)


def _activation(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return activate(writer, layer, inputs[0], layer.config["activation"])


def _relu(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    if layer.config.get("threshold"):
        raise layer.refuse("ReLU", "it has a threshold")
    return inputs[0]._replace(name=activations.relu(writer, inputs[0].name, layer.config))


def _leaky_relu(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    # The layer's slope is 0.3 where nothing is said; the activation of that name has 0.2.
    options = {"negative_slope": 0.3, **{k: v for k, v in layer.config.items() if k == "negative_slope"}}
    options |= {"negative_slope": layer.config["alpha"]} if "alpha" in layer.config else {}
    return inputs[0]._replace(name=activations.leaky_relu(writer, inputs[0].name, options))


def _elu(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0]._replace(name=activations.elu(writer, inputs[0].name, layer.config))


def _prelu(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    tensor = as_plain(writer, inputs[0])
    return tensor._replace(name=writer.node("PRelu", tensor.name, writer.constant(layer.weights["alpha"])))


def _softmax(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    if layer.config.get("axis", -1) not in (-1, [-1], len(inputs[0].shape)):
        raise layer.refuse("Softmax", "it is not over the last axis")
    return activations.softmax(writer, inputs[0])


def _nothing(writer: Writer, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
    """What acts in training alone."""
    return inputs[0]


def _pair(value: Any) -> list[int]:
    return [int(each) for each in value] if isinstance(value, Sequence) else [int(value), int(value)]


def _sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from one number, one for each direction, or one for each side."""
    rows, columns = value if isinstance(value, Sequence) else (value, value)
    top, bottom = rows if isinstance(rows, Sequence) else (rows, rows)
    left, right = columns if isinstance(columns, Sequence) else (columns, columns)
    return (int(top), int(bottom)), (int(left), int(right))


# Random* but for RandomCrop, which crops in use, too.
_TRAINING_ONLY = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "RandomBrightness",
        "RandomContrast",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
        "SpatialDropout2D",
        "StochasticDepth",
    }
)

LAYERS: dict[str, Apply] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "LayerScale": _layer_scale,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _average_pooling,
    "GlobalAveragePooling2D": _global_average,
    "GlobalMaxPooling2D": _global_max,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    "Add": _elementwise("Add"),
    "Subtract": _elementwise("Sub"),
    "Multiply": _elementwise("Mul"),
    "Maximum": _elementwise("Max"),
    "Minimum": _elementwise("Min"),
    "Average": _average,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "PReLU": _prelu,
    "Softmax": _softmax,
} | dict.fromkeys(_TRAINING_ONLY, _nothing)
