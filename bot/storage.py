"""What the bot remembers: people's settings and presets, pieces, and what a server allows. The only SQL of the bot.

A recording that is to be heard is a piece too: its row says where the answer goes and what shall be composed, and its
opening is there once it is transcribed. What only a recording has stands beside it, in `hearings`. An opening is kept
once, however many pieces begin with it, and goes with the last of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import TooManyPresetsError
from bot.messages import Language, Stranger
from composer.database import OPENINGS_LOCK, Database, metadata, now
from composer.errors import UnknownNameError
from composer.sampling import SamplingParams
from composer.transcription.synchronise import Listening

MAX_PRESETS = 25  # of one user: as many as Discord shows in a list

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
)
pieces = sa.Table(
    "pieces",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # that of its job
    sa.Column("owner", sa.BigInteger, nullable=False),
    sa.Column("parent", sa.Integer),  # the piece that this one continues or varies
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("opening_digest", sa.String(64)),  # NULL: it is not there yet, or the piece is deleted
    sa.Column("opening_bars", sa.Integer, nullable=False),  # silent ones at its end count, which MIDI does not tell
    sa.Column("bars", sa.Integer, nullable=False),  # asked for
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("program", sa.Integer, nullable=False),
    sa.Column("sampling", sa.JSON, nullable=False),
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
)
sa.Index("pieces_by_owner", pieces.c.owner, pieces.c.id)
sa.Index("pieces_by_opening", pieces.c.opening_digest)
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
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer to a request goes, and by which way it can get there.

    by_webhook: whether the interaction's webhook made the message; it sees no others
    """

    guild: int | None
    channel: int
    application: int
    token: str | None
    private: bool
    reachable: bool
    filesize_limit: int
    language: Language
    message: int | None = None
    by_webhook: bool = False

    @property
    def writable(self) -> bool:
        """Whether the bot itself may send a message there, to be seen by all."""
        return self.reachable and not self.private


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a recording is to become.

    takes: to compose   seeded: whether the seed was asked for; if not, each go has one of its own
    go: compose at once, without asking whether it was heard right   listening: how its notes are put into bars
    """

    takes: int = 1
    seeded: bool = False
    go: bool = False
    listening: Listening = field(default_factory=Listening)


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of `pieces`, its blobs left in the table.

    heard: what was found in an opening that was played, as bot.studio.Card tells it   hearing: of a recording
    """

    id: int
    owner: int
    parent: int | None
    title: Stranger
    opening_bars: int
    bars: int
    seed: int
    program: int
    sampling: SamplingParams
    place: Place
    asked_at: float
    receipt: Mapping[str, Any] | None
    posting_at: float | None
    deleted: bool
    heard: Mapping[str, Any] | None = None
    hearing: Hearing | None = None

    @property
    def link(self) -> str | None:
        """To its message in the channel, where there is one that others can open."""
        if self.deleted or self.place.message is None or self.place.private:
            return None
        return f"https://discord.com/channels/{self.place.guild or '@me'}/{self.place.channel}/{self.place.message}"


@dataclass(frozen=True, slots=True)
class Guild:
    """What a server allows. None: as the bot's own settings say."""

    in_line: int | None = None
    a_day: int | None = None
    channels: tuple[int, ...] = ()


_LIGHT = [column for column in pieces.c if column.name != "midi"]
_HEARING = [column for column in hearings.c if column.name != "id"]
_PIECE = sa.select(*_LIGHT, *_HEARING).select_from(pieces.outerjoin(hearings, hearings.c.id == pieces.c.id))
_OF_NOTHING = ~sa.exists().where(pieces.c.id == hearings.c.id)
_OPENING_OF_NOTHING = ~sa.exists().where(pieces.c.opening_digest == openings.c.digest)


class Storage:
    """All methods are one transaction each, but those that take a connection: they join the caller's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ settings and presets

    async def sampling(self, user: int) -> SamplingParams:
        """The user's own settings, upon the defaults of today."""
        return SamplingParams.from_json(await self.own_settings(user))

    async def own_settings(self, user: int) -> dict[str, dict[str, float]]:
        """{knob: {attribute: value}}, only what the user has set."""
        async with self._database.read() as connection:
            found = await connection.scalar(sa.select(people.c.sampling).where(people.c.id == user))
        return dict(found or {})

    async def set(self, user: int, knob: str, attribute: str, value: float) -> SamplingParams:
        """Change one setting, or with attribute `all` every one of the knob. Raises SettingsError."""
        changed = SamplingParams().with_setting(knob, attribute, value).to_json()[knob]
        async with self._database.write() as connection:
            found = await _held_settings(connection, user)
            names = changed if attribute == "all" else [attribute]
            settings = {**found, knob: {**found.get(knob, {}), **{name: changed[name] for name in names}}}
            await _put(connection, people, {"id": user}, {"sampling": settings})
        return SamplingParams.from_json(settings)

    async def reset(self, user: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(sa.delete(people).where(people.c.id == user))

    async def save_preset(self, user: int, name: str) -> None:
        """Keep the user's settings under a name, over an earlier preset of it. Raises TooManyPresetsError."""
        async with self._database.write() as connection:
            settings = await _held_settings(connection, user)
            others = sa.select(sa.func.count()).where(presets.c.owner == user, presets.c.name != name)
            if (await connection.scalar(others) or 0) >= MAX_PRESETS:
                raise TooManyPresetsError(MAX_PRESETS)
            await _put(connection, presets, {"owner": user, "name": name}, {"sampling": settings})

    async def preset(self, user: int, name: str) -> SamplingParams:
        """Raises UnknownNameError."""
        return SamplingParams.from_json(await self._preset(user, name))

    async def load_preset(self, user: int, name: str) -> SamplingParams:
        """Make a preset the user's settings. Raises UnknownNameError."""
        settings = await self._preset(user, name)
        async with self._database.write() as connection:
            await _put(connection, people, {"id": user}, {"sampling": settings})
        return SamplingParams.from_json(settings)

    async def delete_preset(self, user: int, name: str) -> None:
        """Raises UnknownNameError."""
        async with self._database.write() as connection:
            found = await connection.execute(
                sa.delete(presets).where(presets.c.owner == user, presets.c.name == name).returning(presets.c.name)
            )
            gone = found.first() is not None
        if not gone:
            raise UnknownNameError("preset", name, tuple(await self.presets(user)))

    async def presets(self, user: int) -> dict[str, dict[str, dict[str, float]]]:
        """The user's presets by name."""
        async with self._database.read() as connection:
            found = await connection.execute(
                sa.select(presets.c.name, presets.c.sampling).where(presets.c.owner == user).order_by(presets.c.name)
            )
            return {row.name: row.sampling for row in found}

    async def _preset(self, user: int, name: str) -> dict[str, dict[str, float]]:
        there = await self.presets(user)
        if name not in there:
            raise UnknownNameError("preset", name, tuple(there))
        return there[name]

    # ------------------------------------------------------------------ servers

    async def guild(self, guild: int | None) -> Guild:
        async with self._database.read() as connection:
            found = (await connection.execute(sa.select(guilds).where(guilds.c.id == guild))).first()
        return Guild(found.in_line, found.a_day, tuple(found.channels)) if found else Guild()

    async def set_guild(self, guild: int, allowed: Guild) -> None:
        values = {"in_line": allowed.in_line, "a_day": allowed.a_day, "channels": list(allowed.channels)}
        async with self._database.write() as connection:
            await _put(connection, guilds, {"id": guild}, values)

    # ------------------------------------------------------------------ pieces

    async def add_piece(
        self,
        connection: AsyncConnection,
        number: int,
        owner: int,
        parent: int | None,
        title: str,
        opening: bytes | None,
        opening_bars: int,
        bars: int,
        seed: int,
        program: int,
        sampling: SamplingParams,
        place: Place,
        asked_at: float | None = None,
        heard: Mapping[str, Any] | None = None,
        hearing: Hearing | None = None,
    ) -> None:
        """In the transaction that submits its job, so that there is never one without the other.

        opening: MIDI; None where it is still to be heard   asked_at: when the place's token was given, if not now
        """
        values = {name: getattr(place, name) for name in Place.__dataclass_fields__}
        await connection.execute(
            sa.insert(pieces).values(
                id=number,
                owner=owner,
                parent=parent,
                title=title,
                opening_digest=None if opening is None else await self._keep(connection, opening),
                opening_bars=opening_bars,
                bars=bars,
                seed=seed,
                program=program,
                sampling=sampling.to_json(),
                asked_at=now() if asked_at is None else asked_at,
                deleted=False,
                heard=None if heard is None else dict(heard),
                **values,
            )
        )
        if hearing is not None:
            await connection.execute(
                sa.insert(hearings).values(
                    id=number,
                    takes=hearing.takes,
                    seeded=hearing.seeded,
                    go=hearing.go,
                    listening=hearing.listening.to_json(),
                )
            )

    async def known(self, connection: AsyncConnection, numbers: Collection[int]) -> frozenset[int]:
        """Which of these pieces there are."""
        return frozenset(await connection.scalars(sa.select(pieces.c.id).where(pieces.c.id.in_(numbers))))

    async def piece(self, number: int) -> Piece | None:
        async with self._database.read() as connection:
            row = (await connection.execute(_PIECE.where(pieces.c.id == number))).first()
        return _piece(row) if row else None

    async def pieces_of(self, owner: int, count: int | None) -> list[Piece]:
        """The user's newest pieces that were not deleted, newest first; count None: all."""
        query = _PIECE.where(pieces.c.owner == owner, pieces.c.deleted.is_(False))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(pieces.c.id.desc()).limit(count))
            return [_piece(row) for row in rows]

    async def opening_of(self, number: int) -> bytes | None:
        """Its opening as MIDI; None before it is heard and once it is gone."""
        its = sa.select(openings.c.midi).join(pieces, pieces.c.opening_digest == openings.c.digest)
        async with self._database.read() as connection:
            return await connection.scalar(its.where(pieces.c.id == number))

    async def midi_of(self, number: int) -> bytes | None:
        """The finished piece as MIDI; None before it is finished and once it is gone."""
        async with self._database.read() as connection:
            return await connection.scalar(sa.select(pieces.c.midi).where(pieces.c.id == number, ~pieces.c.deleted))

    async def set_place(self, number: int, place: Place) -> None:
        """Where its message stands now, and whose it is."""
        await self._change(
            number, guild=place.guild, channel=place.channel, message=place.message, by_webhook=place.by_webhook
        )

    async def set_token(self, number: int, token: str) -> None:
        """A new interaction's, by which a piece that could not be delivered may be."""
        await self._change(number, token=token, asked_at=now())

    async def set_title(self, number: int, title: str) -> None:
        await self._change(number, title=title)

    async def set_result(self, number: int, midi: bytes, receipt: Mapping[str, Any]) -> bool:
        """False: the piece is gone."""
        return await self._change(number, midi=midi, receipt=dict(receipt))

    async def set_heard(
        self, number: int, opening: bytes, bars: int, heard: Mapping[str, Any], listening: Listening
    ) -> bool:
        """What a recording came to, and how its notes were put into bars. False: it is gone."""
        there = sa.update(pieces).where(pieces.c.id == number, ~pieces.c.deleted)
        how = sa.update(hearings).where(hearings.c.id == number)
        async with self._database.write() as connection:
            digest = await self._keep(connection, opening)
            await connection.execute(how.values(listening=listening.to_json()))
            values = {"opening_digest": digest, "opening_bars": bars, "heard": dict(heard)}
            is_there = (await connection.execute(there.values(values))).rowcount > 0
            await self._discard(connection)
        return is_there

    async def replace(self, connection: AsyncConnection, number: int) -> None:
        """A recording has become pieces, in whose transaction this is, and they have its message now."""
        await self._database.lock(connection, OPENINGS_LOCK)
        gone = {"deleted": True, "opening_digest": None, "token": None, "message": None, "heard": None}
        await connection.execute(sa.update(pieces).where(pieces.c.id == number).values(gone))
        await self._discard(connection)

    async def set_posting(self, number: int) -> bool:
        """A message of its own is about to be sent: whoever takes over looks for it first. False: the piece is gone."""
        return await self._change(number, posting_at=now())

    async def delete_piece(self, number: int) -> None:
        """Forget its music; that it was there stays, for the pieces that came from it."""
        gone = {"deleted": True} | dict.fromkeys(("opening_digest", "midi", "receipt", "token", "heard"))
        async with self._database.write() as connection:
            await self._database.lock(connection, OPENINGS_LOCK)
            await connection.execute(sa.update(pieces).where(pieces.c.id == number).values(gone))
            await self._discard(connection)

    async def _change(self, number: int, **values: Any) -> bool:
        """Nothing happens to a piece that was deleted: what comes too late for it is not kept."""
        one = sa.update(pieces).where(pieces.c.id == number, ~pieces.c.deleted)
        async with self._database.write() as connection:
            return (await connection.execute(one.values(**values))).rowcount > 0

    async def _keep(self, connection: AsyncConnection, opening: bytes) -> str:
        """Put an opening beside the others, unless it is there. Returns its digest."""
        await self._database.lock(connection, OPENINGS_LOCK)  # or it might go before its piece has come
        digest = hashlib.sha256(opening).hexdigest()
        row = _insert(connection, openings).values(digest=digest, midi=opening)
        await connection.execute(row.on_conflict_do_nothing())
        return digest

    async def _discard(self, connection: AsyncConnection) -> None:
        """Forget what belongs to no piece any more. Their lock is held."""
        await connection.execute(sa.delete(hearings).where(_OF_NOTHING))
        if (await connection.execute(sa.delete(openings).where(_OPENING_OF_NOTHING))).rowcount:
            self._database.forgetting()

    # ------------------------------------------------------------------ privacy

    async def kept_of(self, user: int) -> tuple[int, int, int]:
        """How many settings, presets and pieces of a user are kept."""
        settings = await self.own_settings(user)
        async with self._database.read() as connection:
            pieces_kept = await connection.scalar(sa.select(sa.func.count()).where(pieces.c.owner == user)) or 0
        return sum(map(len, settings.values())), len(await self.presets(user)), pieces_kept

    async def forget(self, connection: AsyncConnection, user: int) -> None:
        """Delete every row about a user."""
        await self._database.lock(connection, OPENINGS_LOCK)
        for table, column in ((people, people.c.id), (presets, presets.c.owner), (pieces, pieces.c.owner)):
            await connection.execute(sa.delete(table).where(column == user))
        await self._discard(connection)

    async def sweep(self, days: float) -> int:
        """Delete pieces older than that. Returns how many."""
        async with self._database.write() as connection:
            await self._database.lock(connection, OPENINGS_LOCK)
            gone = await connection.execute(sa.delete(pieces).where(pieces.c.asked_at < now() - days * 86400))
            await self._discard(connection)
            return gone.rowcount

    # ------------------------------------------------------------------ marks

    async def mark(self, name: str) -> str | None:
        """What was written down under a name, such as the hash of the commands that Discord has."""
        async with self._database.read() as connection:
            return await connection.scalar(sa.select(marks.c.value).where(marks.c.name == name))

    async def set_mark(self, name: str, value: str) -> None:
        async with self._database.write() as connection:
            await _put(connection, marks, {"name": name}, {"value": value})


async def _held_settings(connection: AsyncConnection, user: int) -> dict[str, dict[str, float]]:
    """A user's own settings. Whoever else asks for them by this function waits until the transaction ends."""
    row = _insert(connection, people).values(id=user, sampling={})  # or there would be nothing to wait for
    await connection.execute(row.on_conflict_do_nothing())
    mine = sa.select(people.c.sampling).where(people.c.id == user).with_for_update()
    return dict(await connection.scalar(mine) or {})


async def _put(connection: AsyncConnection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or update the one with that key."""
    row = _insert(connection, table).values(**key, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _insert(connection: AsyncConnection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _piece(row: sa.Row[Any]) -> Piece:
    at = row._asdict()
    shared = {
        name: at[name] for name in Piece.__dataclass_fields__ if name not in ("title", "place", "sampling", "hearing")
    }
    place = Place(**{name: at[name] for name in Place.__dataclass_fields__})
    hearing = None
    if at["listening"] is not None:
        hearing = Hearing(at["takes"], at["seeded"], at["go"], Listening(**at["listening"]))
    sampling = SamplingParams.from_json(at["sampling"])
    return Piece(**shared, title=Stranger(at["title"]), sampling=sampling, place=place, hearing=hearing)
