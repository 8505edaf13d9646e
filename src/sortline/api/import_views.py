"""How imports are asked for, and how they and their problems read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sortline.api.answers import timestamp
from sortline.api.calls import InvalidParameter
from sortline.api.parameters import ClassName, Words
from sortline.catalogue.importing import Import, Problem, State
from sortline.db.paging import BadCursor
from sortline.flows.uploads import source_of

Kind = Literal["folder", "zip", "coco", "manifest", "idx", "prefix"]


class ImportOptions(BaseModel):
    """How pictures are taken."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = Field(default=None, description="Default: found out.")
    crops: bool = Field(default=False, description="COCO: one picture of each box.")
    label: ClassName | None = Field(
        default=None, description="The class of pictures that have none by their place."
    )
    labels: list[ClassName] | None = Field(
        default=None,
        max_length=1000,
        description="idx: the classes' names in order. In a form: commas between.",
    )
    relabel: bool = Field(
        default=False, description="Where a picture is known under another label, this one becomes its label."
    )
    new_classes: bool = Field(default=True, description="Labels nobody knows become classes.")
    leaks: Literal["resplit", "drop"] | None = Field(
        default=None, description="What becomes of leaks between splits that came with the import."
    )
    version: bool = Field(default=True, description="Make a version of what was imported.")
    name: Words | None = Field(default=None, min_length=1, description="The version's name.")


class Location(ImportOptions):
    """Files that the server can reach, and how their pictures are taken."""

    location: Words = Field(
        min_length=1,
        max_length=4000,
        description="An absolute path on the server, or the URL of a prefix.",
        examples=["/srv/photos", "s3://bucket/photos/"],
    )
    in_place: bool = Field(default=False, description="Folders: leave the pictures where they lie.")


# The form of an archive that is sent: the same options, as text.
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "A ZIP of class folders, or of a COCO export.",
        },
        **{name: {"type": "string"} for name in ImportOptions.model_fields},
    },
}


class ImportView(BaseModel):
    """An import and how far it is."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    kind: str
    source: str = Field(description="What is read: the name of the file sent, or the place on the server.")
    done: int = Field(description="Files behind it.")
    total: int | None = Field(description="Files in all; null until the source was opened.")
    rate: float | None = Field(description="Files a second since it was asked for; null before the first.")
    outcomes: dict[str, int] = Field(
        description="Files by what became of them: added, known, labelled, relabelled, refused, ignored."
    )
    problems: dict[str, int] = Field(description="Problems by code; see …/problems.")
    version: int | None = Field(description="Number of the version that was made of it.")
    error: str | None
    who: str
    created_at: str
    finished_at: str | None
    options: dict[str, Any]


class ImportPage(BaseModel):
    """Imports, newest first, and the cursor of the next page."""

    imports: list[ImportView]
    next_cursor: str | None


class ProblemRow(BaseModel):
    """A file that was not taken as it stood."""

    position: int = Field(description="Its place in the source's order.")
    file: str
    code: str
    detail: str


class ProblemPage(BaseModel):
    """Problems in the source's order, and the cursor of the next page."""

    problems: list[ProblemRow]
    next_cursor: str | None


def form_options(fields: Mapping[str, str]) -> ImportOptions:
    """The options in a form's fields; empty ones are left out, as browsers send what was not filled in."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if "labels" in given:
        given["labels"] = [one.strip() for one in given["labels"].split(",")]
    try:
        return ImportOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidParameter(
            ".".join(map(str, first["loc"])), str(first["input"])[:80], first["msg"]
        ) from None


def import_view(found: Import, uploads: Path, versions: Mapping[int, int]) -> ImportView:
    """The view of an import; `uploads` is where archives lie that were sent, `versions` has numbers by ids."""
    end = found.heartbeat_at if found.state is State.RUNNING else found.finished_at or datetime.now(UTC)
    seconds = (end - found.created_at).total_seconds()
    return ImportView(
        id=found.id,
        state=found.state.value,
        kind=found.kind,
        source=source_of(found, uploads),
        done=found.done,
        total=found.total,
        rate=round(found.done / seconds, 1) if found.done and seconds > 0 else None,
        outcomes=dict(found.outcomes),
        problems=dict(found.problems),
        version=None if found.version_id is None else versions.get(found.version_id),
        error=found.error,
        who=found.who,
        created_at=timestamp(found.created_at),
        finished_at=None if found.finished_at is None else timestamp(found.finished_at),
        options=found.options.document(),
    )


def problem_page(found: Sequence[Problem], limit: int) -> ProblemPage:
    """A page from up to one problem more than it has room for."""
    rows = found[:limit]
    last = rows[-1] if len(found) > limit else None
    return ProblemPage(
        problems=[
            ProblemRow(position=one.position, file=one.name, code=one.code, detail=one.detail) for one in rows
        ],
        next_cursor=None if last is None else f"{last.position}.{last.code}",
    )


def position_of(cursor: str | None) -> tuple[int, str]:
    """Where a cursor stands in the source's order.

    Raises:
        BadCursor: it is not one of ours.
    """
    if cursor is None:
        return (-1, "")
    position, dot, code = cursor.partition(".")
    if not (dot and position.isascii() and position.isdigit() and len(position) < 10 and code.isprintable()):
        raise BadCursor(cursor)
    return (int(position), code)
