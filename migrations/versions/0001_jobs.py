"""The table of jobs, and that of the workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("vocabulary", sa.String, nullable=False),
        sa.Column("bars", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("bars_done", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("submitted_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("worker", sa.String),
        sa.Column("lease_until", sa.Double),
        sa.Column("tender", sa.String),
        sa.Column("tended_until", sa.Double),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_key", "jobs", ["key"], unique=True)
    op.create_index("jobs_in_line", "jobs", ["state", "priority", "turn", "id"])
    op.create_index("jobs_by_owner", "jobs", ["owner", "scope", "submitted_at"])
    op.create_index("jobs_by_end", "jobs", ["finished_at"])
    op.create_index("jobs_by_delivery", "jobs", ["delivered_at"])
    op.create_table(
        "workers",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("vocabulary", sa.String, nullable=False),
        sa.Column("bars_per_second", sa.Double),
        sa.Column("seen_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_table("jobs")
