"""`segue bot`: the Discord bot, in place of this process."""

from __future__ import annotations

import os
import sys


def bot() -> None:
    """Run the Discord bot; its settings come from the environment and from .env."""
    os.execv(sys.executable, [sys.executable, "-m", "bot"])
