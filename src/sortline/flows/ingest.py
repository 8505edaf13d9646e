"""Pictures of a source into a line's catalogue: in parallel, in chunks, to be gone on with after any end.

    start_import    the import is queued, or the unfinished one of the same source is found again
    run_import      every file is taken or refused, from where the last run ended

Threads read, hash and decode (`flows/prepare.py`) while this one writes (`flows/ingest_turn.py`). A chunk's pictures
are on the disk before one short transaction adds the rows, what was refused, and how far the import is: a process
killed anywhere leaves no row without its picture, and the next run goes on behind the last committed chunk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from sqlalchemy import Engine

from sortline.catalogue.importing import Import, ImportBusy, ImportLost, Options, State
from sortline.catalogue.sources.item import Source, SourceError
from sortline.catalogue.sources.source import open_source
from sortline.catalogue.store import imports as store
from sortline.db.session import Session, writing
from sortline.errors import SortlineError
from sortline.flows.ingest_turn import HEARTBEAT_S, SourceLost, Tools, Turn
from sortline.jobs.process import new_runner

__all__ = ["Request", "SourceLost", "Tools", "open_for", "run_import", "start_import"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to import: a path or URL, its kind (None: found out), and how."""

    location: str
    kind: str | None
    options: Options


class NothingThere(SourceError):
    """A source without a single file."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location} holds no files, so there is nothing to import; name the folder or archive with the pictures"
        )


def open_for(request: Request) -> Source:
    """The source of a request.

    Raises:
        SourceError: there is nothing that can be read.
    """
    options = request.options
    source = open_source(
        request.location,
        kind=request.kind,
        crops=options.crops,
        label=options.label,
        labels=options.labels,
        allow_outside=options.outside,
    )
    if not source.total:
        source.close()
        raise NothingThere(request.location)
    return source


def start_import(session: Session, line_id: int, source: Source, options: Options, who: str) -> Import:
    """The import of a source, queued; the unfinished one where the same was begun before with the same options.

    Raises:
        InvalidVersionName, VersionNameTaken: the version that is to be made of it cannot have the name asked for.
    """
    for found in store.unfinished(session, line_id, kind=source.kind, location=source.location):
        if found.options == options:
            store.check_name(session, line_id, options, own=found.version_id)
            return found
    store.check_name(session, line_id, options)
    return store.create(
        session, line_id, kind=source.kind, location=source.location, options=options, who=who
    )


def run_import(
    tools: Tools,
    import_id: str,
    *,
    finish: Callable[[Tools, Import, Event], bool] | None = None,
    progress: Callable[[Import], None] = lambda _: None,
    stop: Event | None = None,
    stopped_as: State = State.QUEUED,
    source: Source | None = None,
) -> Import:
    """The import, done: every file of its source is taken or stands in its report.

    `finish` runs once all files are behind it, while the import is still this process's; it says whether it came to
    its end. `progress` hears of every
    chunk. When `stop` is set the import ends after the chunk at hand, as `stopped_as`. `source` is the import's own,
    already open; it is closed.

    Raises:
        ImportBusy: another process is at work on it.
        ImportLost: another process took it over, or it was cancelled.
        SourceError: the source cannot be opened or read.
        InvalidVersionName, VersionNameTaken: as `start_import`; no file was read.
        DatabaseUnavailable, StorageUnavailable: nothing can be kept now. In all cases what was committed stays.
    """
    stop = stop or Event()
    found, runner = _take(tools.engine, import_id)
    try:
        request = Request(location=found.location, kind=found.kind, options=found.options)
        with source or open_for(request) as opened:
            turn = Turn(tools, _begin(tools.engine, found, opened, runner), runner, stop, progress)
            if not turn.all_of(opened):
                return _end(tools.engine, import_id, runner, stopped_as)
        if finish is not None:
            with _alive(tools.engine, import_id, runner):
                finished = finish(tools, turn.found, stop)
            if not finished:
                return _end(tools.engine, import_id, runner, stopped_as)
        return _end(tools.engine, import_id, runner, State.DONE)
    except ImportLost:
        raise
    except BaseException as error:
        with suppress(SortlineError):
            _end(tools.engine, import_id, runner, State.FAILED, _told(error))
        raise


def _take(engine: Engine, import_id: str) -> tuple[Import, str]:
    """The import, now this process's, and the name it has it under."""
    runner = new_runner()
    with writing(engine) as session:
        found = store.get(session, import_id)
        if not store.take(session, found, runner):
            raise ImportBusy(import_id, found.runner)
        return store.get(session, import_id), runner


@contextmanager
def _alive(engine: Engine, import_id: str, runner: str) -> Iterator[None]:
    """Meanwhile the import is said to be at work, however long that takes."""
    over = Event()

    def say() -> None:
        while not over.wait(HEARTBEAT_S):
            # The database may be back the next time; an import that is lost is noticed at its end.
            with suppress(SortlineError), writing(engine) as session:
                store.write(session, import_id, runner)

    thread = Thread(target=say, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _begin(engine: Engine, found: Import, source: Source, runner: str) -> Import:
    """The import as its source is now: from the start again where that has changed since."""
    changed = found.done > 0 and found.fingerprint != source.fingerprint
    if changed:
        log.info("import %s: its source has changed; every file is looked at again", found.id)
        more = True
        while more:
            with writing(engine) as session:
                store.write(session, found.id, runner, done=0, counts={})
                more = store.forget_some(session, found.id)
    with writing(engine) as session:
        # Again: it may have waited in the queue for hours.
        store.check_name(session, found.line_id, found.options, own=found.version_id)
        store.write(session, found.id, runner, total=source.total, fingerprint=source.fingerprint)
        return store.get(session, found.id)


def _end(engine: Engine, import_id: str, runner: str, state: State, error: str | None = None) -> Import:
    with writing(engine) as session:
        store.end(session, import_id, runner, state, error)
        return store.get(session, import_id)


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, SortlineError) else f"{type(error).__name__}: {error}"
