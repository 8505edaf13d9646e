"""What OpenVINO reads (TensorFlow Lite, SavedModel, frozen graphs, its own .xml) as an ONNX network.

OpenVINO takes the file apart and checks it, without TensorFlow and without running any of it; what it gives is a graph
of its own operations, which are written here one by one as ONNX'.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine import golden
from sortline.engine.foreign.errors import (
    ConversionDiffers,
    MissingReader,
    UnreadableModel,
    UnsupportedLayer,
    UnsupportedNetwork,
)
from sortline.engine.foreign.graph import run
from sortline.engine.foreign.network import DEFAULT_SIZE
from sortline.engine.foreign.openvino_operations import ELEMENTS, OPERATIONS, Operation
from sortline.engine.foreign.writer import Writer

# Largest difference of an output between OpenVINO and the graph written from it, as a share of the largest output:
# rounding; and where a network is quantised, a value that rounds the other way now and then.
_ROUNDING, _QUANTISED = 1e-3, 0.1


def read_with_openvino(path: Path, *, size: int | None = None) -> Any:
    """The ModelProto of what OpenVINO reads from a file or folder; `size` in px where it takes any.

    Raises:
        MissingReader: OpenVINO has no package for this kind of machine.
        UnreadableModel: it cannot read it.
        UnsupportedLayer, UnsupportedNetwork: it holds what cannot be written.
        ConversionDiffers: what was written answers differently.
    """
    network = _read(path)
    _fix_shape(network, size)
    _simplify(network)
    model = _write(network)
    _compare(network, model)
    return model


def _read(path: Path) -> Any:
    try:
        import openvino
    except ImportError:
        raise MissingReader(
            path, "openvino", "pip install openvino, on a machine it has packages for"
        ) from None
    try:
        return openvino.Core().read_model(str(path))
    except Exception as error:  # its C++ raises kinds of its own
        raise UnreadableModel(path, f"OpenVINO says: {_reason(error)}") from error


def _fix_shape(network: Any, size: int | None) -> None:
    """One picture of one size: shapes that were computed become constants, and the batch is freed later."""
    if len(network.inputs) != 1:
        named = ", ".join(each.get_any_name() for each in network.inputs)
        raise UnsupportedNetwork(
            f"it must take one input, a picture; it takes {len(network.inputs)} ({named})"
        )
    shape = network.inputs[0].get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4:
        raise UnsupportedNetwork(f"its input has the shape {shape}; a batch of pictures has 4 dimensions")
    known = [dim.get_length() if dim.is_static else None for dim in shape]
    side = size or DEFAULT_SIZE
    free = [1, 3, side, side] if known[1] in (1, 3) else [1, side, side, 3]
    fixed = [1, *(default if dim is None else dim for dim, default in zip(known[1:], free[1:], strict=True))]
    try:
        network.reshape({network.inputs[0]: fixed})
    except Exception as error:  # as above
        raise UnsupportedNetwork(f"it takes no picture of {side} px ({_reason(error)})") from error


def _simplify(network: Any) -> None:
    """Fold what is constant; where OpenVINO offers it, also batch normalisation and the like into convolutions."""
    from openvino.passes import ConstantFolding, Manager

    try:
        # What `openvino.convert_model` does first, which cannot be used: it reports its use over the network.
        from openvino._offline_transformations import apply_moc_transformations
    except ImportError:
        pass
    else:
        apply_moc_transformations(network, False)
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(network)


def _write(network: Any) -> Any:
    writer = Writer()
    made: dict[tuple[Any, int], str] = {}
    inputs: dict[str, tuple[str, list[int | str]]] = {}
    for node in network.get_ordered_ops():
        kind, key = node.get_type_name(), node.get_name()
        if kind == "Result":
            continue
        if kind == "Parameter":
            inputs["input"] = (_element(node), list(node.get_output_partial_shape(0).to_shape()))
            made[key, 0] = "input"
            continue
        if kind not in OPERATIONS:
            raise UnsupportedLayer(kind, node.get_friendly_name())
        names = [made[source.get_node().get_name(), source.get_index()] for source in node.input_values()]
        for index, name in enumerate(OPERATIONS[kind](Operation(writer, node, tuple(names)))):
            made[key, index] = name
    outputs = {}
    for result in network.get_results():
        source = _dequantised(result.input_value(0))
        shape = [int(dim) for dim in source.get_partial_shape().to_shape()]
        outputs[made[source.get_node().get_name(), source.get_index()]] = shape
    return writer.model(inputs, outputs)


def _dequantised(output: Any) -> Any:
    """The real numbers behind an output that is given as bytes, 256 steps of a scale that the file keeps elsewhere."""
    while output.get_element_type().is_integral() and output.get_node().get_type_name() == "Convert":
        output = output.get_node().input_value(0)
        if output.get_node().get_type_name() == "FakeQuantize":
            output = output.get_node().input_value(0)
    return output


def _element(node: Any) -> str:
    name = node.get_output_element_type(0).to_string()
    if name not in ELEMENTS:
        raise UnsupportedNetwork(f"its input takes {name}, not a picture's values")
    return ELEMENTS[name]


def _compare(network: Any, model: Any) -> None:
    """Hold what was written against OpenVINO itself, on drawn pictures."""
    import openvino

    (given,) = model.graph.input
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    pictures = _drawn(shape, network.inputs[0].get_element_type().to_string())
    outputs = [_dequantised(result.input_value(0)) for result in network.get_results()]
    quantised = any(node.get_type_name() == "FakeQuantize" for node in network.get_ops())
    plain = openvino.Model(outputs, network.get_parameters())
    compiled = _compiled(plain)
    for picture in pictures:
        found = run(model, {given.name: picture})
        for expected, values in zip(compiled([picture]).values(), found, strict=True):
            largest = max(float(np.abs(expected).max()), 1e-6)
            difference = float(np.abs(values - expected).max()) / largest
            if not difference <= (_QUANTISED if quantised else _ROUNDING):
                raise ConversionDiffers(difference)


def _compiled(network: Any) -> Any:
    """The network computing in float32, what is quantised in it rounded as it says and not in 8-bit arithmetic, which
    on processors without VNNI is off by a tenth.
    """
    import openvino

    core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        return core.compile_model(network, "CPU", {**exact, "LP_TRANSFORMS_MODE": "NO"})
    except RuntimeError:  # a setting that OpenVINO does not document
        return core.compile_model(network, "CPU", exact)


def _drawn(shape: list[int], element: str) -> list[NDArray[Any]]:
    channels_first = shape[1] in (1, 3)
    side, channels = (max(shape[2:]), shape[1]) if channels_first else (max(shape[1:3]), shape[3])
    height, width = shape[2:] if channels_first else shape[1:3]
    pixels = golden.draw(side)[:, :height, :width, :channels]
    pixels = pixels.transpose(0, 3, 1, 2) if channels_first else pixels
    dtype = {"f16": np.float16, "f64": np.float64, "u8": np.uint8, "i8": np.int8}.get(element, np.float32)
    values = pixels.astype(np.float32) - (128 if element == "i8" else 0)
    return [np.ascontiguousarray(each[None], dtype) for each in values]


def _reason(error: Exception) -> str:
    """The line that says most: which operations it lacks, else the last; the first ones are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lacking = [line.removeprefix("-- ") for line in lines if "No conversion rule" in line]
    return (lacking or lines[-1:] or [type(error).__name__])[0][:200]
