"""The one-time link that a start prints: whoever can read the server's output may sign in with it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from sortline.accounts.sign_in import Purpose
from sortline.accounts.store import people, sessions
from sortline.accounts.tokens import new_token
from sortline.db.session import writing
from sortline.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link that works once, for a day. The token stands behind #, which no browser sends and no log keeps."""

    words: str
    path: str


def sign_in_link(engine: Engine, settings: Settings) -> Link | None:
    """What signs in whoever starts the server.

    On this machine's own address: as its admin, in local mode. On any other: the link that makes the first admin; None
    once there is one, who signs in by password. None with `insecure` too, where nobody need sign in.
    """
    if settings.insecure:
        return None
    token, now = new_token(), datetime.now(UTC)
    with writing(engine) as session:
        if settings.loopback:
            sessions.add_link(session, Purpose.SIGN_IN, token, now)
            return Link(words="sign in", path=f"/sign-in#token={token}")
        if people.any_admin(session):
            return None
        sessions.add_link(session, Purpose.SETUP, token, now)
        return Link(words="set up ", path=f"/setup#token={token}")


def base_url(settings: Settings, port: int) -> str:
    """Where a browser on this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared only
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
