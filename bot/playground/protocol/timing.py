"""The times that Discord gives a bot, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Timing:
    response_seconds: float = 3.0  # to the first answer to an interaction
    token_seconds: float = 900.0  # an interaction's token lives
    nonce_seconds: float = 300.0  # a nonce is remembered, "the past few minutes"
    windows: float = 1.0  # of the limits of requests, as a share of Discord's: the bot waits by the headers
