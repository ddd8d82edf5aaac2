"""How often Discord takes requests: so many in a bucket of a route and its major parameter, and so many of a bot.

The windows are in seconds of the stand-in's clock, and as long as Discord's where `timing.windows` is 1: discord.py
reads them in the headers and waits, so that a test sees what the wait does to the bot. What a person asks for has a
token of its own and so a bucket of its own. `clock.advance` ends a window for the stand-in alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .clock import Clock
from .posts import Json
from .timing import Timing

MAJOR = ("channel", "guild", "application", "interaction", "token")  # an application's id counts as its webhook's
VIA = {"Via": "1.1 google"}  # without which discord.py takes a 429 for a ban


class Limit(NamedTuple):
    requests: int
    seconds: float


OF_A_BOT = Limit(50, 1.0)
OLD_EDITS = Limit(3, 20.0)  # in a channel, of messages older than an hour; as it has been seen
OLD_SECONDS = 3600.0
OTHERS = Limit(50, 1.0)  # of which nothing is known but that they have one
WEBHOOK = "/webhooks/{application}/{token}"
LIMITS = {
    ("POST", "/channels/{channel}/messages"): Limit(5, 5.0),
    ("PATCH", "/channels/{channel}/messages/{message}"): Limit(5, 5.0),
    ("DELETE", "/channels/{channel}/messages/{message}"): Limit(5, 1.0),
    ("POST", WEBHOOK): Limit(5, 2.0),
    ("GET", f"{WEBHOOK}/messages/{{message}}"): Limit(5, 2.0),
    ("PATCH", f"{WEBHOOK}/messages/{{message}}"): Limit(5, 2.0),
    ("DELETE", f"{WEBHOOK}/messages/{{message}}"): Limit(5, 2.0),
}


@dataclass
class Bucket:
    """A window begins with its first request."""

    limit: Limit
    ends_at: float
    left: int

    def take(self, now: float, share: float) -> bool:
        """share: of the limit's seconds"""
        if now >= self.ends_at:
            self.left, self.ends_at = self.limit.requests, now + share * self.limit.seconds
        self.left -= 1
        return self.left >= 0


class Limits:
    def __init__(self, clock: Clock, timing: Timing) -> None:
        self._clock, self._timing = clock, timing
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def take(
        self, method: str, template: str, parameters: Mapping[str, str], by_bot: bool
    ) -> tuple[dict[str, str], Json | None]:
        """The headers of the answer, and the body of a 429 where it is one request too many.

        by_bot: whether it has the bot's token; interactions have their own, and are not bound to the bot's limit
        """
        if by_bot and (wait := self._wait(OF_A_BOT, "bot")):
            return refused(wait, everywhere=True)
        limit = LIMITS.get((method, template), OTHERS)
        name = hashlib.md5(f"{method} {template}".encode()).hexdigest()
        key = (name, *(parameters[major] for major in MAJOR if major in parameters))
        wait = self._wait(limit, *key)
        bucket = self._buckets[key]
        headers = {"X-RateLimit-Limit": str(limit.requests), "X-RateLimit-Remaining": str(max(0, bucket.left))}
        headers |= {"X-RateLimit-Reset": f"{bucket.ends_at:.3f}", "X-RateLimit-Bucket": name}
        headers |= {"X-RateLimit-Reset-After": f"{max(0.001, bucket.ends_at - self._clock.now()):.3f}"}
        if not wait:
            return headers, None
        more, body = refused(wait)
        return headers | more, body

    def old_edit(self, channel: int) -> float:
        """How many seconds an edit of an old message in the channel has to wait; 0: it need not."""
        return self._wait(OLD_EDITS, "old edits", str(channel))

    def _wait(self, limit: Limit, *key: str) -> float:
        now = self._clock.now()
        bucket = self._buckets.setdefault(key, Bucket(limit, 0.0, 0))
        return 0.0 if bucket.take(now, self._timing.windows) else max(0.001, round(bucket.ends_at - now, 3))


def refused(seconds: float, everywhere: bool = False) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and body of a 429. everywhere: it holds for all requests of the bot"""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere, "code": 0}
    headers = VIA | {"Retry-After": str(max(1, round(seconds)))}
    headers |= {"X-RateLimit-Scope": "global" if everywhere else "user"}
    return headers | ({"X-RateLimit-Global": "true"} if everywhere else {}), body
