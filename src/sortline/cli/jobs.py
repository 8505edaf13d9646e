"""`sortline jobs`: what workers do and did, a job's log while it runs, and how to end one."""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortline.cli.options import DataDir, settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sortline.jobs.job import Job, LogLine

app = typer.Typer(help="Jobs: what workers do in the background.", no_args_is_help=True)

# Seconds between looks at a job that is followed.
LOOK_S = 0.5

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List jobs, newest first."""
    from sortline.db.session import reading
    from sortline.jobs import store
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        found = store.list_jobs(session, kind=kind, limit=limit).items
    if as_json:
        typer.echo(json.dumps([_document(job) for job in found], indent=2, ensure_ascii=False))
        return
    table = Table("job", "kind", "state", "progress", "created", "by", box=None, header_style="bold")
    for job in found:
        created = job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(job.id, Text(job.kind), _state(job), Text(progress_words(job)), created, Text(job.who))
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width
    console.print(table)


@app.command("show")
def show(job_id: JobId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a job: where it stands, how far it is, and why it failed."""
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        job = _look(ready.engine, job_id)[0]
    document = _document(job)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, value in document.items():
        if value not in (None, {}, False):
            typer.echo(
                f"{name:12} {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}"
            )


@app.command("log")
def log(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print a job's log. With --follow until the job ends, and with exit code 1 unless it succeeded."""
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        print_log(ready.engine, job_id, follow=follow)


def print_log(engine: "Engine", job_id: str, *, follow: bool) -> None:
    """The job's log is printed; with `follow` until the job ends, and then the command.

    Raises:
        typer.Exit: when followed to its end, with 1 unless it succeeded.
        UnknownJob: there is none of this id.
    """
    from sortline.jobs.job import State

    after = 0
    while True:
        job, lines = _look(engine, job_id, after)
        for line in lines:
            after = line.number
            typer.echo(f"{line.at.astimezone():%H:%M:%S} {line.text}")
        if not lines:
            if job.ended or not follow:
                break
            time.sleep(LOOK_S)
    if follow:
        typer.echo(f"{job.state}{f': {job.error}' if job.error else ''}", err=True)
        raise typer.Exit(0 if job.state is State.SUCCEEDED else 1)


@app.command("cancel")
def cancel(job_id: JobId, data_dir: DataDir = None) -> None:
    """End a job: at once where it waits, within a second where it runs."""
    from sortline.db.session import writing
    from sortline.jobs import store
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, writing(ready.engine) as session:
        job = store.cancel(session, job_id)
    typer.echo(f"The job {job.id} is {'being cancelled' if not job.ended else job.state}.")


def _look(engine: "Engine", job_id: str, after: int = 0) -> "tuple[Job, list[LogLine]]":
    """The job, and the lines of its log behind that one.

    Raises:
        UnknownJob: there is none of this id.
    """
    from sortline.db.session import reading
    from sortline.jobs import store

    with reading(engine) as session:
        return store.get_job(session, job_id), store.log_after(session, job_id, after)


def _document(job: "Job") -> dict[str, Any]:
    moments = ("created_at", "started_at", "finished_at")
    values = asdict(job)
    return values | {name: values[name] and values[name].isoformat() for name in moments}


def _state(job: "Job") -> str:
    return "cancelling" if job.cancelling and not job.ended else job.state


def progress_words(job: "Job") -> str:
    """`training 3 of 20, 40 s left`, as far as it is known; of a failed job the error."""
    if job.error:
        return job.error
    told = job.progress
    words = [str(told["phase"])] if "phase" in told else []
    if "done" in told:
        words.append(f"{told['done']} of {told['total']}" if "total" in told else str(told["done"]))
    text = " ".join(words)
    left = told.get("eta_s")
    return f"{text}, {left:.0f} s left" if not job.ended and isinstance(left, (int, float)) else text
