"""A tiny study and tasks that processes run; both must be importable by them."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

TINY: dict[str, Any] = {
    "name": "tiny",
    "steps": 600,
    "seeds": 2,
    "algorithms": ["ParetoQLearning", {"algo": "MultiWeightQLearning", "name": "weights"}],
    "environments": ["morl/DeepSeaTreasureConcave-v0", "morl/DeepSeaTreasureMirrored-v0"],
}


def square(number: int, report: Callable[[int], None]) -> int:
    """A task that can fail."""
    report(1)
    if number < 0:
        raise ValueError("no\nnegative numbers")
    if number == 7:
        warnings.warn("seven", stacklevel=1)
    return number * number


def dies_at_first(folder: str, report: Callable[[int], None]) -> int:
    """A task whose process dies when it is begun for the first time."""
    mark = Path(folder) / "begun"
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return os.getpid()


def dies(folder: str, report: Callable[[int], None]) -> None:
    """A task whose process always dies."""
    time.sleep(0.01)
    os._exit(9)


def own_pid(_: int, report: Callable[[int], None]) -> int:
    """A task that says which process it ran in, and takes long enough for others to begin."""
    time.sleep(0.5)
    return os.getpid()
