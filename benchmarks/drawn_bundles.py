"""Bundles made of the packaged one in a moment: with another head, on another backbone, and broken ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from sortline.engine.bundle import Bundle, npz, read_bundle, write_bundle
from sortline.engine.head import Head
from sortline.engine.heads import compose
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.packaged import packaged_bundles


def starter() -> Bundle:
    """The packaged bundle."""
    return read_bundle(packaged_bundles()["waste"])


def head_variant(folder: Path, seed: int = 1, *, swap: bool = False, extra: str | None = None) -> Bundle:
    """The starter with a slightly other head; `swap` turns its first two classes round, `extra` adds a class."""
    base = starter()
    head = base.head()
    assert head is not None
    noise = np.random.default_rng(seed).normal(0, 1e-3, head.weight.shape).astype(np.float32)
    weight, bias, classes = head.weight + noise, head.bias, base.manifest.classes
    if swap:
        order = [1, 0, *range(2, len(classes))]
        weight, bias = weight[order], bias[order]
    if extra is not None:
        weight = np.concatenate([weight, -weight[:1]])
        bias, classes = np.append(bias, np.float32(-9)), (*classes, extra)
    changed = Head(weight=weight, bias=bias)
    files = _files(base) | {
        "model.onnx": compose(base.model_path.read_bytes(), changed),
        "head.npz": npz(weight=weight, bias=bias),
    }
    return _written(folder, base, files, name=f"head-{seed}", classes=classes, backbone=base.backbone)


def other_backbone(folder: Path, seed: int = 1) -> Bundle:
    """The starter with every weight moved a little: another backbone, which has to be loaded and compiled."""
    base, random = starter(), np.random.default_rng(seed)
    network = onnx.load_from_string(base.model_path.read_bytes())
    for tensor in network.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 1:
            moved = (values * (1 + random.normal(0, 1e-4, values.shape))).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    files = _files(base) | {"model.onnx": network.SerializeToString()}
    return _written(folder, base, files, name=f"backbone-{seed}")


def broken(folder: Path, whole: Bundle) -> Bundle:
    """A bundle whose hashes are right and whose golden pictures are not: it fails as it is loaded."""
    golden = whole.golden()
    wrong = golden.logits.copy()
    wrong[0] = np.roll(wrong[0], 1)
    files = _files(whole) | {"golden.npz": npz(pixels=golden.pixels, logits=wrong)}
    manifest = whole.manifest
    return write_bundle(folder, manifest.model_copy(update={"name": f"broken-{manifest.name}"[:63]}), files)


def _written(folder: Path, base: Bundle, files: dict[str, bytes], **changes: Any) -> Bundle:
    """The bundle with the golden answers that its network gives."""
    pixels = base.golden().pixels
    logits = OnnxRuntime(files["model.onnx"]).infer(pixels).logits
    files = files | {"golden.npz": npz(pixels=pixels, logits=logits)}
    return write_bundle(folder, base.manifest.model_copy(update=changes), files)


def _files(bundle: Bundle) -> dict[str, bytes]:
    return {name: (bundle.folder / name).read_bytes() for name in bundle.manifest.files}
