"""A line's classes: a registry that grows. Names change, classes retire or merge, none is deleted."""

from typing import Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, Who, require
from sortline.api.answers import timestamp
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.parameters import ClassName
from sortline.catalogue.entry import Split
from sortline.catalogue.store.summaries import line_summary
from sortline.db.session import Session, reading, writing
from sortline.flows.classes import merge_classes
from sortline.lines import classes as registry
from sortline.lines.line import Class, ClassExists

reads = APIRouter(
    prefix="/api/v1/lines/{line}/classes", tags=["classes"], dependencies=[Depends(require(Scope.CLASSIFY))]
)
writes = APIRouter(
    prefix="/api/v1/lines/{line}/classes", tags=["classes"], dependencies=[Depends(require(Scope.ADMIN))]
)


class Counts(BaseModel):
    """How many pictures have the class now, in all and in each split."""

    total: int
    train: int
    validation: int
    test: int
    none: int


class ClassView(BaseModel):
    """A class of the line."""

    name: str
    retired: bool = Field(description="Given to no new pictures.")
    merged_into: str | None = Field(description="The class that took its place.")
    aliases: list[str] = Field(
        description="Names that lead to it: former ones, those of classes merged into it."
    )
    position: int = Field(description="Counts from 0 in the order the line learned them.")
    created_at: str
    tip: str | None = Field(description="What is to be done with a thing of this class.")
    pictures: Counts


class ClassList(BaseModel):
    """Every class the line ever knew, in the order it learned them."""

    classes: list[ClassView]


class ClassHistoryRow(BaseModel):
    """What happened to a class."""

    action: Literal["created", "renamed", "retired", "restored", "merged", "taken"]
    detail: dict[str, Any]
    who: str
    at: str


class ClassDetail(ClassView):
    """A class with its history, oldest first."""

    history: list[ClassHistoryRow]


class NewClass(BaseModel):
    """A class to add."""

    model_config = ConfigDict(extra="forbid")

    name: ClassName


class ClassChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: ClassName | None = Field(default=None, description="Its new name; the old one keeps leading to it.")
    retired: bool | None = Field(
        default=None, description="True: given to no new pictures. False: a class again, merged or retired."
    )
    tip: str | None = Field(
        default=None,
        max_length=500,
        pattern=r"^[^\x00]*$",
        description="What is to be done with a thing of it; empty: nothing is said.",
    )


class Merge(BaseModel):
    """The class to merge into."""

    model_config = ConfigDict(extra="forbid")

    into: ClassName


class Merged(BaseModel):
    """The class that took the other's place, and how many pictures were relabelled."""

    kept: ClassView
    relabelled: int


@reads.get("", summary="List a line's classes")
def get_classes(line: str, services: ServicesDep, live: LineDep) -> ClassList:
    """Every class with how many pictures have it; retired and merged ones too."""
    with reading(services.engine) as session:
        return ClassList(classes=_views(session, live.id))


@reads.get("/{name:path}", summary="Show a class")
def get_class(line: str, name: ClassName, services: ServicesDep, live: LineDep) -> ClassDetail:
    """One class with what happened to it; a former name leads to today's class."""
    with reading(services.engine) as session:
        found = registry.resolve_class(session, live.id, name)
        view = _view(session, live.id, found)
        history = [
            ClassHistoryRow(
                action=event.action,  # type: ignore[arg-type]  # the table has no others
                detail=dict(event.detail),
                who=event.who,
                at=timestamp(event.at),
            )
            for event in registry.class_history(session, found.id)
        ]
    return ClassDetail(**view.model_dump(), history=history)


@writes.post("", summary="Add a class", status_code=201)
def post_class(
    line: str, new: NewClass, services: ServicesDep, live: LineDep, response: Response, who: Who
) -> ClassView:
    """A new class, last in the line's order; 409 where the name leads to a class already."""
    with writing(services.engine) as session:
        if registry.class_ids(session, live.id, [new.name]):
            raise ClassExists(new.name)
        registry.add_classes(session, live.id, [new.name], who=who)
        view = _view(session, live.id, registry.resolve_class(session, live.id, new.name))
    services.follower.refresh()
    return view


@writes.patch("/{name:path}", summary="Change a class")
def patch_class(
    line: str, name: ClassName, change: ClassChange, services: ServicesDep, live: LineDep, who: Who
) -> ClassView:
    """The class as changed. Its pictures keep it, and whoever uses its old name still reaches it."""
    with writing(services.engine) as session:
        found = registry.resolve_class(session, live.id, name)
        if change.retired is not None:
            act = registry.retire_class if change.retired else registry.restore_class
            found = act(session, live.id, name, who=who)
        if change.name is not None:
            found = registry.rename_class(session, live.id, found.name, change.name, who=who)
        if change.tip is not None:
            found = registry.set_tip(session, live.id, found.name, change.tip)
        view = _view(session, live.id, found)
    services.follower.refresh()
    return view


@writes.post("/{name:path}/merge", summary="Merge a class into another")
def merge_class(
    line: str, name: ClassName, what: Merge, services: ServicesDep, live: LineDep, who: Who
) -> Merged:
    """The other class, with the first one's pictures; the first is retired and its name leads to the other."""
    done = merge_classes(services.engine, live.id, name, what.into, who=who)
    with reading(services.engine) as session:
        view = _view(session, live.id, done.kept)
    services.follower.refresh()
    return Merged(kept=view, relabelled=done.relabelled)


def _view(session: Session, line_id: int, wanted: Class) -> ClassView:
    return next(view for view in _views(session, line_id) if view.name == wanted.name)


def _views(session: Session, line_id: int) -> list[ClassView]:
    classes = registry.list_classes(session, line_id)
    names = {one.id: one.name for one in classes}
    counts = line_summary(session, line_id).counts
    aliases: dict[int, list[str]] = {}
    for name, class_id in registry.class_aliases_of(session, line_id).items():
        aliases.setdefault(class_id, []).append(name)
    return [
        ClassView(
            name=one.name,
            retired=one.retired_at is not None,
            merged_into=None if one.merged_into is None else names[one.merged_into],
            aliases=sorted(set(aliases.get(one.id, [])) - {one.name}),
            position=one.position,
            created_at=timestamp(one.created_at),
            tip=one.tip,
            pictures=_counts({split: counts.get((one.id, split), 0) for split in Split}),
        )
        for one in classes
    ]


def _counts(by_split: dict[Split, int]) -> Counts:
    return Counts(
        total=sum(by_split.values()),
        train=by_split[Split.TRAIN],
        validation=by_split[Split.VALIDATION],
        test=by_split[Split.TEST],
        none=by_split[Split.NONE],
    )
