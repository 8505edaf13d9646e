"""Learning rate and input size over phase 2, as functions of how far it is, 0..1."""

import math

from sortline.training.recipe import FinetuneRecipe


def learning_rate(recipe: FinetuneRecipe, progress: float) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warmup, peak = recipe.warmup, recipe.learning_rate
    if progress < warmup:
        return peak * (progress + 0.01) / (warmup + 0.01)
    return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def input_size(recipe: FinetuneRecipe, progress: float) -> int:
    """Side in px of what the network is trained on."""
    held = [size for start, size in recipe.sizes if progress >= start]
    return held[-1] if held else recipe.serving_size
