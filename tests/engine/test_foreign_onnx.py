"""ONNX networks of any layout become a bundle's network that answers as the file does, or are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sortline.engine import golden
from sortline.engine.calibration import softmax
from sortline.engine.foreign import opening
from sortline.engine.foreign.errors import (
    ForeignModelError,
    ModelTooLarge,
    UnknownModelFormat,
    UnreadableModel,
    UnsupportedNetwork,
    WrongClassCount,
)
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.opening import open_model
from sortline.engine.foreign.reading import Reading, parse
from sortline.engine.foreign.servable import Prepared, check, prepare, with_reading
from sortline.engine.head import Head
from sortline.engine.heads import compose
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.openvino_runtime import OpenVinoRuntime
from tests.foreign_models import SIDE, network, save

SIGNED = Reading("signed")


def prepared(model: Any, classes: int = 3, size: int | None = SIDE) -> Prepared:
    """The network ready to be served."""
    return prepare(inspect(model, classes=classes, size=size), classes)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("batch", "side"), [("N", SIDE), (1, SIDE), ("N", "S"), (4, SIDE)])
@pytest.mark.parametrize("end", ["Softmax", ""])
def test_any_layout_becomes_a_bundles(layout: str, batch: int | str, side: int | str, end: str) -> None:
    """Channels first or last, batch and size fixed or free, probabilities or logits: one form, the same answers."""
    found = prepared(network(layout=layout, batch=batch, side=side, end=end))
    model = with_reading(found, SIGNED)
    pictures = golden.draw(SIDE)
    assert check(found, model, SIGNED, pictures) < 1e-5
    runtime = OnnxRuntime(model)
    three = runtime.infer(pictures[:3], features=True)
    assert (three.logits.shape, three.embedding.shape) == ((3, 3), (3, 4))
    assert three.features is not None
    assert np.allclose(three.features.mean(axis=(2, 3)), three.embedding, atol=1e-5)
    assert isinstance(found.head, Head)
    assert np.allclose(three.embedding @ found.head.weight.T + found.head.bias, three.logits, atol=1e-5)
    alone = np.concatenate([runtime.infer(picture[None]).logits for picture in pictures[:3]])
    assert np.allclose(alone, three.logits, atol=1e-5)


@pytest.mark.parametrize("name", ["unit", "signed", "imagenet", "raw", "caffe", "signed-bgr", "caffe-rgb"])
def test_scaling_in_the_graph_is_the_makers_own(name: str) -> None:
    """The bundle's network given bytes answers as the file does given what its makers' code would make of them."""
    pictures, reading = golden.draw(SIDE), parse(name)
    x = pictures.astype(np.float32)
    scale = {
        "unit": lambda: x / 255,
        "signed": lambda: x / 127.5 - 1,
        "imagenet": lambda: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "raw": lambda: x,
        "caffe": lambda: x - [123.68, 116.779, 103.939],
    }[reading.scale]()
    turned = scale[..., ::-1] if reading.colour == "bgr" else scale
    drawn = network(layout="nhwc", end="")
    session = OnnxRuntime(with_reading(prepared(drawn), reading))
    from onnx.reference import ReferenceEvaluator

    (expected,) = ReferenceEvaluator(drawn).run(None, {"input": turned.astype(np.float32)})
    found = session.infer(pictures).logits
    assert np.abs(found - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("end", ["LogSoftmax", "Sigmoid", "Normalised"])
def test_other_last_steps_become_logits(end: str) -> None:
    """Log-probabilities, a sigmoid for each class, probabilities no softmax made: the likeliest class stays it."""
    found = prepared(network(end=end))
    model = with_reading(found, SIGNED)
    assert check(found, model, SIGNED, golden.draw(SIDE)) < 1e-4
    assert (found.head is None) == (end == "Normalised")


@pytest.mark.parametrize("end", ["Sigmoid", ""])
def test_one_output_tells_two_classes_apart(end: str) -> None:
    """A single output is the second class's: its probability is what the file gives."""
    found = prepared(network(end=end, outputs=1), classes=2)
    logits = OnnxRuntime(with_reading(found, SIGNED)).infer(golden.draw(SIDE)).logits
    assert found.pair
    assert check(found, with_reading(found, SIGNED), SIGNED, golden.draw(SIDE)) < 1e-5
    assert np.allclose(logits[:, 0], -logits[:, 1])


@pytest.mark.parametrize(
    "element", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8, TensorProto.INT8]
)
def test_other_types_of_input(element: int) -> None:
    """Half and double precision, and bytes, which nobody has to scale."""
    found = prepared(network(element=element))
    model = with_reading(found, Reading("raw"))
    assert check(found, model, Reading("raw"), golden.draw(SIDE)) < 1e-3
    assert found.network.scaled == (element in (TensorProto.FLOAT16, TensorProto.DOUBLE))


def test_grey_network_gets_grey_pictures() -> None:
    """A network of one channel is given Rec. 601's grey."""
    found = prepared(network(channels=1))
    assert check(found, with_reading(found, Reading("unit")), Reading("unit"), golden.draw(SIDE)) < 1e-5


def test_openvino_and_another_head() -> None:
    """What comes out runs in OpenVINO as it does in ONNX Runtime, and takes another head, as probes need."""
    found = prepared(network(layout="nhwc"))
    model, pictures = with_reading(found, Reading("caffe", "bgr")), golden.draw(SIDE)
    reference = OnnxRuntime(model).infer(pictures).logits
    other = OpenVinoRuntime(model, threads=1, precision="f32").infer(pictures).logits
    assert np.abs(softmax(reference) - softmax(other)).max() < 1e-3
    head = Head(weight=np.eye(2, 4, dtype=np.float32), bias=np.zeros(2, np.float32))
    again = OnnxRuntime(compose(model, head)).infer(pictures)
    assert np.allclose(again.logits, again.embedding[:, :2], atol=1e-5)


def test_older_opset_is_raised() -> None:
    """A network of 2019 becomes one of today's."""
    found = prepared(network(opset=11))
    assert check(found, with_reading(found, SIGNED), SIGNED, golden.draw(SIDE)) < 1e-5


def test_zeros_around_a_map_stay_zeros() -> None:
    """ONNX Runtime joins a Pad of zeros and a MaxPool into one that pads with −∞: what is served is kept from that."""
    nodes = [
        helper.make_node("Neg", ["input"], ["negative"]),
        helper.make_node("Pad", ["negative", "pads"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["given"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    model = network(before=nodes, end="")
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")
    model.graph.initializer.append(pads)
    found = prepared(model)
    assert check(found, with_reading(found, Reading("unit")), Reading("unit"), golden.draw(SIDE)) < 1e-5


def test_weights_in_a_file_beside(tmp_path: Path) -> None:
    """As torch writes larger networks; any other place is refused."""
    path = tmp_path / "model.onnx"
    onnx.save(network(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    assert prepared(open_model(path).model).head is not None
    (tmp_path / "model.onnx.data").rename(tmp_path.parent / "elsewhere")
    with pytest.raises(UnreadableModel, match="beside it"):
        open_model(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link"])
def test_weights_from_elsewhere_are_refused(location: str, tmp_path: Path) -> None:
    """A file that names another folder's file, or a link to one, reads nothing of it."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    model = network()
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value=location)
    with pytest.raises(UnreadableModel, match="beside it"):
        open_model(save(model, tmp_path / "model.onnx"))


@pytest.mark.parametrize("content", [b"", b"This is a text.", b"\x08\x08\x12\x00", bytes(range(256))])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """Empty, a text, no graph, noise."""
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UnreadableModel):
        open_model(tmp_path / "model.onnx")


def test_cut_off_file_is_refused(tmp_path: Path) -> None:
    """Half a download."""
    path = save(network(), tmp_path / "model.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ForeignModelError):
        prepared(open_model(path).model)


def two_inputs() -> Any:
    """A network that wants something beside the picture."""
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["N", 1]))
    return model


def custom_operation() -> Any:
    """A network with an operation of somebody's own."""
    model = network(before=[helper.make_node("Magic", ["input"], ["given"], domain="com.example")])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def wide() -> Any:
    """A network for pictures twice as wide as high."""
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 2 * SIDE
    return model


def flat() -> Any:
    """A network for rows of numbers."""
    model = network()
    del model.graph.input[0].type.tensor_type.shape.dim[1:]
    return model


def mixes_the_batch() -> Any:
    """A network that only makes sense for one picture: it adds up the whole batch."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["input", "mean"], ["given"]),
    ]
    return network(before=nodes)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (two_inputs(), "takes 2"),
        (custom_operation(), "com.example.Magic"),
        (wide(), "square"),
        (flat(), "4"),
        (network(channels=4), "channels"),
        (network(element=TensorProto.INT64), "INT64"),
        (network(side=4), "4 px"),
        (network(opset=22), "opset 22"),
        (mixes_the_batch(), "at a time only"),
    ],
    ids=["inputs", "operation", "wide", "flat", "channels", "type", "tiny", "opset", "batch"],
)
def test_networks_that_do_not_fit_are_refused(model: Any, told: str) -> None:
    """Each with what is wrong with it."""
    with pytest.raises(UnsupportedNetwork, match=told):
        prepared(model, size=None)


def test_wrong_number_of_classes() -> None:
    """The error has both numbers."""
    with pytest.raises(WrongClassCount, match="3 outputs, but 5 classes"):
        prepared(network(), classes=5)


def test_size_that_the_network_does_not_take() -> None:
    """--size is for networks that take any."""
    with pytest.raises(UnsupportedNetwork, match=f"{SIDE} px only"):
        prepared(network(), size=64)


def test_large_and_unknown_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before they are read; a PyTorch file with what to do instead."""
    path = save(network(), tmp_path / "model.onnx")
    (tmp_path / "model.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(UnknownModelFormat, match=r"torch\.onnx\.export"):
        open_model(tmp_path / "model.pt")
    monkeypatch.setattr(opening, "MAX_BYTES", 100)
    with pytest.raises(ModelTooLarge):
        open_model(path)
