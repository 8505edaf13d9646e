"""What a run worked on, gone once the run has ended: decoded photos, features, checkpoints. Its files stay."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from sqlalchemy import Engine

from sortline.db.session import Session, reading, writing
from sortline.jobs.store import get_job
from sortline.storage.blobs import Blobs
from sortline.training.run import UnknownRun
from sortline.training.store import runs as store

log = logging.getLogger(__name__)

# In a run's folder: what only the run itself needs. Beside it lie the files that people open.
WORK = "work"
# As a blob it is what another worker goes on from.
CHECKPOINT = "checkpoint.pt"


def sweep_runs(engine: Engine, blobs: Blobs, runs_dir: Path) -> int:
    """How many ended runs let go of what they worked on; a folder that is no run's stays as it is.

    Raises:
        StorageUnavailable: the blob store does not answer.
    """
    gone = 0
    for work in sorted(runs_dir.glob(f"*/{WORK}")):
        run_id = work.parent.name
        with reading(engine) as session:
            over = _over(session, run_id)
        if not over:
            continue
        with writing(engine) as session:
            checkpoint = store.drop_artefact(session, run_id, CHECKPOINT)
        if checkpoint is not None:
            blobs.delete(checkpoint.sha256)
        shutil.rmtree(work, ignore_errors=True)
        gone += 1
        log.info("the run %s has ended: what it worked on is gone", run_id)
    return gone


def _over(session: Session, run_id: str) -> bool:
    try:
        run = store.get_run(session, run_id)
    except UnknownRun:
        return False
    return get_job(session, run.job_id).ended
