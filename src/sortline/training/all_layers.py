"""Phase 2: every layer, by steps that depend on nothing but the state before them and (seed, epoch, batch)."""

import math
from typing import Any

import torch
from timm.optim import param_groups_layer_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from sortline.training.augment import Normalise, mix, vary
from sortline.training.dataset import Photos
from sortline.training.devices import computes_bfloat16
from sortline.training.head import loss_function
from sortline.training.recipe import FinetuneRecipe
from sortline.training.schedule import input_size, learning_rate
from sortline.training.seeds import generator, seed_layers


class AllLayers:
    """Network, averaged weights and optimiser as they stand after `step` steps."""

    def __init__(self, network: nn.Module, train: Photos, recipe: FinetuneRecipe) -> None:
        self.network, self.train, self.recipe = network, train, recipe
        self.rank, self.world = 0, 1
        self.device = next(network.parameters()).device
        self.classes = int(network.get_classifier().out_features)  # type: ignore[operator, unused-ignore]
        self.ema = ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True)
        groups = param_groups_layer_decay(
            network, weight_decay=recipe.weight_decay, layer_decay=recipe.layer_decay
        )
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        self.step = 0
        self.batches = max(1, math.ceil(len(train) / recipe.batch_size))
        self._loss = loss_function(train, recipe, self.classes, self.device)
        self._normalise = Normalise(mean=recipe.mean, std=recipe.std)
        self._bfloat16 = computes_bfloat16(recipe, self.device)
        self._forward: Any = network
        self._order: tuple[int, tuple[Tensor, ...]] = (-1, ())

    @property
    def epoch(self) -> int:
        """How many epochs are over."""
        return self.step // self.batches

    @property
    def batch(self) -> int:
        """How many batches of the present epoch are over."""
        return self.step % self.batches

    def train_batch(self, progress: float) -> float:
        """The next step, at this progress of phase 2; returns its loss."""
        place = (self.epoch, self.batch, self.rank)
        rate = learning_rate(self.recipe, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["lr_scale"]
        images, targets = self._varied(self._rows(), input_size(self.recipe, progress), place)
        self.network.train()
        seed_layers(self.recipe.seed, "layers", *place)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self._forward(images.contiguous(memory_format=torch.channels_last))
        loss = self._loss(logits.float(), targets)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        self.ema.update(self.network, step=self.step)
        self.step += 1
        return float(loss.detach())

    def join(self, rank: int, world: int) -> None:
        """From now on as one of `world` processes: every `world`-th photo of a batch, from `rank` on, and the mean of
        all gradients.
        """
        self.rank, self.world = rank, world
        place = [self.device.index] if self.device.type == "cuda" else None
        self._forward = DistributedDataParallel(self.network, device_ids=place)

    def state(self) -> dict[str, Any]:
        """All that the steps to come depend on."""
        return {
            "network": self.network.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from that state."""
        self.network.load_state_dict(state["network"])
        self.ema.module.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def _rows(self) -> Tensor:
        """The photos of the next batch: the epoch's order in parts of nearly one size, none of a single photo."""
        if self._order[0] != self.epoch:
            order = torch.randperm(
                len(self.train), generator=generator(self.recipe.seed, "order", self.epoch)
            )
            self._order = (self.epoch, order.tensor_split(self.batches))
        return self._order[1][self.batch][self.rank :: self.world]

    def _varied(self, rows: Tensor, size: int, place: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The network's input (N, 3, size, size) and what it should say, (N, C)."""
        how, draw = self.recipe.augmentation, generator(self.recipe.seed, "photos", *place)
        pixels = torch.from_numpy(self.train.pixels[rows.numpy()]).to(self.device)
        labels = torch.from_numpy(self.train.labels[rows.numpy()]).to(self.device)
        images = vary(pixels, size, how, draw, normalise=self._normalise)
        return mix(images, functional.one_hot(labels, self.classes).float(), how, draw)
