"""Fishwood: catch fish at the river or collect wood in the woods, and be judged by single days (ESR).

Source: Roijers, Steckelmacher and Nowé (2018), "Multi-objective reinforcement learning for the expected utility of
the return". A day's utility is min(fish, ⌊wood / 2⌋): a fire to cook each fish.

Deliberate differences from mo-gymnasium's version:

- the end of the day is a time limit and so sets ``truncated`` alone; there both flags are set;
- the observation is a number (0 at the river, 1 in the woods), not an array that is handed out and written to;
- the objectives are fish, then wood, as both programs pay them (that version's documentation has them reversed).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike
from scipy import sparse

from morl.envs.finite import FiniteProblem
from morl.momdp import MOMDP
from morl.spec import EnvError, FloatArray, MOSpec, Objective

RIVER, WOODS = 0, 1

OBJECTIVES = (
    Objective("fish", "", 0.0, 1.0, "one fish caught"),
    Objective("wood", "", 0.0, 1.0, "one piece of wood collected"),
)


def utility(returns: ArrayLike) -> FloatArray:
    """A day's utility, min(fish, ⌊wood / 2⌋), for undiscounted returns ``(..., 2)``.

    >>> float(utility([14.0, 27.0]))
    13.0
    """
    day = np.asarray(returns, dtype=np.float64)
    return np.asarray(np.minimum(day[..., 0], np.floor(day[..., 1] / 2)))


def fishwood(fish: float = 0.1, wood: float = 0.9, max_steps: int = 200) -> FiniteProblem:
    """The problem: where you are pays first, then the action (0 river, 1 woods) says where you are next.

    Args:
        fish: chance of a fish per step at the river.
        wood: chance of a piece of wood per step in the woods.
        max_steps: length of a day.

    Raises:
        EnvError: a chance outside [0, 1].
    """
    for name, chance in (("fish", fish), ("wood", wood)):
        if not 0.0 <= chance <= 1.0:
            raise EnvError(f"{name} is {chance!r}; expected a probability")
    data, target, rewards, counts = [], [], [], []
    for place, chance in ((RIVER, fish), (WOODS, wood)):
        catch = [float(place == RIVER), float(place == WOODS)]
        results = [(p, r) for p, r in ((chance, catch), (1.0 - chance, [0.0, 0.0])) if p > 0]
        for goto in (RIVER, WOODS):
            data += [p for p, _ in results]
            rewards += [r for _, r in results]
            target += [goto] * len(results)
            counts.append(len(results))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    matrix = sparse.csr_array((np.array(data), np.array(target), indptr), shape=(4, 2))
    expected = np.array([[fish, 0.0], [fish, 0.0], [0.0, wood], [0.0, wood]])
    model = MOMDP(
        matrix,
        expected,
        np.array([0, 2, 4]),
        1.0,
        np.array([0.0, 1.0]),
        max_steps,
        OBJECTIVES,
        np.array(rewards),
        ("at the river", "in the woods"),
        ("go to the river", "go to the woods"),
    )
    spec = MOSpec(
        OBJECTIVES,
        discount=1.0,
        horizon=max_steps,
        ref_point=(-1.0, -1.0),
        return_scale=((0.0, 0.0), (max(fish, 1e-9) * max_steps, max(wood, 1e-9) * max_steps)),
    )

    def render(state: int, mode: str) -> Any:
        from morl.envs.rendering.corridor import draw_fishwood

        return draw_fishwood(state, mode)

    return FiniteProblem(model, spec, np.arange(2), spaces.Discrete(2), max_steps, render)
