from __future__ import annotations

from bot.desk.buttons import Act
from bot.desk.press import ACTIONS


def test_every_button_does_something() -> None:
    assert set(ACTIONS) == set(Act)
