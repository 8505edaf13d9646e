"""The audit log of what is changed over HTTP: every write that succeeds, but for classifying.

A route that notes its change itself does so in its own transaction. For all others it is noted after their transaction
and before the answer leaves, so that nobody is told of a change that is not in the log.
"""

import logging

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as Connection

from sortline.accounts.audit import Change
from sortline.accounts.store import audit
from sortline.api.access import CALLER_KEY, Caller
from sortline.api.origins import CLASSIFY_PATH, SAFE_METHODS
from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import Session, writing
from sortline.wiring import Services

log = logging.getLogger(__name__)

_NOTED = "sortline.noted"


def note_change(
    session: Session,
    request: Request,
    target: str | None = None,
    *,
    who: str | None = None,
    status: int = 200,
) -> None:
    """The change is in the log once the transaction is committed. `target`: what was done to whom; else the path."""
    audit.note(session, _change(request.scope, target or request.scope["path"], who, status))
    request.scope[_NOTED] = True


def no_change(request: Request) -> None:
    """The answer tells of no change, though its method is one of those that make some."""
    request.scope[_NOTED] = True


async def note_answer(connection: Connection, status: int) -> None:
    """Notes what an answer of this status tells of, unless it was noted or nothing was changed."""
    if connection["method"] in SAFE_METHODS or status >= 400 or _NOTED in connection:
        return
    if CALLER_KEY not in connection or CLASSIFY_PATH.fullmatch(connection["path"]):
        return
    services: Services = connection["app"].state.services
    await run_in_threadpool(_write, services, _change(connection, connection["path"], None, status))


def _change(connection: Connection, target: str, who: str | None, status: int) -> Change:
    caller: Caller = connection[CALLER_KEY]
    pattern = getattr(connection.get("route"), "path", connection["path"])
    return Change(
        who=who or caller.name,
        route=f"{connection['method']} {pattern}",
        target=target,
        status=status,
        address=caller.address or None,
    )


def _write(services: Services, change: Change) -> None:
    try:
        with writing(services.engine) as session:
            audit.note(session, change)
    except DatabaseUnavailable:
        # What was asked for is done; an error would have it done again.
        log.exception("not in the audit log: %s", change)
