"""`segue doctor`: is all there that the bot needs? It looks in place of this process."""

from __future__ import annotations

import os
import sys


def doctor() -> None:
    """Check all that the bot needs, and say what to do about what is missing."""
    os.execv(sys.executable, [sys.executable, "-m", "bot", "doctor"])
