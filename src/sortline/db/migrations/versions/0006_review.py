"""The review loop: decisions, leases, corrections, what is kept."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Creates the tables of review."""
