"""Fine-tuning in two phases: a head on frozen features, then every layer.

The loop is generic over the timm backbone and the number of classes. What it keeps are exponentially averaged
weights, chosen on validation; each epoch leaves a checkpoint from which a stopped run goes on.
"""

import csv
import dataclasses
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from timm.optim import param_groups_layer_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from sortline.training.dataset import Normalise, Photos, mix, vary
from sortline.training.recipe import FinetuneRecipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One row of training_log.csv; validation figures are those of the averaged weights."""

    epoch: int
    progress: float  # of phase 2, 0..1
    size: int  # px
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    total_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: the network with the best averaged weights, ready to use on the CPU, and its log."""

    network: nn.Module
    epochs: tuple[Epoch, ...]
    best: Epoch


def finetune(
    train: Photos, validation: Photos, classes: int, weights: Path, work: Path, recipe: FinetuneRecipe
) -> Outcome:
    """Train `recipe.backbone` from `weights` on `train` and keep what does best on `validation`.

    `validation` pixels are at the serving size; `train` pixels at any. `work` receives training_log.csv,
    best.pt and checkpoint.pt; a run that finds a checkpoint there goes on from it.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_backbone(weights, recipe, classes)
    run = _Run(network.to(device, memory_format=torch.channels_last), recipe, device)
    if not run.resume(work / "checkpoint.pt"):
        fit_head(run.network, train, recipe, device)
        run.ema.set(run.network)
    while run.progress(len(train)) < 1:
        epoch = run.train_epoch(train, validation)
        log.info("%s", epoch)
        if epoch == run.best:
            torch.save(run.ema.module.state_dict(), work / "best.pt")
        run.save(work / "checkpoint.pt")
        _write_log(work / "training_log.csv", run.epochs)
    network.load_state_dict(torch.load(work / "best.pt", map_location="cpu"))
    return Outcome(network=network.cpu().float().eval(), epochs=tuple(run.epochs), best=run.best_epoch())


def build_network(recipe: FinetuneRecipe, classes: int) -> nn.Module:
    """The timm network of the recipe with a fresh linear head, nothing downloaded."""
    network: nn.Module = timm.create_model(
        recipe.backbone, pretrained=False, num_classes=classes, drop_rate=recipe.dropout
    )
    return network


def load_backbone(weights: Path, recipe: FinetuneRecipe, classes: int = 0) -> nn.Module:
    """The network with backbone weights from a safetensors file; the head, if any, stays fresh.

    Raises:
        ValueError: the file holds other weights than the backbone's under timm's names.
    """
    network = build_network(recipe, classes)
    head = {name for name, _ in network.named_parameters() if name.startswith("classifier")}
    found = load_file(weights)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items() if name not in head}
    if {name: tuple(value.shape) for name, value in found.items()} != expected:
        raise ValueError(
            f"{weights} does not fit {recipe.backbone}; give that backbone's weights, timm's names"
        )
    network.load_state_dict(found, strict=False)
    return network


def fit_head(network: Any, train: Photos, recipe: FinetuneRecipe, device: torch.device) -> None:
    """Phase 1: set the head to a logistic regression on the frozen backbone's features."""
    features = embed(network, train, recipe, bfloat16=recipe.bfloat16).to(device)
    # Shuffled noise-free features overfit quickly; the head's weight decay is what keeps this phase honest.
    head = network.get_classifier()
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=recipe.head_learning_rate, weight_decay=recipe.weight_decay
    )
    labels = torch.from_numpy(train.labels).to(device)
    for _ in range(recipe.head_steps):
        dropped = functional.dropout(features, recipe.dropout)
        loss = functional.cross_entropy(head(dropped), labels, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    log.info("head fitted on frozen features: training loss %.4f", float(loss.detach()))


def predict(network: nn.Module, photos: Photos, recipe: FinetuneRecipe, *, bfloat16: bool = False) -> Tensor:
    """Logits (N, C) float32 on the CPU for photos at the serving size."""
    device = next(network.parameters()).device
    network.eval()
    normalise = Normalise(mean=recipe.mean, std=recipe.std)
    logits = []
    for start in range(0, len(photos), 64):
        pixels = torch.from_numpy(photos.pixels[start : start + 64]).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            logits.append(network(_as_input(pixels, normalise)).float().cpu())
    return torch.cat(logits)


def embed(network: Any, photos: Photos, recipe: FinetuneRecipe, *, bfloat16: bool = False) -> Tensor:
    """Embeddings (N, D) float32 on the CPU: what the head sees, photos scaled to the serving size."""
    device = next(network.parameters()).device
    network.eval()
    normalise = Normalise(mean=recipe.mean, std=recipe.std)
    side = (recipe.serving_size, recipe.serving_size)
    rows = []
    for start in range(0, len(photos), 64):
        images = _as_input(torch.from_numpy(photos.pixels[start : start + 64]).to(device), normalise)
        if images.shape[-2:] != side:
            images = functional.interpolate(images, side, mode="bilinear", antialias=True)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            rows.append(network.forward_head(network.forward_features(images), pre_logits=True).float().cpu())
    # A clone of what inference mode made may be trained on.
    return torch.cat(rows).clone()


class _Run:
    """Phase 2 as it stands after some epochs: network, averaged weights, optimiser and random state."""

    def __init__(self, network: nn.Module, recipe: FinetuneRecipe, device: torch.device) -> None:
        self.network = network
        self.recipe = recipe
        self.device = device
        self.ema = ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True)
        groups = param_groups_layer_decay(
            network, weight_decay=recipe.weight_decay, layer_decay=recipe.layer_decay
        )
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.normalise = Normalise(mean=recipe.mean, std=recipe.std)
        self.step = 0
        self.seconds = 0.0
        self.epochs: list[Epoch] = []
        self.best: Epoch | None = None

    def train_epoch(self, train: Photos, validation: Photos) -> Epoch:
        """Every training photo once, then the averaged weights on validation."""
        started, before = time.monotonic(), self.seconds
        size = self._size(len(train))
        order = torch.randperm(len(train), generator=self.generator).split(self.recipe.batch_size)
        losses = []
        for index in order:
            losses.append(self._train_batch(train, index, size, self.progress(len(train))))
            self.step += 1
            self.seconds = before + time.monotonic() - started
        logits = predict(self.ema.module, validation, self.recipe, bfloat16=self.recipe.bfloat16)
        labels = torch.from_numpy(validation.labels)
        self.seconds = before + time.monotonic() - started
        epoch = Epoch(
            epoch=len(self.epochs) + 1,
            progress=round(self.progress(len(train)), 4),
            size=size,
            learning_rate=self._learning_rate(self.progress(len(train))),
            train_loss=round(float(np.mean(losses)), 4),
            validation_loss=round(float(functional.cross_entropy(logits, labels)), 4),
            validation_accuracy=round(float((logits.argmax(1) == labels).float().mean()), 4),
            seconds=round(time.monotonic() - started, 1),
            total_minutes=round(self.seconds / 60, 2),
        )
        self.epochs.append(epoch)
        if self.best is None or _rank(epoch) > _rank(self.best):
            self.best = epoch
        return epoch

    def progress(self, photos: int) -> float:
        """How far phase 2 is, 0..1: by steps, or by minutes where those run out first."""
        steps = self.step / (self.recipe.epochs * math.ceil(photos / self.recipe.batch_size))
        minutes = self.seconds / 60 / self.recipe.minutes if self.recipe.minutes else 0.0
        return min(1.0, max(steps, minutes))

    def best_epoch(self) -> Epoch:
        """The epoch whose weights are kept; ValueError before the first."""
        if self.best is None:
            raise ValueError("no epoch has run; give the recipe at least one")
        return self.best

    def save(self, path: Path) -> None:
        """Write all state; the file appears whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
            "epochs": [dataclasses.asdict(e) for e in self.epochs],
            "best": dataclasses.asdict(self.best_epoch()),
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def resume(self, path: Path) -> bool:
        """Take up the state in `path`; False where there is none."""
        if not path.exists():
            return False
        state = torch.load(path, map_location="cpu")
        self.network.load_state_dict(state["network"])
        self.ema.module.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.epochs = [Epoch(**e) for e in state["epochs"]]
        self.best = Epoch(**state["best"])
        return True

    def _train_batch(self, train: Photos, index: Tensor, size: int, progress: float) -> float:
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(progress) * group["lr_scale"]
        pixels = torch.from_numpy(train.pixels[index.numpy()]).to(self.device)
        labels = torch.from_numpy(train.labels[index.numpy()]).to(self.device)
        images = vary(pixels, size, recipe.augmentation, self.generator, normalise=self.normalise)
        targets = functional.one_hot(labels, self._classes()).float()
        images, targets = mix(images, targets, recipe.augmentation, self.generator)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.ema.update(self.network, step=self.step)
        return float(loss.detach())

    def _learning_rate(self, progress: float) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warmup, peak = self.recipe.warmup, self.recipe.learning_rate
        if progress < warmup:
            return peak * (progress + 0.01) / (warmup + 0.01)
        return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2

    def _size(self, photos: int) -> int:
        progress = self.progress(photos)
        return [size for start, size in self.recipe.sizes if progress >= start][-1]

    def _classes(self) -> int:
        return int(self.network.get_classifier().out_features)


def _as_input(pixels: Tensor, normalise: Normalise) -> Tensor:
    images = normalise(pixels.permute(0, 3, 1, 2).float() / 255)
    return images.contiguous(memory_format=torch.channels_last)


def _rank(epoch: Epoch) -> tuple[float, float]:
    return epoch.validation_accuracy, -epoch.validation_loss


def _write_log(path: Path, epochs: list[Epoch]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in dataclasses.fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(e) for e in epochs)
