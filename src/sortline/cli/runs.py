"""`sortline runs`: the training runs of a line, their logs while they run, their reports, and how to end one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from sortline.cli.data_import import AsJson
from sortline.cli.data_versions import console
from sortline.cli.options import DataDir, OfLine, line_name, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.db.session import Session
    from sortline.flows.runs import RunState
    from sortline.wiring import Installation

app = typer.Typer(help="Training runs of a line: how they went.", no_args_is_help=True)

RunId = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run's id, or how it begins or ends.", show_default="the newest"),
]

# Characters of an id that are shown, and runs among which a beginning is looked for.
_SHOWN, _LOOKED_AT = 18, 500


class NoSuchRun(SortlineError):
    """No run of the line begins or ends like this, or several do."""

    def __init__(self, line: str, start: str | None, found: int) -> None:
        self.line, self.start = line, start
        there = "no run yet" if start is None else f"{found or 'no'} runs that begin or end with {start[:40]}"
        super().__init__(f"the line {line} has {there}; see: sortline runs list --line {line}")


@app.command("list")
def list_(
    line: OfLine = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List a line's runs, newest first."""
    from sortline.api.run_views import RunPage, run_views
    from sortline.cli.jobs import progress_words
    from sortline.db.session import reading
    from sortline.flows.runs import list_runs
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        page = list_runs(session, get_line(session, line).id, limit=limit)
        views = run_views(session, line, page.items)
    if as_json:
        typer.echo(RunPage(runs=views, next_cursor=page.next_cursor).model_dump_json(indent=1))
        return
    table = Table("run", "method", "version", "state", "outcome", "bundle", "when", "note", box=None)
    for view, state in zip(views, page.items, strict=True):
        outcome = (state.job.error or "") if view.verdict is None else str(view.verdict["text"])
        bundle = view.bundle.hash[:12] + (" (live)" if view.serving else "") if view.bundle else ""
        when = f"{state.run.created_at.astimezone():%Y-%m-%d %H:%M}"
        number = "" if view.version is None else str(view.version)
        stands = f"{state.job.state} {'' if state.job.ended else progress_words(state.job)}"
        cells = (view.id[:_SHOWN], view.method, number, stands, outcome, bundle, when, view.note)
        table.add_row(*map(Text, cells))
    console().print(table)


@app.command("show")
def show(line: OfLine = None, run: RunId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a run: its data, its candidate, every check behind the verdict, and what to do next."""
    from sortline.cli.run_report import detail_of, tell
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        detail = detail_of(ready.engine, line, _found(ready, line, run))
    if as_json:
        typer.echo(detail.model_dump_json(indent=1))
    else:
        tell(detail)


@app.command("log")
def log(
    line: OfLine = None,
    run: RunId = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print a run's log. With --follow until the run ends, and with exit code 1 unless it succeeded."""
    from sortline.cli.jobs import print_log
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        print_log(ready.engine, _found(ready, line, run).job.id, follow=follow)


@app.command("cancel")
def cancel(line: OfLine = None, run: RunId = None, data_dir: DataDir = None) -> None:
    """End a run: at once where it waits, within a second where it runs. One that has ended stays as it is."""
    from sortline.db.session import writing
    from sortline.flows.runs import cancel_run
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        found = _found(ready, line, run)
        with writing(ready.engine) as session:
            state = cancel_run(session, found.run.line_id, found.run.id)
    typer.echo(f"The run {state.run.id} is {'being cancelled' if not state.job.ended else state.job.state}.")


@app.command("report")
def report(
    line: OfLine = None,
    run: RunId = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write it.", show_default="its name, in this folder"),
    ] = None,
    file: Annotated[
        str, typer.Option(help="Another file that the run left, as metrics.json.")
    ] = "report.html",
    open_: Annotated[bool, typer.Option("--open", help="Show it, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write a run's report, or another of its files, and print where it lies."""
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        found = _found(ready, line, run).run
        content = ready.blobs.get(found.artefact(file).sha256)
    place = (output or Path(f"{line}-{found.id[:_SHOWN]}-{file.replace('/', '-')}")).absolute()
    place.write_bytes(content)
    typer.echo(place)
    if open_:
        typer.launch(str(place))


def _found(ready: "Installation", line: str, start: str | None) -> "RunState":
    from sortline.db.session import reading
    from sortline.lines.store import get_line

    with reading(ready.engine) as session:
        return _run(session, line, get_line(session, line).id, start)


def _run(session: "Session", line: str, line_id: int, start: str | None) -> "RunState":
    """The line's run of this id, or its beginning or end (pages show the end); None means the newest.

    Raises:
        NoSuchRun: there is none, or more than one.
    """
    from sortline.flows.runs import get_run
    from sortline.training.store.runs import is_id, list_runs

    if start is not None and is_id(start):
        return get_run(session, line_id, start)
    runs = list_runs(session, line_id, limit=1 if start is None else _LOOKED_AT).items
    found = [run for run in runs if start is None or run.id.startswith(start) or run.id.endswith(start)]
    if len(found) != 1:
        raise NoSuchRun(line, start, len(found))
    return get_run(session, line_id, found[0].id)
