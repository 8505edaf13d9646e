"""Bundles an installation knows, and the ledger of what made each of them live."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sortline.errors import SortlineError

Action = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """A bundle this installation knows: its folder, its classes in output order, its card's figures.

    `manifest` is the text of its `bundle.json` once all its files are in the blob store, where every server finds them.
    """

    hash: str
    name: str
    path: str
    classes: tuple[str, ...]
    metrics: Mapping[str, object]
    created_at: datetime
    manifest: str | None = field(default=None, repr=False)

    @property
    def document(self) -> Mapping[str, Any] | None:
        """The manifest, where it is kept."""
        return None if self.manifest is None else cast("Mapping[str, Any]", json.loads(self.manifest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A bundle that could serve a line: `who` made it for the line or offered it, when."""

    id: int
    bundle: BundleRecord
    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A ledger entry: who made which bundle live, why, on what evidence."""

    id: int
    line_id: int
    bundle_hash: str
    action: Action
    who: str
    reason: str
    evidence: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A ledger entry to be made."""

    line_id: int
    bundle_hash: str
    action: Action
    who: str
    reason: str
    evidence: Mapping[str, object]


class UnknownBundle(SortlineError):
    """This installation does not know the bundle."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no bundle {name}; list those there are with: sortline bundles")


class AmbiguousBundle(SortlineError):
    """Several bundles' hashes begin like this."""

    def __init__(self, start: str) -> None:
        self.start = start
        super().__init__(f"several bundles begin with {start}; give more characters of the hash")


class NeverLive(SortlineError):
    """There is nothing to roll back to: the line never served the bundle, or no other before its live one."""

    def __init__(self, line: str, bundle: str | None = None) -> None:
        self.line, self.bundle = line, bundle
        what = (
            f"never served the bundle {bundle[:12]}" if bundle else "served no other bundle before this one"
        )
        super().__init__(f"the line {line} {what}, so it cannot be rolled back to; promote a bundle instead")


class AlreadyLive(SortlineError):
    """The bundle serves already."""

    def __init__(self, line: str, bundle: str) -> None:
        self.line, self.bundle = line, bundle
        super().__init__(f"the bundle {bundle[:12]} is live on the line {line} already")


class LiveChanged(SortlineError):
    """Something else was made live while this was prepared."""

    def __init__(self, line: str) -> None:
        self.line = line
        super().__init__(f"what is live on the line {line} has changed meanwhile; look at it and try again")


def served(ledger: Iterable[Promotion]) -> list[str]:
    """The bundles a line could roll back through, the live one last, from its ledger, oldest entry first.

    A promotion adds one. Rolling back takes away what came after the one that is live again, so that rolling back twice
    goes back twice.
    """
    stack: list[str] = []
    for entry in ledger:
        if entry.action == "rollback" and entry.bundle_hash in stack:
            del stack[stack.index(entry.bundle_hash) + 1 :]
        elif not stack or stack[-1] != entry.bundle_hash:
            stack.append(entry.bundle_hash)
    return stack
