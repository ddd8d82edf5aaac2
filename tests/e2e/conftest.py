"""Every test that uses a stand-in for Discord also holds the bot, and the stand-in, to Discord's description."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from discord_standin.contract import taken


@pytest.fixture(autouse=True)
def contract_is_kept() -> Iterator[None]:
    """What was asked and told since the last test. What a bot still does after its last test, `BotProcess` looks at."""
    yield
    violations = sorted(set(map(str, taken())))
    assert not violations, "\n".join(violations)
