"""Two classes that become one: the registry first, then the pictures."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from sortline.catalogue.store.entries import ids_of_class
from sortline.catalogue.store.labels import label
from sortline.db.session import writing
from sortline.lines.classes import merge_class
from sortline.lines.line import Class

# Labels a transaction.
_CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The class that went, retired now; the one that took its place; how many pictures were relabelled."""

    gone: Class
    kept: Class
    relabelled: int


def merge_classes(engine: Engine, line_id: int, name: str, into: str, *, who: str) -> Merged:
    """Every picture of one class has the other's label; the first is retired, its names lead to the other.

    From the first step on new pictures of that name get the other label. A merge that was cut short goes on when it is
    asked for again. To take it back, restore the class and undo the label events of origin `merge`.

    Raises:
        UnknownClass, InvalidMerge: nothing was changed.
    """
    with writing(engine) as session:
        gone, kept = merge_class(session, line_id, name, into, who=who)
    total = 0
    while True:
        with writing(engine) as session:
            wrong = ids_of_class(session, line_id, gone.id, limit=_CHUNK)
            if not wrong:
                return Merged(gone=gone, kept=kept, relabelled=total)
            total += len(label(session, line_id, wrong, kept.id, origin="merge", who=who))
