"""What there is of a piece while it is being composed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("so_far", sa.LargeBinary))


def downgrade() -> None:
    op.drop_column("jobs", "so_far")
