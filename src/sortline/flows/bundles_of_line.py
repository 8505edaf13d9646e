"""How bundles stand to a line: which is live, which is its shadow, which were live, which could be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sortline.db.paging import Page
from sortline.db.session import Session
from sortline.engine.bundle import MANIFEST, Bundle, Manifest
from sortline.flows.bundle_files import bundle_folder
from sortline.flows.promote import rollback_target
from sortline.lines.line import Line
from sortline.registry import shadows
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord, Candidate, UnknownBundle
from sortline.serving.live import LiveLine

State = Literal["live", "shadow", "previous", "candidate", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A bundle as it stands to a line; `serving` and `problem` are this server's, where it is one."""

    bundle: BundleRecord
    state: State
    candidate: Candidate | None = None
    serving: bool = False
    problem: str | None = None
    manifest: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Hashes of a line's bundles by what they do; `previous` are all that ever were live."""

    live: str | None
    shadow: str | None
    previous: frozenset[str]

    def state(self, bundle_hash: str, *, candidate: bool) -> State:
        """What a bundle is to the line."""
        if bundle_hash == self.live:
            return "live"
        if bundle_hash == self.shadow:
            return "shadow"
        if bundle_hash in self.previous:
            return "previous"
        return "candidate" if candidate else "known"


def roles(session: Session, line_id: int) -> Roles:
    """Which bundle does what for a line."""
    live, shadow = registry.live_bundles(session).get(line_id), shadows.list_shadows(session).get(line_id)
    return Roles(
        live=live.hash if live else None,
        shadow=shadow.bundle.hash if shadow else None,
        previous=frozenset(registry.once_live(session, line_id)),
    )


def list_standings(
    session: Session,
    line_id: int,
    bundles_dir: Path,
    *,
    serving: LiveLine | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Standing]:
    """The bundles that could serve a line, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    found, acting = (
        registry.list_candidates(session, line_id, limit=limit, cursor=cursor),
        roles(session, line_id),
    )
    standings = tuple(_standing(one.bundle, one, acting, bundles_dir, serving) for one in found.items)
    return Page(items=standings, next_cursor=found.next_cursor)


def get_standing(
    session: Session,
    line_id: int,
    bundle: BundleRecord,
    bundles_dir: Path,
    *,
    serving: LiveLine | None = None,
) -> Standing:
    """How one bundle stands to a line."""
    candidate = registry.find_candidate(session, line_id, bundle.hash)
    return _standing(bundle, candidate, roles(session, line_id), bundles_dir, serving)


def resolve(session: Session, line: Line, reference: str) -> BundleRecord:
    """The bundle that a hash, the beginning of one, `live`, `shadow` or `previous` means on a line.

    Raises:
        UnknownBundle, AmbiguousBundle: none, or several.
        NeverLive: `previous`, but no other was live before.
    """
    if reference == "previous":
        return rollback_target(session, line)
    if reference == "live":
        found = registry.live_bundles(session).get(line.id)
    elif reference == "shadow":
        shadow = shadows.list_shadows(session).get(line.id)
        found = shadow.bundle if shadow else None
    else:
        return registry.bundle_that_begins(session, reference)
    if found is None:
        raise UnknownBundle(f"that is {reference} on the line {line.name}")
    return found


def manifest_of(bundle: BundleRecord, bundles_dir: Path) -> Mapping[str, Any] | None:
    """What a bundle's manifest says; None where it is neither in the database nor on this machine."""
    if (document := bundle.document) is not None:
        return document
    try:
        found: dict[str, Any] = json.loads((bundle_folder(bundle, bundles_dir) / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found


def backbone_of(manifest: Mapping[str, Any]) -> str:
    """The backbone of the bundle that has this manifest; see `Bundle.backbone`."""
    return Bundle(Path(), Manifest.model_validate(manifest)).backbone


def _standing(
    bundle: BundleRecord,
    candidate: Candidate | None,
    acting: Roles,
    bundles_dir: Path,
    serving: LiveLine | None,
) -> Standing:
    state = acting.state(bundle.hash, candidate=candidate is not None)
    answers, problem = False, None
    if serving is not None:
        answers = serving.classifier is not None and serving.classifier.bundle.hash == bundle.hash
        problem = {"live": serving.problem, "shadow": serving.shadow_problem}.get(state)
    return Standing(
        bundle=bundle,
        state=state,
        candidate=candidate,
        serving=answers,
        problem=problem,
        manifest=manifest_of(bundle, bundles_dir),
    )
