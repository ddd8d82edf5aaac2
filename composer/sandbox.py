"""What a child that looks at a stranger's file gets of this process: few variables, none of ours, and limits."""

from __future__ import annotations

import os
import resource

# Where programs, libraries and folders for their own files are found, and how many threads they take. Neither the bot's
# token nor the database's address is among them.
PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
)


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def limit(what: int, most: int) -> None:
    """Hold this process to a limit, or to that which it already has, where that is lower. what: resource.RLIMIT_..."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
