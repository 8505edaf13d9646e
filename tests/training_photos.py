"""Photos and networks so small that training them takes seconds."""

from pathlib import Path

import numpy as np

from sortline.training.dataset import Photos
from sortline.training.recipe import Augmentation, FinetuneRecipe

# timm's network for tests: 0.4 million weights, batch normalisation, blocks that stochastic depth may leave out.
TINY = FinetuneRecipe(
    backbone="test_resnet",
    weights="none",
    batch_size=8,
    head_steps=20,
    epochs=2,
    learning_rate=2e-3,
    sizes=((0.0, 32), (0.5, 48)),
    serving_size=48,
    dropout=0.1,
    drop_path=0.1,
    precision="f32",
    threads=1,
    augmentation=Augmentation(quarter_turns=True),
)


def stripes(count: int, seed: int, size: int = 48) -> Photos:
    """Photos of two classes, mostly red and mostly blue, with noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = random.integers(0, 90, (count, size, size, 3), dtype=np.uint8)
    pixels[labels == 0, ..., 0] += 160
    pixels[labels == 1, ..., 2] += 160
    return Photos(pixels=pixels, labels=labels.astype(np.int64))


def saved_weights(folder: Path) -> Path:
    """Untrained weights of TINY's network without a head, as a safetensors file."""
    from safetensors.torch import save_file

    from sortline.training.backbones import build_network

    save_file(build_network(TINY, 0).state_dict(), folder / "backbone.safetensors")
    return folder / "backbone.safetensors"
