"""Of a file that was played without a click, what stands in it too; and what of a damaged one was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pieces", sa.Column("written_digest", sa.String(64)))
    op.add_column("pieces", sa.Column("lost", sa.JSON))
    op.create_index("pieces_by_written", "pieces", ["written_digest"])


def downgrade() -> None:
    op.drop_index("pieces_by_written", "pieces")
    op.drop_column("pieces", "lost")
    op.drop_column("pieces", "written_digest")
