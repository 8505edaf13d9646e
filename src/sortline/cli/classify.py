"""`sortline classify`: pictures from the disk, without a server or a database."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sortline.cli.options import settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.cli.many import Result
    from sortline.engine.classifier import Classifier

# With fewer files the answer is there before a bar would be.
_BAR_FROM = 20


class NothingToClassify(SortlineError):
    """The folders hold no pictures."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__(
            f"There are no pictures in {', '.join(paths)}; name files, or folders that hold some."
        )


def classify(
    paths: Annotated[list[str], typer.Argument(help="Files, folders (at any depth) or patterns.")],
    bundle: Annotated[str, typer.Option(help="A packaged bundle's name, or a bundle's folder.")] = "waste",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One line a file.")] = False,
) -> None:
    """Say what pictures show.

    Where folders are named as classes, as in Glass/1.jpg, also say how many answers are right.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    from sortline.cli import reports
    from sortline.cli.many import classify_files, find_files

    files = list(find_files(paths))
    if not files:
        raise NothingToClassify(paths)
    classifier, threads, batch = _load(bundle)
    results = classify_files(classifier, files, threads=threads, batch=batch)
    report = reports.json_document if as_json else reports.csv_lines if as_csv else reports.table
    outcome = report(_with_progress(results, len(files)), classifier.bundle, sys.stdout)
    if outcome.failed == len(files):
        raise typer.Exit(1)


def _load(bundle: str) -> "tuple[Classifier, int, int]":
    """The classifier, how many threads it is for and its best batch size."""
    from sortline.engine.bundle import BundleError, read_bundle
    from sortline.engine.choice import choose
    from sortline.engine.classifier import Classifier
    from sortline.engine.packaged import packaged_bundles

    chosen, packaged = settings(), packaged_bundles()
    folder = packaged.get(bundle, Path(bundle))
    if not folder.is_dir():
        raise BundleError(folder, f"there is no such folder; bundles in the package: {', '.join(packaged)}")
    found, threads = read_bundle(folder), chosen.inference_threads
    # An installation remembers which runtime is fastest; without one it is measured, in about a second.
    cache = chosen.data_dir / "cache"
    memory = cache if cache.is_dir() else None
    runtime, choice = choose(found, threads=threads, preferred=chosen.runtime, memory=memory)
    return Classifier(found, runtime), threads, choice.batch


def _with_progress(results: "Iterator[Result]", total: int) -> "Iterator[Result]":
    """The results, with a bar on stderr where a person looks at it and it takes a while."""
    console = Console(stderr=True)
    columns = (TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total < _BAR_FROM or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield from progress.track(results, total=total)
