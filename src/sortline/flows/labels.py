"""Labels as people write them, and the classes of a line that they name."""

from __future__ import annotations

from collections.abc import Iterable

from sortline.db.session import Session
from sortline.lines.classes import add_classes, class_ids, list_classes
from sortline.lines.line import InvalidClassName, RetiredClass, valid_class_name

Refusal = tuple[str, str]


def refused_labels(
    session: Session, line_id: int, names: Iterable[str], *, new_classes: bool
) -> dict[str, Refusal]:
    """Labels that cannot be taken, each with a code and what to do.

    With `new_classes` a label nobody knows is taken, as a class of its own; without, it is refused.
    """
    wanted = set(names)
    if not wanted:
        return {}
    known = class_ids(session, line_id, wanted)
    retired = {one.id for one in list_classes(session, line_id) if one.retired_at is not None}
    refused = {
        name: ("retired-class", str(RetiredClass(name))) for name, found in known.items() if found in retired
    }
    unknown = {name: _refusal(name, new_classes) for name in wanted - set(known)}
    return refused | {name: why for name, why in unknown.items() if why is not None}


def resolve_labels(session: Session, line_id: int, names: Iterable[str], *, who: str) -> dict[str, int]:
    """The class id of each label; names from before a rename or merge lead to today's class, unknown ones become one.

    Raises:
        InvalidClassName: a label cannot name a class.
    """
    wanted = set(names)
    found = class_ids(session, line_id, wanted)
    if fresh := sorted(wanted - set(found)):
        add_classes(session, line_id, fresh, who=who)
        found = class_ids(session, line_id, wanted)
    return found


def _refusal(name: str, new_classes: bool) -> Refusal | None:
    try:
        valid_class_name(name)
    except InvalidClassName as error:
        return "invalid-class-name", str(error)
    if new_classes:
        return None
    return "unknown-class", f"the line has no class {name!r}; create it, or import without --no-new-classes"
