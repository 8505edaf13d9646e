"""How many items came to review and how many wait: sums beside them, so that nobody counts a long queue."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COUNTED = "INSERT INTO review_tallies (line_id, reason, day, n) SELECT line_id, reason, {day}, {n} FROM review_items"


def upgrade() -> None:
    """Creates the table, and counts what is there."""
    op.create_table(
        "review_tallies",
        sa.Column("line_id", sa.Integer, sa.ForeignKey("lines.id", name="fk_review_tallies_line_id_lines")),
        sa.Column("reason", sa.String(20)),
        sa.Column("day", sa.Integer),
        sa.Column("n", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("line_id", "reason", "day", name="pk_review_tallies"),
        sqlite_with_rowid=False,
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    seconds = (
        "CAST(strftime('%s', at) AS INTEGER)" if sqlite else "CAST(floor(extract(epoch FROM at)) AS BIGINT)"
    )
    op.execute(f"{_COUNTED.format(day=f'{seconds} / 86400', n='count(*)')} GROUP BY 1, 2, 3")
    gone = _COUNTED.format(day="-1", n="-count(*)")
    op.execute(f"{gone} WHERE state NOT IN ('open', 'disputed') GROUP BY 1, 2")
