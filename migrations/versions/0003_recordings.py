"""Recordings to transcribe, what each worker does, and what was heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("job", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.add_column("workers", sa.Column("kind", sa.String, nullable=False, server_default="compose"))
    op.create_table(
        "hearings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("takes", sa.Integer, nullable=False),
        sa.Column("seeded", sa.Boolean, nullable=False),
        sa.Column("go", sa.Boolean, nullable=False),
        sa.Column("listening", sa.JSON, nullable=False),
    )
    op.add_column("pieces", sa.Column("heard", sa.JSON))


def downgrade() -> None:
    op.drop_column("pieces", "heard")
    op.drop_table("hearings")
    op.drop_column("workers", "kind")
    op.drop_table("recordings")
