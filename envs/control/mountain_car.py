"""Mountain car with several objectives: reach the hill soon, and spare the engine (Vamplew et al. 2011)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.compiled import jit
from morl.envs.dynamics import Dynamics, State, Transition
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec, Objective, UnknownNameError

POSITIONS = (-1.2, 0.6)
TOP_SPEED = 0.07
GOAL = 0.5
MAX_STEPS = 200
SPEED_UNIT = 15.0

OBJECTIVES = {
    "time": Objective("time", "step", -1.0, 0.0, "−1 per step, 0 for the step that reaches the goal"),
    "reverse": Objective("reverse", "step", -1.0, 0.0, "−1 per step that pushes backwards"),
    "forward": Objective("forward", "step", -1.0, 0.0, "−1 per step that pushes forwards"),
    "move": Objective("move", "step", -1.0, 0.0, "−1 per step that pushes at all"),
    "speed": Objective("speed", "", 0.0, SPEED_UNIT * TOP_SPEED, "15 times the absolute velocity after the step"),
}
_COLUMNS = tuple(OBJECTIVES)


@jit
def _drive(
    cars: FloatArray, actions: IntArray, goal_velocity: float, wanted: IntArray, rewards: FloatArray, reached: BoolArray
) -> FloatArray:
    """Move cars ``(n, 2)`` (position, velocity); fill the rewards of the wanted objectives ``(n, K)`` and the ends."""
    moved = np.empty_like(cars)
    pays = np.zeros(5)
    for i in range(len(cars)):
        position, velocity = cars[i, 0], cars[i, 1]
        velocity += (actions[i] - 1) * 0.001 + math.cos(3 * position) * (-0.0025)
        velocity = min(max(velocity, -TOP_SPEED), TOP_SPEED)
        position = min(max(position + velocity, -1.2), 0.6)
        if position == -1.2 and velocity < 0:
            velocity = 0.0
        reached[i] = position >= GOAL and velocity >= goal_velocity
        pays[0] = 0.0 if reached[i] else -1.0
        pays[1] = -1.0 if actions[i] == 0 else 0.0
        pays[2] = -1.0 if actions[i] == 2 else 0.0
        pays[3] = -1.0 if actions[i] != 1 else 0.0
        pays[4] = SPEED_UNIT * abs(velocity)
        for k in range(len(wanted)):
            rewards[i, k] = pays[wanted[k]]
        moved[i, 0], moved[i, 1] = position, velocity
    return moved


def start_positions(n: int, rng: np.random.Generator, options: Mapping[str, Any] | None) -> FloatArray:
    """Cars ``(n, 2)`` at rest, uniformly between ``low`` and ``high`` (−0.6 and −0.4 by default).

    Raises:
        EnvError: bounds outside the track or the wrong way round.
    """
    given = options or {}
    low, high = given.get("low", -0.6), given.get("high", -0.4)
    numbers = all(isinstance(x, int | float | np.number) and not isinstance(x, bool) for x in (low, high))
    if not numbers or not POSITIONS[0] <= low <= high <= POSITIONS[1]:
        raise EnvError(f"start positions run from {low!r} to {high!r}; expected -1.2 <= low <= high <= 0.6")
    cars = np.zeros((n, 2))
    cars[:, 0] = rng.uniform(low, high, n)
    return cars


class MountainCarDynamics(Dynamics):
    """An underpowered car must swing up a hill (Moore 1990), in little time and with few pushes (Vamplew et al. 2011).

    - **Actions** (3): push backwards, nothing, push forwards. **Observation** (2, float32): position in [−1.2, 0.6]
      and velocity in [−0.07, 0.07].
    - **Objectives**: any of ``time`` (−1 a step, 0 for the step that reaches the goal), ``reverse`` and ``forward``
      (−1 for each such push), ``move`` (−1 for any push) and ``speed`` (15 times the absolute velocity). The default
      is time, reverse, forward; the registered variants are time/speed and time/move.
    - **Start**: at rest, position uniform in [−0.6, −0.4]; reset options ``low`` and ``high`` change the interval.
      **End**: position ≥ 0.5 at no less than ``goal_velocity``; truncated after 200 steps.

    Differences from MO-Gymnasium's ``mo-mountaincar-v0`` and its variants; trajectories are the same:

    - The reward space contains the goal's time reward 0; there its upper bound is −1, so the goal lies outside.
    - The speed's bound is the true 1.05 (there 1.1), and rewards are float64.

    The state is one array ``car`` ``(n, 2)`` of position and velocity.

    Args:
        objectives: names from :data:`OBJECTIVES`, in the order of the rewards.
        goal_velocity: least velocity at the goal.

    Raises:
        UnknownNameError: no such objective.
    """

    max_steps = MAX_STEPS
    reset_options = ("low", "high")

    def __init__(self, objectives: Sequence[str] = ("time", "reverse", "forward"), goal_velocity: float = 0.0) -> None:
        for name in objectives:
            if name not in OBJECTIVES:
                raise UnknownNameError("mountain car objective", str(name), OBJECTIVES)
        self.goal_velocity = float(goal_velocity)
        self._wanted = np.array([_COLUMNS.index(name) for name in objectives])
        best = tuple(MAX_STEPS * OBJECTIVES[name].high for name in objectives)
        worst = tuple(MAX_STEPS * OBJECTIVES[name].low for name in objectives)
        self.mo_spec = MOSpec(
            tuple(OBJECTIVES[name] for name in objectives), 1.0, MAX_STEPS, ref_point=worst, return_scale=(worst, best)
        )
        self.observation_space = spaces.Box(
            np.array([POSITIONS[0], -TOP_SPEED], np.float32), np.array([POSITIONS[1], TOP_SPEED], np.float32)
        )
        self.action_space = spaces.Discrete(3)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Cars at rest near the bottom of the valley."""
        return {"car": start_positions(n, rng, options)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Push by −0.001, 0 or 0.001 against a gravity of 0.0025 cos 3x."""
        n = len(actions)
        rewards, reached = np.empty((n, len(self._wanted))), np.empty(n, dtype=np.bool_)
        moved = _drive(state["car"], actions, self.goal_velocity, self._wanted, rewards, reached)
        return Transition({"car": moved}, rewards, reached)

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Position and velocity, ``(n, 2)`` float32."""
        return state["car"].astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The hill with the car and the goal."""
        from morl.envs.control.mountain_car_render import draw_mountain_car

        return draw_mountain_car(GOAL, state, mode)
