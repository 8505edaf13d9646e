"""A model of Keras' layers as an ONNX network, told by its configuration: which layers, how they are joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortline.engine.foreign.errors import RunsCode, UnreadableModel, UnsupportedLayer, UnsupportedNetwork
from sortline.engine.foreign.keras_file import KerasFile, opened
from sortline.engine.foreign.keras_layers import LAYERS, weight_names
from sortline.engine.foreign.keras_operations import operation
from sortline.engine.foreign.keras_tensor import Layer, Tensor
from sortline.engine.foreign.network import DEFAULT_SIZE
from sortline.engine.foreign.writer import Writer

_MODELS = frozenset({"Sequential", "Functional", "Model"})


def read_keras(path: Path, *, size: int | None = None) -> Any:
    """The ModelProto of a .h5 or .keras file; `size` in px where the model takes any.

    Raises:
        MissingReader, UnreadableModel, ModelTooLarge: see `keras_file.opened`.
        RunsCode, UnsupportedLayer, UnsupportedNetwork: a layer or the whole cannot be translated.
    """
    with opened(path) as file:
        try:
            return _Conversion(file).model(size)
        except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            # Configurations are other people's JSON: what is missing or of another kind shows where it is used.
            raise UnreadableModel(
                path, f"its layers' configuration is not as Keras writes it ({error!r})"
            ) from error


@dataclass(frozen=True, slots=True)
class _Reference:
    """The output of a layer's call."""

    layer: str
    call: int
    output: int


class _Conversion:
    """One model on its way into a graph."""

    def __init__(self, file: KerasFile) -> None:
        self._file = file
        self._writer = Writer()

    def model(self, size: int | None) -> Any:
        config = self._file.config
        _check_kind(config)
        shape = [side or size or DEFAULT_SIZE for side in _input_shape(config)]
        images = Tensor("input", tuple(shape), False)
        outputs = self._apply_model(config, [images], ())
        if len(outputs) != 1:
            raise UnsupportedNetwork(f"it has {len(outputs)} outputs; one for the class is needed")
        last = LAYERS["Flatten"](self._writer, Layer("output", {}, {}, 3), outputs)
        return self._writer.model({"input": ("FLOAT", ["N", *shape])}, {last.name: ["N", *last.shape]})

    def _apply_model(
        self, model: Mapping[str, Any], inputs: Sequence[Tensor], place: tuple[str, ...]
    ) -> list[Tensor]:
        _check_kind(model)
        if model["class_name"] == "Sequential":
            return self._apply_chain(model["config"], inputs, place)
        return self._apply_graph(model["config"], inputs, place)

    def _apply_chain(self, config: Any, inputs: Sequence[Tensor], place: tuple[str, ...]) -> list[Tensor]:
        tensors = list(inputs)
        for layer in config["layers"] if isinstance(config, Mapping) else config:
            if layer["class_name"] != "InputLayer":
                tensors = self._apply_layer(layer, tensors, place)
        return tensors

    def _apply_graph(
        self, config: Mapping[str, Any], inputs: Sequence[Tensor], place: tuple[str, ...]
    ) -> list[Tensor]:
        layers = {layer["config"].get("name", layer.get("name")): layer for layer in config["layers"]}
        starts = _references(config["input_layers"])
        if len(starts) != len(inputs):
            raise UnsupportedNetwork(f"it must take one input, a picture; it takes {len(starts)}")
        made = {(start.layer, 0): [tensor] for start, tensor in zip(starts, inputs, strict=True)}
        calls = {name: _calls(layer) for name, layer in layers.items() if (name, 0) not in made}
        waiting = [(name, index) for name, each in calls.items() for index in range(len(each))]
        while waiting:
            before = len(made)
            # A model's layers stand in an order in which they can be computed, but for those used twice.
            for name, index in waiting:
                arguments = self._arguments(calls[name][index], made, layers)
                if arguments is not None:
                    made[name, index] = self._apply_layer(layers[name], arguments, place)
            if len(made) == before:
                raise UnsupportedNetwork(f"its layer {waiting[0][0]!r} waits for one that is never computed")
            waiting = [each for each in waiting if each not in made]
        ends = _references(config["output_layers"])
        return [made[_place(end, layers)][end.output] for end in ends]

    def _arguments(
        self, call: Sequence[Any], made: Mapping[tuple[str, int], list[Tensor]], layers: Mapping[str, Any]
    ) -> list[Any] | None:
        """The tensors and numbers a call takes; None while one is not there yet."""
        needed = [_place(each, layers) for each in call if isinstance(each, _Reference)]
        if any(place not in made for place in needed):
            return None
        return [made[_place(e, layers)][e.output] if isinstance(e, _Reference) else e for e in call]

    def _apply_layer(
        self, layer: Mapping[str, Any], inputs: Sequence[Any], place: tuple[str, ...]
    ) -> list[Tensor]:
        kind, config = layer["class_name"], layer["config"]
        name = _name(layer)
        if kind in _MODELS:
            return self._apply_model(layer, inputs, (*place, name))
        if kind == "Lambda":
            raise RunsCode(name)
        of_operation = operation(self._writer, layer, inputs)
        if of_operation is not None:
            return [of_operation]
        if kind not in LAYERS or (layer.get("registered_name") or kind) != kind:
            raise UnsupportedLayer(kind, name)
        if any(not isinstance(each, Tensor) for each in inputs):
            raise UnsupportedLayer(kind, name, "it takes something that is no tensor")
        if config.get("data_format", "channels_last") not in ("channels_last", None):
            raise UnsupportedLayer(kind, name, "its channels come first")
        described = Layer(name, config, self._weights((*place, name), kind, config), self._file.version)
        return [LAYERS[kind](self._writer, described, list(inputs))]

    def _weights(self, place: tuple[str, ...], kind: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
        names = weight_names(kind, config)
        found = self._file.weights.of(place, names) if names else {}
        if kind != "Normalization" and (missing := [name for name in names if name not in found]):
            raise UnsupportedLayer(kind, place[-1], f"the file has no weights for it ({', '.join(missing)})")
        return found


def _check_kind(model: Mapping[str, Any]) -> None:
    """A model written as a class of somebody's own has its layers in Python code, which the file does not hold."""
    if model["class_name"] not in _MODELS or (
        isinstance(model["config"], Mapping) and "layers" not in model["config"]
    ):
        raise UnsupportedLayer(
            str(model["class_name"]),
            str(model.get("config", {}).get("name", "model")),
            "it is a class of its author's",
        )


def _input_shape(model: Mapping[str, Any]) -> list[int | None]:
    """(height, width, channels) of the first input; None where it takes any."""
    config = model["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    first = layers[0]
    shape = first["config"].get("batch_shape") or first["config"].get("batch_input_shape")
    if shape is None and first["class_name"] in _MODELS:
        return _input_shape(first)
    if shape is None and isinstance(config, Mapping):
        shape = config.get("build_input_shape")
    if shape is None or len(shape) != 4:
        raise UnsupportedNetwork(f"its input has the shape {shape}; a batch of pictures has 4 dimensions")
    return list(shape[1:])


def _references(layers: Any) -> list[_Reference]:
    """Input or output layers; a single one may stand without a list around it, or each in a mapping by name."""
    if isinstance(layers, Mapping):
        layers = list(layers.values())
    if layers and isinstance(layers[0], str):
        layers = [layers]
    return [_Reference(str(name), int(call), int(output)) for name, call, output, *_ in layers]


def _calls(layer: Mapping[str, Any]) -> list[list[Any]]:
    """What each call of a layer takes: references, and numbers as they are."""
    return [
        _of_keras_3(node) if isinstance(node, Mapping) else _of_keras_2(node)
        for node in layer["inbound_nodes"]
    ]


def _of_keras_3(node: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []

    def collect(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                collect(each)
        elif isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            name, call, output = value["config"]["keras_history"]
            found.append(_Reference(name, call, output))
        else:
            found.append(value)

    collect(node["args"])
    for value in node.get("kwargs", {}).values():
        if isinstance(value, (Mapping, list)):
            collect(value)
    return found


def _of_keras_2(node: Any) -> list[Any]:
    """[[layer, call, output, keywords], …], or a single one of these; an operator's other side is a keyword `y`."""
    if isinstance(node, Mapping):
        node = list(node.values())
    if node and isinstance(node[0], str):
        node = [node]
    found: list[Any] = []
    for name, call, output, *keywords in node:
        found.append(output if name == "_CONSTANT_VALUE" else _Reference(name, call, output))
        other = keywords[0].get("y") if keywords and isinstance(keywords[0], Mapping) else None
        if other is not None:
            is_layer = isinstance(other, list) and len(other) >= 3 and isinstance(other[0], str)
            found.append(_Reference(*other[:3]) if is_layer else other)
    return found


def _place(reference: _Reference, layers: Mapping[str, Any]) -> tuple[str, int]:
    """Which call of a layer is meant. A model that was built before it was nested counts its calls from 1."""
    layer = layers[reference.layer]
    once = layer["class_name"] in _MODELS and len(layer["inbound_nodes"]) == 1
    return reference.layer, 0 if once else reference.call


def _name(layer: Mapping[str, Any]) -> str:
    config = layer["config"]
    own = config.get("name") if isinstance(config, Mapping) else None
    return str(own or layer.get("name") or layer["class_name"])
