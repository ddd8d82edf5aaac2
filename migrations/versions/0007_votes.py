"""Votes: hearts of pieces, which a server may switch off, and two takes that are compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("guilds", sa.Column("votes", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_table(
        "votes",
        sa.Column("piece", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.BigInteger, nullable=False),
        sa.Column("guild", sa.BigInteger),
        sa.Column("channel", sa.BigInteger, nullable=False),
        sa.Column("message", sa.BigInteger, nullable=False),
        sa.Column("a", sa.JSON, nullable=False),
        sa.Column("b", sa.JSON, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
    )
    op.create_table(
        "ballots",
        sa.Column("comparison", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("person", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("choice", sa.String(1), nullable=False),
    )


def downgrade() -> None:
    for table in ("ballots", "comparisons", "votes"):
        op.drop_table(table)
    op.drop_column("guilds", "votes")
