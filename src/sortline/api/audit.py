"""The audit log: who changed what, and when."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from sortline.accounts.scopes import Scope
from sortline.accounts.store import audit as store
from sortline.api.access import require
from sortline.api.auth import never_stored
from sortline.api.deps import ServicesDep
from sortline.api.parameters import Cursor, Limit, Words
from sortline.db.session import reading

router = APIRouter(
    prefix="/api/v1/audit",
    tags=["accounts"],
    dependencies=[Depends(require(Scope.ADMIN)), Depends(never_stored)],
)


class AuditEventView(BaseModel):
    """A change."""

    id: int
    at: datetime
    who: str
    route: str = Field(description="Method and route, or the command.")
    target: str = Field(description="What was changed.")
    status: int
    address: str | None = Field(description="Where it came from.")


class AuditPage(BaseModel):
    """Changes, newest first."""

    events: list[AuditEventView]
    next_cursor: str | None


@router.get("", summary="List changes")
def get_audit(
    services: ServicesDep,
    who: Annotated[Words | None, Query(description="Only what this person or key did.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditPage:
    """Who changed what, newest first; and who signed in, or was refused."""
    with reading(services.engine) as session:
        found = store.list_events(session, who=who, limit=limit, cursor=cursor)
    events = [
        AuditEventView(
            id=event.id,
            at=event.at,
            who=event.who,
            route=event.route,
            target=event.target,
            status=event.status,
            address=event.address,
        )
        for event in found.items
    ]
    return AuditPage(events=events, next_cursor=found.next_cursor)
