"""What an ONNX network takes and gives, whatever tool wrote it; refused where that is not one picture and its class."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sortline.engine.foreign.errors import UnreadableModel, UnsupportedNetwork

# What a bundle's own exporter writes; older networks are raised to it, so that one set of operations serves all.
OPSET = 17
# The newest that ONNX Runtime 1.20, our oldest supported, runs.
NEWEST_OPSET, NEWEST_IR = 21, 10
DEFAULT_SIZE = 224
SIZES = range(8, 2049)

Layout = Literal["nchw", "nhwc"]
# Element types of an input that a picture can be turned into.
_ELEMENTS = {"FLOAT", "FLOAT16", "DOUBLE", "UINT8", "INT8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An ONNX network that takes one batch of pictures: `model` (ModelProto), its input and the output that tells the
    class; `channels` is 1 or 3, `batch` the only batch size it was written for (None: any).
    """

    model: Any
    input: str
    output: str
    layout: Layout
    channels: int
    size: int
    batch: int | None
    element: str

    @property
    def scaled(self) -> bool:
        """Whether values must be scaled by somebody; a network that takes bytes does so itself."""
        return self.element not in ("UINT8", "INT8")


def read_onnx(path: Path) -> Any:
    """The ModelProto in a file, weights in a file beside it included.

    Raises:
        UnreadableModel: it is damaged, or its weights lie elsewhere.
    """
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
        _check_external(model, path)
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise UnreadableModel(path, _line(error)) from error
    except Exception as error:  # protobuf's DecodeError has moved between versions
        if type(error).__name__ != "DecodeError":
            raise
        raise UnreadableModel(path, "it is no ONNX file, or it is cut off") from error
    if not model.graph.node:
        raise UnreadableModel(path, "it is no ONNX file, or it is empty")
    return model


def inspect(model: Any, *, classes: int, size: int | None = None) -> Network:
    """The network in a ModelProto, which is brought to a common form on the way; `size` where it takes any.

    Raises:
        UnsupportedNetwork: it is not for one picture and its class.
    """
    model = _common_form(model)
    graph = model.graph
    values = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in values]
    if len(inputs) != 1:
        named = ", ".join(each.name for each in inputs) or "none"
        raise UnsupportedNetwork(f"it must take one input, a picture; it takes {len(inputs)} ({named})")
    network = _picture_input(model, inputs[0], size)
    return replace(network, output=_class_output(graph, classes))


def _common_form(model: Any) -> Any:
    """Without functions of its own, of an opset between ours and the newest that is run everywhere."""
    import onnx
    from onnx import inliner, version_converter

    if model.functions:
        model = inliner.inline_local_functions(model)
    foreign = sorted(
        {f"{node.domain}.{node.op_type}".strip(".") for node in _nodes(model.graph) if not _is_standard(node)}
    )
    if foreign:
        raise UnsupportedNetwork(f"it uses operations outside the ONNX standard: {', '.join(foreign[:5])}")
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1)
    if opset > NEWEST_OPSET:
        raise UnsupportedNetwork(
            f"it is of opset {opset}; export it with opset {OPSET}, which runs everywhere"
        )
    try:
        if opset < OPSET:
            model = version_converter.convert_version(model, OPSET)
        model.ir_version = min(model.ir_version, NEWEST_IR)
        onnx.checker.check_model(model)
    except Exception as error:  # the converter raises whatever its C++ does
        raise UnsupportedNetwork(f"it is not valid ONNX ({_line(error)})") from error
    return model


def _is_standard(node: Any) -> bool:
    import onnx

    return node.domain in ("", "ai.onnx") and bool(onnx.defs.has(node.op_type))


def _picture_input(model: Any, given: Any, size: int | None) -> Network:
    import onnx

    tensor = given.type.tensor_type
    element = onnx.TensorProto.DataType.Name(tensor.elem_type)
    if element not in _ELEMENTS:
        raise UnsupportedNetwork(f"its input {given.name} takes {element}, not a picture's values")
    dims = [dim.dim_value or None for dim in tensor.shape.dim]
    if len(dims) != 4:
        raise UnsupportedNetwork(
            f"its input {given.name} has {len(dims)} dimensions; a batch of pictures has 4"
        )
    layout = _layout(dims, model.graph, given.name)
    channels, height, width = (dims[1], dims[2], dims[3]) if layout == "nchw" else (dims[3], dims[1], dims[2])
    if (channels or 3) not in (1, 3):
        raise UnsupportedNetwork(f"it takes pictures of {channels} channels; a photo has 3, a grey one 1")
    return Network(
        model=model,
        input=given.name,
        output="",
        layout=layout,
        channels=channels or 3,
        size=_side(height, width, size),
        batch=dims[0],
        element=element,
    )


def _layout(dims: list[int | None], graph: Any, name: str) -> Layout:
    if dims[1] in (1, 3):
        return "nchw"
    if dims[3] in (1, 3):
        return "nhwc"
    first = next((node for node in graph.node if name in node.input), None)
    turned = first is not None and first.op_type == "Transpose"
    # Without a word about it, ONNX' own operations tell: they take channels first.
    return "nhwc" if turned else "nchw"


def _side(height: int | None, width: int | None, size: int | None) -> int:
    fixed = {side for side in (height, width) if side is not None}
    if len(fixed) > 1:
        raise UnsupportedNetwork(f"it takes pictures of {width} x {height} px; a bundle's are square")
    if fixed and size not in (None, *fixed):
        raise UnsupportedNetwork(f"it takes pictures of {fixed.pop()} px only, not of {size}")
    side = fixed.pop() if fixed else size or DEFAULT_SIZE
    if side not in SIZES:
        raise UnsupportedNetwork(
            f"it takes pictures of {side} px; {SIZES.start} to {SIZES.stop - 1} can be served"
        )
    return side


def _class_output(graph: Any, classes: int) -> str:
    """The one output, or of several the one with a value for each class."""
    if len(graph.output) == 1:
        return str(graph.output[0].name)
    fitting = [output.name for output in graph.output if _columns(output) == classes]
    if "logits" in fitting or len(fitting) == 1:
        return "logits" if "logits" in fitting else str(fitting[0])
    told = ", ".join(f"{output.name} ({_columns(output) or '?'})" for output in graph.output)
    raise UnsupportedNetwork(
        f"of its outputs, {told}, not one alone has a value for each of {classes} classes"
    )


def _columns(output: Any) -> int | None:
    dims = [dim.dim_value for dim in output.type.tensor_type.shape.dim]
    return (dims[1] or None) if len(dims) == 2 else None


def _nodes(graph: Any) -> list[Any]:
    """All nodes, those inside loops and branches too."""
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
            found += [each for graph_ in inner for each in _nodes(graph_)]
    return found


def _check_external(model: Any, path: Path) -> None:
    """Weights may lie in a file beside the network, as torch writes them, and nowhere else."""
    from onnx import external_data_helper

    tensors = external_data_helper._get_all_tensors(model)
    for tensor in tensors:
        if not external_data_helper.uses_external_data(tensor):
            continue
        location = external_data_helper.ExternalDataInfo(tensor).location
        beside = path.parent / location
        if Path(location).name != location or beside.is_symlink() or not beside.is_file():
            raise ValueError(
                f"its weights are in {location!r}, which is not beside it; keep both files in one folder, "
                "or save the network as one file"
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
