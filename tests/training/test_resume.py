"""A run killed at any moment goes on to the same bits."""

import dataclasses
import hashlib
import os
import random
import signal
import threading
from multiprocessing import get_context
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")

from torch import cuda  # only where torch is installed

from sortline.training.finetune import finetune
from sortline.training.moments import Moment
from sortline.training.recipe import FinetuneRecipe
from tests.training_photos import TINY, saved_weights, stripes

KILLS = 5
# Processes come from one that has imported torch and done nothing else, so that each starts at once.
PROCESSES = get_context("forkserver")


def run(work: Path, recipe: FinetuneRecipe, moments: float = 0, seconds: float = 0) -> None:
    """A run in a process of its own, which notes each moment in a file; so many on, and a little later, it is killed.

    By a thread of its own: one from outside might come too late where the machine hangs.
    """
    noted = 0
    with (work.parent / f"{work.name}.moments").open("a") as file:

        def note(moment: Moment) -> None:
            nonlocal noted
            print(moment.phase, moment.epoch, moment.batch, moment.ended, file=file, flush=True)
            noted += 1
            if noted == moments:
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

        finetune(stripes(32, 0), stripes(16, 1), classes=2, recipe=recipe, work=work, observe=note)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.skipif(cuda.is_available(), reason="only a CPU repeats a run to the bit")
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Five times kill -9, anywhere in features, head, batches or a checkpoint: the same hash as an unbroken run's."""
    PROCESSES.set_forkserver_preload(["timm", "onnx", "tests.training_photos", "sortline.training.finetune"])
    recipe = dataclasses.replace(TINY, epochs=8, weights=str(saved_weights(tmp_path)))
    whole = started(tmp_path / "whole", recipe)
    whole.join()

    draw = random.Random(5)
    for _ in range(KILLS):
        # An epoch is five moments, so a killed run is about one further each time, if at all: never at its end.
        kill_after(draw.randrange(1, 8), draw.random() / 20, tmp_path / "cut", recipe)
    last = started(tmp_path / "cut", recipe)
    last.join()

    assert (whole.exitcode, last.exitcode) == (0, 0)
    assert len(lines(tmp_path / "cut.moments")) > len(lines(tmp_path / "whole.moments"))
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")


def started(work: Path, recipe: FinetuneRecipe, *killed: float):  # type: ignore[no-untyped-def]  # a private class
    """The process of a run."""
    process = PROCESSES.Process(target=run, args=(work, recipe, *killed))
    process.start()
    return process


def kill_after(moments: int, seconds: float, work: Path, recipe: FinetuneRecipe) -> None:
    """Kills a run once it has come so many moments further, and a little later."""
    process = started(work, recipe, moments, seconds)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def lines(file: Path) -> list[str]:
    """What was noted."""
    return file.read_text().splitlines() if file.exists() else []


def hashes(work: Path) -> dict[str, str]:
    """SHA-256 of the weights that a run left."""
    names = ("best.safetensors", "last.safetensors")
    return {name: hashlib.sha256((work / name).read_bytes()).hexdigest() for name in names}
