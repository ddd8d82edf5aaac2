"""The table of jobs as one object, for processes that come to it in several roles."""

from __future__ import annotations

from composer.line.asking import Asking
from composer.line.claiming import Claiming
from composer.line.delivering import Delivering
from composer.line.sweeping import Sweeping


class Jobs(Asking, Claiming, Delivering, Sweeping):
    """The table, for those who ask, those who compose, those who bring answers, and those who run it."""
