"""API keys of machine clients."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from sortline.accounts.key import ApiKey
from sortline.accounts.scopes import Scope, in_order
from sortline.accounts.store import keys as store
from sortline.api.access import caller_of, require
from sortline.api.auth import NewName, never_stored
from sortline.api.changes import note_change
from sortline.api.deps import ServicesDep
from sortline.api.parameters import moment
from sortline.db.session import reading, writing

router = APIRouter(
    prefix="/api/v1/keys",
    tags=["accounts"],
    dependencies=[Depends(require(Scope.ADMIN)), Depends(never_stored)],
)


class KeyView(BaseModel):
    """A key without its secret."""

    id: int
    name: str
    start: str = Field(description="How the secret begins.")
    scopes: list[Scope]
    who: str = Field(description="Who made it.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute.")
    revoked_at: datetime | None


class MadeKey(KeyView):
    """A key with its secret, which is shown this once."""

    secret: str = Field(description="Sent as `Authorization: Bearer sl_…`. Only its hash is stored.")


class Keys(BaseModel):
    """Keys, newest first."""

    keys: list[KeyView]


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: NewName
    scopes: Annotated[list[Scope], Field(min_length=1, description="`admin` holds the others too.")]
    expires_at: datetime | None = Field(
        default=None, description="Never, if left out; in UTC without a zone."
    )


@router.get("", summary="List keys")
def get_keys(services: ServicesDep) -> Keys:
    """The keys, newest first, also those that were revoked."""
    with reading(services.engine) as session:
        return Keys(keys=[KeyView.model_validate(_plain(key)) for key in store.list_keys(session)])


@router.post("", summary="Make a key", status_code=201)
def post_key(new: NewKey, request: Request, services: ServicesDep) -> MadeKey:
    """The key with its secret, which nobody can see again."""
    expires_at = moment("expires_at", new.expires_at)
    with writing(services.engine) as session:
        key, secret = store.create_key(
            session, name=new.name, scopes=new.scopes, who=caller_of(request), expires_at=expires_at
        )
        held = ",".join(in_order(key.scopes))
        note_change(session, request, f"{key.name} ({key.start}…) for {held}", status=201)
    return MadeKey.model_validate(_plain(key) | {"secret": secret})


@router.delete("/{key_id}", summary="Revoke a key")
def delete_key(
    key_id: Annotated[int, Path(ge=1, le=2**31 - 1)], request: Request, services: ServicesDep
) -> KeyView:
    """The key, which opens nothing any more; other servers of this database forget it within seconds."""
    with writing(services.engine) as session:
        key = store.revoke_key(session, key_id)
        note_change(session, request, f"{key.name} ({key.start}…)")
    services.guard.keys.forget()
    return KeyView.model_validate(_plain(key))


def _plain(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "start": key.start,
        "scopes": in_order(key.scopes),
        "who": key.who,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
