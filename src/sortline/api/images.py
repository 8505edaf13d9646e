"""A line's pictures: found, looked at, added, labelled."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, Who, require
from sortline.api.calls import InvalidParameter
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import (
    ImagePage,
    ImageView,
    LabelEventView,
    Naming,
    event_view,
    image_view,
    image_views,
    naming,
)
from sortline.api.parameters import (
    ClassName,
    Hash,
)
from sortline.api.picture_filters import LineQuery
from sortline.api.versions import member_page
from sortline.catalogue.entry import Entry, EntryFilter
from sortline.catalogue.label import NotNewestEvent, UnknownEvent
from sortline.catalogue.store import labels
from sortline.catalogue.store.entries import get_entry, list_entries
from sortline.catalogue.store.records import get_records
from sortline.catalogue.store.versions import get_version
from sortline.db.session import Session, reading, writing
from sortline.flows.upload import class_to_give

router = APIRouter(
    prefix="/api/v1/lines/{line}/images", tags=["images"], dependencies=[Depends(require(Scope.REVIEW))]
)


class ImageDetail(ImageView):
    """A picture with everything that was said about it, oldest first, and its near-duplicates."""

    history: list[LabelEventView]
    near_duplicates: list[ImageView] = Field(description="Others of its group, at most 100.")


class LabelChange(BaseModel):
    """The label to give; null takes it away."""

    model_config = ConfigDict(extra="forbid")

    class_: ClassName | None = Field(alias="class")


class Undo(BaseModel):
    """What to undo."""

    model_config = ConfigDict(extra="forbid")

    event: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{32}$",
        description="The label event to undo: refused if the label was changed again since. Default: the newest.",
    )


@router.get("", summary="List pictures")
def get_images(
    line: str, services: ServicesDep, live: LineDep, wanted: Annotated[LineQuery, Query()]
) -> ImagePage:
    """Pictures that meet every filter given, newest first, with their current labels or those of a version."""
    if wanted.unlabelled and wanted.version is not None:
        raise InvalidParameter("unlabelled", "true", "not to be given with version: every member has a label")
    with reading(services.engine) as session:
        conditions = wanted.of_line(session, live.id, unlabelled=wanted.unlabelled)
        if wanted.version is not None:
            return member_page(session, live, get_version(session, live.id, wanted.version), wanted)
        page = list_entries(session, live.id, conditions, limit=wanted.limit, cursor=wanted.cursor)
        views = image_views(session, naming(session, live.id, line), page.items)
    return ImagePage(images=views, next_cursor=page.next_cursor)


@router.get("/{sha256}", summary="Show a picture")
def get_image(line: str, sha256: Hash, services: ServicesDep, live: LineDep) -> ImageDetail:
    """One picture with the history of its label and its near-duplicates."""
    with reading(services.engine) as session:
        names = naming(session, live.id, line)
        entry = get_entry(session, live.id, sha256)
        view = _one(session, names, entry)
        near: tuple[Entry, ...] = ()
        if entry.group_id is not None:
            alike = EntryFilter(group=entry.group_id)
            near = list_entries(session, live.id, alike, limit=101).items
        others = [other for other in near if other.id != entry.id][:100]
        return ImageDetail.model_validate(
            view.model_dump(by_alias=True)
            | {
                "history": [
                    event_view(names, event).model_dump(by_alias=True)
                    for event in labels.history(session, entry.id)
                ],
                "near_duplicates": [
                    other.model_dump(by_alias=True) for other in image_views(session, names, others)
                ],
            }
        )


@router.put("/{sha256}/label", summary="Label a picture")
def put_label(
    line: str, sha256: Hash, change: LabelChange, services: ServicesDep, live: LineDep, who: Who
) -> ImageView:
    """The picture under its new label, which waits for the next version to take it up."""
    with writing(services.engine) as session:
        entry = get_entry(session, live.id, sha256)
        class_id = None if change.class_ is None else class_to_give(session, live.id, change.class_)
        labels.label(session, live.id, [entry.id], class_id, origin="correction", who=who)
        return _one(session, naming(session, live.id, line), get_entry(session, live.id, sha256))


@router.post("/{sha256}/label/undo", summary="Undo a label")
def undo_label(
    line: str, sha256: Hash, what: Undo, services: ServicesDep, live: LineDep, who: Who
) -> ImageView:
    """The picture with the label it had before; undoing an undo redoes."""
    with writing(services.engine) as session:
        entry = get_entry(session, live.id, sha256)
        history = labels.history(session, entry.id)
        if not history:
            raise UnknownEvent(what.event or "for this picture")
        event = what.event or history[-1].id
        if event not in {found.id for found in history}:
            raise UnknownEvent(event)
        if event != history[-1].id:
            raise NotNewestEvent(event, history[-1])
        labels.undo(session, live.id, event, who=who)
        return _one(session, naming(session, live.id, line), get_entry(session, live.id, sha256))


def _one(session: Session, names: Naming, entry: Entry) -> ImageView:
    return image_view(names, entry, get_records(session, [entry.image_sha256])[entry.image_sha256])
