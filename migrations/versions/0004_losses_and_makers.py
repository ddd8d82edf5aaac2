"""From whom a job was taken and who makes it, and who made a piece's message: the webhook sees no others."""

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
    op.add_column("pieces", sa.Column("by_webhook", sa.Boolean, nullable=False, server_default=sa.false()))
    # Nobody wrote it down: what the bot cannot reach was made by the webhook, and to all else the bot's edit leads.
    pieces = sa.table("pieces", sa.column("by_webhook"), sa.column("private"), sa.column("reachable"))
    unreachable = pieces.c.private | ~pieces.c.reachable
    op.execute(sa.update(pieces).where(unreachable).values(by_webhook=sa.true()))


def downgrade() -> None:
    op.drop_column("pieces", "by_webhook")
    op.drop_table("losses")
    for table in ("workers", "jobs"):
        op.drop_column(table, "maker")
