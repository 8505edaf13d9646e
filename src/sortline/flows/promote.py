"""What makes a bundle live on a line, or a shadow: entries in the ledger, which every server follows.

An edge first sees that the bundle can serve (`Follower.prepared` on a server, `proven` in a command), so that what goes
into the ledger is what goes live.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from sortline.db.session import Session, writing
from sortline.engine.choice import reference
from sortline.errors import SortlineError
from sortline.flows.bundle_files import usable
from sortline.flows.loading import NotUsable
from sortline.lines.classes import add_classes
from sortline.lines.line import Line
from sortline.lines.store import get_line
from sortline.registry import shadows
from sortline.registry import store as registry
from sortline.registry.ledger import Action, AlreadyLive, BundleRecord, NeverLive, Promotion
from sortline.registry.shadows import Pair
from sortline.serving.shadow import Opinion
from sortline.storage.blobs import Blobs


class NoEvidence(SortlineError):
    """Nothing says that the bundle is better than what is live, and nobody took that upon themselves."""

    def __init__(self, bundle: str, reason: str) -> None:
        self.bundle, self.reason = bundle, reason
        super().__init__(
            f"The bundle {bundle[:12]} is not promoted: {reason}. Train and compare it first, or force it and say why."
        )


class ReasonNeeded(SortlineError):
    """Whoever forces a promotion says why."""

    def __init__(self) -> None:
        super().__init__("A promotion that is forced needs a reason; it stands in the ledger.")


def promote(
    session: Session,
    line: str,
    bundle_hash: str,
    *,
    who: str,
    reason: str = "",
    evidence: Mapping[str, object] | None = None,
    run_id: str | None = None,
    force: bool = False,
) -> Promotion:
    """The entry that makes the bundle live on the line; the line learns the classes that it did not know.

    `evidence` is what a comparison came to: its `verdict` has `promote`, and `against` is the hash of the bundle that
    was live then. It goes into the ledger as it is, with the run's id and whether the promotion was forced.

    Raises:
        UnknownLine, UnknownBundle: there is none.
        AlreadyLive: it serves the line already.
        NoEvidence: it was not compared, or the comparison says to keep what is live.
        ReasonNeeded: it is forced without a reason.
    """
    found, bundle = get_line(session, line), registry.get_bundle(session, bundle_hash)
    problem = may_promote(session, line, bundle_hash, evidence=evidence, force=force, reason=reason)
    noted = {**(evidence or {}), "run": run_id, "forced": problem is not None}
    return _make_live(session, found, bundle, "promote", who, reason or "it passed its gates", noted)


def may_promote(
    session: Session,
    line: str,
    bundle_hash: str,
    *,
    evidence: Mapping[str, object] | None,
    force: bool,
    reason: str,
) -> str | None:
    """What is wrong with the evidence where that is overridden; None where it is for promoting. See `promote`.

    Raises:
        UnknownLine, AlreadyLive, NoEvidence, ReasonNeeded: it may not.
    """
    live = registry.live_bundles(session).get(get_line(session, line).id)
    if live is not None and live.hash == bundle_hash:
        raise AlreadyLive(line, bundle_hash)
    problem = _problem(evidence, live)
    if problem is not None and not force:
        raise NoEvidence(bundle_hash, problem)
    if problem is not None and not reason.strip():
        raise ReasonNeeded
    return problem


def rollback(
    session: Session, line: str, bundle_hash: str | None = None, *, who: str, reason: str = ""
) -> Promotion:
    """The entry that makes a bundle live again: the one that was before the live one, or one that ever was.

    Rolling back twice goes back twice; naming the live bundle means to roll that back.

    Raises:
        UnknownLine, UnknownBundle: there is none.
        NeverLive: the line never served it, or no other before the live one.
    """
    found = get_line(session, line)
    target = rollback_target(session, found, bundle_hash)
    current = registry.live_bundles(session)[found.id]
    noted = {"from": current.hash}
    return _make_live(session, found, target, "rollback", who, reason or "rolled back", noted)


def rollback_target(session: Session, line: Line, bundle_hash: str | None = None) -> BundleRecord:
    """The bundle that `rollback` would make live.

    Raises:
        UnknownBundle: there is none of this hash.
        NeverLive: the line never served it, or no other before the live one.
    """
    served = registry.served_bundles(session, line.id)
    if bundle_hash is not None and bundle_hash != (served[-1] if served else None):
        bundle = registry.get_bundle(session, bundle_hash)
        if bundle_hash not in registry.once_live(session, line.id):
            raise NeverLive(line.name, bundle_hash)
        return bundle
    if len(served) < 2:
        raise NeverLive(line.name)
    return registry.get_bundle(session, served[-2])


def shadow(session: Session, line: str, bundle_hash: str, *, who: str) -> None:
    """The bundle sees the line's traffic from now on, instead of any other, without answering.

    Raises:
        UnknownLine, UnknownBundle: there is none.
        AlreadyLive: it is what answers.
    """
    found = get_line(session, line)
    live = registry.live_bundles(session).get(found.id)
    if live is not None and live.hash == bundle_hash:
        raise AlreadyLive(line, bundle_hash)
    registry.add_candidate(session, found.id, bundle_hash, who=who)
    shadows.start_shadow(session, found.id, bundle_hash, who=who)


def stop_shadow(session: Session, line: str, bundle_hash: str) -> bool:
    """Whether the bundle was the line's shadow; it is not any more. What it saw stays counted.

    Raises:
        UnknownLine: there is none.
    """
    return shadows.stop_shadow(session, get_line(session, line).id, bundle_hash)


def proven(record: BundleRecord, bundles_dir: Path, blobs: Blobs) -> None:
    """The bundle is whole, and the reference runtime answers its golden pictures rightly, in this process.

    Raises:
        NotUsable: it is missing, cannot be trusted, or cannot be run.
    """
    try:
        reference(usable(record, bundles_dir, blobs))
    except Exception as error:  # a native library may raise anything
        raise NotUsable(record, str(error).partition("\n")[0]) from error


def keep_opinions(engine: Engine, counts: Mapping[Opinion, int]) -> None:
    """What shadows said is counted, in a transaction of its own."""
    pairs = {
        Pair(
            line_id=opinion.line_id,
            bundle_hash=opinion.shadow_hash,
            live_hash=opinion.live_hash,
            live_class=opinion.live_class,
            shadow_class=opinion.shadow_class,
        ): n
        for opinion, n in counts.items()
    }
    with writing(engine) as session:
        shadows.count_pairs(session, pairs)


def _make_live(
    session: Session,
    line: Line,
    bundle: BundleRecord,
    action: Action,
    who: str,
    reason: str,
    evidence: Mapping[str, object],
) -> Promotion:
    # This also holds the line: of two promotions at once, the second sees what the first made live.
    add_classes(session, line.id, bundle.classes, who=who)
    live = registry.live_bundles(session).get(line.id)
    if live is not None and live.hash == bundle.hash:
        raise AlreadyLive(line.name, bundle.hash)
    shadows.stop_shadow(session, line.id, bundle.hash)
    return registry.promote(
        session, line.id, bundle.hash, who=who, reason=reason, action=action, evidence=evidence
    )


def _problem(evidence: Mapping[str, object] | None, live: BundleRecord | None) -> str | None:
    """Why the evidence is not for promoting; None where it is."""
    if evidence is None:
        return "no run compared it with what is live"
    verdict = evidence.get("verdict")
    if not isinstance(verdict, Mapping):
        return "its evidence has no verdict"
    if verdict.get("promote") is not True:
        return str(verdict.get("text") or "its comparison says to keep what is live")
    against = evidence.get("against")
    if live is not None and against != live.hash:
        return "it was compared with another bundle than the one that is live now"
    return None
