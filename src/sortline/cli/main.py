"""The command `sortline`. Commands load the engine or the server when they run: help and version are instant."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from sortline import __version__
from sortline.cli import (
    bundles,
    classify,
    data,
    doctor,
    jobs,
    keys,
    lines,
    models,
    review,
    runs,
    train,
    up,
    users,
    worker,
)
from sortline.errors import SortlineError

# Commands of their own; groups follow below.
COMMANDS: dict[str, Callable[..., None]] = {
    "up": up.up,
    "serve": up.serve,
    "worker": worker.worker,
    "classify": classify.classify,
    "train": train.train,
    "doctor": doctor.doctor,
}
GROUPS = {
    "lines": lines.app,
    "data": data.app,
    "bundles": bundles.app,
    "models": models.app,
    "runs": runs.app,
    "jobs": jobs.app,
    "review": review.app,
    "users": users.app,
    "keys": keys.app,
}


def main() -> None:
    """Runs the command. Whatever a user can act on is one line on stderr, and exit code 1."""
    try:
        build()()
    except SortlineError as error:
        typer.echo(f"sortline: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells say it


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="sortline",
        help="A sorting line for images: classify, set aside what is unknown, label it, learn from it.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        app.command(name)(command)
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"sortline {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Options before any command."""


if __name__ == "__main__":
    main()
