"""Processes beside a test: whether one lives, and those of integration/jobs_process.py, which do as they are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROCESS = Path(__file__).parent / "integration" / "jobs_process.py"


def alive(pid: int) -> bool:
    """Not a zombie either."""
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def start(what: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROCESS), what, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process: subprocess.Popen[str]) -> None:
    """Let it go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> Any:
    """What it says next."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())
