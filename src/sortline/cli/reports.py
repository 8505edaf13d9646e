"""How `sortline classify` tells its results: a table, one JSON document or CSV lines, written as results come."""

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortline.cli.many import Result
from sortline.engine.bundle import Bundle
from sortline.engine.classifier import Prediction
from sortline.engine.routing import Route, Verdict
from sortline.evaluation.metrics import Proportion, wilson

_NO_WIDTH = 10_000


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How it went: files, files without an answer, and those whose folder names a class, with the right ones."""

    total: int = 0
    failed: int = 0
    labelled: int = 0
    correct: int = 0

    def add(self, result: Result, classes: Iterable[str]) -> None:
        """Counts one result."""
        self.total += 1
        if result.prediction is None:
            self.failed += 1
        elif (label := result.path.absolute().parent.name) in classes:
            self.labelled += 1
            self.correct += result.prediction.class_name == label

    @property
    def accuracy(self) -> Proportion | None:
        """Right answers among files whose folder names a class; None where no folder does."""
        return wilson(self.correct, self.labelled) if self.labelled else None


def table(results: Iterable[Result], bundle: Bundle, out: TextIO) -> Outcome:
    """For a person; files without an answer are told on stderr."""
    outcome, console = Outcome(), Console(file=out, highlight=False, soft_wrap=True)
    rows = Table("picture", "class", "confidence", "verdict", "unusual", box=None, header_style="bold")
    for result in results:
        outcome.add(result, bundle.manifest.classes)
        if result.prediction is None or result.route is None:
            typer.echo(f"{shown(result.path)}: {result.error}", err=True)
        else:
            rows.add_row(*_cells(result.path, result.prediction, result.route))
    if rows.row_count:
        if not console.is_terminal:  # a pipe has no width, and a path broken in two could not be used
            console.width = _NO_WIDTH
        console.print(rows)
    if found := outcome.accuracy:
        figures = f"{found.value:.1%} (95% interval {found.low:.1%} to {found.high:.1%})".replace("%", " %")
        console.print(f"\nRight by the names of their folders: {outcome.correct} of {found.total}, {figures}")
    return outcome


def json_document(results: Iterable[Result], bundle: Bundle, out: TextIO) -> Outcome:
    """For a program: `bundle`, `results`, and `accuracy` where folders are named as classes."""
    outcome = Outcome()
    name = {"name": bundle.manifest.name, "hash": bundle.hash}
    out.write(f'{{"bundle": {json.dumps(name)},\n "results": [')
    for result in results:
        out.write(("" if outcome.total == 0 else ",") + "\n  " + json.dumps(_document(result)))
        outcome.add(result, bundle.manifest.classes)
    out.write("\n ]")
    if found := outcome.accuracy:
        figures = {
            "n": found.total,
            "correct": outcome.correct,
            "accuracy": round(found.value, 6),
            "interval_95": [round(found.low, 6), round(found.high, 6)],
        }
        out.write(f',\n "accuracy": {json.dumps(figures)}')
    out.write("\n}\n")
    return outcome


def csv_lines(results: Iterable[Result], bundle: Bundle, out: TextIO) -> Outcome:
    """For a spreadsheet: a header and one line a file."""
    outcome = Outcome()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "class", "confidence", "verdict", "reason", "ood_score", "error"])
    for result in results:
        outcome.add(result, bundle.manifest.classes)
        found, routed = result.prediction, result.route
        answer: list[Any] = [""] * 5
        if found and routed:
            answer = [
                found.class_name,
                f"{found.confidence:.6f}",
                routed.verdict,
                routed.reason or "",
                f"{found.ood_score:.6f}",
            ]
        writer.writerow([shown(result.path), *answer, result.error or ""])
    return outcome


def shown(path: Path) -> str:
    """The path in printable Unicode, whatever bytes the file system has."""
    return os.fsencode(path).decode("utf-8", "replace")


def _cells(path: Path, prediction: Prediction, route: Route) -> list[Text]:
    return [
        Text(shown(path), overflow="fold"),
        Text(prediction.class_name),
        Text(f"{prediction.confidence:.1%}".replace("%", " %"), justify="right"),
        _verdict(route),
        Text(f"{prediction.ood_score:.2f}", justify="right"),
    ]


def _verdict(route: Route) -> Text:
    if route.verdict is Verdict.ACCEPT:
        return Text("accept", style="green")
    return Text(f"review: {route.reason}", style="yellow")


def _document(result: Result) -> dict[str, Any]:
    path = shown(result.path)
    if result.prediction is None or result.route is None:
        return {"path": path, "error": result.error}
    found = result.prediction
    return {
        "path": path,
        "class": found.class_name,
        "confidence": round(found.confidence, 6),
        "verdict": result.route.verdict,
        "reason": result.route.reason,
        "ood_score": round(found.ood_score, 6),
        "probabilities": {name: round(p, 6) for name, p in found.ranked.items()},
    }
