"""`sortline models`: what is live on a line, what could be, what makes one live. Servers follow within two seconds."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sortline.cli.bundles import accuracy
from sortline.cli.data_import import AsJson
from sortline.cli.data_versions import console
from sortline.cli.options import DataDir, OfLine, line_name, settings

if TYPE_CHECKING:
    from sortline.flows.bundles_of_line import Standing
    from sortline.registry.ledger import BundleRecord, Promotion
    from sortline.registry.shadows import Seen
    from sortline.wiring import Installation

app = typer.Typer(help="Models: the bundles of a line, and which is live.", no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(help="A bundle's hash or its beginning, a name, or live, shadow, previous.")
]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]
# Bundles and entries told at once.
_MOST = 500


@app.command("list")
def list_(line: OfLine = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the bundles that serve, served or could serve a line, newest first."""
    from sortline.db.session import reading
    from sortline.flows.bundles_of_line import list_standings
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        line_id = get_line(session, line).id
        found = list_standings(session, line_id, ready.bundles_dir, limit=_MOST).items
    if as_json:
        _print_json([_standing(one) for one in found])
        return
    table = Table("bundle", "hash", "state", "classes", "accuracy on test", "trained on", "offered", box=None)
    for one in found:
        dataset = (one.manifest or {}).get("dataset", {}).get("version", "")
        offered = f"{one.candidate.at:%Y-%m-%d %H:%M} by {one.candidate.who}" if one.candidate else ""
        known = (one.bundle.name, one.bundle.hash[:12], one.state, str(len(one.bundle.classes)))
        table.add_row(*map(Text, (*known, accuracy(one.bundle.metrics), dataset, offered)))
    console().print(table)


@app.command("show")
def show(model: Reference, line: OfLine = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a bundle as it stands to a line, and where it disagreed as its shadow."""
    from sortline.db.session import reading
    from sortline.flows.bundles_of_line import get_standing
    from sortline.lines.store import get_line
    from sortline.registry.shadows import seen
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        record = _bundle(ready, line, model)
        with reading(ready.engine) as session:
            line_id = get_line(session, line).id
            standing = get_standing(session, line_id, record, ready.bundles_dir)
            saw = seen(session, line_id, record.hash)
    if as_json:
        _print_json(_standing(standing) | {"shadowed": [_seen(one) for one in saw]})
        return
    out = console()
    out.print(f"{record.name} {record.hash}: {standing.state} on {line}")
    out.print(f"Classes: {', '.join(record.classes)}", markup=False)
    out.print(f"Accuracy on test: {accuracy(record.metrics)}")
    for one in saw:
        _print_seen(one)


@app.command("promote")
def promote(
    model: Reference,
    line: OfLine = None,
    reason: Reason = "",
    run: Annotated[
        str | None, typer.Option(help="The run that speaks for it.", show_default="the newest")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Without a comparison that speaks for it; give a reason.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a bundle live. It must answer its golden pictures rightly here first."""
    from sortline.db.session import reading, writing
    from sortline.flows import promote as flow
    from sortline.flows.evidence import evidence_of
    from sortline.flows.policy import refit
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        record = _bundle(ready, line, model)
        with reading(ready.engine) as session:
            run_id, evidence = evidence_of(session, get_line(session, line).id, record.hash, run)
            plan = flow.plan_promotion(
                session,
                line,
                record.hash,
                who="cli",
                reason=reason,
                evidence=evidence,
                run_id=run_id,
                force=force,
            )
        flow.proven(record, ready.bundles_dir, ready.blobs)
        refit(ready.engine, ready.bundles_dir, ready.blobs, plan.line, record)
        with writing(ready.engine) as session:
            flow.enter(session, plan)
    typer.echo(f"{record.name} {record.hash[:12]} is live on {line}.")


@app.command("rollback")
def rollback(
    line: OfLine = None,
    model: Annotated[
        str | None,
        typer.Argument(help="A bundle that was live.", show_default="the one before the live one"),
    ] = None,
    reason: Reason = "",
    data_dir: DataDir = None,
) -> None:
    """Make a bundle live again; rolling back twice goes back twice."""
    from sortline.db.session import reading, writing
    from sortline.flows import promote as flow
    from sortline.flows.policy import refit
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        named = _bundle(ready, line, model).hash if model not in (None, "previous", "live") else None
        with reading(ready.engine) as session:
            plan = flow.plan_rollback(session, line, named, who="cli", reason=reason)
        flow.proven(plan.bundle, ready.bundles_dir, ready.blobs)
        refit(ready.engine, ready.bundles_dir, ready.blobs, plan.line, plan.bundle)
        with writing(ready.engine) as session:
            flow.enter(session, plan)
    typer.echo(f"{plan.bundle.name} {plan.bundle.hash[:12]} is live on {line} again.")


@app.command("shadow")
def shadow(
    model: Reference,
    line: OfLine = None,
    stop: Annotated[bool, typer.Option("--stop", help="It is the shadow no longer.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Let a bundle see a line's traffic without answering; where it disagrees is counted."""
    from sortline.db.session import writing
    from sortline.flows import promote as flow
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        record = _bundle(ready, line, model)
        if not stop:
            flow.proven(record, ready.bundles_dir, ready.blobs)
        was = False
        with writing(ready.engine) as session:
            if stop:
                was = flow.stop_shadow(session, line, record.hash)
            else:
                flow.shadow(session, line, record.hash, who="cli")
    ended = "is the shadow no longer" if was else "was not the shadow"
    told = ended if stop else "sees what the line sees, without answering"
    typer.echo(f"{line}: {record.name} {record.hash[:12]} {told}.")


@app.command("ledger")
def ledger(
    line: OfLine = None,
    at: Annotated[datetime | None, typer.Option(help="Only what was live then (UTC).")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Print what was made live on a line, newest first: by whom, why, trained on what."""
    from sortline.db.session import reading
    from sortline.lines.store import get_line
    from sortline.registry import store
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        line_id = get_line(session, line).id
        if at is not None:
            entry = store.live_at(session, line_id, at.replace(tzinfo=at.tzinfo or UTC))
            entries = [entry] if entry else []
        else:
            entries = list(store.ledger(session, line_id, limit=_MOST).items)
        known = store.get_bundles(session, {entry.bundle_hash for entry in entries})
    if as_json:
        _print_json([_entry(one, known[one.bundle_hash]) for one in entries])
        return
    table = Table("when (UTC)", "", "bundle", "hash", "trained on", "by", "why", box=None)
    for one in entries:
        bundle = known[one.bundle_hash]
        dataset = (bundle.document or {}).get("dataset", {}).get("version", "")
        forced = " (forced)" if one.evidence.get("forced") else ""
        when, why = f"{one.at:%Y-%m-%d %H:%M:%S}", one.reason + forced
        cells = (when, one.action, bundle.name, bundle.hash[:12], dataset, one.who, why)
        table.add_row(*map(Text, cells))
    console().print(table)


def _bundle(ready: "Installation", line: str, reference: str) -> "BundleRecord":
    """The bundle that is meant, its files where every server finds them."""
    from sortline.db.session import reading
    from sortline.flows.bundles_of_line import resolve
    from sortline.flows.lines import know_bundle
    from sortline.lines.store import get_line

    if reference in ("live", "shadow", "previous"):
        with reading(ready.engine) as session:
            reference = resolve(session, get_line(session, line), reference).hash
    return know_bundle(ready.engine, ready.bundles_dir, ready.blobs, reference)


def _print_seen(seen: "Seen") -> None:
    out = console()
    dropped = f", {seen.dropped} dropped" if seen.dropped else ""
    out.print(
        f"As shadow of {seen.live_hash[:12]}: {seen.pictures} pictures, {seen.agreed} the same{dropped}"
    )
    for one in seen.disagreements:
        out.print(Text(f"    {one.n:6d}  {one.live_class} → {one.shadow_class}"))


def _standing(standing: "Standing") -> dict[str, Any]:
    bundle, candidate = standing.bundle, standing.candidate
    return {
        "name": bundle.name,
        "hash": bundle.hash,
        "state": standing.state,
        "classes": list(bundle.classes),
        "metrics": dict(bundle.metrics),
        "dataset": (standing.manifest or {}).get("dataset"),
        "offered_by": candidate.who if candidate else None,
        "offered_at": candidate.at.isoformat() if candidate else None,
    }


def _seen(seen: "Seen") -> dict[str, Any]:
    return {
        "live": seen.live_hash,
        "pictures": seen.pictures,
        "agreed": seen.agreed,
        "dropped": seen.dropped,
        "disagreements": [
            {"live": one.live_class, "shadow": one.shadow_class, "n": one.n} for one in seen.disagreements
        ],
    }


def _entry(entry: "Promotion", bundle: "BundleRecord") -> dict[str, Any]:
    return {
        "id": entry.id,
        "action": entry.action,
        "model": {"name": bundle.name, "hash": bundle.hash},
        "dataset": (bundle.document or {}).get("dataset"),
        "who": entry.who,
        "reason": entry.reason,
        "evidence": dict(entry.evidence),
        "at": entry.at.isoformat(),
    }


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
