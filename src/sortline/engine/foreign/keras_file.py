"""Keras' own files read as data: the configuration of the layers and their weights. Nothing in them is run.

.h5     one HDF5 file: the configuration as an attribute, weights by the names of layers (Keras 1 to 3)
.keras  a ZIP with config.json and model.weights.h5, weights by the place of a layer among those of its kind
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.errors import MissingReader, ModelTooLarge, UnreadableModel

MAX_BYTES = 1024**3

Arrays = dict[str, NDArray[np.float32]]


class Weights(Protocol):
    """Where a layer's weights are found."""

    def of(self, place: Sequence[str], names: Sequence[str]) -> Arrays:
        """The weights of a layer, by name, as far as they are there; `names` in the order Keras keeps them.

        `place` leads to the layer: the names of the models it is nested in, and its own.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasFile:
    """What a file holds: the model's configuration, its weights, and Keras' major version."""

    config: Mapping[str, Any]
    weights: Weights
    version: int


@contextmanager
def opened(path: Path) -> Iterator[KerasFile]:
    """The file, open as long as its weights are read.

    Raises:
        MissingReader: h5py is not installed.
        UnreadableModel, ModelTooLarge: it is damaged, holds no whole model, or too much.
    """
    try:
        import h5py
    except ImportError:
        raise MissingReader(path, "h5py", "pip install 'sortline[keras]'") from None
    archive = zipfile.is_zipfile(path)
    try:
        if archive:
            config, version, content = _unzipped(path)
            with h5py.File(BytesIO(content), "r") as file:
                _check_size(path, file)
                yield KerasFile(config=config, weights=_ByPlace(file, config), version=version)
        else:
            with h5py.File(path, "r") as file:
                _check_size(path, file)
                config, version = _attributes(path, file)
                yield KerasFile(config=config, weights=_ByName(file), version=version)
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise UnreadableModel(path, " ".join(str(error).split())[:200]) from error


class _ByName:
    """Weights of a .h5 file: …/layer/kernel, below a group for each layer of the outermost model."""

    def __init__(self, file: Any) -> None:
        self._stored: dict[str, Any] = {}
        # Links out of the file are not followed.
        file.get("model_weights", file).visititems(partial(_note, self._stored))

    def of(self, place: Sequence[str], names: Sequence[str]) -> Arrays:
        """See `Weights`."""
        stored = {path: item for path, item in self._stored.items() if path.startswith(f"{place[0]}/")}
        if len(place) == 1 and len(names) == len(stored) == 1:  # whatever its name is
            return {names[0]: np.asarray(next(iter(stored.values())), np.float32)}
        found = {}
        for name in names:
            # Models are nested in more or fewer levels by version of Keras; the end of the path is the same. A layer
            # of the outermost model may have been renamed since, and is alone in its group.
            layer = "" if len(place) == 1 else f"/{place[-1]}"
            endings = (f"{layer}/{name}", f"{layer}/depthwise_{name}")
            fitting = [path for path in stored if f"/{path}".endswith(endings)]
            if fitting:
                closest = max(fitting, key=lambda path: sum(part in path.split("/") for part in place))
                found[name] = np.asarray(stored[closest], np.float32)
        return found


class _ByPlace:
    """Weights of a .keras file: layers/conv2d_3/vars/0, the fourth Conv2D's first weight, models nested alike."""

    def __init__(self, file: Any, config: Mapping[str, Any]) -> None:
        self._stored: dict[str, Any] = {}
        file.visititems(partial(_note, self._stored))
        self._groups: dict[tuple[str, ...], str] = {}
        self._walk(config, (), "")

    def of(self, place: Sequence[str], names: Sequence[str]) -> Arrays:
        """See `Weights`."""
        group = f"{self._groups[tuple(place)]}/vars/"
        paths = {name: f"{group}{index}" for index, name in enumerate(names)}
        return {n: np.asarray(self._stored[p], np.float32) for n, p in paths.items() if p in self._stored}

    def _walk(self, model: Mapping[str, Any], place: tuple[str, ...], group: str) -> None:
        counts: dict[str, int] = {}
        for layer in model["config"]["layers"]:
            kind = layer["class_name"]
            if kind == "InputLayer":
                continue
            name = _snake_case(kind)
            number = counts[name] = counts.get(name, -1) + 1
            inner = f"{group}layers/{name}_{number}" if number else f"{group}layers/{name}"
            where = (*place, layer["config"]["name"])
            self._groups[where] = inner
            if isinstance(layer["config"].get("layers"), list):
                self._walk(layer, where, f"{inner}/")


def _note(found: dict[str, Any], path: str, item: Any) -> None:
    if not hasattr(item, "shape"):
        return
    if item.external or item.is_virtual:
        raise ValueError("its weights lie in other files")
    found[path.removesuffix(":0")] = item


def _attributes(path: Path, file: Any) -> tuple[dict[str, Any], int]:
    if "model_config" not in file.attrs:
        raise UnreadableModel(
            path, "it holds weights only, not the layers; save the whole model with model.save(…)"
        )
    version = _text(file.attrs.get("keras_version", "2"))
    return json.loads(_text(file.attrs["model_config"])), int(version.split(".")[0])


def _unzipped(path: Path) -> tuple[dict[str, Any], int, bytes]:
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise ModelTooLarge(path, size, MAX_BYTES)
        config = json.loads(archive.read("config.json"))
        metadata = json.loads(archive.read("metadata.json"))
        return config, int(str(metadata["keras_version"]).split(".")[0]), archive.read("model.weights.h5")


def _check_size(path: Path, file: Any) -> None:
    """A few bytes can claim gigabytes of compressed zeros."""
    total = 0

    def add(name: str, item: Any) -> None:
        nonlocal total
        total += getattr(item, "nbytes", 0)

    file.visititems(add)
    if total > MAX_BYTES:
        raise ModelTooLarge(path, total, MAX_BYTES)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _snake_case(name: str) -> str:
    """As Keras spells a class in the names of groups: DepthwiseConv2D → depthwise_conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
