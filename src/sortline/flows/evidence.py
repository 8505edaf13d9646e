"""The evidence for a promotion: what the run that made the bundle found when it held it against what was live."""

from __future__ import annotations

from collections.abc import Mapping

from sortline.db.session import Session
from sortline.flows.runs import evidence_of as evidence_of_run
from sortline.training.store import runs


def evidence_of(
    session: Session, line_id: int, bundle_hash: str, run_id: str | None = None
) -> tuple[str | None, Mapping[str, object] | None]:
    """The id of the run that made the bundle for the line (the one named, or the newest) and what it found.

    Both are None where there is none.

    Raises:
        UnknownRun: there is no run of this id.
    """
    run = runs.get_run(session, run_id) if run_id else runs.run_of_bundle(session, bundle_hash)
    if run is None or run.line_id != line_id or run.bundle_hash != bundle_hash or run.verdict is None:
        return None, None
    return run.id, evidence_of_run(run)
