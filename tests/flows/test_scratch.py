"""What runs work on goes once they have ended, and not before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import Engine

from sortline.db.session import reading, writing
from sortline.flows.scratch import CHECKPOINT, WORK, sweep_runs
from sortline.jobs import store as jobs
from sortline.lines.store import create_line
from sortline.storage.local import LocalBlobs
from sortline.training.run import Artefact
from sortline.training.store import runs as store

RUN = "0" * 31 + "1"
CONTENT = b"an epoch's weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_ended_run_keeps_its_files_alone(engine: Engine, tmp_path: Path) -> None:
    """A queued run keeps all; a cancelled one its report, and neither its work folder nor its checkpoint."""
    blobs, job_id = LocalBlobs(tmp_path / "blobs"), _run(engine)
    blobs.put_many([(SHA256, CONTENT)])
    folder = _folder(tmp_path / "runs" / RUN)

    assert sweep_runs(engine, blobs, tmp_path / "runs") == 0
    assert (folder / WORK).is_dir()
    assert blobs.exists(SHA256)

    with writing(engine) as session:
        jobs.cancel(session, job_id)
    assert sweep_runs(engine, blobs, tmp_path / "runs") == 1
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    assert not blobs.exists(SHA256)
    with reading(engine) as session:
        assert list(store.get_run(session, RUN).artefacts) == ["report.html"]
    assert sweep_runs(engine, blobs, tmp_path / "runs") == 0


def test_folder_of_no_run_stays(engine: Engine, tmp_path: Path) -> None:
    """Neither a folder that is no run's, nor a missing one, is an error."""
    folder = _folder(tmp_path / "runs" / "of somebody else")
    assert sweep_runs(engine, LocalBlobs(tmp_path / "blobs"), tmp_path / "runs") == 0
    assert (folder / WORK / "train.npy").is_file()
    assert sweep_runs(engine, LocalBlobs(tmp_path / "blobs"), tmp_path / "none") == 0


def _run(engine: Engine) -> str:
    """A queued run with a report and a checkpoint; its job's id."""
    with writing(engine) as session:
        line = create_line(session, "waste")
        job = jobs.enqueue(session, "train", {"run": RUN}, who="tester")
        store.add_run(
            session,
            RUN,
            line_id=line.id,
            job_id=job.id,
            method="finetune",
            recipe={},
            version_id=None,
            note="",
            who="tester",
        )
        page = Artefact(sha256="1" * 64, bytes=1, media_type="text/html")
        weights = Artefact(sha256=SHA256, bytes=len(CONTENT), media_type="application/octet-stream")
        store.set_artefacts(session, RUN, {"report.html": page, CHECKPOINT: weights})
    return job.id


def _folder(folder: Path) -> Path:
    (folder / WORK).mkdir(parents=True)
    (folder / WORK / "train.npy").write_bytes(b"photos")
    (folder / "report.html").write_text("a report")
    return folder
