"""What follows once every file of an import is behind it: leaks are mended as asked, and a version is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from threading import Event
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import Engine

from sortline.catalogue.entry import TrainedLookup
from sortline.catalogue.importing import Import
from sortline.catalogue.store import groups
from sortline.catalogue.version import (
    LONGEST_NAME,
    Draft,
    InvalidVersionName,
    Version,
    VersionNameTaken,
    VersionState,
)
from sortline.db.session import Session, writing
from sortline.flows.ingest import Tools
from sortline.flows.versions import version_of_import


def finish_import(tools: Tools, found: Import, stop: Event) -> bool:
    """Whether all is done: leaks between splits mended where the import asked for it, its version made, once.

    False when told to stop before; run again, it goes on.

    Raises:
        InvalidVersionName, VersionNameTaken: the name asked for cannot be the version's.
    """
    options = found.options
    if options.leaks is not None:
        mend_leaks(tools.engine, found.line_id, options.leaks, who=found.who, trained=tools.trained)
    if not options.version:
        return True
    try:
        version = _version(tools.engine, found, options.name or _source_name(found.location), stop)
    except (InvalidVersionName, VersionNameTaken):
        if options.name is not None:
            raise
        version = _version(tools.engine, found, None, stop)
    return version is None or version.state is VersionState.READY


def _version(engine: Engine, found: Import, name: str | None, stop: Event) -> Version | None:
    # Of a path its last part: versions are seen by people who need not know where the server keeps what was sent.
    shown = found.location if "://" in found.location else PurePath(found.location).name
    notes = f"Imported from {shown}"
    return version_of_import(engine, found, Draft(name=name, notes=notes, author=found.who), stop=stop)


def _source_name(location: str) -> str:
    """What people call a folder, file or URL: its last part, without an ending."""
    path = urlsplit(location).path if "://" in location else location
    return PurePath(path).stem[:LONGEST_NAME]


def mend_leaks(
    engine: Engine,
    line_id: int,
    how: Literal["resplit", "drop"],
    *,
    who: str,
    trained: Callable[[Session], TrainedLookup],
) -> int:
    """How many leaking groups of a line were mended: one split for the whole group, or all but one split dropped."""
    total = 0
    while True:
        with writing(engine) as session:
            mended = (
                groups.resplit(session, line_id, who=who, trained=trained(session))
                if how == "resplit"
                else groups.drop(session, line_id, who=who)
            )
        if not mended:
            return total
        total += mended
