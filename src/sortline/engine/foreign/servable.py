"""A network made elsewhere in the form a bundle holds it.

Input `images`, uint8 RGB (N, S, S, 3), N free; scaling, channel order and layout stand inside the graph. Outputs
`logits` (N, C), `embedding` (N, D) and, where a linear head follows global average pooling, `features` (N, D, h, w).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.calibration import softmax
from sortline.engine.foreign.body import PREFIX, Body
from sortline.engine.foreign.ends import close, find_ends
from sortline.engine.foreign.entry import entry, scaled
from sortline.engine.foreign.errors import ConversionDiffers, UnsupportedNetwork
from sortline.engine.foreign.graph import part, run
from sortline.engine.foreign.heads import Answer
from sortline.engine.foreign.network import Network
from sortline.engine.foreign.reading import Reading
from sortline.engine.head import Head
from sortline.engine.onnx_runtime import OnnxRuntime

# Largest difference of a probability between the file and the bundle: both compute in float32.
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network (ModelProto) whose outputs are a bundle's; its input is still its own.

    `answer` is what its last step was, `pair` whether one output tells two classes apart, `head` the linear head where
    it has one, `features` whether it gives the map behind its embedding.
    """

    network: Network
    model: Any
    answer: Answer
    pair: bool
    head: Head | None
    features: bool


def prepare(network: Network, classes: int) -> Prepared:
    """The network with `logits`, `embedding` and perhaps `features` as outputs, for any number of pictures.

    Raises:
        WrongClassCount, UnsupportedNetwork: it does not tell these classes apart, or not for several pictures at once.
    """
    body = Body(network)
    ends = find_ends(body, classes)
    return Prepared(
        network=network,
        model=close(body, ends),
        answer=ends.answer,
        pair=ends.pair,
        head=ends.head,
        features=ends.features is not None,
    )


def with_reading(prepared: Prepared, reading: Reading) -> bytes:
    """The ONNX file of a bundle whose pictures are read this way."""
    import onnx
    from onnx import helper

    network = prepared.network
    model = onnx.ModelProto()
    model.CopyFrom(prepared.model)
    nodes, constants = entry(network, reading, PREFIX + network.input)
    body = list(model.graph.node)
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend([*nodes, *body])
    model.graph.initializer.extend(constants)
    shape: list[str | int] = ["N", network.size, network.size, 3]
    model.graph.input.append(helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, shape))
    return bytes(model.SerializeToString())


def load(model: bytes) -> OnnxRuntime:
    """The network as the reference runtime serves it.

    Raises:
        UnsupportedNetwork: that cannot run it.
    """
    try:
        return OnnxRuntime(model)
    except Exception as error:  # its C++ raises kinds of its own, which share no base
        raise UnsupportedNetwork(
            f"ONNX Runtime cannot load it ({' '.join(str(error).split())[:200]})"
        ) from error


def check(prepared: Prepared, model: bytes, reading: Reading, pictures: NDArray[np.uint8]) -> float:
    """The largest difference of a probability between the file and the bundle's network, on pictures (N, S, S, 3).

    Raises:
        ConversionDiffers: it is more than rounding.
    """
    expected = _probabilities(prepared, _ask(prepared.network, scaled(prepared.network, reading, pictures)))
    logits = load(model).infer(pictures).logits
    each_for_itself = prepared.answer == "sigmoid" and not prepared.pair
    found = _sigmoid(logits) if each_for_itself else softmax(logits)
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise ConversionDiffers(difference)
    return difference


def _ask(network: Network, pictures: NDArray[Any]) -> NDArray[np.float32]:
    """What the file itself gives for pictures already scaled, (N, C), as many at a time as it takes."""
    model = part(network.model, [network.output])
    size = network.batch or len(pictures)
    found = []
    for start in range(0, len(pictures), size):
        batch = pictures[start : start + size]
        (values,) = run(model, {network.input: np.resize(batch, (size, *batch.shape[1:]))})
        found.append(values.reshape(size, -1)[: len(batch)])
    return np.concatenate(found).astype(np.float32)


def _probabilities(prepared: Prepared, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The file's own answer as probabilities of the classes."""
    if prepared.answer == "logits":
        values = _sigmoid(values) if prepared.pair else softmax(values)
    elif prepared.answer == "log-softmax":
        values = np.exp(values)
    return np.concatenate([1 - values, values], axis=1) if prepared.pair else values


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # Beyond 80 it is 0 or 1, and exp() would overflow.
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)
