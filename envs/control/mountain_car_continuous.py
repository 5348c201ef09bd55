"""Mountain car with a continuous throttle: reach the hill soon, and spare the fuel (after Vamplew et al. 2011)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.compiled import jit
from morl.envs.control.mountain_car import POSITIONS, TOP_SPEED, start_positions
from morl.envs.dynamics import Dynamics, State, Transition
from morl.spec import BoolArray, FloatArray, MOSpec, Objective

GOAL = 0.45
MAX_STEPS = 999


@jit
def _drive(
    cars: FloatArray, throttle: FloatArray, goal_velocity: float, rewards: FloatArray, reached: BoolArray
) -> FloatArray:
    """Move cars ``(n, 2)`` (position, velocity) by a throttle ``(n, 1)``; fill rewards ``(n, 2)`` and ends."""
    moved = np.empty_like(cars)
    for i in range(len(cars)):
        position, velocity, force = cars[i, 0], cars[i, 1], throttle[i, 0]
        velocity += force * 0.0015 - 0.0025 * math.cos(3 * position)
        velocity = min(max(velocity, -TOP_SPEED), TOP_SPEED)
        position = min(max(position + velocity, -1.2), 0.6)
        if position == -1.2 and velocity < 0:
            velocity = 0.0
        reached[i] = position >= GOAL and velocity >= goal_velocity
        rewards[i, 0] = 0.0 if reached[i] else -1.0
        rewards[i, 1] = -force * force
        moved[i, 0], moved[i, 1] = position, velocity
    return moved


class MountainCarContinuousDynamics(Dynamics):
    """The mountain car with a throttle: time against fuel, the problem of Vamplew et al. 2011 made continuous.

    - **Action**: a throttle in [−1, 1]. **Observation** (2, float32): position in [−1.2, 0.6], velocity in
      [−0.07, 0.07].
    - **Objectives** (2): ``time`` (−1 a step, 0 for the step that reaches the goal), ``fuel`` (minus the throttle
      squared).
    - **Start**: at rest, position uniform in [−0.6, −0.4]; reset options ``low`` and ``high`` change the interval.
      **End**: position ≥ 0.45 at no less than ``goal_velocity``; truncated after 999 steps.

    Differences from MO-Gymnasium's ``mo-mountaincarcontinuous-v0``:

    - The state is float64. There it is rounded to float32 after each step (except before the first, and with rules
      of rounding that depend on NumPy's version), so trajectories agree to about 1e-5 and not to the bit.
    - Observations are fresh arrays; there the internal state itself is returned, and editing it moves the car.
    - A throttle outside [−1, 1] raises; there it is clipped for the engine and charged unclipped, outside the
      reward space.

    The state is one array ``car`` ``(n, 2)`` of position and velocity.

    Args:
        goal_velocity: least velocity at the goal.
    """

    max_steps = MAX_STEPS
    reset_options = ("low", "high")

    def __init__(self, goal_velocity: float = 0.0) -> None:
        self.goal_velocity = float(goal_velocity)
        worst = (-float(MAX_STEPS), -float(MAX_STEPS))
        self.mo_spec = MOSpec(
            (
                Objective("time", "step", -1.0, 0.0, "−1 per step, 0 for the step that reaches the goal"),
                Objective("fuel", "throttle²", -1.0, 0.0, "minus the square of the throttle"),
            ),
            discount=1.0,
            horizon=MAX_STEPS,
            ref_point=worst,
            return_scale=(worst, (0.0, 0.0)),
        )
        self.observation_space = spaces.Box(
            np.array([POSITIONS[0], -TOP_SPEED], np.float32), np.array([POSITIONS[1], TOP_SPEED], np.float32)
        )
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Cars at rest near the bottom of the valley."""
        return {"car": start_positions(n, rng, options)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Push by 0.0015 times the throttle against a gravity of 0.0025 cos 3x."""
        n = len(actions)
        rewards, reached = np.empty((n, 2)), np.empty(n, dtype=np.bool_)
        moved = _drive(state["car"], actions, self.goal_velocity, rewards, reached)
        return Transition({"car": moved}, rewards, reached)

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Position and velocity, ``(n, 2)`` float32."""
        return state["car"].astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The hill with the car and the goal."""
        from morl.envs.control.mountain_car_render import draw_mountain_car

        return draw_mountain_car(GOAL, state, mode)
