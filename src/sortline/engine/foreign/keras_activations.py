"""Keras' activations, by name."""

from collections.abc import Callable, Mapping
from typing import Any

from sortline.engine.foreign.keras_tensor import Layer, Tensor
from sortline.engine.foreign.writer import Writer


def activate(writer: Writer, layer: Layer, tensor: Tensor, given: Any) -> Tensor:
    """The activation that a layer's configuration names, of a tensor.

    Raises:
        UnsupportedLayer: it is not one of Keras' own.
    """
    name, options = _named(given)
    if name == "softmax":
        return softmax(writer, tensor)
    if name == "hard_sigmoid":
        # Keras 3 took over PyTorch's slope.
        slope = 1 / 6 if layer.version >= 3 else 0.2
        return _as(tensor, writer.node("HardSigmoid", tensor.name, alpha=slope, beta=0.5))
    if name not in _ACTIVATIONS:
        raise layer.refuse(
            f"layer with the activation {name!r}", "it is not one of those that Sortline translates"
        )
    return _as(tensor, _ACTIVATIONS[name](writer, tensor.name, options))


def softmax(writer: Writer, tensor: Tensor) -> Tensor:
    """Softmax over the channels."""
    return _as(tensor, writer.node("Softmax", tensor.name, axis=1 if tensor.planes else -1))


def relu(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    """Zero below, perhaps a small slope instead, perhaps a ceiling."""
    slope, ceiling = float(options.get("negative_slope") or 0), options.get("max_value")
    result = writer.node("LeakyRelu", name, alpha=slope) if slope else writer.node("Relu", name)
    return result if ceiling is None else writer.node("Min", result, writer.constant(float(ceiling)))


def relu6(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    """Between 0 and 6."""
    return writer.node("Clip", name, writer.constant(0.0), writer.constant(6.0))


def leaky_relu(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    """A slope below zero; the setting has had two names."""
    return writer.node(
        "LeakyRelu", name, alpha=float(options.get("negative_slope", options.get("alpha", 0.2)))
    )


def elu(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    """Exponential below zero."""
    return writer.node("Elu", name, alpha=float(options.get("alpha", 1.0)))


def _gelu(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    root = writer.node("Mul", name, writer.constant(0.5**0.5))
    above = writer.node("Add", writer.node("Erf", root), writer.constant(1.0))
    return writer.node("Mul", writer.node("Mul", name, above), writer.constant(0.5))


def _silu(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    return writer.node("Mul", name, writer.node("Sigmoid", name))


def _mish(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    return writer.node("Mul", name, writer.node("Tanh", writer.node("Softplus", name)))


def _as_it_is(writer: Writer, name: str, options: Mapping[str, Any]) -> str:
    return name


def _one(operation: str) -> Callable[[Writer, str, Mapping[str, Any]], str]:
    return lambda writer, name, options: writer.node(operation, name)


_ACTIVATIONS: dict[str, Callable[[Writer, str, Mapping[str, Any]], str]] = {
    "linear": _as_it_is,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": _one("Selu"),
    "sigmoid": _one("Sigmoid"),
    "tanh": _one("Tanh"),
    "softplus": _one("Softplus"),
    "softsign": _one("Softsign"),
    "exponential": _one("Exp"),
    "swish": _silu,
    "silu": _silu,
    "gelu": _gelu,
    "mish": _mish,
    "hard_swish": _one("HardSwish"),
    "hard_silu": _one("HardSwish"),
}

# Layers that may stand in the place of a name.
_CLASSES = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}


def _named(given: Any) -> tuple[str, Mapping[str, Any]]:
    """An activation's name and options: "relu", or {"class_name": …, "config": a name or options}."""
    if given is None:
        return "linear", {}
    if isinstance(given, Mapping):
        config = given.get("config")
        if isinstance(config, str):
            return _named(config)
        return _CLASSES.get(str(given.get("class_name")), str(given.get("class_name"))), config or {}
    return str(given), {}


def _as(tensor: Tensor, name: str) -> Tensor:
    return Tensor(name, tensor.shape, tensor.planes)
