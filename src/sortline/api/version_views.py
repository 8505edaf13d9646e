"""How versions are asked for, and how they and what differs between them read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sortline.api.answers import timestamp
from sortline.api.image_views import ImageView, Naming, image_views, naming
from sortline.api.parameters import ClassName, SplitName, Words, split_name
from sortline.api.picture_filters import Conditions, VersionRef
from sortline.catalogue.entry import Entry
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.versions import active_version, version_numbers
from sortline.catalogue.version import MOST_AT_ONCE, Diff, Member, Place, Version
from sortline.db.session import Session


class VersionView(BaseModel):
    """An immutable set of labelled pictures, with what differs from its parent."""

    number: int = Field(description="Names it in every route, as does its name.")
    name: str
    parent: int | None
    merged: int | None = Field(description="The version that was merged into its parent, by number.")
    made_from: str = Field(description="changes, staged, import, filter, merge or restore.")
    state: Literal["building", "ready"] = Field(
        description="building: a large one, not yet seen by anybody else."
    )
    active: bool = Field(description="Whether the line works with it.")
    size: int
    added: int
    removed: int
    relabelled: int
    resplit: int
    notes: str
    author: str
    created_at: str


class VersionPage(BaseModel):
    """Versions, newest first, and the cursor of the next page."""

    versions: list[VersionView]
    next_cursor: str | None


class Standing(BaseModel):
    """What a version has a picture as."""

    class_: str | None = Field(alias="class")
    split: SplitName


class ChangeView(BaseModel):
    """A picture's step from one version to the other; null: it is not in that one."""

    kind: Literal["added", "removed", "relabelled", "resplit"]
    before: Standing | None
    after: Standing | None
    image: ImageView


class DiffView(BaseModel):
    """What differs between two versions: all counts, and a page of the changes."""

    version: int
    against: int | None = Field(description="Null: nothing, for a line's first version.")
    counts: dict[str, int]
    changes: list[ChangeView]
    next_cursor: str | None


class NewVersion(BaseModel):
    """A version to make, and what from."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Literal["staged", "changes", "import", "filter", "merge", "restore"] = Field(
        alias="from",
        description="staged: labels and splits that changed since a version took them up. changes: `add`, `remove`, "
        "`relabel`. import: what `import` brought. filter: exactly what meets `filter`, in the line or in `version`. "
        "merge: what `version` changed since it parted from the parent. restore: what `version` has.",
    )
    name: Words | None = Field(default=None, min_length=1, description="Default: v and its number.")
    notes: str = Field(default="", max_length=10_000, pattern=r"^[^\x00]*$")
    parent: VersionRef | None = Field(default=None, description="Default: the active version.")
    activate: bool = Field(
        default=False, description="The line works with it at once; not for one that is still being built."
    )
    version: VersionRef | None = None
    import_: str | None = Field(default=None, alias="import", pattern=r"^[0-9a-f]{32}$")
    filter: Conditions | None = None
    prefer: Literal["ours", "theirs"] | None = Field(
        default=None, description="merge: whose change counts where both changed a picture."
    )
    add: list[int] = Field(default=[], max_length=MOST_AT_ONCE, description="Numbers (`id`) of pictures.")
    remove: list[int] = Field(default=[], max_length=MOST_AT_ONCE)
    relabel: dict[int, ClassName] = Field(default={}, max_length=MOST_AT_ONCE)


def version_views(session: Session, line_id: int, versions: Sequence[Version]) -> list[VersionView]:
    """The views of some of a line's versions."""
    active = active_version(session, line_id)
    relatives = {one for version in versions for one in (version.parent_id, version.merged_id)}
    numbers = version_numbers(session, [one for one in relatives if one is not None])
    return [
        VersionView(
            number=version.number,
            name=version.name,
            parent=None if version.parent_id is None else numbers[version.parent_id],
            merged=None if version.merged_id is None else numbers[version.merged_id],
            made_from=str(version.plan.get("kind", "changes")),
            state=version.state.value,
            active=active is not None and active.id == version.id,
            size=version.size,
            added=version.added,
            removed=version.removed,
            relabelled=version.relabelled,
            resplit=version.resplit,
            notes=version.notes,
            author=version.author,
            created_at=timestamp(version.created_at),
        )
        for version in versions
    ]


def member_views(session: Session, line: str, version: Version, members: Sequence[Member]) -> list[ImageView]:
    """The views of members, each with its class and split in the version."""
    known = get_entries(session, version.line_id, [member.entry_id for member in members])
    there = [_as(known[member.entry_id], Place(member.class_id, member.split)) for member in members]
    return image_views(session, naming(session, version.line_id, line), there)


def diff_view(
    session: Session, line: str, version: Version, against: Version | None, found: Diff
) -> DiffView:
    """The view of what differs."""
    names = naming(session, version.line_id, line)
    known = get_entries(session, version.line_id, [change.entry_id for change in found.changes])
    entries = [_as(known[change.entry_id], change.after or change.before) for change in found.changes]
    images = image_views(session, names, entries)
    return DiffView(
        version=version.number,
        against=None if against is None else against.number,
        counts={str(kind): count for kind, count in found.counts.items()},
        changes=[
            ChangeView(
                kind=change.kind.value,
                before=_standing(names, change.before),
                after=_standing(names, change.after),
                image=image,
            )
            for change, image in zip(found.changes, images, strict=True)
        ],
        next_cursor=found.next_cursor,
    )


def _standing(names: Naming, place: Place | None) -> Standing | None:
    if place is None:
        return None
    return Standing.model_validate({"class": names.of(place.class_id), "split": split_name(place.split)})


def _as(entry: Entry, place: Place | None) -> Entry:
    """The entry as a version has it."""
    if place is None:
        return entry
    why = entry.why if place.split == entry.split else None
    return replace(entry, class_id=place.class_id, split=place.split, why=why)
