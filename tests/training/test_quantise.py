"""Quantising keeps what a network says, in a quarter of the bytes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("nncf", reason="training needs the extra: pip install 'sortline[train]'")

from sortline.engine.onnx_runtime import OnnxRuntime  # noqa: E402  # only where training is installed
from sortline.engine.packaged import load  # noqa: E402
from sortline.training.quantise import quantise  # noqa: E402
from tests.pictures import drawn  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # NNCF's own: it imports what will be deprecated


def test_quantised_network_answers_alike() -> None:
    """The starter in 8 bits has the same inputs and outputs, and nearly always the same answer."""
    bundle = load("waste", runtime="onnxruntime").bundle
    pictures = [drawn(224, 224, seed)[None] for seed in range(24)]
    content = quantise(bundle.model_path.read_bytes(), pictures[:16])
    assert len(content) < bundle.model_path.stat().st_size / 3
    images = np.concatenate(pictures)
    expected = OnnxRuntime(bundle.model_path).infer(images)
    found = OnnxRuntime(content).infer(images, features=True)
    assert found.features is not None
    assert (found.logits.argmax(1) == expected.logits.argmax(1)).mean() > 0.8
    assert np.corrcoef(found.embedding.ravel(), expected.embedding.ravel())[0, 1] > 0.9
