"""`sortline train`: a run from labelled pictures to a compared candidate, done here if no worker is running."""

import tomllib
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sortline.cli.data_import import INTERRUPTED, AsJson, stopped_by_signals
from sortline.cli.options import DataDir, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.cli.own_worker import OwnWorker
    from sortline.flows.runs import RunState
    from sortline.lines.line import Line
    from sortline.training.recipe import FinetuneRecipe, Method, ProbeRecipe
    from sortline.wiring import Installation


class NoRecipe(SortlineError):
    """The file with the recipe cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"cannot read the recipe {path}: {reason}")


class NotSet(SortlineError):
    """A `--set` that sets nothing."""

    def __init__(self, given: str) -> None:
        self.given = given
        super().__init__(f"--set {given} names no value; write --set key=value, as --set epochs=5")


def train(
    line: Annotated[
        str | None, typer.Option("--line", help="The line.", show_default="the default line")
    ] = None,
    method: Annotated[
        str, typer.Option(help="probe: a new head, in seconds. finetune: the whole network.")
    ] = "probe",
    recipe: Annotated[
        Path | None, typer.Option(help="A TOML file with what differs from the defaults.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value for one key; as often as needed."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version to train on.", show_default="the active one")
    ] = None,
    note: Annotated[str, typer.Option(help="What the run is for.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show how it goes until it ends, or queue it and leave.")
    ] = True,
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Print the recipe with every default, and train nothing.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Train a candidate and compare it with what is live. Ctrl-C stops waiting; the run goes on with a worker."""
    chosen = _recipe(method, recipe, set_ or [])
    if print_recipe:
        from sortline.training.recipe import recipe_text

        typer.echo(recipe_text(chosen), nl=False)
        return
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        found, begun = _start(ready, line, method, chosen, version, note, here=wait)
        if wait:
            _done(ready, found, begun, as_json=as_json)
        else:
            _queued(ready, found, begun, as_json=as_json)


def _start(
    ready: "Installation",
    line: str | None,
    method: str,
    recipe: "ProbeRecipe | FinetuneRecipe",
    version: str | None,
    note: str,
    *,
    here: bool,
) -> "tuple[Line, RunState]":
    from sortline.db.session import reading, writing
    from sortline.flows.runs import Wanted, start_run
    from sortline.flows.trainable import check_method, check_version, waits_for_version
    from sortline.lines.store import default_line, get_line

    method_: Method = "finetune" if method == "finetune" else "probe"
    with reading(ready.engine) as session:
        found = default_line(session) if line is None else get_line(session, line)
        check_method(session, method_, here=here)
        check_version(session, found.id, version)
        if version is None and waits_for_version(session, found.id):
            typer.echo(
                "Some labels wait for a version and are not trained on; to take them up: "
                f"sortline data create --line {found.name}",
                err=True,
            )
    wanted = Wanted(method=method_, recipe=recipe, version=version, note=note)
    with writing(ready.engine) as session:
        begun = start_run(session, found, wanted, who="cli")
    _tell_version(ready, found, begun)
    return found, begun


def _tell_version(ready: "Installation", line: "Line", begun: "RunState") -> None:
    """Says what is trained on, and if there is something newer."""
    from sortline.catalogue.store.versions import list_versions, version_by_id
    from sortline.db.session import reading

    with reading(ready.engine) as session:
        chosen = version_by_id(session, begun.run.version_id or 0)
        newest = list_versions(session, line.id, limit=1).items[0]
    newer = f"; version {newest.number}, {newest.name}, is newer" if newest.number > chosen.number else ""
    typer.echo(f"Training on version {chosen.number}, {chosen.name}{newer}.", err=True)


def _done(ready: "Installation", line: "Line", begun: "RunState", *, as_json: bool) -> None:
    """Shows the run until it ends; exit code 0 only where it has succeeded."""
    from sortline.cli.own_worker import OwnWorker
    from sortline.cli.run_progress import follow_run
    from sortline.flows.scratch import sweep_runs
    from sortline.jobs.job import State

    with stopped_by_signals() as stop, OwnWorker(ready) as worker:
        if not worker.here:
            typer.echo("A worker is running; following it.", err=True)
        ended = follow_run(ready.engine, line.id, begun.run.id, stop, check=worker.check)
    if not ended.job.ended:
        _stopped(ready, line, ended, worker, stop)
    if worker.here:
        with suppress(SortlineError):  # as a worker that stays does now and then; the next one tries again
            sweep_runs(ready.engine, ready.blobs, ready.runs_dir)
    _tell(ready, line, ended, as_json=as_json)
    code = 0 if ended.job.state is State.SUCCEEDED else 1
    worker.leave(code)
    raise typer.Exit(code)


def _stopped(
    ready: "Installation", line: "Line", state: "RunState", worker: "OwnWorker", stop: Event
) -> None:
    run, where = state.run.id, f"--line {line.name}"
    how = "goes on when a worker runs (sortline worker, sortline up)" if worker.here else "goes on"
    typer.echo(
        f"The run {run} {how}. To watch it: sortline runs log {run} --follow {where}; "
        f"to end it: sortline runs cancel {run} {where}",
        err=True,
    )
    worker.leave(INTERRUPTED)
    raise typer.Exit(INTERRUPTED)


def _queued(ready: "Installation", line: "Line", begun: "RunState", *, as_json: bool) -> None:
    from sortline.cli.own_worker import worker_lives

    if as_json:
        _tell(ready, line, begun, as_json=True)
    else:
        typer.echo(begun.run.id)
    if not worker_lives(ready.engine):
        typer.echo(
            "No worker is running; it starts once one does: sortline worker, or sortline up.", err=True
        )


def _tell(ready: "Installation", line: "Line", state: "RunState", *, as_json: bool) -> None:
    from sortline.cli.run_report import detail_of, tell

    detail = detail_of(ready.engine, line.name, state)
    if as_json:
        typer.echo(detail.model_dump_json(indent=1))
    else:
        tell(detail)


def _recipe(method: str, path: Path | None, given: list[str]) -> "ProbeRecipe | FinetuneRecipe":
    """The recipe of a file and of single keys on top.

    Raises:
        InvalidRecipe, NoRecipe, NotSet: it cannot be followed or read.
    """
    from sortline.training.recipe import METHODS, InvalidRecipe, read_recipe, recipe_from

    known: Method | None = next((one for one in METHODS if one == method), None)
    if known is None:
        raise InvalidRecipe("method", f"is {method!r}; allowed: {', '.join(METHODS)}")
    content: dict[str, Any] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoRecipe(path, getattr(error, "strerror", None) or "it is no text") from error
        read_recipe(text, known)  # what is wrong with the file is told before what is wrong with the options
        content = tomllib.loads(text)
    for one in given:
        _set(content, one)
    return recipe_from(known, content)


def _set(content: dict[str, Any], given: str) -> None:
    """`augmentation.flip=false`: a value as TOML writes it, or a text without its quotes."""
    key, equals, text = given.partition("=")
    *tables, name = key.strip().split(".")
    if not equals or not name:
        raise NotSet(given)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for table in tables:
        inner = content.setdefault(table, {})
        if not isinstance(inner, dict):
            raise NotSet(given)
        content = inner
    content[name] = value
