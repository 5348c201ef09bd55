"""Gymnasium's lunar lander with its reward split: safe landing, approach, and the fuel of both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.control.lunar_lander_render import draw_lander
from morl.envs.control.split import SplitEnv, inner_mode, simulator
from morl.envs.core import Info, discounted_steps
from morl.spec import FloatArray, MOSpec, Objective

MAX_STEPS, DISCOUNT = 1000, 0.99


class LunarLander(SplitEnv):
    """Gymnasium's ``LunarLander-v3``, whose reward has four parts.

    - **Objectives** (4): ``landing`` (+100 when it comes to rest, −100 when it crashes or leaves the picture),
      ``approach`` (the change of the shaping potential: nearness to the pad, slowness, uprightness, legs on the
      ground), ``main`` and ``side`` (minus the power of these engines, from −1 to 0).
    - **Actions**: nothing, left, main or right engine; or, ``continuous``, throttles of main and side engines.
    - **Observation** (8, float32), **start** and **end** as in Gymnasium; truncated after 1000 steps.

    ``scalar_weights`` (1, 1, 0.3, 0.03) recover Gymnasium's reward in every step but the last, where Gymnasium
    replaces all parts by ±100; ``info["original_reward"]`` always holds it.

    Differences from MO-Gymnasium's ``mo-lunar-lander-v3``; rewards are the same: they are float64; throttles outside
    [−1, 1] raise (there they are clipped); and the observation space has no upper bounds where the lander can exceed
    them (spinning, or rising out of the picture), as Gymnasium's does.

    Args:
        continuous: throttles instead of four actions.
        max_steps: time limit.
        render_mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.
        options: gravity, enable_wind, wind_power and turbulence_power, as in Gymnasium.

    Raises:
        MissingExtraError: Box2D is not installed.
    """

    def __init__(
        self,
        continuous: bool = False,
        max_steps: int | None = MAX_STEPS,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        recipe = {"continuous": continuous, "max_steps": max_steps, "render_mode": render_mode, **options}
        inner = simulator(
            "gymnasium.envs.box2d.lunar_lander",
            "LunarLander",
            "box2d",
            continuous=continuous,
            render_mode=inner_mode(render_mode),
            **options,
        )
        steps = discounted_steps(DISCOUNT, max_steps)
        low, high = (-101.0, -1000.0, -steps, -steps), (100.0, 200.0, 0.0, 0.0)
        spec = MOSpec(
            (
                Objective("landing", "", -100.0, 100.0, "+100 at rest on the ground, −100 on a crash or out of sight"),
                Objective("approach", "", description="gain in nearness, slowness, uprightness and ground contact"),
                Objective("main", "power", -1.0, 0.0, "minus the power of the main engine"),
                Objective("side", "power", -1.0, 0.0, "minus the power of the side engines"),
            ),
            discount=DISCOUNT,
            horizon=max_steps,
            ref_point=low,
            return_scale=(low, high),
        )
        super().__init__(inner, spec, max_steps, recipe)
        self.render_mode = render_mode
        self.scalar_weights = np.array([1.0, 1.0, 0.3, 0.03])
        self.observation_space = spaces.Box(
            np.array([-np.inf] * 6 + [0.0, 0.0], np.float32), np.array([np.inf] * 6 + [1.0, 1.0], np.float32)
        )
        self._continuous = bool(continuous)
        self._potential = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start above the pad with a random push; there are no options."""
        observation, info = super().reset(seed=seed, options=options)
        self._potential = float(self.simulator.prev_shaping)  # type: ignore[attr-defined]
        return observation, info

    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        """The potential is read off the simulator; powers follow from the action, as in Gymnasium's equations."""
        potential = float(self.simulator.prev_shaping)  # type: ignore[attr-defined]
        gain, self._potential = potential - self._potential, potential
        if self._continuous:
            throttle, sideways = float(action[0]), abs(float(action[1]))
            main = (1.0 + throttle) / 2.0 if throttle > 0.0 else 0.0
            side = sideways if sideways > 0.5 else 0.0
        else:
            main, side = float(action == 2), float(action in (1, 3))
        return np.array([float(reward) if terminated else 0.0, gain, 0.0 - main, 0.0 - side])  # no negative zeros

    def describe(self) -> str:
        """The scene in characters."""
        return draw_lander(self.simulator)
