"""What can be asked of the bot. Each module has a function `commands` that makes its commands anew."""

from __future__ import annotations

from typing import Any

from discord import app_commands

Command = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu
