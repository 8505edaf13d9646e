"""Fine-tuning in two phases: a head on frozen features, then every layer.

The loop is generic over the timm backbone and the number of classes. What it keeps are exponentially averaged weights,
chosen on validation. What it does next depends on nothing but its checkpoint and (seed, epoch, batch), so a run that
was killed goes on as if it had not been: with the same threads on a CPU, to the same bits.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sortline.errors import SortlineError
from sortline.training.all_layers import AllLayers
from sortline.training.backbones import resolve
from sortline.training.checkpoint import fingerprint, read_checkpoint, save_checkpoint, save_weights
from sortline.training.companions import Announce, Task, companions, how_many, mappable
from sortline.training.dataset import Photos
from sortline.training.devices import cores, device_of, training_threads
from sortline.training.durable import write_whole
from sortline.training.head import fit_head, predict
from sortline.training.moments import Epoch, Moment, Observer, Pace, unobserved, write_log
from sortline.training.recipe import FinetuneRecipe
from sortline.training.schedule import input_size, learning_rate
from sortline.training.summary import model_summary
from sortline.training.weights import start_network

# A long epoch is not lost as a whole. How often does not change what is computed.
_CHECKPOINT_SECONDS = 300.0


class TooFewPhotos(SortlineError):
    """Nothing can be learned from so few photos."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} training photos are too few: it takes two, of two classes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: the network with the best averaged weights, ready to use on the CPU, the recipe with all that the
    network filled in, and the log.
    """

    network: nn.Module
    recipe: FinetuneRecipe
    epochs: tuple[Epoch, ...]
    best: Epoch


def finetune(
    train: Photos,
    validation: Photos,
    *,
    classes: int,
    recipe: FinetuneRecipe,
    weights: Path | None = None,
    work: Path,
    observe: Observer = unobserved,
) -> Outcome:
    """Trains the recipe's network on `train` and keeps what does best on `validation`, or last where that is empty.

    `weights` is the file that holds them where the recipe says `live`: that bundle's model.onnx. `work` receives
    best.safetensors and last.safetensors, training_log.csv and .json, model_summary.txt, and checkpoint.pt; a run that
    finds its checkpoint there goes on from it. `observe` hears of every batch and epoch; what it raises ends the run,
    which can be taken up again.

    Raises:
        UnknownBackbone, UnfitBackbone, InvalidRecipe, HubUnreachable, UnfitWeights: it cannot begin.
        TooFewPhotos: nor with these photos.
        AnotherRun: `work` is another run's.
    """
    if len(train) < 2:
        raise TooFewPhotos(len(train))
    recipe = resolve(recipe)
    work.mkdir(parents=True, exist_ok=True)
    run = fingerprint(recipe, classes, train, validation)
    state = read_checkpoint(work / "checkpoint.pt", run)
    threads = state["threads"] if state else recipe.threads or cores()
    with training_threads(threads):
        running = _Run(train, validation, classes, recipe, work, run, threads, observe)
        running.begin(state, weights)
        running.train()
        return running.outcome()


class _Run:
    """A run between its beginning and its end."""

    def __init__(
        self,
        train: Photos,
        validation: Photos,
        classes: int,
        recipe: FinetuneRecipe,
        work: Path,
        run: str,
        threads: int,
        observe: Observer,
    ) -> None:
        self.photos, self.validation, self.classes = train, validation, classes
        self.recipe, self.work, self.run, self.threads, self.observe = recipe, work, run, threads, observe
        self.seconds = 0.0
        self.losses: list[float] = []  # of the present epoch
        self.epochs: list[Epoch] = []
        self.best: Epoch | None = None
        self.best_weights: dict[str, Tensor] = {}

    def begin(self, state: dict[str, Any] | None, weights: Path | None) -> None:
        """Where the checkpoint left off; or with the head on frozen features, where there are weights to freeze."""
        recipe, device = self.recipe, device_of(0)
        start = dataclasses.replace(recipe, weights="none") if state else recipe
        network = start_network(start, self.classes, weights, self.photos)
        write_whole(
            self.work / "model_summary.txt",
            lambda path: path.write_text(model_summary(network.eval(), recipe)),
        )
        network.to(device, memory_format=torch.channels_last)
        if state is None and recipe.weights != "none" and recipe.head_steps:
            cache = self.work / f"features-{self.run[:16]}.npy"
            fit_head(network, self.photos, recipe, cache=cache, observe=self.observe)
        self.layers = AllLayers(network, self.photos, recipe)
        if state is None:
            self.save()
        else:
            self.restore(state)

    def train(self) -> None:
        """Phase 2, to the end of the schedule or of patience."""
        if self.over():
            return
        world = how_many(self.recipe, self.photos)
        with companions(self.layers, world, self._task(world)) as announce:
            while not self.over():
                self.train_epoch(announce)

    def train_epoch(self, announce: Announce) -> None:
        """The rest of this epoch's photos, then the averaged weights on validation; kept, then told."""
        pace, saved = Pace(), time.monotonic()
        started, before = time.monotonic(), self.seconds
        first = self.layers.step - len(self.epochs) * self.layers.batches
        for batch in range(first, self.layers.batches):
            progress = self.progress()
            announce(progress)
            self.losses.append(self.layers.train_batch(progress))
            pace.add(1)
            self.seconds = before + time.monotonic() - started
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
            self._tell(self._moment(batch + 1, pace))
        trained = (self.layers.batches - first) * len(self.photos) / self.layers.batches
        epoch = self._close_epoch(started, before, trained / (time.monotonic() - started))
        self.save()
        write_log(self.work, self.epochs)
        done = self.layers.batches
        self.observe(dataclasses.replace(self._moment(done, pace), epoch=epoch.epoch, ended=True))

    def progress(self) -> float:
        """How far phase 2 is, 0..1: by steps, or by minutes where those run out first."""
        steps = self.layers.step / (self.recipe.epochs * self.layers.batches)
        minutes = self.seconds / 60 / self.recipe.minutes if self.recipe.minutes else 0.0
        return min(1.0, max(steps, minutes))

    def over(self) -> bool:
        """Whether the schedule, or patience, has run out; both only between epochs."""
        if self.layers.step != len(self.epochs) * self.layers.batches:
            return False
        patience, best = self.recipe.patience, self.best
        waited = len(self.epochs) - best.epoch if best and best.validation_accuracy is not None else 0
        return self.progress() >= 1 or (patience > 0 and waited >= patience)

    def save(self) -> None:
        """The checkpoint."""
        state = {
            "layers": self.layers.state(),
            "threads": self.threads,
            "seconds": self.seconds,
            "losses": self.losses,
            "epochs": [dataclasses.asdict(epoch) for epoch in self.epochs],
            "best": self.best.epoch if self.best else 0,
            "best_weights": self.best_weights,
        }
        save_checkpoint(self.work / "checkpoint.pt", self.run, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from the checkpoint."""
        self.layers.restore(state["layers"])
        self.seconds, self.losses = state["seconds"], state["losses"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.best = self.epochs[state["best"] - 1] if state["best"] else None
        self.best_weights = state["best_weights"]

    def outcome(self) -> Outcome:
        """The run's end: best and last weights as files, and the best in the network."""
        if self.best is None:
            raise ValueError("no epoch has run")
        write_log(self.work, self.epochs)
        save_weights(self.work / "last.safetensors", self.layers.ema.module.state_dict())
        save_weights(self.work / "best.safetensors", self.best_weights)
        network = self.layers.network.cpu().float().eval()
        network.load_state_dict(self.best_weights)
        # Serving reads tensors as they come; the layout was training's.
        network.to(memory_format=torch.contiguous_format)
        return Outcome(network=network, recipe=self.recipe, epochs=tuple(self.epochs), best=self.best)

    def _close_epoch(self, started: float, before: float, per_second: float) -> Epoch:
        """The epoch's row, and its weights kept if they are the best."""
        progress = self.progress()
        loss, accuracy = self._validate()
        self.seconds = before + time.monotonic() - started
        epoch = Epoch(
            epoch=len(self.epochs) + 1,
            progress=round(progress, 4),
            size=input_size(self.recipe, max(0.0, progress - 1e-9)),
            learning_rate=learning_rate(self.recipe, progress),
            train_loss=round(sum(self.losses) / max(1, len(self.losses)), 4),
            validation_loss=loss,
            validation_accuracy=accuracy,
            images_per_second=round(per_second, 2),
            seconds=round(time.monotonic() - started, 1),
            total_minutes=round(self.seconds / 60, 2),
        )
        self.losses = []
        self.epochs.append(epoch)
        if self.best is None or epoch.rank > self.best.rank:
            self.best = epoch
            averaged = self.layers.ema.module.state_dict()
            self.best_weights = {name: value.detach().cpu().clone() for name, value in averaged.items()}
        return epoch

    def _validate(self) -> tuple[float | None, float | None]:
        """Loss and accuracy of the averaged weights; None without photos."""
        if not len(self.validation):
            return None, None
        logits = predict(self.layers.ema.module, self.validation, self.recipe)
        labels = torch.from_numpy(self.validation.labels)
        loss = float(functional.cross_entropy(logits, labels))
        return round(loss, 4), round(float((logits.argmax(1) == labels).float().mean()), 4)

    def _moment(self, batch: int, pace: Pace) -> Moment:
        progress = self.progress()
        steps = self.recipe.epochs * self.layers.batches - self.layers.step
        eta = pace.seconds_for(steps)
        if eta is not None and self.recipe.minutes:
            eta = min(eta, max(0.0, self.recipe.minutes * 60 - self.seconds))
        per_second = pace.per_second()
        return Moment(
            phase="all layers",
            batch=batch,
            batches=self.layers.batches,
            epoch=len(self.epochs) + 1,
            epochs=self.recipe.epochs,
            images_per_second=None
            if per_second is None
            else per_second * len(self.photos) / self.layers.batches,
            eta_seconds=eta,
            size=input_size(self.recipe, progress),
            learning_rate=learning_rate(self.recipe, progress),
            train_loss=sum(self.losses) / len(self.losses) if self.losses else None,
            log=tuple(self.epochs),
        )

    def _tell(self, moment: Moment) -> None:
        """The observer hears; if it ends the run, the checkpoint is of this batch."""
        try:
            self.observe(moment)
        except BaseException:
            self.save()
            raise

    def _task(self, world: int) -> Task:
        pixels = mappable(self.photos, self.work) if world > 1 else self.work
        return Task(
            pixels=pixels,
            labels=self.photos.labels,
            recipe=self.recipe,
            classes=self.classes,
            checkpoint=self.work / "checkpoint.pt",
            run=self.run,
            threads=max(1, self.threads // world),
        )
