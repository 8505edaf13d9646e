"""Classes: what is to be done with a thing of one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds the tip of a class."""
    op.add_column("classes", sa.Column("tip", sa.String(500)))
