"""Bundles an installation knows, and the ledger of what made each of them live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sortline.errors import SortlineError

Action = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """A bundle this installation knows: its folder, its classes in output order, its card's figures."""

    hash: str
    name: str
    path: str
    classes: tuple[str, ...]
    metrics: Mapping[str, object]
    created_at: datetime


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


class UnknownBundle(SortlineError):
    """This installation does not know the bundle."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no bundle {name}; list those there are with: sortline bundles")
