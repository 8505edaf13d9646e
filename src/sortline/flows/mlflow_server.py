"""An MLflow server, through MLflow's own client, which is loaded when a server is first asked (extra `mlflow`).

What is told twice is there once: a run is found again by its tag, a model's version by its run, a file by its size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sortline.errors import SortlineError
from sortline.jobs.context import Transient

if TYPE_CHECKING:
    from mlflow import MlflowClient

VARIABLE, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
# The client's own retries take minutes and would make a second run; ours find what an earlier try has made. Nor does it
# report on its use to its makers, take over this process's log, or print.
_FORCED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
# Seconds that a server may be silent; whoever has a slower one sets the variable.
_TIMEOUT = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# Statuses below 500 that say nothing against the request: it took too long, came too early, or was one of too many.
_LATER = frozenset({408, 425, 429})
# Of one request: the server takes 100 parameters and 1000 rows in all.
_BATCH = 100
# Characters of a reason that are told, and of these at its beginning.
_LONGEST, _BEGINNING = 300, 100


class Refused(SortlineError):
    """The MLflow server says no, or cannot be asked this. Trying again is of no use."""


class MlflowMissing(SortlineError):
    """A server is named, but MLflow's client is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"{VARIABLE} is set, but MLflow's client is not installed: pip install 'sortline[mlflow]', "
            "and start the worker again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A figure at a step of a run, and when it was known."""

    name: str
    value: float
    step: int
    at: datetime


def mlflow_uri() -> str | None:
    """The server that this process is told to use, if any."""
    return os.environ.get(VARIABLE, "").strip() or None


@contextmanager
def mlflow_client() -> Iterator[MlflowClient]:
    """The client of the server that `MLFLOW_TRACKING_URI` names; what goes wrong in the block becomes one of three.

    Raises:
        MlflowMissing: there is no client.
        Transient: the server does not answer, or not now.
        Refused: it says no.
    """
    try:
        yield _client()
    except SortlineError:
        raise
    except Exception as error:  # the client lets through what HTTP and object stores raise
        raise (Transient if _passes(error) else Refused)(_reason(error)) from error


def run_tagged(
    client: MlflowClient,
    experiment: str,
    tag: str,
    *,
    tags: Mapping[str, str],
    name: str,
    begun: datetime,
) -> str:
    """The id of the experiment's run that has this one of the tags; it is begun if there is none."""
    known = client.get_experiment_by_name(experiment)
    if known is not None and known.lifecycle_stage != "active":
        raise Refused(
            f"the experiment {experiment} was deleted; restore it, or choose another by {EXPERIMENT}"
        )
    there = client.create_experiment(experiment) if known is None else known.experiment_id
    found = client.search_runs([there], filter_string=f"tags.`{tag}` = '{tags[tag]}'", max_results=1)
    run = found[0] if found else client.create_run(there, _ms(begun), dict(tags), run_name=name)
    return str(run.info.run_id)


def log_figures(
    client: MlflowClient, run_id: str, params: Mapping[str, str], points: Sequence[Point]
) -> None:
    """The run has these parameters and figures."""
    from mlflow.entities import Metric, Param

    named = [Param(name, value) for name, value in params.items()]
    figures = [Metric(one.name, one.value, _ms(one.at), one.step) for one in points]
    for start in range(0, max(len(named), len(figures)), _BATCH):
        part = slice(start, start + _BATCH)
        client.log_batch(run_id, params=named[part], metrics=figures[part])


def file_sizes(client: MlflowClient, run_id: str, folder: str | None) -> dict[str, int]:
    """The files in a folder of the run, or at its top, and their bytes."""
    found = client.list_artifacts(run_id, folder)
    return {one.path.rpartition("/")[2]: one.file_size for one in found if not one.is_dir}


def version_of(
    client: MlflowClient, model: str, run_id: str, folder: str, *, tags: Mapping[str, str], text: str
) -> str:
    """The number of the model's version that is the run's folder; both are registered if they are not."""
    if not client.search_registered_models(f"name = '{model}'", max_results=1):
        client.create_registered_model(model)
    found = client.search_model_versions(f"name = '{model}' and run_id = '{run_id}'", max_results=1)
    if found:
        return str(found[0].version)
    source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
    made = client.create_model_version(
        model, source, run_id, tags=dict(tags), description=text, await_creation_for=0
    )
    return str(made.version)


def version_tagged(client: MlflowClient, model: str, tag: str, value: str) -> str | None:
    """The number of the model's newest version with this tag."""
    found = client.search_model_versions(f"name = '{model}' and tags.`{tag}` = '{value}'")
    return max((str(one.version) for one in found), key=int, default=None)


def move_alias(client: MlflowClient, model: str, alias: str, version: str | None) -> None:
    """The alias is that version's alone; with None, no version's."""
    if version is not None:
        client.set_registered_model_alias(model, alias, version)
    elif client.search_registered_models(f"name = '{model}'", max_results=1):
        client.delete_registered_model_alias(model, alias)


def _client() -> MlflowClient:
    os.environ.update(_FORCED)
    os.environ.setdefault(*_TIMEOUT)
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise MlflowMissing from error
    return MlflowClient(mlflow_uri())


def _passes(error: Exception) -> bool:
    """Whether another try may do better."""
    if getattr(error, "error_code", None) == "RESOURCE_ALREADY_EXISTS":
        return True  # somebody else has just made it: the next try finds it
    if callable(status := getattr(error, "get_http_status_code", None)):
        code = status()
    else:
        code = getattr(getattr(error, "response", None), "status_code", None)
    # Everything of `requests` is an OSError.
    return isinstance(error, OSError) if code is None else code in _LATER or code >= 500


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    password = urlsplit(mlflow_uri() or "").netloc.rpartition("@")[0]
    text = text.replace(f"{password}@", "") if password else text
    # The address stands at the beginning, what happened at the end.
    return text if len(text) <= _LONGEST else f"{text[:_BEGINNING]} … {text[_BEGINNING - _LONGEST :]}"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
