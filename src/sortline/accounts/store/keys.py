"""API keys in the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from sortline.accounts.key import ApiKey, InvalidKey, UnknownKey
from sortline.accounts.person import valid_name
from sortline.accounts.scopes import Scope, in_order, scopes_named
from sortline.accounts.store.people import check_free
from sortline.accounts.tables import api_keys
from sortline.accounts.tokens import SHOWN, digest, new_key
from sortline.db.session import Session


def create_key(
    session: Session, *, name: str, scopes: Iterable[Scope], who: str, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is nowhere else.

    Raises:
        InvalidName, NameTaken: of its name.
        InvalidKey: it could not be used.
    """
    name, now = valid_name(name), datetime.now(UTC)
    check_free(session, name)
    held = in_order(scopes_named(scopes))
    if not held:
        raise InvalidKey("needs a scope")
    if expires_at is not None and expires_at <= now:
        raise InvalidKey("that has expired already opens nothing; give a later moment")
    secret = new_key()
    row = {
        "name": name,
        "secret_hash": digest(secret),
        "start": secret[:SHOWN],
        "scopes": held,
        "who": who,
        "created_at": now,
        "expires_at": expires_at,
    }
    found = session.execute(insert(api_keys).returning(api_keys), row).one()
    return _key(found), secret


def find_key(session: Session, secret_hash: str) -> ApiKey | None:
    """The key whose secret has this hash, also one that opens nothing any more."""
    row = session.execute(select(api_keys).where(api_keys.c.secret_hash == secret_hash)).one_or_none()
    return None if row is None else _key(row)


def list_keys(session: Session, *, revoked: bool = True) -> list[ApiKey]:
    """The keys, newest first."""
    query = select(api_keys).order_by(api_keys.c.id.desc())
    if not revoked:
        query = query.where(api_keys.c.revoked_at.is_(None))
    return [_key(row) for row in session.execute(query)]


def key_named(session: Session, name: str) -> ApiKey:
    """The key in use that has this name.

    Raises:
        UnknownKey: none has.
    """
    in_use = (api_keys.c.name == name.strip().lower()) & api_keys.c.revoked_at.is_(None)
    row = session.execute(select(api_keys).where(in_use)).one_or_none()
    if row is None:
        raise UnknownKey(name)
    return _key(row)


def revoke_key(session: Session, key_id: int) -> ApiKey:
    """The key, which opens nothing any more; servers forget it within seconds.

    Raises:
        UnknownKey: there is none.
    """
    in_use = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
    session.execute(update(api_keys).where(in_use).values(revoked_at=datetime.now(UTC)))
    row = session.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise UnknownKey(str(key_id))
    return _key(row)


def use_key(session: Session, key_id: int, now: datetime) -> None:
    """Notes that the key is in use."""
    session.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        start=row.start,
        scopes=scopes_named(row.scopes),
        who=row.who,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
