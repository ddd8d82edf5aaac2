"""Where the files stand that are no code: checkpoints, migrations, the example.

In a checkout they stand beside the packages; a wheel has them inside of this one, where setup.py puts them.
"""

from __future__ import annotations

from pathlib import Path

_INSTALLED = Path(__file__).parent / "installed"
HOME = _INSTALLED if _INSTALLED.exists() else Path(__file__).parent.parent
DEFAULT_CHECKPOINT = HOME / "checkpoints" / "sixth"
