"""Kills the worker at random moments of a fine-tune, and holds the weights it ends with against an unbroken run's.

    python benchmarks/training_kill.py [--quick] [--kills N] [--database-url URL]

Drawn pictures and a small network, so that a kill may hit any part of a run: decoding, an epoch, a checkpoint, the
export. After each `kill -9` another worker is started, under another name; on PostgreSQL it has a data folder of its
own, and finds the checkpoint in the blob store both share. The last line is JSON: `kills`, `same_weights`,
`epochs_twice`, `locked`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from running_server import program
from sortline.catalogue.importing import Options
from sortline.catalogue.sources.source import open_source
from sortline.db.session import reading, writing
from sortline.flows import runs
from sortline.flows.finish import finish_import
from sortline.flows.ingest import run_import, start_import
from sortline.jobs.job import Job, State
from sortline.jobs.store import get_job
from sortline.lines.line import Line
from sortline.lines.store import create_line
from sortline.settings import Settings
from sortline.training.recipe import FinetuneRecipe
from sortline.training.store.runs import list_epochs
from sortline.wiring import Installation, import_tools, installation

PICTURES, EPOCHS = 120, 6
# Seconds: of a machine that other work may fill.
PATIENCE = 1800
# Fixed threads and a schedule on steps alone: what an exact repeat needs.
RECIPE = FinetuneRecipe(
    backbone="resnet10t",
    weights="none",
    serving_size=32,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    batch_size=8,
    epochs=EPOCHS,
    learning_rate=1e-3,
    patience=0,
    precision="f32",
    threads=1,
    devices=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it: kills that hit the run at work, whether the weights are those of an unbroken run, epochs that
    two workers noted, and whether the line took another run afterwards.
    """

    kills: int
    same_weights: bool
    epochs: int
    epochs_twice: int
    locked: bool


def main() -> None:
    """Kill, compare, print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three kills")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    begun = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="sortline-training-kill-"))
    try:
        found = kill_training(
            folder, kills=3 if given.quick else given.kills, database_url=given.database_url
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    database = "sqlite" if given.database_url is None else given.database_url.partition(":")[0]
    told = {name: getattr(found, name) for name in Verdict.__slots__}
    print(json.dumps(told | {"database": database, "seconds": round(time.perf_counter() - begun, 1)}))


def kill_training(folder: Path, *, kills: int, database_url: str | None = None) -> Verdict:
    """Runs twice on the same pictures: in peace, and with so many kills.

    Raises:
        RuntimeError: a run failed, or did not end.
    """
    variables = {"SORTLINE_BLOBS_URL": f"file://{folder / 'blobs'}", "SORTLINE_RUNTIME": "onnxruntime"}
    if database_url:
        variables["SORTLINE_DATABASE_URL"] = database_url
    os.environ.update(variables)
    try:
        with installation(Settings(data_dir=folder / "data")) as ready:
            line = filled(ready, folder)
            peace = begin(ready, line)
            until_ended(ready, peace, folder, variables, kills=0)
            broken = begin(ready, line)
            hits = until_ended(ready, broken, folder, variables, kills=kills)
            after = begin(ready, line)
            until_ended(ready, after, folder, variables, kills=0)
            return verdict(ready, line, (peace, broken, after), hits)
    finally:
        for name in variables:
            del os.environ[name]


def filled(ready: Installation, folder: Path) -> Line:
    """A line of two classes of drawn pictures."""
    for name, colour in (("Red", (200, 60, 60)), ("Blue", (60, 60, 200))):
        (folder / "in" / name).mkdir(parents=True)
        for number in range(PICTURES // 2):
            draw = np.random.default_rng([number, colour[0]])
            pixels = np.kron(draw.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))) / 2 + np.array(colour) / 2
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "in" / name / f"{number}.png")
    with writing(ready.engine) as session:
        line = create_line(session, f"killed-{random.randrange(10**9)}")
    with open_source(str(folder / "in")) as source, writing(ready.engine) as session:
        begun = start_import(session, line.id, source, Options(), who="benchmark")
    run_import(import_tools(ready), begun.id, finish=finish_import)
    return line


def begin(ready: Installation, line: Line) -> runs.RunState:
    """A run of the recipe, queued."""
    with writing(ready.engine) as session:
        return runs.start_run(session, line, runs.Wanted(method="finetune", recipe=RECIPE), who="benchmark")


def until_ended(
    ready: Installation, run: runs.RunState, folder: Path, variables: dict[str, str], *, kills: int
) -> int:
    """How many kills hit the run while a worker had it; workers come one after another until it has ended."""
    hits, number, end = 0, 0, time.monotonic() + PATIENCE
    while not state(ready, run).ended:
        if time.monotonic() > end:
            raise RuntimeError(f"the run has not ended: {state(ready, run)}")
        number += 1
        # On PostgreSQL each worker is a machine of its own, as far as its files go.
        own = ready.engine.dialect.name == "postgresql"
        process = start_worker(
            folder / (f"worker-{number}" if own else "data"), variables, folder / "worker.log"
        )
        try:
            hits += attend(ready, run, process, kill=hits < kills)
        finally:
            process.kill()
            process.wait()
    if (ended := state(ready, run)).state is not State.SUCCEEDED:
        raise RuntimeError(f"the run {ended.state}: {ended.error}")
    return hits


def attend(ready: Installation, run: runs.RunState, process: subprocess.Popen[bytes], *, kill: bool) -> bool:
    """Waits for the run's end, or kills the worker some moment after it took the run: whether that hit it at work."""
    before = state(ready, run).attempt
    at: float | None = None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = state(ready, run)
        if job.ended:
            return False
        if process.poll() is not None:
            raise RuntimeError(f"a worker ended by itself with {process.returncode}")
        if kill and at is None and job.attempt > before:
            # PyTorch alone takes seconds to load; later moments hit epochs, checkpoints and the export.
            at = time.monotonic() + random.uniform(0.5, 8.0)
        if at is not None and time.monotonic() >= at:
            process.kill()
            process.wait()
            return not state(ready, run).ended
        time.sleep(0.02)
    raise RuntimeError("no worker took the run")


def verdict(ready: Installation, line: Line, begun: tuple[runs.RunState, ...], hits: int) -> Verdict:
    """What the runs left."""
    with reading(ready.engine) as session:
        peace, broken, after = (runs.get_run(session, line.id, one.run.id) for one in begun)
        epochs = list_epochs(session, broken.run.id)
    numbers = [epoch.number for epoch in epochs]
    weights = [one.run.artefacts["best.safetensors"].sha256 for one in (peace, broken, after)]
    return Verdict(
        kills=hits,
        same_weights=len(set(weights)) == 1,
        epochs=len(numbers),
        epochs_twice=len(numbers) - len(set(numbers)),
        locked=after.job.state is not State.SUCCEEDED,
    )


def state(ready: Installation, run: runs.RunState) -> Job:
    """The run's job now."""
    with reading(ready.engine) as session:
        return get_job(session, run.job.id)


def start_worker(data_dir: Path, variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker process."""
    command = [*program(), "worker", "--data-dir", str(data_dir)]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | variables)


if __name__ == "__main__":
    main()
