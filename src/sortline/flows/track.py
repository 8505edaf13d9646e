"""What an MLflow server is told, where `MLFLOW_TRACKING_URI` names one: finished runs, their candidates, what is live.

A run of ours is a run there, found by its tag `sortline.run`; its candidate is a version of the registered model
`sortline-<line>`, with the alias `candidate` for the newest and `live` for the one that serves. Our own ledger stays
the truth: nothing is read back, and no run fails because of a server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from sortline.catalogue.version import Version
from sortline.db.session import reading, writing
from sortline.engine.bundle import MANIFEST, Bundle
from sortline.flows.mlflow_server import (
    EXPERIMENT,
    MlflowMissing,
    Point,
    Refused,
    file_sizes,
    log_figures,
    mlflow_client,
    mlflow_uri,
    move_alias,
    run_tagged,
    version_of,
    version_tagged,
)
from sortline.flows.runs import version_name
from sortline.flows.scratch import CHECKPOINT
from sortline.jobs import store as jobs
from sortline.jobs.context import Context, Transient
from sortline.lines.line import Line
from sortline.lines.store import line_by_id, list_lines
from sortline.registry import store as registry
from sortline.storage.blobs import Blobs
from sortline.storage.errors import StorageUnavailable, UnknownBlob
from sortline.training.run import EpochRow, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The kind of the jobs that tell what is live.
JOB = "mlflow"
# Further tries that a run's step has: 15 s of pauses, and as long as the server is silent. The line's next run waits.
RETRIES = 4
RUN, BUNDLE = "sortline.run", "sortline.bundle"
_CANDIDATE, _LIVE = "candidate", "live"
_FOLDER = "bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that has come to its verdict: what it was made from, what it made, and whether that is live."""

    run: Run
    line: Line
    version: Version
    bundle: Bundle
    epochs: Sequence[EpochRow]
    live: bool


def track(context: Context, blobs: Blobs, finished: Callable[[], Finished]) -> None:
    """The run is on the MLflow server, or the job's log says why it is not; nothing where no server is named."""
    if mlflow_uri() is None:
        return

    def step() -> str:
        told = finished()
        with mlflow_client() as client:
            return _tell(client, told, blobs, context.check)

    context.progress(phase="mlflow")
    try:
        context.log(context.step("track", step, retries=RETRIES))
    except (Transient, Refused, MlflowMissing, StorageUnavailable, UnknownBlob) as error:
        context.log(f"the run is not on the MLflow server, or not all of it: {error}")


class Announcer:
    """Sees when another bundle goes live, whoever made it so, and has the server told of it."""

    def __init__(self, engine: Engine) -> None:
        """One for a worker; it does nothing yet."""
        self._engine = engine
        self._told: dict[int, int] = {}

    def look(self) -> bool:
        """A job is queued for each line whose ledger has a newer entry; False, for that is all there was to do."""
        with reading(self._engine) as session:
            now = datetime.now(UTC)
            entries = [registry.live_at(session, line.id, now) for line in list_lines(session)]
        for entry in entries:
            if entry is None or self._told.get(entry.line_id) == entry.id:
                continue
            with writing(self._engine) as session:
                jobs.enqueue(
                    session,
                    JOB,
                    {"line": entry.line_id},
                    who=entry.who,
                    # Of several workers, and after a restart, one job for each entry.
                    key=f"{JOB}/{entry.line_id}/{entry.id}",
                    exclusive=f"{JOB}/{entry.line_id}",
                )
            self._told[entry.line_id] = entry.id
        return False


def tell_live(engine: Engine, context: Context) -> None:
    """The alias `live` is at the line's live bundle, or nowhere if the server does not have that one."""

    def step() -> str:
        with reading(engine) as session:
            line = line_by_id(session, context.job.args["line"])
            live = registry.live_bundles(session)[line.id].hash
        with mlflow_client() as client:
            version = version_tagged(client, _model(line), BUNDLE, live)
            move_alias(client, _model(line), _LIVE, version)
        if version is None:
            return f"the bundle {live[:12]} is live on {line.name}; the MLflow server does not have it"
        return f"live on the MLflow server: {_model(line)} version {version}"

    context.log(context.step("live", step))


def _tell(client: MlflowClient, told: Finished, blobs: Blobs, check: Callable[[], None]) -> str:
    run, model = told.run, _model(told.line)
    experiment = os.environ.get(EXPERIMENT) or model
    tags, name = _tags(told), told.bundle.manifest.name
    there = run_tagged(client, experiment, RUN, tags=tags, name=name, begun=run.created_at)
    log_figures(client, there, _params(told), [*epoch_points(told.epochs), *_final_points(told)])
    for place, path in _missing(client, there, told, blobs):
        check()
        client.log_artifact(there, str(path), place)
    version = version_of(client, model, there, _FOLDER, tags=tags, text=_verdict(run))
    move_alias(client, model, _CANDIDATE, version)
    if told.live:
        move_alias(client, model, _LIVE, version)
    client.set_terminated(there, end_time=int((run.compared_at or run.created_at).timestamp() * 1000))
    return f"on the MLflow server: run {there} of {experiment}, {model} version {version}"


def _missing(
    client: MlflowClient, there: str, told: Finished, blobs: Blobs
) -> Iterator[tuple[str | None, Path]]:
    """The files that the server lacks, one after another: the folder there, and a path that is good until the next."""
    sizes = file_sizes(client, there, None)
    with TemporaryDirectory(prefix="mlflow-") as scratch:
        for name, artefact in told.run.artefacts.items():
            # What a killed fine-tune goes on from is of use to nobody else, and three times the network.
            if name != CHECKPOINT and sizes.get(name) != artefact.bytes:
                path = Path(scratch) / name
                path.write_bytes(blobs.get(artefact.sha256))
                yield None, path
                path.unlink()
    sizes = file_sizes(client, there, _FOLDER)
    for name in (MANIFEST, *sorted(told.bundle.manifest.files)):
        path = told.bundle.folder / name
        if sizes.get(name) != path.stat().st_size:
            yield _FOLDER, path


def _tags(told: Finished) -> dict[str, str]:
    run = told.run
    return {
        RUN: run.id,
        BUNDLE: told.bundle.hash,
        "sortline.line": told.line.name,
        "sortline.version": version_name(told.version),
        "sortline.verdict": "promote" if run.promote else "keep",
        "sortline.compared_with": run.live_hash or "nothing",
        # MLflow's own: who and why, as its pages show them.
        "mlflow.user": run.who,
        "mlflow.note.content": run.note,
    }


def _params(told: Finished) -> dict[str, str]:
    """Nothing that may be renamed while a run is told in two goes: the server lets no parameter change."""
    run, manifest = told.run, told.bundle.manifest
    return {
        "line": told.line.name,
        "method": run.method,
        "version": f"v{told.version.number}",
        "data": manifest.dataset.hash,
        "backbone": told.bundle.backbone,
        **{f"recipe.{name}": value for name, value in _flat(run.recipe)},
    }


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value if isinstance(value, str) else json.dumps(value)


def epoch_points(epochs: Sequence[EpochRow]) -> Iterator[Point]:
    """Every epoch's figures at its step."""
    for epoch in epochs:
        for name, value in epoch.figures.items():
            if name != "epoch" and isinstance(value, (int, float)):
                yield Point(name=name, value=value, step=epoch.number, at=epoch.at)


def _final_points(told: Finished) -> Iterator[Point]:
    """How the candidate did on the pictures it is judged by."""
    run = told.run
    step, at = (told.epochs[-1].number if told.epochs else 0), run.compared_at or run.created_at
    comparison = run.comparison or {}
    view = comparison.get("shared") or comparison.get("all") or {}
    ours, difference = view.get("candidate") or {}, view.get("difference") or {}
    found = {
        "test_images": view.get("images"),
        "test_accuracy": (ours.get("accuracy") or {}).get("value"),
        "test_macro_f1": ours.get("macro_f1"),
        "test_ece": (ours.get("calibration") or {}).get("error"),
        "accuracy_difference": difference.get("value"),
        "accuracy_difference_low": difference.get("low"),
        "accuracy_difference_high": difference.get("high"),
    }
    for name, value in found.items():
        if value is not None:
            yield Point(name=name, value=value, step=step, at=at)


def _verdict(run: Run) -> str:
    return str((run.verdict or {}).get("text", ""))


def _model(line: Line) -> str:
    return f"sortline-{line.name}"
