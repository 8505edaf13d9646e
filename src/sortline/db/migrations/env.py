"""Run by Alembic, with the connection and the metadata that `db.migrate` hands over."""

from alembic import context

handed_over = context.config.attributes
context.configure(
    connection=handed_over["connection"],
    target_metadata=handed_over["metadata"],
    # SQLite cannot alter most of a table: Alembic copies it.
    render_as_batch=True,
)
# The transaction is the caller's.
with context.begin_transaction():
    context.run_migrations()
