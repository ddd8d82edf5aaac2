"""What people preferred: the votes that the bot has gathered with /compare, out of its database.

Of the tables `comparisons` and `ballots` (bot.storage.schema) only this is read: how each of two takes was made, and
which was liked better. Votes for takes that do not differ in what is asked about say nothing and are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from composer.audition.bootstrap import Interval, wilson
from composer.database import Database
from composer.errors import DatabaseError, SettingsError
from composer.sampling import SamplingParams

Making = Mapping[str, Any]  # checkpoint, digest and settings of a take

SHOWN_DIGEST = 12  # characters

COMPARISONS = sa.table("comparisons", sa.column("id"), sa.column("a", sa.JSON), sa.column("b", sa.JSON))
BALLOTS = sa.table("ballots", sa.column("comparison"), sa.column("choice"))


class Vote(NamedTuple):
    """That one of two takes is better than the other."""

    better: Making
    other: Making


@dataclass(frozen=True)
class Preference:
    """How often something was preferred.

    Attributes:
        name: of a checkpoint, or settings.
        won: votes for it.
        of: votes between it and anything else.
    """

    name: str
    won: int
    of: int

    @property
    def interval(self) -> Interval:
        """Of its share."""
        return wilson(self.won, self.of)

    def __str__(self) -> str:
        low, high = self.interval
        return f"preferred by {self.won} of {self.of} [{low:.2f} {high:.2f}]"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "preferred": self.won, "of": self.of, "interval": list(self.interval)}


async def read_votes(database: str) -> list[Vote]:
    """All votes that there are.

    Args:
        database: its URL, or the file of SQLite.

    Raises:
        SettingsError: there is none, or it holds no votes.
    """
    if "://" not in database:
        if not Path(database).is_file():
            raise SettingsError(f"There is no database {database}. Give --votes the bot's DATABASE_URL, or its file.")
        database = f"sqlite+aiosqlite:///{Path(database).resolve()}"
    cast = sa.select(BALLOTS.c.choice, COMPARISONS.c.a, COMPARISONS.c.b).join_from(
        BALLOTS, COMPARISONS, BALLOTS.c.comparison == COMPARISONS.c.id
    )
    try:
        async with Database(database) as opened, opened.read() as connection:
            rows = (await connection.execute(cast.order_by(COMPARISONS.c.id))).all()
    except (DatabaseError, sa.exc.DBAPIError) as error:
        raise SettingsError("No votes can be read from this database. Give --votes that of a bot that runs.") from error
    return [Vote(row.a, row.b) if row.choice == "a" else Vote(row.b, row.a) for row in rows]


def preferences(votes: Sequence[Vote], name: Callable[[Making], str]) -> list[Preference]:
    """Those of everything that was compared with anything else, the most preferred first.

    Args:
        votes: all of them.
        name: what they are counted by.
    """
    won: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for better, other in votes:
        if name(better) != name(other):
            won[name(better)] += 1
            of.update((name(better), name(other)))
    found = [Preference(each, won[each], of[each]) for each in of]
    return sorted(found, key=lambda one: (-one.interval[0], one.name))


def by_checkpoint(made: Making) -> str:
    return checkpoint_name(made["checkpoint"], made["digest"])


def checkpoint_name(name: str, digest: str) -> str:
    return f"{name} {digest[:SHOWN_DIGEST]}"


def by_settings(made: Making) -> str:
    return settings_name(SamplingParams.from_json(made["settings"]))


def settings_name(sampling: SamplingParams) -> str:
    return " ".join(sampling.changes()) or "default settings"
