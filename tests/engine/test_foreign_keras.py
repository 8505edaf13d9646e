"""Keras' files, read as data: the same answers as Keras gives, and nothing in them is run.

The networks in `networks/` were drawn by `networks/make.py`, which says how.
"""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sortline.engine.foreign.errors import (
    ForeignModelError,
    MissingReader,
    ModelTooLarge,
    RunsCode,
    UnreadableModel,
    UnsupportedLayer,
    UnsupportedNetwork,
)
from sortline.engine.foreign.graph import run
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.opening import open_model
from sortline.engine.foreign.servable import prepare

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install -e '.[keras]'")

NETWORKS = Path(__file__).parent / "networks"


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ["layered2", "layered3", "binary2", "binary3"])
def test_answers_are_those_of_keras(name: str, ending: str) -> None:
    """Both versions of Keras, both kinds of file: nested models, odd padding, operators, many layers."""
    expected = np.load(NETWORKS / "expected.npz")
    model = open_model(NETWORKS / f"{name}.{ending}").model
    (found,) = run(model, {"input": expected["pictures"].astype(np.float32)})
    assert np.abs(found - expected[name]).max() < 1e-5


def test_frozen_backbone_with_a_linear_head() -> None:
    """A transfer-learned model keeps its linear head and shows where it looked."""
    found = prepare(inspect(open_model(NETWORKS / "layered2.h5").model, classes=5), 5)
    assert found.head is not None
    assert found.head.weight.shape == (5, 24)
    assert found.features
    assert found.network.size == 24


def test_one_sigmoid_is_two_classes() -> None:
    """The tutorial's binary model."""
    found = prepare(inspect(open_model(NETWORKS / "binary3.keras").model, classes=2), 2)
    assert found.pair
    assert found.answer == "sigmoid"


# --- drawn by hand from here on: what Keras itself would not write, or only for an attacker

INPUT = {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [None, 16, 16, 3]}}
DENSE = {"class_name": "Dense", "config": {"name": "out", "units": 3, "activation": "softmax"}}
POOL = {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a model of these layers after its input."""
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [INPUT, *layers]}}


def layer(kind: str, **config: Any) -> dict[str, Any]:
    """A layer's configuration."""
    return {"class_name": kind, "config": {"name": "suspect", **config}}


def write(path: Path, config: object, weights: dict[str, Any] | None = None) -> Path:
    """A .h5 file of Keras 2 with this configuration."""
    given = {"out/out/kernel:0": np.ones((3, 3), "f4"), "out/out/bias:0": np.zeros(3, "f4")}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        for name, values in (given if weights is None else weights).items():
            file[f"model_weights/{name}"] = values
    return path


def test_drawn_file_is_read(tmp_path: Path) -> None:
    """What the tests below change is sound before."""
    model = open_model(write(tmp_path / "m.h5", sequential(POOL, DENSE))).model
    assert inspect(model, classes=3).size == 16


@pytest.mark.parametrize(
    ("suspect", "error", "told"),
    [
        (layer("Lambda", function=["4wEAAA==", None, None]), RunsCode, "suspect"),
        (layer("Conv3D", filters=1), UnsupportedLayer, "Conv3D"),
        (layer("Dense", units=2, registered_name="x"), UnsupportedLayer, "no weights"),
        ({**layer("ReLU"), "registered_name": "evil>ReLU"}, UnsupportedLayer, "ReLU"),
        (layer("Activation", activation="mine"), UnsupportedLayer, "mine"),
        (layer("MaxPooling2D", pool_size=2, data_format="channels_first"), UnsupportedLayer, "channels"),
        (layer("MaxPooling2D"), UnreadableModel, "pool_size"),
        (layer("ZeroPadding2D", padding="wide"), UnreadableModel, "m.h5"),
        ({"class_name": "Sequential", "config": {"name": "suspect"}}, UnsupportedLayer, "suspect"),
    ],
    ids=["lambda", "kind", "weights", "registered", "activation", "order", "lacking", "word", "subclass"],
)
def test_suspect_layers_are_named(suspect: Any, error: type[Exception], told: str, tmp_path: Path) -> None:
    """A layer that is code, unknown, somebody's own, without weights or nonsense: nothing is guessed."""
    with pytest.raises(error, match=told):
        open_model(write(tmp_path / "m.h5", sequential(suspect, POOL, DENSE)))


def test_code_is_not_run(tmp_path: Path) -> None:
    """A Lambda that would write a file writes none, in either kind of file."""
    ran = tmp_path / "ran"
    code = {"class_name": "__lambda__", "config": {"value": f"open({str(ran)!r}, 'w')"}}
    config = sequential(layer("Lambda", function=code), POOL, DENSE)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.write(write(tmp_path / "m.h5", config), "model.weights.h5")
    for name in ("m.h5", "m.keras"):
        with pytest.raises(RunsCode, match="runs no code"):
            open_model(tmp_path / name)
    assert not ran.exists()


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    """A model that wants more than the picture."""
    other = {**INPUT, "config": {**INPUT["config"], "name": "more"}, "inbound_nodes": []}  # type: ignore[dict-item]
    layers = [
        {**INPUT, "inbound_nodes": []},
        other,
        {**layer("Add"), "inbound_nodes": [[["in", 0, 0, {}], ["more", 0, 0, {}]]]},
    ]
    config = {
        "layers": layers,
        "input_layers": [["in", 0, 0], ["more", 0, 0]],
        "output_layers": [["suspect", 0, 0]],
    }
    with pytest.raises(UnsupportedNetwork, match="takes 2"):
        open_model(write(tmp_path / "m.h5", {"class_name": "Functional", "config": config}))


def test_layers_that_wait_for_each_other(tmp_path: Path) -> None:
    """A ring is no network, and does not hang."""
    layers = [
        {**INPUT, "inbound_nodes": []},
        {"class_name": "ReLU", "config": {"name": "a"}, "inbound_nodes": [[["b", 0, 0, {}]]]},
        {"class_name": "ReLU", "config": {"name": "b"}, "inbound_nodes": [[["a", 0, 0, {}]]]},
    ]
    config = {"layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["b", 0, 0]]}
    with pytest.raises(UnsupportedNetwork, match="waits"):
        open_model(write(tmp_path / "m.h5", {"class_name": "Functional", "config": config}))


@pytest.mark.parametrize("config", ["{", "[]", "null", '{"class_name": "Sequential"}', "[" * 100_000])
def test_nonsense_for_a_configuration(config: str, tmp_path: Path) -> None:
    """Broken JSON, other JSON, JSON too deep to be meant."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("model_weights/x/y", data=np.ones(1))
        file.attrs.create("model_config", np.void(config.encode()[:60_000]))
    with pytest.raises(ForeignModelError):
        open_model(tmp_path / "m.h5")


def test_weights_alone_are_not_a_model(tmp_path: Path) -> None:
    """`save_weights` writes no layers; the error says what to call instead."""
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["dense/kernel:0"] = np.ones((3, 3))
    with pytest.raises(UnreadableModel, match=r"model\.save"):
        open_model(tmp_path / "m.weights.h5")


def test_damaged_files(tmp_path: Path) -> None:
    """A text, a cut-off file, a ZIP of something else."""
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "cut.h5").write_bytes((NETWORKS / "binary2.h5").read_bytes()[:9000])
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name in ("text.h5", "cut.h5", "other.keras"):
        with pytest.raises(UnreadableModel):
            open_model(tmp_path / name)


def test_zeros_that_claim_gigabytes(tmp_path: Path) -> None:
    """A few bytes of compressed weights, or of a ZIP, that would fill the memory."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(sequential(POOL, DENSE))
        file.create_dataset(
            "model_weights/out/kernel:0", (2**19, 2**10), "f4", chunks=(1024, 1024), compression=9
        )
    with pytest.raises(ModelTooLarge):
        open_model(tmp_path / "m.h5")


def test_weights_in_other_files_are_not_read(tmp_path: Path) -> None:
    """HDF5 can take values from any file of the machine: by a link, by external storage."""
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(9, "f4").tobytes())
    path = write(tmp_path / "m.h5", sequential(POOL, DENSE), {"out/out/bias:0": np.zeros(3, "f4")})
    with h5py.File(path, "a") as file:
        external = [(str(secret), 0, 36)]
        file["model_weights/out/out"].create_dataset("kernel:0", (3, 3), "f4", external=external)
    with pytest.raises(UnreadableModel, match="other files"):
        open_model(path)
    other = write(tmp_path / "other.h5", sequential(POOL, DENSE))
    linked = write(tmp_path / "linked.h5", sequential(POOL, DENSE), {"x/y": np.zeros(1)})
    with h5py.File(linked, "a") as file:
        file["model_weights/out"] = h5py.ExternalLink(str(other), "/model_weights/out")
    with pytest.raises(UnsupportedLayer, match="no weights"):
        open_model(linked)


def test_without_h5py_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras files are the only ones that need an optional package."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingReader, match=r"sortline\[keras\]"):
        open_model(NETWORKS / "binary2.h5")
