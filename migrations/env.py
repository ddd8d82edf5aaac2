"""What Alembic runs for Database.migrate: the versions, in the transaction that it was handed."""

from __future__ import annotations

from alembic import context

from composer.database import metadata

# transactional_ddl: both engines roll tables back with the rest; Alembic takes it that SQLite does not.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
