"""Phase 1: the head alone, on what the frozen network says of the training photos; and a network asked about photos."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sortline.training.augment import Normalise
from sortline.training.backbones import head_of
from sortline.training.dataset import Photos
from sortline.training.devices import computes_bfloat16
from sortline.training.durable import write_whole
from sortline.training.moments import Moment, Observer, Pace, unobserved
from sortline.training.recipe import FinetuneRecipe
from sortline.training.seeds import generator, seed_layers

_BATCH = 64
# Rows of a full batch; larger sets take that many a step, drawn anew.
_FULL_BATCH = 16_384
_STEPS_BETWEEN_MOMENTS = 10


def fit_head(
    network: Any, train: Photos, recipe: FinetuneRecipe, *, cache: Path, observe: Observer = unobserved
) -> None:
    """Sets the head to a logistic regression on the frozen network's features, kept in `cache` meanwhile."""
    device = next(network.parameters()).device
    if not cache.exists():
        rows = features(network, train, recipe, observe=observe).numpy()
        write_whole(cache, lambda path: _save(path, rows))
    rows = np.load(cache, mmap_mode="r")
    head, labels = head_of(network), torch.from_numpy(train.labels).to(device)
    # Noise-free features overfit quickly; the head's weight decay and dropout are what keep this phase honest.
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=recipe.head_learning_rate, weight_decay=recipe.weight_decay
    )
    loss_of, pace = loss_function(train, recipe, head.out_features, device), Pace()
    seed_layers(recipe.seed, "head")
    for step, (chosen, x) in enumerate(_batches(rows, recipe, device), 1):
        loss = loss_of(head(functional.dropout(x, recipe.dropout)), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        pace.add(1)
        if step % _STEPS_BETWEEN_MOMENTS == 0 or step == recipe.head_steps:
            observe(_head_moment(step, recipe, pace, float(loss.detach())))
    cache.unlink()


def loss_function(
    train: Photos, recipe: FinetuneRecipe, classes: int, device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy of logits (N, C) and labels (N,) or shares (N, C), smoothed and weighted as the recipe says."""
    weights = None
    if recipe.class_weights == "balanced":
        counts = np.bincount(train.labels, minlength=classes)
        # A class without a photo weighs as much as one with its share: label smoothing still reaches it.
        balanced = len(train) / (max(1, (counts > 0).sum()) * np.maximum(counts, 1))
        weights = torch.tensor(np.where(counts > 0, balanced, 1.0), dtype=torch.float32, device=device)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits, targets, weight=weights, label_smoothing=recipe.label_smoothing
        )

    return loss


def predict(network: nn.Module, photos: Photos, recipe: FinetuneRecipe) -> Tensor:
    """Logits (N, C) float32 on the CPU, photos scaled to the serving size."""
    return _asked(network, network, photos, recipe, unobserved)


def features(
    network: Any, photos: Photos, recipe: FinetuneRecipe, *, observe: Observer = unobserved
) -> Tensor:
    """Embeddings (N, D) float32 on the CPU: what the head sees, photos scaled to the serving size."""

    def embedding(images: Tensor) -> Tensor:
        found: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
        return found

    return _asked(network, embedding, photos, recipe, observe)


def _asked(
    network: nn.Module,
    ask: Callable[[Tensor], Tensor],
    photos: Photos,
    recipe: FinetuneRecipe,
    observe: Observer,
) -> Tensor:
    """What `ask` gives for all photos, (N, …), the network in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    normalise = Normalise(mean=recipe.mean, std=recipe.std)
    side, bfloat16, pace = (recipe.serving_size,) * 2, computes_bfloat16(recipe, device), Pace()
    rows = []
    for start in range(0, len(photos), _BATCH):
        pixels = torch.from_numpy(np.array(photos.pixels[start : start + _BATCH])).to(device)
        images = normalise(pixels.permute(0, 3, 1, 2).float() / 255)
        if images.shape[-2:] != side:
            images = functional.interpolate(images, side, mode="bilinear", antialias=True)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            rows.append(ask(images).float().cpu())
        pace.add(len(pixels))
        observe(_features_moment(min(start + _BATCH, len(photos)), len(photos), pace))
    # A clone of what inference mode made may be trained on.
    return torch.cat(rows).clone()


def _batches(
    rows: NDArray[np.float32], recipe: FinetuneRecipe, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each step the rows it takes and their features: all of them, or as many as a large set allows."""
    if len(rows) <= _FULL_BATCH:
        everything, x = torch.arange(len(rows), device=device), torch.from_numpy(np.array(rows)).to(device)
        for _ in range(recipe.head_steps):
            yield everything, x
        return
    for step in range(recipe.head_steps):
        draw = torch.randint(0, len(rows), (_FULL_BATCH,), generator=generator(recipe.seed, "head", step))
        chosen = draw.sort().values
        yield chosen.to(device), torch.from_numpy(rows[chosen.numpy()]).to(device)


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def _head_moment(step: int, recipe: FinetuneRecipe, pace: Pace, loss: float) -> Moment:
    return Moment(
        phase="head",
        batch=step,
        batches=recipe.head_steps,
        eta_seconds=pace.seconds_for(recipe.head_steps - step),
        learning_rate=recipe.head_learning_rate,
        train_loss=loss,
    )


def _features_moment(done: int, count: int, pace: Pace) -> Moment:
    return Moment(
        phase="features",
        batch=done,
        batches=count,
        images_per_second=pace.per_second(),
        eta_seconds=pace.seconds_for(count - done),
    )
