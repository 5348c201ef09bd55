"""Gymnasium's toy-text environments, which carry their transition table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.momdp import MOMDP
from morl.spec import ModelError, Objective


def from_toy_text(
    env: Any,
    reward: Callable[[int, int, int, float], ArrayLike],
    *,
    discount: float,
    horizon: int | None = None,
    objectives: Sequence[Objective | str] | None = None,
) -> MOMDP:
    """The model of a Gymnasium toy-text env (``env.unwrapped.P``) with a vector reward.

    Args:
        env: the env, or its table ``P``.
        reward: ``reward(s, a, s', r)`` gives the reward vector.

    Raises:
        ModelError: the env has no table.
    """
    unwrapped = getattr(env, "unwrapped", env)
    table = unwrapped if isinstance(unwrapped, Mapping) else getattr(unwrapped, "P", None)
    if table is None:
        raise ModelError(f"{type(unwrapped).__name__} has no table P; expected a toy-text env such as FrozenLake")
    start = getattr(unwrapped, "initial_state_distrib", None)
    return MOMDP.from_dict(
        table,
        reward=reward,
        start=0 if start is None else np.asarray(start, dtype=np.float64),
        discount=discount,
        horizon=horizon,
        objectives=objectives,
    )
