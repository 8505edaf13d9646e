"""A run's state on the disk: whole or not at all, and taken up only by the run that left it."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sortline.errors import SortlineError
from sortline.training.dataset import Photos
from sortline.training.durable import write_whole
from sortline.training.recipe import FinetuneRecipe


class AnotherRun(SortlineError):
    """A work folder whose checkpoint is of another recipe, or of other photos."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is of another run: its recipe, classes or photos differ; give a folder of its own"
        )


def fingerprint(recipe: FinetuneRecipe, classes: int, train: Photos, validation: Photos) -> str:
    """What a run is, 64 hex digits: a checkpoint of another one is not gone on from."""
    content = {"recipe": dataclasses.asdict(recipe), "classes": classes}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for photos in (train, validation):
        digest.update(photos.labels.tobytes() + repr(photos.pixels.shape).encode())
    return digest.hexdigest()


def save_checkpoint(path: Path, run: str, state: dict[str, Any]) -> None:
    """The state of the run with this fingerprint, on the disk when this returns."""
    write_whole(path, lambda beside: torch.save({"run": run, **state}, beside))


def read_checkpoint(path: Path, run: str) -> dict[str, Any] | None:
    """The state that the run left, on the CPU; None where there is none.

    Raises:
        AnotherRun: it is another run's.
    """
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["run"] != run:
        raise AnotherRun(path)
    return state


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """The weights as safetensors, in timm's names: the same bytes for the same weights."""
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    write_whole(path, lambda beside: save_file(plain, beside))
