"""What the grid worlds share: moves, and maps given as rows of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.spec import EnvError

UP, DOWN, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)
MOVES = (UP, DOWN, LEFT, RIGHT)
"""Row and column change of actions 0 to 3, as in the literature's grid worlds."""

MOVE_NAMES = ("up", "down", "left", "right")


def check_rows(rows: Any, what: str) -> None:
    """Raise :class:`EnvError` unless a map has rows, all of one length of at least one cell."""
    if isinstance(rows, str) or not isinstance(rows, Sequence | np.ndarray) or len(rows) == 0:
        raise EnvError(f"{what} is {rows!r}; expected a list of rows")
    try:
        lengths = [len(row) for row in rows]
    except TypeError:
        raise EnvError(f"{what} has the rows {list(rows)!r}; expected a list of cells in each") from None
    if min(lengths) == 0 or len(set(lengths)) > 1:
        raise EnvError(f"{what} has rows of {lengths} cells; expected rows of one length, at least one cell long")


def name_states(model: MOMDP, names: Sequence[str]) -> MOMDP:
    """The same model with its states named for people."""
    from dataclasses import replace

    return replace(model, state_names=tuple(names))
