"""The requests of the bot, and who looks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .posts import Json


@dataclass(eq=False)
class Request:
    """A REST request. at, done_at: seconds since 1970 by the stand-in's clock; status 0: no answer was given."""

    method: str
    path: str  # below /api/v10, "/channels/12/messages"
    route: str  # "/channels/{channel}/messages", "" where there is no such route
    query: dict[str, str]
    token: str | None  # of the header Authorization
    body: Json | list[Json] | None
    files: dict[str, bytes]
    numbers: tuple[int, ...]  # n of each files[n]
    at: float
    status: int = 0
    code: int | None = None  # Discord's JSON code of a refusal
    done_at: float | None = None

    def matches(self, method: str, pattern: str) -> bool:
        """pattern: of the path, or of the route's template, with * for anything
        method: "*" for any, "UPLOAD" for one that brings files
        """
        kinds = {"*", self.method} | ({"UPLOAD"} if self.files else set())
        return method in kinds and (fnmatchcase(self.path, pattern) or pattern == self.route)


class Outcome(NamedTuple):
    """status: 0 where the connection shall break without an answer   body: JSON; None for no body"""

    status: int
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 - beside those of every answer; nobody changes them


class Watch:
    """Who looks on and may step in. Here nobody does; tests put in one that keeps a log and makes things fail."""

    def arrived(self, request: Request) -> None:
        """A request has come; it may be one too many yet."""

    async def carry_out(self, request: Request, work: Callable[[], Outcome]) -> Outcome:  # noqa: ARG002
        """Have a request done. work: what does it"""
        return work()

    def answered(self, request: Request, body: Any) -> None:
        """An answer is given."""

    def event(self, name: str, body: Any) -> None:
        """The gateway sends an event."""
