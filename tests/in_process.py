"""`segue` without a process of its own: for what a user types wrongly, where starting Python costs more than the answer."""

from __future__ import annotations

import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from composer.cli import main


def segue(*words: object, cwd: Path | str = ".") -> CompletedProcess[str]:
    """The command line's own entry with these words. That a process ends as this does, other tests of each file see."""
    typed = ["segue", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with patch.object(sys, "argv", typed), chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return CompletedProcess(typed, status, out.getvalue(), err.getvalue())
