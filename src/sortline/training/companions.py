"""Several devices at once: this process trains on the first, and one companion on each of the others.

Companions decide nothing. Before each batch they are told how far the run is, or that it is over; they draw, from the
seed, the same order, and take their share of the batch; PyTorch's DistributedDataParallel averages the gradients.
"""

import datetime
import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch import multiprocessing as processes

from sortline.errors import SortlineError
from sortline.training.all_layers import AllLayers
from sortline.training.backbones import build_network
from sortline.training.checkpoint import read_checkpoint
from sortline.training.dataset import Photos
from sortline.training.devices import device_of
from sortline.training.durable import write_whole
from sortline.training.recipe import FinetuneRecipe

# Longer than one validation takes: companions wait for it.
_TIMEOUT = datetime.timedelta(hours=1)
_OVER = -1.0

# Called before each batch with how far the run is, 0..1.
Announce = Callable[[float], None]


class CompanionDied(SortlineError):
    """A process that trained along has ended."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(
            f"a process that trained along ended with {code}; the run can go on from its checkpoint"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a companion needs to train along from the checkpoint."""

    pixels: Path
    labels: NDArray[np.int64]
    recipe: FinetuneRecipe
    classes: int
    checkpoint: Path
    run: str
    threads: int


def how_many(recipe: FinetuneRecipe, train: Photos) -> int:
    """Processes that train: as the recipe says, or one a GPU, but so that each has two photos of every batch.

    Where there are GPUs, never more than those: what a larger machine began goes on on a smaller one.
    """
    gpus = torch.cuda.device_count()
    wanted = recipe.devices or max(1, gpus)
    if gpus:
        wanted = min(wanted, gpus)
    return max(1, min(wanted, recipe.batch_size // 4, len(train) // 4))


@contextmanager
def companions(layers: AllLayers, world: int, task: Task) -> Iterator[Announce]:
    """Trains along in `world` - 1 other processes until the block is left; yields what tells them of each batch.

    Raises:
        CompanionDied: one of them has ended.
    """
    if world == 1:
        yield lambda progress: None
        return
    context = processes.get_context("spawn")
    rendezvous = task.checkpoint.with_name(f"rendezvous-{os.getpid()}")
    ready = context.Queue()
    started = [
        context.Process(target=_accompany, args=(rank, world, task, rendezvous, ready), daemon=True)
        for rank in range(1, world)
    ]
    for process in started:
        process.start()
    try:
        _wait_for(ready, started)
        _meet(0, world, rendezvous)
        layers.join(0, world)
        yield lambda progress: _announce(progress, layers.device, started)
        _announce(_OVER, layers.device, started)
        for process in started:
            process.join(timeout=60)
    finally:
        for process in started:
            process.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        rendezvous.unlink(missing_ok=True)


def mappable(photos: Photos, work: Path) -> Path:
    """A file of the photos' pixels that other processes can map."""
    if photos.file is not None:
        return photos.file
    file = work / "companions.npy"
    write_whole(file, lambda path: _save(path, photos.pixels))
    return file


def _accompany(rank: int, world: int, task: Task, rendezvous: Path, ready: Any) -> None:
    """What a companion does, from its start to its end."""
    torch.set_num_threads(task.threads)
    train = Photos(pixels=np.load(task.pixels, mmap_mode="r"), labels=task.labels)
    device = device_of(rank)
    network = build_network(task.recipe, task.classes).to(device, memory_format=torch.channels_last)
    layers = AllLayers(network, train, task.recipe)
    state = read_checkpoint(task.checkpoint, task.run)
    if state is None:
        raise FileNotFoundError(task.checkpoint)
    layers.restore(state["layers"])
    ready.put(rank)
    _meet(rank, world, rendezvous)
    layers.join(rank, world)
    while (progress := _told(device)) != _OVER:
        layers.train_batch(progress)
    distributed.destroy_process_group()


def _meet(rank: int, world: int, rendezvous: Path) -> None:
    distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        init_method=rendezvous.absolute().as_uri(),
        rank=rank,
        world_size=world,
        timeout=_TIMEOUT,
    )


def _wait_for(ready: Any, started: list[Any]) -> None:
    """Until every companion has what it needs."""
    missing = len(started)
    while missing:
        _look_after(started)
        try:
            ready.get(timeout=0.5)
            missing -= 1
        except queue.Empty:
            continue


def _announce(progress: float, device: torch.device, started: list[Any]) -> None:
    _look_after(started)
    distributed.broadcast(torch.tensor([progress], dtype=torch.float64, device=device), src=0)


def _told(device: torch.device) -> float:
    told = torch.zeros(1, dtype=torch.float64, device=device)
    distributed.broadcast(told, src=0)
    return float(told)


def _look_after(started: list[Any]) -> None:
    for process in started:
        if not process.is_alive():
            raise CompanionDied(process.exitcode)


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array)
