"""highway-env's motorway with its reward split: speed, the right lane, and collisions (Leurent 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.control.split import SplitEnv, inner_mode, simulator
from morl.envs.core import Info
from morl.envs.rendering.drawing import characters, joined
from morl.spec import FloatArray, MOSpec, Objective


class Highway(SplitEnv):
    """Drive fast, on the right, and without accident in dense traffic: ``highway-v0`` of highway-env (Leurent 2018).

    - **Objectives** (3): ``speed`` (0 at 20 m/s or less, 1 at 30 or more), ``right`` (0 on the leftmost lane, 1 on the
      rightmost), ``collision`` (−1 in the step that crashes). All are 0 off the road.
    - **Actions** (5): lane left, nothing, lane right, faster, slower. **Observation** (5 × 5, float32): presence,
      position and velocity of the car and its nearest neighbours; both as configured.
    - **Start**: random traffic. **End**: a crash; truncated after 40 decisions (30 for ``fast``).

    highway-env's scalar reward is (0.4 speed + 0.1 right + collision + 1) / 1.5 on the road, an affine function:
    ``scalar_weights`` (0.4, 0.1, 1) order policies over a fixed number of steps as it does, and
    ``info["original_reward"]`` holds it.

    Differences from MO-Gymnasium's ``mo-highway-v0``; rewards are the same: they are float64; a crash in the last
    second is a termination only (there both flags are set); and the info of a reset follows from its seed (there it
    holds an action drawn without one).

    Args:
        fast: fewer cars, three lanes and a coarser simulation (``highway-fast-v0``).
        max_steps: time limit beside highway-env's own duration.
        render_mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.
        config: highway-env's settings.

    Raises:
        MissingExtraError: highway-env is not installed.
    """

    def __init__(
        self,
        fast: bool = False,
        max_steps: int | None = None,
        render_mode: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        inner: Any = simulator(
            "highway_env.envs.highway_env",
            "HighwayEnvFast" if fast else "HighwayEnv",
            "highway",
            render_mode=inner_mode(render_mode),
            config=dict(config or {}),
        )
        steps = int(inner.config["duration"] * inner.config["policy_frequency"])
        steps = steps if max_steps is None else min(steps, max_steps)
        spec = MOSpec(
            (
                Objective("speed", "", 0.0, 1.0, "speed between 20 and 30 m/s, scaled to [0, 1]"),
                Objective("right", "", 0.0, 1.0, "how far right the lane is, scaled to [0, 1]"),
                Objective("collision", "crash", -1.0, 0.0, "−1 in the step that crashes"),
            ),
            discount=0.99,
            horizon=steps,
            ref_point=(0.0, 0.0, -1.0),
            return_scale=((0.0, 0.0, -1.0), (float(steps), float(steps), 0.0)),
        )
        recipe = {"fast": fast, "max_steps": max_steps, "render_mode": render_mode, "config": config}
        super().__init__(inner, spec, max_steps, recipe)
        self.render_mode = render_mode
        self.scalar_weights = np.array([0.4, 0.1, 1.0])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start in random traffic; there are no options. Info holds speed and crashed.

        highway-env also reports an action that it draws without a seed, and the rewards as if that had been taken.
        """
        observation, info = super().reset(seed=seed, options=options)
        return observation, {key: info[key] for key in ("speed", "crashed") if key in info}

    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        parts = info["rewards"]
        split = [parts["high_speed_reward"], parts["right_lane_reward"], 0.0 - parts["collision_reward"]]
        return np.array(split, dtype=np.float64) * float(parts["on_road_reward"])

    def describe(self) -> str:
        """The lanes from above in characters: ``▶`` is the car, ``»`` are the others."""
        inner: Any = self.simulator
        lanes, width, reach = int(inner.config["lanes_count"]), 81, 80.0
        grid = characters(width, 2 * lanes + 1)
        for number in range(lanes + 1):
            line = "═" if number in (0, lanes) else "╌"
            grid[2 * number] = [line] * width
        ego = inner.vehicle
        for vehicle in [*(v for v in inner.road.vehicles if v is not ego), ego]:
            column = round((float(vehicle.position[0] - ego.position[0]) / reach + 0.4) * (width - 1))
            row = 2 * round(float(vehicle.position[1]) / 4.0) + 1
            if 0 <= column < width and 0 <= row < len(grid):
                grid[row][column] = "▶" if vehicle is ego else "»"
        state = "crashed" if ego.crashed else "driving"
        return joined(grid, f"{state} at {ego.speed:.1f} m/s after {inner.time:.0f} s")
