"""Lines with entries, drawn without pictures, for tests of versions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

from sqlalchemy import insert

from sortline.catalogue.entry import Split
from sortline.catalogue.store.clock import advance, lock_catalogue
from sortline.catalogue.store.summaries import update_line_summary
from sortline.catalogue.summary import Facts
from sortline.catalogue.tables import entries, images
from sortline.db.session import Session
from sortline.lines.store import create_line, list_classes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def new_line(session: Session, *names: str) -> tuple[int, list[int]]:
    """A line of its own and the ids of its classes."""
    line = create_line(session, f"line-{uuid4().hex[:12]}", class_names=names)
    return line.id, [each.id for each in list_classes(session, line.id)]


def add_entries(
    session: Session,
    line_id: int,
    places: Sequence[tuple[int | None, Split]],
    *,
    days: int = 0,
    group_id: int | None = None,
    source: str = "import",
) -> list[int]:
    """Ids of new entries with these classes and splits, drawn sizes, and the line's summary with them."""
    tick = lock_catalogue(session)
    facts = [
        drawn_facts(tick.next_entry + number, class_id, split, added_at=NOON + timedelta(days=days))
        for number, (class_id, split) in enumerate(places)
    ]
    if not facts:
        return []
    session.execute(insert(images), [_image(one) for one in facts])
    session.execute(insert(entries), [_entry(one, line_id, group_id, source) for one in facts])
    update_line_summary(session, line_id, [], facts)
    advance(session, tick, len(facts))
    return [one.entry_id for one in facts]


def drawn_facts(entry_id: int, class_id: int | None, split: Split, *, added_at: datetime = NOON) -> Facts:
    """Facts that only the id decides, apart from those given."""
    random = Random(entry_id)
    return Facts(
        entry_id=entry_id,
        class_id=class_id,
        split=split,
        width=random.choice((200, 256, 640)),
        height=random.choice((200, 480)),
        bytes=random.randrange(1000, 50_000),
        # Some alike, so that the order among equals is tried.
        brightness=float(random.randrange(40, 200, 10)),
        sharpness=random.lognormvariate(5, 1),
        added_at=added_at,
    )


def sha256_of(entry_id: int) -> str:
    """The hash of a drawn entry's picture."""
    return hashlib.sha256(str(entry_id).encode()).hexdigest()


def _image(facts: Facts) -> dict[str, object]:
    return {
        "sha256": sha256_of(facts.entry_id),
        "media_type": "image/jpeg",
        "bytes": facts.bytes,
        "width": facts.width,
        "height": facts.height,
        "brightness": facts.brightness,
        "sharpness": facts.sharpness,
        "source": "import",
        "first_seen": facts.added_at,
    }


def _entry(facts: Facts, line_id: int, group_id: int | None, source: str) -> dict[str, object]:
    return {
        "id": facts.entry_id,
        "line_id": line_id,
        "image_sha256": sha256_of(facts.entry_id),
        "class_id": facts.class_id,
        "split": facts.split,
        "declared": False,
        "group_id": group_id,
        "source": source,
        "name": f"photo {facts.entry_id}.jpg",
        "added_at": facts.added_at,
    }
