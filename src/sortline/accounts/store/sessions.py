"""Sessions and one-time links in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from sortline.accounts.scopes import Role
from sortline.accounts.sign_in import GRACE, IDLE, LINK_LIFE, LOCAL, LONGEST, InvalidLink, Purpose, SignedIn
from sortline.accounts.tables import people, sessions, sign_in_links
from sortline.accounts.tokens import digest
from sortline.db.session import Session


def begin_session(
    session: Session, person_id: int | None, token: str, *, address: str | None, now: datetime
) -> SignedIn:
    """A session of the person, or of this machine's admin where there is none, that the token opens."""
    # Somebody signs in seldom enough to tidy up on the way.
    ended = or_(sessions.c.seen_at < now - IDLE, sessions.c.created_at < now - LONGEST)
    session.execute(delete(sessions).where(ended))
    token_hash = digest(token)
    row = {
        "person_id": person_id,
        "token_hash": token_hash,
        "address": address,
        "created_at": now,
        "rotated_at": now,
        "seen_at": now,
    }
    session.execute(insert(sessions), row)
    begun = find_session(session, token_hash, now)
    if begun is None:
        raise LookupError("the session that was just begun")
    return begun


def find_session(session: Session, token_hash: str, now: datetime) -> SignedIn | None:
    """The session that the token of this hash opens; None where there is none, or none any more."""
    table = sessions.c
    replaced = (table.previous_hash == token_hash) & (table.rotated_at > now - GRACE)
    query = (
        select(sessions, people.c.name, people.c.role)
        .select_from(sessions.outerjoin(people, people.c.id == table.person_id))
        .where(or_(table.token_hash == token_hash, replaced))
        .where(table.seen_at >= now - IDLE, table.created_at >= now - LONGEST)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else _signed_in(row)


def rotate_session(
    session: Session, signed_in: SignedIn, old_hash: str, token: str, *, now: datetime
) -> bool:
    """Whether the token opens the session from now on; not where another request was first."""
    current = (sessions.c.id == signed_in.id) & (sessions.c.token_hash == old_hash)
    change = update(sessions).where(current)
    values = {"token_hash": digest(token), "previous_hash": old_hash, "rotated_at": now, "seen_at": now}
    return session.execute(change.values(values)).rowcount == 1


def see_session(session: Session, session_id: int, now: datetime) -> None:
    """Notes that the session is in use."""
    session.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=now))


def end_session(session: Session, session_id: int) -> None:
    """The session is over."""
    session.execute(delete(sessions).where(sessions.c.id == session_id))


def end_sessions(session: Session, person_id: int | None, *, keep: int | None = None) -> None:
    """Every session of a person, or of local mode for None, is over, but `keep`."""
    whose = sessions.c.person_id.is_(None) if person_id is None else sessions.c.person_id == person_id
    others = whose if keep is None else whose & (sessions.c.id != keep)
    session.execute(delete(sessions).where(others))


def add_link(session: Session, purpose: Purpose, token: str, now: datetime) -> None:
    """A link with this token can be used once, for a day."""
    session.execute(delete(sign_in_links).where(sign_in_links.c.expires_at <= now))
    row = {"token_hash": digest(token), "purpose": purpose.value, "expires_at": now + LINK_LIFE}
    session.execute(insert(sign_in_links), row)


def take_link(session: Session, token: str, now: datetime) -> Purpose:
    """What the link is for; it is used up.

    Raises:
        InvalidLink: it was used, has expired or never was.
    """
    link = (sign_in_links.c.token_hash == digest(token)) & (sign_in_links.c.expires_at > now)
    found = session.scalar(delete(sign_in_links).where(link).returning(sign_in_links.c.purpose))
    if found is None:
        raise InvalidLink()
    return Purpose(found)


def drop_links(session: Session, purpose: Purpose) -> None:
    """No link for this purpose works any more."""
    session.execute(delete(sign_in_links).where(sign_in_links.c.purpose == purpose.value))


def _signed_in(row: Row[Any]) -> SignedIn:
    return SignedIn(
        id=row.id,
        name=row.name or LOCAL,
        role=Role(row.role) if row.role else Role.ADMIN,
        person_id=row.person_id,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        seen_at=row.seen_at,
    )
