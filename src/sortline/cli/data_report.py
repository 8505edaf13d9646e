"""What became of an import: for a person, for a program, and every file in a CSV."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from sortline.catalogue.entry import Split
from sortline.catalogue.importing import Import, Problem
from sortline.catalogue.sources.item import IGNORED
from sortline.catalogue.store import imports
from sortline.catalogue.store.versions import active_version, version_by_id
from sortline.catalogue.version import Version
from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.lines.classes import list_classes

EXAMPLES = 3
UNLABELLED = "(no label)"


class CannotWriteReport(SortlineError):
    """The file for the full report cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"cannot write the report {path}: {reason}; the import itself is kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An import and what is told of it: pictures by class and split, examples of problems by code; the version that it
    made, and the line's active one, which training and export take unless told otherwise.
    """

    line: str
    found: Import
    classes: Mapping[str, Mapping[str, int]]
    examples: Mapping[str, Sequence[Problem]]
    version: Version | None
    active: Version | None
    report: Path | None


def gather(engine: Engine, line: str, found: Import, report: Path | None) -> Told:
    """What is to be told of an import."""
    with reading(engine) as session:
        names = {one.id: one.name for one in list_classes(session, found.line_id)}
        classes: dict[str, dict[str, int]] = {}
        for (class_id, split), count in imports.class_splits(session, found.id).items():
            name = UNLABELLED if class_id is None else names[class_id]
            classes.setdefault(name, {})[split.name.lower()] = count
        examples = {
            code: imports.problems_after(session, found.id, code=code, limit=EXAMPLES)
            for code in sorted(found.problems)
            if code != IGNORED
        }
        version = None if found.version_id is None else version_by_id(session, found.version_id)
        active = active_version(session, found.line_id)
    return Told(
        line=line,
        found=found,
        classes=classes,
        examples=examples,
        version=version,
        active=active,
        report=report,
    )


def as_text(told: Told, out: TextIO) -> None:
    """For a person."""
    console, found = Console(file=out, highlight=False, soft_wrap=True), told.found
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(found.outcomes.items())) or "no pictures"
    console.print(Text(f"Import {found.id[:13]} into {told.line}: {outcomes}."))
    if told.classes:
        console.print(_class_table(told.classes))
    for code, examples in told.examples.items():
        console.print(Text(f"{found.problems[code]} {code}", style="yellow"))
        for problem in examples:
            console.print(Text(f"  {problem.name}: {problem.detail}"))
    if (version := told.version) is not None:
        console.print(Text(f"Version {version.number}, {version.name}: {version.size} pictures."))
        if told.active is not None and told.active.id != version.id:
            console.print(
                Text(
                    f"Version {told.active.number}, {told.active.name}, stays the active one. To train on this one: "
                    f"sortline data activate {version.number} --line {told.line}"
                )
            )
    if told.report is not None:
        console.print(Text(f"Every file that was not taken as it stood: {told.report}"))
    elif told.examples:
        console.print(Text("For every such file, add --report FILE.csv and run it again."))


def as_json(told: Told, out: TextIO) -> None:
    """For a program: one document."""
    found = told.found
    document = _document(found, told.line) | {
        "classes": told.classes,
        "examples": {
            code: [{"file": one.name, "detail": one.detail} for one in examples]
            for code, examples in told.examples.items()
        },
        "version": told.version and {"number": told.version.number, "name": told.version.name},
        "report": None if told.report is None else str(told.report),
    }
    out.write(json.dumps(document, indent=1) + "\n")


def listed(found: Sequence[Import], names: Mapping[int, str], out: TextIO) -> None:
    """Imports for a program: one document."""
    out.write(json.dumps([_document(one, names.get(one.line_id)) for one in found], indent=1) + "\n")


def write_csv(engine: Engine, import_id: str, path: Path) -> None:
    """Every file of an import that was not taken as it stood: position, file, code, detail.

    Raises:
        CannotWriteReport: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["position", "file", "code", "detail"])
            for problem in _problems(engine, import_id):
                writer.writerow([problem.position, problem.name, problem.code, problem.detail])
    except OSError as error:
        raise CannotWriteReport(path, error.strerror or str(error)) from error


def _problems(engine: Engine, import_id: str) -> Iterator[Problem]:
    after = (-1, "")
    while True:
        with reading(engine) as session:
            found = imports.problems_after(session, import_id, after=after)
        if not found:
            return
        yield from found
        after = (found[-1].position, found[-1].code)


def _class_table(classes: Mapping[str, Mapping[str, int]]) -> Table:
    splits = [split.name.lower() for split in (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.NONE)]
    table = Table("class", "pictures", *splits, box=None, header_style="bold")
    for name, counts in sorted(classes.items()):
        table.add_row(Text(name), str(sum(counts.values())), *(str(counts.get(split, 0)) for split in splits))
    return table


def _document(found: Import, line: str | None) -> dict[str, Any]:
    return {
        "import": found.id,
        "line": line,
        "kind": found.kind,
        "location": found.location,
        "state": found.state,
        "total": found.total,
        "done": found.done,
        "outcomes": dict(found.outcomes),
        "problems": dict(found.problems),
        "error": found.error,
    }
