"""Archives that came over HTTP: they wait in a folder of their own until their import has read them."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from sortline.catalogue.importing import Import, State
from sortline.catalogue.store import imports
from sortline.db.session import reading

log = logging.getLogger(__name__)

# An archive is on the disk a moment before its import is in the database, and one that arrives is longer without.
_ARRIVING_S = 24 * 3600
# A failed import goes on from where it ended once its cause is mended.
_KEPT_AFTER_FAILURE = timedelta(days=7)


def uploads_folder(data_dir: Path) -> Path:
    """Where uploaded archives lie."""
    return data_dir.absolute() / "uploads"


def sweep_uploads(engine: Engine, folder: Path) -> int:
    """How many archives were deleted: their import is done, cancelled, or failed a week ago; or they have none."""
    if not folder.is_dir():
        return 0
    gone = 0
    # Each in a folder of its own, which has the name of no other.
    for upload in sorted(folder.iterdir()):
        with reading(engine) as session:
            found = [one for path in upload.iterdir() for one in imports.of_location(session, str(path))]
        if _over(found) if found else _stale(upload):
            shutil.rmtree(upload, ignore_errors=True)
            gone += 1
            log.info(
                "deleted the upload %s: %s", upload.name, found[0].state if found else "it has no import"
            )
    return gone


def source_of(found: Import, folder: Path) -> str:
    """What an import reads, for people: of an archive that was sent only its name."""
    location = Path(found.location)
    return location.name if folder in location.parents else found.location


def _over(found: list[Import]) -> bool:
    """Whether none of the imports of an archive will read it again."""
    return all(one.state in (State.DONE, State.CANCELLED) or _given_up(one) for one in found)


def _given_up(one: Import) -> bool:
    ended = one.finished_at or one.heartbeat_at
    return one.state is State.FAILED and datetime.now(UTC) - ended > _KEPT_AFTER_FAILURE


def _stale(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _ARRIVING_S
    except FileNotFoundError:
        return False
