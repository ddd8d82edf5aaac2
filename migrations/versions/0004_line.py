"""By what a piece is made, and whom a job was taken from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("jobs", "workers"):
        op.add_column(table, sa.Column("maker", sa.String, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "losses",
        sa.Column("job", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("worker", sa.String, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("losses")
    for table in ("workers", "jobs"):
        op.drop_column(table, "maker")
