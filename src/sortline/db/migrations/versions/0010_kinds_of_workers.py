"""Workers: which kinds of jobs each can do, so that nobody is promised what none of them can."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds the kinds; a worker of an older version does not say."""
    op.add_column("workers", sa.Column("kinds", sa.JSON().with_variant(JSONB(), "postgresql")))
