"""An opening stands once beside the pieces that begin with it."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

openings = sa.table("openings", sa.column("digest", sa.String), sa.column("midi", sa.LargeBinary))
pieces = sa.table(
    "pieces",
    sa.column("id", sa.Integer),
    sa.column("opening", sa.LargeBinary),
    sa.column("opening_digest", sa.String),
)


def upgrade() -> None:
    op.create_table(
        "openings",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("midi", sa.LargeBinary, nullable=False),
    )
    op.add_column("pieces", sa.Column("opening_digest", sa.String(64)))
    _move()
    op.drop_column("pieces", "opening")
    op.create_index("pieces_by_opening", "pieces", ["opening_digest"])


def _move() -> None:
    """One after the other: each may have two megabytes."""
    connection = op.get_bind()
    there: set[str] = set()
    for number in connection.scalars(sa.select(pieces.c.id).order_by(pieces.c.id)).all():
        piece = pieces.c.id == number
        midi = connection.scalar(sa.select(pieces.c.opening).where(piece))
        if not midi:  # of a piece that is deleted, or a recording that is not heard yet
            continue
        digest = hashlib.sha256(midi).hexdigest()
        if digest not in there:
            connection.execute(sa.insert(openings).values(digest=digest, midi=midi))
            there.add(digest)
        connection.execute(sa.update(pieces).where(piece).values(opening_digest=digest))


def downgrade() -> None:
    op.drop_index("pieces_by_opening", "pieces")
    op.add_column("pieces", sa.Column("opening", sa.LargeBinary, nullable=False, server_default=sa.text("''")))
    midi = sa.select(openings.c.midi).where(openings.c.digest == pieces.c.opening_digest).scalar_subquery()
    op.execute(sa.update(pieces).where(pieces.c.opening_digest.is_not(None)).values(opening=midi))
    op.drop_column("pieces", "opening_digest")
    op.drop_table("openings")
