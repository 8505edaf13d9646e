"""What makes a bundle live on a line, or a shadow: entries in the ledger, which every server follows.

    with reading(engine) as session:
        plan = plan_promotion(session, "waste", bundle, …)     # may it?
    with follower.prepared(plan.bundle):                         # can it? a command asks `proven`
        with writing(engine) as session:
            enter(session, plan)                                 # it does

So what goes into the ledger is what goes live, and the database's one writer, for which answers wait too, is taken for
two short statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from sortline.db.session import Session, writing
from sortline.engine.choice import reference
from sortline.errors import SortlineError
from sortline.flows.bundle_files import usable
from sortline.flows.loading import NotUsable
from sortline.lines.classes import add_classes, class_ids
from sortline.lines.line import Line
from sortline.lines.store import get_line, hold_line
from sortline.registry import shadows
from sortline.registry import store as registry
from sortline.registry.ledger import AlreadyLive, BundleRecord, LiveChanged, NeverLive, NewEntry, Promotion
from sortline.registry.shadows import Pair
from sortline.serving.shadow import Opinion
from sortline.storage.blobs import Blobs


class NoEvidence(SortlineError):
    """Nothing says that the bundle is better than what is live, and nobody took that upon themselves."""

    def __init__(self, bundle: str, reason: str) -> None:
        self.bundle, self.reason = bundle, reason
        super().__init__(
            f"The bundle {bundle[:12]} is not promoted: {reason}. Promote one that passed, or force it and say "
            "why (--force --reason WHY; over HTTP force and reason)."
        )


class ReasonNeeded(SortlineError):
    """Whoever forces a promotion says why."""

    def __init__(self) -> None:
        super().__init__("A promotion that is forced needs a reason; it stands in the ledger.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A change of what is live that may be made: the bundle instead of `live` (a hash).

    `classes` are those the line has to learn, `offered` says whether the bundle is a candidate of the line already, and
    `was_shadow` whether it is its shadow.
    """

    line: Line
    bundle: BundleRecord
    live: str | None
    entry: NewEntry
    classes: tuple[str, ...]
    offered: bool
    was_shadow: bool


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
    """The entry that makes the bundle live on the line, planned and made in one transaction; see `plan_promotion`."""
    plan = plan_promotion(
        session, line, bundle_hash, who=who, reason=reason, evidence=evidence, run_id=run_id, force=force
    )
    return enter(session, plan)


def rollback(
    session: Session, line: str, bundle_hash: str | None = None, *, who: str, reason: str = ""
) -> Promotion:
    """The entry that makes a bundle live again, planned and made in one transaction; see `plan_rollback`."""
    return enter(session, plan_rollback(session, line, bundle_hash, who=who, reason=reason))


def plan_promotion(
    session: Session,
    line: str,
    bundle_hash: str,
    *,
    who: str,
    reason: str = "",
    evidence: Mapping[str, object] | None = None,
    run_id: str | None = None,
    force: bool = False,
) -> Plan:
    """The bundle live on the line; the line learns the classes that it did not know.

    `evidence` is what a comparison came to: its `verdict` has `promote`, and `against` is the hash of the bundle that
    was live then. It goes into the ledger as it is, with the run's id and whether the promotion was forced.

    Raises:
        UnknownLine, UnknownBundle: there is none.
        AlreadyLive: it serves the line already.
        NoEvidence: it was not compared, or the comparison says to keep what is live.
        ReasonNeeded: it is forced without a reason.
    """
    found, bundle = get_line(session, line), registry.get_bundle(session, bundle_hash)
    live = registry.newest(session, found.id)
    if live is not None and live.bundle_hash == bundle_hash:
        raise AlreadyLive(line, bundle_hash)
    problem = _problem(evidence, live.bundle_hash if live else None)
    if problem is not None and not force:
        raise NoEvidence(bundle_hash, problem)
    if problem is not None and not reason.strip():
        raise ReasonNeeded
    entry = NewEntry(
        line_id=found.id,
        bundle_hash=bundle_hash,
        action="promote",
        who=who,
        reason=reason or "it passed its gates",
        evidence={**(evidence or {}), "run": run_id, "forced": problem is not None},
    )
    return _plan(session, found, bundle, entry, live)


def plan_rollback(
    session: Session, line: str, bundle_hash: str | None = None, *, who: str, reason: str = ""
) -> Plan:
    """A bundle live again: the one that was before the live one, or one that ever was.

    Rolling back twice goes back twice; naming the live bundle means to roll that back.

    Raises:
        UnknownLine, UnknownBundle: there is none.
        NeverLive: the line never served it, or no other before the live one.
    """
    found = get_line(session, line)
    bundle, live = rollback_target(session, found, bundle_hash), registry.newest(session, found.id)
    entry = NewEntry(
        line_id=found.id,
        bundle_hash=bundle.hash,
        action="rollback",
        who=who,
        reason=reason or "rolled back",
        evidence={"from": live.bundle_hash if live else None},
    )
    return _plan(session, found, bundle, entry, live)


def enter(session: Session, plan: Plan) -> Promotion:
    """The entry is made: the bundle is live.

    Raises:
        LiveChanged: something else was made live since it was planned.
    """
    hold_line(session, plan.line.id)
    newest = registry.newest(session, plan.line.id)
    if (newest.bundle_hash if newest else None) != plan.live:
        raise LiveChanged(plan.line.name)
    if plan.classes:
        add_classes(session, plan.line.id, plan.classes, who=plan.entry.who)
    if not plan.offered:
        registry.add_candidate(session, plan.line.id, plan.bundle.hash, who=plan.entry.who)
    if plan.was_shadow:
        shadows.stop_shadow(session, plan.line.id, plan.bundle.hash)
    return registry.append(session, plan.entry, after=newest)


def rollback_target(session: Session, line: Line, bundle_hash: str | None = None) -> BundleRecord:
    """The bundle that a rollback would make live.

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
    live = registry.newest(session, found.id)
    if live is not None and live.bundle_hash == bundle_hash:
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


def _plan(
    session: Session, line: Line, bundle: BundleRecord, entry: NewEntry, live: Promotion | None
) -> Plan:
    known = class_ids(session, line.id, bundle.classes)
    shadow = shadows.list_shadows(session).get(line.id)
    return Plan(
        line=line,
        bundle=bundle,
        live=live.bundle_hash if live else None,
        entry=entry,
        classes=tuple(name for name in bundle.classes if name not in known),
        offered=registry.find_candidate(session, line.id, bundle.hash) is not None,
        was_shadow=shadow is not None and shadow.bundle.hash == bundle.hash,
    )


def _problem(evidence: Mapping[str, object] | None, live: str | None) -> str | None:
    """Why the evidence is not for promoting instead of the bundle `live`; None where it is."""
    if evidence is None:
        return "no run compared it with what is live"
    verdict = evidence.get("verdict")
    if not isinstance(verdict, Mapping):
        return "its evidence has no verdict"
    if verdict.get("promote") is not True:
        return str(verdict.get("text") or "its comparison says to keep what is live")
    if live is not None and evidence.get("against") != live:
        return "it was compared with another bundle than the one that is live now"
    return None
