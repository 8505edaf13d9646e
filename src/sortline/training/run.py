"""A training run: from a recipe and a version to a bundle, its comparison with the live one, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sortline.errors import SortlineError
from sortline.training.recipe import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file that a run left: a blob by its SHA-256 in hex, its bytes and media type."""

    sha256: str
    bytes: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run of a line.

    Whether it waits, runs or has ended is its job's `state`. `data` counts what it was made from; `bundle_hash` is the
    candidate it made, `live_hash` the bundle that was live then, `comparison` how the two did on the same pictures, and
    `promote` with `verdict` whether the candidate passed its gates.
    """

    id: str
    line_id: int
    job_id: str
    method: Method
    recipe: Mapping[str, Any]
    version_id: int | None
    note: str
    who: str
    created_at: datetime
    data: Mapping[str, Any]
    bundle_hash: str | None
    live_hash: str | None
    promote: bool | None
    verdict: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None
    compared_at: datetime | None
    artefacts: Mapping[str, Artefact]

    def artefact(self, name: str) -> Artefact:
        """The file of this name.

        Raises:
            UnknownArtefact: the run has left none, or not yet.
        """
        if name not in self.artefacts:
            raise UnknownArtefact(self.id, name, self.artefacts)
        return self.artefacts[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One epoch of a run: its figures by name, and the worker that ran it."""

    number: int
    figures: Mapping[str, Any]
    worker: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an embedding lies: its row in a segment, and that segment's blob and shape."""

    sha256: str
    position: int
    length: int
    width: int


class UnknownRun(SortlineError):
    """There is no such run."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"there is no run {run_id[:80]}; see those there are with: sortline runs list")


class UnknownArtefact(SortlineError):
    """The run has left no file of this name, or not yet."""

    def __init__(self, run_id: str, name: str, known: Iterable[str]) -> None:
        self.run_id, self.name, self.known = run_id, name, tuple(known)
        there = ", ".join(sorted(self.known)) or "none yet"
        super().__init__(f"the run {run_id} has left no file {name[:80]!r}; it has: {there}")


class NothingToTrain(SortlineError):
    """A version from which nothing can be trained, with the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"there is nothing to train: {reason}")


class EpochTaken(SortlineError):
    """Another worker has run this epoch already: this one has lost the run."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"epoch {number} was run by another worker, which goes on with the run")
