"""The tables of what the bot remembers, and the two statements that every part of it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from composer.database import Database, metadata

# People and servers are Discord's snowflakes, 64 bits.
people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sampling", sa.JSON, nullable=False),  # only what differs from the defaults
)
presets = sa.Table(
    "presets",
    metadata,
    sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("sampling", sa.JSON, nullable=False),
)
guilds = sa.Table(
    "guilds",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("in_line", sa.Integer),  # NULL: as the settings say
    sa.Column("a_day", sa.Integer),
    sa.Column("channels", sa.JSON, nullable=False),  # where pieces may be asked for; empty: everywhere
    sa.Column("votes", sa.Boolean, nullable=False, server_default=sa.true()),  # whether pieces have hearts
)
pieces = sa.Table(
    "pieces",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # that of its job
    sa.Column("owner", sa.BigInteger, nullable=False),
    sa.Column("parent", sa.Integer),  # the piece that this one continues or varies
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("opening_digest", sa.String(64)),  # NULL: it is not there yet, or the piece is deleted
    sa.Column("written_digest", sa.String(64)),  # of its file on its own beats, where others were found in it
    sa.Column("opening_bars", sa.Integer, nullable=False),  # silent ones at its end count, which MIDI does not tell
    sa.Column("bars", sa.Integer, nullable=False),  # composed
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("program", sa.Integer, nullable=False),
    sa.Column("sampling", sa.JSON, nullable=False),
    sa.Column("task", sa.JSON, nullable=False, server_default=sa.text("'{}'")),  # as composer.order.Order.task
    # Where the answer goes.
    sa.Column("guild", sa.BigInteger),
    sa.Column("channel", sa.BigInteger, nullable=False),
    sa.Column("message", sa.BigInteger),  # the one that tells how far it is and in the end holds the piece
    sa.Column("by_webhook", sa.Boolean, nullable=False, server_default=sa.false()),  # see Place
    sa.Column("token", sa.String(255)),  # of the interaction; good for 15 minutes
    sa.Column("application", sa.BigInteger, nullable=False),
    sa.Column("asked_at", sa.Double, nullable=False),  # by the database's clock
    sa.Column("private", sa.Boolean, nullable=False),  # only its owner sees it
    sa.Column("reachable", sa.Boolean, nullable=False),  # whether the bot itself may write in that channel
    sa.Column("filesize_limit", sa.Integer, nullable=False),  # bytes
    sa.Column("language", sa.String(8), nullable=False),
    # Once it is composed.
    sa.Column("midi", sa.LargeBinary),
    sa.Column("receipt", sa.JSON(none_as_null=True)),
    sa.Column("posting_at", sa.Double),  # when a message of its own was about to be sent for it
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("heard", sa.JSON(none_as_null=True)),  # of an opening whose beats were found by ear, see Piece
    sa.Column("lost", sa.JSON(none_as_null=True)),  # of a damaged file, see Piece
)
sa.Index("pieces_by_owner", pieces.c.owner, pieces.c.id)
sa.Index("pieces_by_opening", pieces.c.opening_digest)
sa.Index("pieces_by_written", pieces.c.written_digest)
openings = sa.Table(
    "openings",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of `midi`
    sa.Column("midi", sa.LargeBinary, nullable=False),
)
hearings = sa.Table(
    "hearings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # that of its piece
    sa.Column("takes", sa.Integer, nullable=False),
    sa.Column("seeded", sa.Boolean, nullable=False),
    sa.Column("go", sa.Boolean, nullable=False),
    sa.Column("listening", sa.JSON, nullable=False),
)
votes = sa.Table(
    "votes",
    metadata,
    sa.Column("piece", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("person", sa.BigInteger, primary_key=True, autoincrement=False),
)
comparisons = sa.Table(
    "comparisons",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # that of the command
    sa.Column("owner", sa.BigInteger, nullable=False),
    sa.Column("guild", sa.BigInteger),
    sa.Column("channel", sa.BigInteger, nullable=False),
    sa.Column("message", sa.BigInteger, nullable=False),
    sa.Column("a", sa.JSON, nullable=False),  # how it was made; composer.audition.votes reads it too
    sa.Column("b", sa.JSON, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
)
ballots = sa.Table(
    "ballots",
    metadata,
    sa.Column("comparison", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("person", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("choice", sa.String(1), nullable=False),  # a or b
)
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)


class Part:
    """What the parts of the storage have in common.

    All methods are one transaction each, but those that take a connection: they join the caller's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


async def put(connection: AsyncConnection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or update the one with that key."""
    row = insert(connection, table).values(**key, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def insert(connection: AsyncConnection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
