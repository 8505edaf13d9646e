"""TensorFlow's files by way of OpenVINO: the same answers as TensorFlow gives, without TensorFlow.

The networks in `networks/` were drawn by `networks/make.py`, which says how.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sortline.engine.foreign.errors import UnreadableModel
from sortline.engine.foreign.graph import run
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.opening import open_model
from sortline.engine.foreign.servable import prepare

pytest.importorskip("openvino", reason="OpenVINO has no package for this kind of machine")

NETWORKS = Path(__file__).parent / "networks"


@pytest.mark.parametrize(("name", "expects"), [("lite.tflite", "lite"), ("saved_model", "binary2")])
def test_tensorflows_files_by_openvino(name: str, expects: str) -> None:
    """TensorFlow Lite and SavedModel, without TensorFlow: the same answers."""
    expected = np.load(NETWORKS / "expected.npz")
    model = open_model(NETWORKS / name).model
    pictures = expected["pictures"].astype(np.float32)
    found = np.concatenate([run(model, {"input": picture[None]})[0] for picture in pictures])
    assert np.abs(found - expected[expects]).max() < 1e-5
    assert (
        prepare(inspect(model, classes=5 if expects == "lite" else 2), 5 if expects == "lite" else 2).head
        is not None
    )


def test_quantised_network_by_openvino() -> None:
    """A network that takes and gives bytes answers as TensorFlow Lite does, to a step of its 256."""
    expected = np.load(NETWORKS / "expected.npz")
    model = open_model(NETWORKS / "bytes.tflite").model
    found = np.concatenate([run(model, {"input": picture[None]})[0] for picture in expected["pictures"]])
    assert np.abs(found - expected["bytes"]).max() <= 1.01 / 256
    assert not inspect(model, classes=5).scaled


@pytest.mark.parametrize("name", ["m.tflite", "m.pb", "m.xml", "folder"])
def test_damaged_files_of_tensorflow(name: str, tmp_path: Path) -> None:
    """Noise where OpenVINO expects a network."""
    path = tmp_path / name
    if name == "folder":
        shutil.copytree(NETWORKS / "saved_model", path)
        (path / "saved_model.pb").write_bytes(b"noise" * 100)
    else:
        path.write_bytes(b"noise" * 100)
    with pytest.raises(UnreadableModel):
        open_model(path)
