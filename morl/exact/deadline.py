"""Time limits: a moment after which a solver shows what it has, or says that it has nothing."""

from __future__ import annotations

import math
import time

from morl.spec import ModelError


class OutOfTime(ModelError):
    """The time limit passed before there was anything to report."""


def until(time_limit: float | None) -> float:
    """The ``time.monotonic()`` at which a time limit in seconds ends; infinity for ``None``.

    Raises:
        ModelError: a negative limit.
    """
    if time_limit is None:
        return math.inf
    if not time_limit >= 0:
        raise ModelError(f"time_limit is {time_limit}; expected seconds >= 0 or None")
    return time.monotonic() + time_limit


def check(deadline: float, doing: str = "") -> None:
    """Raise :class:`OutOfTime` once ``deadline`` has passed, with what was being done."""
    if time.monotonic() > deadline:
        raise OutOfTime(f"out of time{f' while {doing}' if doing else ''}; give a longer time limit")
