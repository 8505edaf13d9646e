"""Labels as events: who said what about which picture, when. The newest event of an entry is its label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sortline.errors import SortlineError

Origin: TypeAlias = Literal["import", "review", "correction", "upload", "merge", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvent:
    """One label given (`class_id`) or taken away (None); ids rise with time.

    `undoes` names the event before which the label was what this one restores; `import_id` the import it came with.
    """

    id: str
    entry_id: int
    class_id: int | None
    origin: str
    who: str
    at: datetime
    undoes: str | None = None
    import_id: str | None = None


class UnknownEvent(SortlineError):
    """The line has no such label event."""

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        super().__init__(f"there is no label event {event_id} on this line; look at the picture's history")


class NotNewestEvent(SortlineError):
    """Only the newest label event of a picture can be undone."""

    def __init__(self, event_id: str, newest: LabelEvent) -> None:
        self.event_id, self.newest = event_id, newest
        super().__init__(
            f"the label event {event_id} is not the picture's newest; "
            f"{newest.who} changed its label again at {newest.at:%Y-%m-%d %H:%M} ({newest.origin}): "
            f"undo {newest.id} first"
        )
