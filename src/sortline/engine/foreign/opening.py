"""A file or folder of any known format as one ONNX network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortline.engine.foreign.errors import ModelTooLarge, UnknownModelFormat, UnreadableModel
from sortline.engine.foreign.keras_file import MAX_BYTES
from sortline.engine.foreign.keras_model import read_keras
from sortline.engine.foreign.network import read_onnx
from sortline.engine.foreign.openvino_model import read_with_openvino

_PYTORCH = (
    "A PyTorch file is Python code or weights without their network; where the network is defined, write "
    "torch.onnx.export(network.eval(), torch.zeros(1, 3, 224, 224), 'model.onnx', dynamo=False, "
    "input_names=['input'], dynamic_axes={'input': {0: 'N'}})"
)
_ADVICE = {".pt": _PYTORCH, ".pth": _PYTORCH, ".safetensors": _PYTORCH, ".ckpt": _PYTORCH}


@dataclass(frozen=True, slots=True)
class Opened:
    """A network as ONNX (ModelProto), and what it was before."""

    model: Any
    format: str


def open_model(path: Path, *, size: int | None = None) -> Opened:
    """The network in a file or SavedModel folder; `size` in px where it takes pictures of any.

    Raises:
        ForeignModelError: it cannot be read, or a part of it cannot be translated; the subclass says why.
    """
    if not path.exists():
        raise UnreadableModel(path, "there is no such file")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise UnknownModelFormat(path, "A SavedModel folder holds saved_model.pb.")
        _check_size(path)
        return Opened(read_with_openvino(path, size=size), "TensorFlow SavedModel")
    _check_size(path)
    match path.suffix.lower():
        case ".onnx":
            return Opened(read_onnx(path), "ONNX")
        case ".h5" | ".hdf5" | ".keras":
            return Opened(read_keras(path, size=size), "Keras")
        case ".tflite":
            return Opened(read_with_openvino(path, size=size), "TensorFlow Lite")
        case ".pb":
            return Opened(read_with_openvino(path, size=size), "TensorFlow frozen graph")
        case ".xml":
            return Opened(read_with_openvino(path, size=size), "OpenVINO")
        case suffix:
            raise UnknownModelFormat(path, _ADVICE.get(suffix, ""))


def _check_size(path: Path) -> None:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    size = sum(each.stat().st_size for each in files)
    if size > MAX_BYTES:
        raise ModelTooLarge(path, size, MAX_BYTES)
    if size == 0:
        raise UnreadableModel(path, "it is empty")
