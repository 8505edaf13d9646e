"""What a run leaves: its files in a folder of its own, and as blobs that every server finds."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from sortline.db.session import writing
from sortline.storage.blobs import Blobs
from sortline.training.run import Artefact, EpochRow
from sortline.training.store import runs as store

MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".pt": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".toml": "application/toml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


def keep(
    engine: Engine, blobs: Blobs, run_id: str, files: Mapping[str, bytes], folder: Path | None = None
) -> None:
    """The files are the run's from now on, in place of what had their names; in `folder` they lie for people to open.

    Raises:
        StorageUnavailable: nothing is noted.
    """
    stored = {name: (hashlib.sha256(content).hexdigest(), content) for name, content in files.items()}
    for one in stored.values():
        blobs.put_many([one])
    with writing(engine) as session:
        store.set_artefacts(
            session,
            run_id,
            {
                name: Artefact(sha256=sha256, bytes=len(content), media_type=MEDIA_TYPES[Path(name).suffix])
                for name, (sha256, content) in stored.items()
            },
        )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)


def rows_of(epochs: Sequence[EpochRow]) -> list[dict[str, Any]]:
    """The epochs as rows of a log."""
    return [{"epoch": epoch.number, **epoch.figures} for epoch in epochs]


def epoch_files(epochs: Sequence[EpochRow]) -> dict[str, bytes]:
    """Every epoch's figures, as CSV and as JSON; nothing where a run has none."""
    if not epochs:
        return {}
    rows = rows_of(epochs)
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return {"training_log.csv": text.getvalue().encode(), "training_log.json": as_json(rows)}


def as_json(value: Any) -> bytes:
    """The value as JSON for people, ending in a newline."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
