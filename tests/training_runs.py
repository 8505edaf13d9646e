"""Installations with pictures to train on, and a worker in this process that does their jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sortline.catalogue.importing import Options
from sortline.catalogue.sources.source import open_source
from sortline.catalogue.store.versions import activate, version_by_id
from sortline.db.session import reading, writing
from sortline.flows import runs
from sortline.flows.finish import finish_import
from sortline.flows.ingest import run_import, start_import
from sortline.jobs.store import get_job
from sortline.jobs.worker import run_jobs
from sortline.lines.line import Line
from sortline.lines.store import create_line, get_line, list_lines
from sortline.settings import Settings
from sortline.training.recipe import ProbeRecipe
from sortline.wiring import Installation, import_tools, installation, job_kinds
from tests.pictures import encode

COLOURS = {"Red": (200, 40, 40), "Green": (40, 180, 60), "Blue": (50, 60, 200), "White": (230, 230, 230)}


@contextmanager
def installed(database_url: str, folder: Path) -> Iterator[Installation]:
    """An installation of its own; its networks run on ONNX Runtime, which loads fastest."""
    settings = Settings(data_dir=folder / "data", database_url=database_url, runtime="onnxruntime")
    with installation(settings) as ready:
        yield ready


def coloured(root: Path, classes: Mapping[str, int], *, first: int = 0) -> Path:
    """A folder of class folders named by colours, with so many pictures of each, no two alike."""
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            (root / name / f"{name}-{number}.jpg").write_bytes(blot(name, number))
    return root


def blot(name: str, seed: int) -> bytes:
    """A picture of one colour on a background that only the seed decides."""
    draw = np.random.default_rng([seed, *COLOURS[name]])
    coarse = draw.integers(60, 200, (6, 6, 3))
    pixels = np.kron(coarse, np.ones((16, 16, 1))).astype(float)
    y, x = np.mgrid[0:96, 0:96]
    centre, radius = draw.integers(35, 60, 2), draw.integers(25, 38)
    inside = np.hypot(y - centre[0], x - centre[1]) < radius
    pixels[inside] = np.array(COLOURS[name]) + draw.normal(0, 12, (inside.sum(), 3))
    return encode((pixels + draw.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))


def line_with(ready: Installation, name: str, folder: Path) -> Line:
    """A line of that name, made if there is none, whose active version has the pictures of a folder."""
    with writing(ready.engine) as session:
        known = {line.name for line in list_lines(session)}
        line = get_line(session, name) if name in known else create_line(session, name)
    with open_source(str(folder)) as source, writing(ready.engine) as session:
        begun = start_import(session, line.id, source, Options(version=True), who="tester")
    ended = run_import(import_tools(ready), begun.id, finish=finish_import)
    with writing(ready.engine) as session:
        activate(session, version_by_id(session, ended.version_id or 0), "tester")
    return line


def trained(
    ready: Installation, line: Line, recipe: ProbeRecipe | None = None, **wanted: Any
) -> runs.RunState:
    """A run of the line as it ended."""
    with writing(ready.engine) as session:
        begun = runs.start_run(
            session,
            line,
            runs.Wanted(method="probe", recipe=recipe or ProbeRecipe(), **wanted),
            who="tester",
        )
    done(ready, begun.job.id)
    with reading(ready.engine) as session:
        return runs.get_run(session, line.id, begun.run.id)


def done(ready: Installation, job_id: str, *, seconds: float = 600.0) -> None:
    """A worker in this process has run until the job ended."""
    stop = threading.Event()

    def watch() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with reading(ready.engine) as session:
                if get_job(session, job_id).ended:
                    break
            time.sleep(0.05)
        stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_jobs(ready.engine, job_kinds(ready), {}, stop)
    watcher.join()
