"""Resource Gathering: fetch gold and a gem past two enemies, and bring them home alive.

Source: Barrett and Narayanan (2008), "Learning all optimal policies with multiple criteria". Dynamics as in
mo-gymnasium: a cell takes effect whenever a step ends on it, also when the move was blocked by the edge of the map,
so walking down from home goes home at once.

Differences from mo-gymnasium's version, none of them in the dynamics: the observation space is as large as what is
seen (rows and columns 0–4, flags 0–1); the front is computed from the model and so holds no unreachable or
dominated point. At γ = 1 it is the single point (0, 1, 1), which an 18-step path around the enemies reaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.classic.grids import MOVE_NAMES, MOVES, name_states
from morl.envs.finite import FiniteProblem
from morl.momdp import MOMDP, Outcome
from morl.spec import MOSpec, Objective

SIZE = 5
HOME, GOLD, GEM = (4, 2), (0, 2), (1, 4)
ENEMIES = ((0, 3), (1, 2))
KILL = 0.1

OBJECTIVES = (
    Objective("safety", "", -1.0, 0.0, "minus one for being killed by an enemy"),
    Objective("gold", "", 0.0, 1.0, "one for coming home with the gold"),
    Objective("gem", "", 0.0, 1.0, "one for coming home with the gem"),
)


def resource_gathering(max_steps: int = 100) -> FiniteProblem:
    """The problem. Observation: row, column, has gold, has gem. Actions: up, down, left, right.

    A step that ends on an enemy's cell ends the episode with probability 0.1 and reward −1 for safety; a step that
    ends at home ends it with what was gathered.
    """

    def outcomes(state: Any, action: int) -> list[Outcome]:
        row, column, gold, gem = state
        there = (row + MOVES[action][0], column + MOVES[action][1])
        if not (0 <= there[0] < SIZE and 0 <= there[1] < SIZE):
            there = (row, column)
        moved = (*there, int(gold or there == GOLD), int(gem or there == GEM))
        if there in ENEMIES:
            return [(KILL, moved, (-1.0, 0.0, 0.0), True), (1.0 - KILL, moved, (0.0, 0.0, 0.0), False)]
        if there == HOME:
            return [(1.0, moved, (0.0, float(moved[2]), float(moved[3])), True)]
        return [(1.0, moved, (0.0, 0.0, 0.0), False)]

    model, states = MOMDP.from_simulator(
        (*HOME, 0, 0), 4, outcomes, discount=0.9, objectives=OBJECTIVES, action_names=MOVE_NAMES
    )
    observations = np.array(states, dtype=np.int32)
    high = np.array([SIZE - 1, SIZE - 1, 1, 1], dtype=np.int32)
    space = spaces.Box(np.zeros(4, np.int32), high, (4,), np.int32)
    scale = ((-1.0, 0.0, 0.0), (0.0, 1.0, 1.0))
    spec = MOSpec(OBJECTIVES, discount=0.9, ref_point=(-1.0, -1.0, -1.0), return_scale=scale)

    def render(state: int, mode: str) -> Any:
        from morl.envs.classic.resource_gathering_render import draw_gathering

        return draw_gathering(tuple(int(x) for x in observations[state]), mode)

    carried = {(0, 0): "", (1, 0): ", gold", (0, 1): ", gem", (1, 1): ", gold and gem"}
    named = name_states(model, [f"row {r}, column {c}{carried[g, d]}" for r, c, g, d in observations.tolist()])
    return FiniteProblem(named, spec, observations, space, max_steps, render)
