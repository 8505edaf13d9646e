"""How pictures, their labels and their groups read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from sortline.api.answers import timestamp
from sortline.api.parameters import SplitName, split_name
from sortline.catalogue.entry import Entry, Group, Placed
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.label import LabelEvent
from sortline.catalogue.store.records import get_records
from sortline.db.session import Session
from sortline.engine.thumbnail import SIZES
from sortline.lines.classes import list_classes


class Urls(BaseModel):
    """Where the picture itself is, and its thumbnails by their longest side in px. They never change."""

    file: str
    thumbnails: dict[str, str]


class ImageView(BaseModel):
    """A picture of a line."""

    sha256: str = Field(description="Names the picture in every route, 64 hex digits.")
    id: int = Field(description="Its number in the catalogue; later ones are larger.")
    class_: str | None = Field(alias="class", description="Its current label; null without one.")
    split: SplitName
    why: str | None = Field(
        description="Why its split is none: bridge, trained, dropped, declared; null otherwise."
    )
    declared: bool = Field(description="Whether its split came with an import.")
    group: int | None = Field(description="Names its group of near-duplicates; null for a picture alone.")
    source: str
    name: str | None = Field(description="What it was called where it came from.")
    added_at: str
    first_seen: str
    media_type: str
    bytes: int
    width: int
    height: int
    brightness: float = Field(description="Mean, 0 to 255.")
    sharpness: float
    erased_at: str | None = Field(description="When its pixels were deleted for good.")
    urls: Urls | None = Field(description="Null once it was erased.")


class LabelEventView(BaseModel):
    """Who said what about the picture, when. A null class took the label away."""

    id: str
    class_: str | None = Field(alias="class")
    origin: Literal["import", "review", "correction", "upload", "merge", "undo"]
    who: str
    at: str
    undoes: str | None
    import_: str | None = Field(alias="import")


class ImagePage(BaseModel):
    """Pictures, newest first, and the cursor of the next page."""

    images: list[ImageView]
    next_cursor: str | None


class GroupView(BaseModel):
    """Near-duplicates of one another, oldest first; of large groups the first 100."""

    id: int
    images: list[ImageView]


class GroupPage(BaseModel):
    """Groups, latest first, and the cursor of the next page."""

    groups: list[GroupView]
    next_cursor: str | None


class ProblemView(BaseModel):
    """Something about a picture that was not taken as it came."""

    code: str
    detail: str


class UploadedView(BaseModel):
    """A picture that was added, and what became of it."""

    outcome: Literal["added", "known", "labelled", "relabelled"] = Field(
        description="known: nothing changed; labelled: known without a label, has one now; relabelled: has another."
    )
    problems: list[ProblemView]
    image: ImageView


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What views of one line's pictures need besides them: the line's name, and its classes' by their ids."""

    line: str
    classes: Mapping[int, str]

    def of(self, class_id: int | None) -> str | None:
        """The name of a class."""
        return None if class_id is None else self.classes.get(class_id)


def naming(session: Session, line_id: int, line: str) -> Naming:
    """The names of a line and its classes."""
    return Naming(line=line, classes={one.id: one.name for one in list_classes(session, line_id)})


def image_views(session: Session, names: Naming, entries: Sequence[Entry]) -> list[ImageView]:
    """The views of up to 500 entries."""
    records = get_records(session, [entry.image_sha256 for entry in entries])
    return [image_view(names, entry, records[entry.image_sha256]) for entry in entries]


def image_view(names: Naming, entry: Entry, record: ImageRecord) -> ImageView:
    """The view of one entry."""
    return ImageView.model_validate(
        {
            "sha256": record.sha256,
            "id": entry.id,
            "class": names.of(entry.class_id),
            "split": split_name(entry.split),
            "why": entry.why,
            "declared": entry.declared,
            "group": entry.group_id,
            "source": entry.source,
            "name": entry.name,
            "added_at": timestamp(entry.added_at),
            "first_seen": timestamp(record.first_seen),
            "media_type": record.media_type,
            "bytes": record.bytes,
            "width": record.width,
            "height": record.height,
            "brightness": round(record.brightness, 3),
            "sharpness": round(record.sharpness, 3),
            "erased_at": None if record.erased_at is None else timestamp(record.erased_at),
            "urls": None if record.erased_at is not None else urls(names.line, record.sha256),
        }
    )


def urls(line: str, sha256: str) -> Urls:
    """Where a picture of a line is."""
    base = f"/api/v1/lines/{line}/images/{sha256}"
    return Urls(
        file=f"{base}/file", thumbnails={str(size): f"{base}/thumbnail?size={size}" for size in SIZES}
    )


def event_view(names: Naming, event: LabelEvent) -> LabelEventView:
    """The view of one label event."""
    return LabelEventView.model_validate(
        {
            "id": event.id,
            "class": names.of(event.class_id),
            "origin": event.origin,
            "who": event.who,
            "at": timestamp(event.at),
            "undoes": event.undoes,
            "import": event.import_id,
        }
    )


def group_views(session: Session, names: Naming, groups: Sequence[Group]) -> list[GroupView]:
    """The views of groups."""
    return [GroupView(id=group.id, images=image_views(session, names, group.entries)) for group in groups]


def problem_views(placed: Placed) -> list[ProblemView]:
    """What was not taken as it came."""
    return [ProblemView(code=problem.code, detail=problem.detail) for problem in placed.problems]
