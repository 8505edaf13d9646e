"""An import: pictures of a source on their way into a line's catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from sortline.errors import SortlineError
from sortline.jobs.process import is_gone

# A process at work says so every few seconds; one silent for this long is taken for dead.
LEASE = timedelta(seconds=15)


class State(StrEnum):
    """Where an import stands. `failed` and `cancelled` keep what was done: run again, it goes on from there."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How pictures are taken.

    `crops`: one picture of each COCO box. `label` for pictures that have none by their place; `labels` names the
    classes of idx files, in order. `in_place`: pictures stay where they lie. `relabel`: where a picture is known under
    another label, the import's becomes the current one. `new_classes`: labels nobody knows become classes.
    `leaks`: what becomes of leaks between declared splits when the import is done. `version`: a version is made of the
    import, under `name` where given. `outside`: a manifest may name files outside its own folder.
    """

    crops: bool = False
    label: str | None = None
    labels: tuple[str, ...] | None = None
    in_place: bool = False
    relabel: bool = False
    new_classes: bool = True
    leaks: Literal["resplit", "drop"] | None = None
    version: bool = True
    name: str | None = None
    outside: bool = False

    def document(self) -> dict[str, Any]:
        """As the database keeps it."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From what the database kept; options of a later version are not known here and left out."""
        known = {field.name for field in fields(cls)}
        found = {name: value for name, value in document.items() if name in known}
        if found.get("labels") is not None:
            found["labels"] = tuple(found["labels"])
        return cls(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import; `done` of `total` files are behind it, in the source's order.

    `counts` has how many files had each outcome (`added`, `known`, …) under `outcomes`, and how many problems had each
    code under `problems`. `runner` names the process at work on it, `error` why it failed.
    """

    id: str
    line_id: int
    kind: str
    location: str
    options: Options
    state: State
    fingerprint: str | None
    total: int | None
    done: int
    counts: Mapping[str, Mapping[str, int]]
    who: str
    error: str | None
    version_id: int | None
    runner: str | None
    created_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many files had each outcome."""
        return self.counts.get("outcomes", {})

    @property
    def problems(self) -> Mapping[str, int]:
        """How many problems had each code."""
        return self.counts.get("problems", {})

    def abandoned(self, now: datetime) -> bool:
        """Whether the process at work on it is dead: silent for 15 s, or known to be gone from this machine."""
        if self.state is not State.RUNNING:
            return False
        return now - self.heartbeat_at > LEASE or (self.runner is not None and is_gone(self.runner))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What was not taken as it stood: the file's place and name in the source, why (`code`), and in words."""

    position: int
    name: str
    code: str
    detail: str


class UnknownImport(SortlineError):
    """There is no such import."""

    def __init__(self, import_id: str) -> None:
        self.import_id = import_id
        super().__init__(f"there is no import {import_id}; see them with: sortline data imports")


class ImportBusy(SortlineError):
    """Another process is at work on it."""

    def __init__(self, import_id: str, runner: str | None) -> None:
        self.import_id, self.runner = import_id, runner
        super().__init__(
            f"another process ({runner or 'unknown'}) is at work on the import {import_id}; "
            "wait for it, or stop it and run this again"
        )


class ImportLost(SortlineError):
    """Another process has taken the import over, or somebody cancelled it; what was committed stays."""

    def __init__(self, import_id: str, state: State) -> None:
        self.import_id, self.state = import_id, state
        what = "was cancelled" if state is State.CANCELLED else "is in another process's hands"
        super().__init__(f"the import {import_id} {what}; what it has taken so far is kept")
