"""Accounts: people, sessions, keys, the audit log."""

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Creates the tables of accounts."""
