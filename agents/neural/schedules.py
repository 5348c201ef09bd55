"""Options that change while an agent learns: one number, or its first and its last value."""

from __future__ import annotations

from collections.abc import Sequence

Schedule = float | tuple[float, ...]
"""A constant, or ``(first, last)``: a straight line over the steps asked for."""


def at(schedule: Schedule, progress: float) -> float:
    """The value when a fraction ``progress`` of the steps is done.

    >>> at((0.4, 0.2), 0.5), at(3.0, 0.5)
    (0.30000000000000004, 3.0)
    """
    if not isinstance(schedule, Sequence):
        return float(schedule)
    return float(schedule[0] + (schedule[-1] - schedule[0]) * min(1.0, max(0.0, progress)))
