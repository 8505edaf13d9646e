"""The audit log of what a command changed."""

from sortline.accounts.audit import Change
from sortline.accounts.store.audit import note
from sortline.db.session import Session


def note_command(session: Session, command: str, target: str) -> None:
    """The change is in the log once the transaction is committed."""
    note(session, Change(who="cli", route=f"sortline {command}", target=target, status=0, address=None))
