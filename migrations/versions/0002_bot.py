"""People's settings and presets, what servers allow, and pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sampling", sa.JSON, nullable=False),
    )
    op.create_table(
        "presets",
        sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("sampling", sa.JSON, nullable=False),
    )
    op.create_table(
        "guilds",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("in_line", sa.Integer),
        sa.Column("a_day", sa.Integer),
        sa.Column("channels", sa.JSON, nullable=False),
    )
    op.create_table(
        "pieces",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.BigInteger, nullable=False),
        sa.Column("parent", sa.Integer),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("opening", sa.LargeBinary, nullable=False),
        sa.Column("opening_bars", sa.Integer, nullable=False),
        sa.Column("bars", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("program", sa.Integer, nullable=False),
        sa.Column("sampling", sa.JSON, nullable=False),
        sa.Column("guild", sa.BigInteger),
        sa.Column("channel", sa.BigInteger, nullable=False),
        sa.Column("message", sa.BigInteger),
        sa.Column("token", sa.String(255)),
        sa.Column("application", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("filesize_limit", sa.Integer, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("midi", sa.LargeBinary),
        sa.Column("receipt", sa.JSON),
        sa.Column("posting_at", sa.Double),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
    op.create_index("pieces_by_owner", "pieces", ["owner", "id"])
    op.create_table(
        "marks",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    for table in ("marks", "pieces", "guilds", "presets", "people"):
        op.drop_table(table)
