"""The locomotion tasks of Xu et al. (2020), "Prediction-guided multi-objective reinforcement learning".

The robots are Gymnasium's; what differs from :mod:`~morl.envs.control.mujoco_tasks` are the rewards (each carries a
bonus, efficiency is energy *saved*, and the half-cheetah is paid up to 4 m/s only), the episodes (500 steps, from
the rest position without noise) and when they end. Published hypervolumes are of undiscounted returns from the origin.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from morl.envs.control.mujoco_render import gl_picture, side_view
from morl.envs.control.split import SplitEnv, inner_mode, simulator
from morl.envs.core import Info, discounted_steps
from morl.spec import FloatArray, MOSpec, Objective

MAX_STEPS, DISCOUNT = 500, 0.995


class PGMORLTask(SplitEnv):
    """Base of the tasks.

    Args:
        max_steps: time limit.
        render_mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.

    Raises:
        MissingExtraError: MuJoCo is not installed.
    """

    MODULE: ClassVar[str]
    NAME: ClassVar[str]
    ARGUMENTS: ClassVar[dict[str, Any]] = {}
    """Of Gymnasium's class, beside the start without noise."""
    OBJECTIVES: ClassVar[tuple[Objective, ...]]
    GOALS: ClassVar[tuple[float, ...]]
    """Undiscounted returns of an episode worth aspiring to."""
    VIEW: ClassVar[tuple[int, int]] = (0, 2)
    """The two coordinates that the text picture shows, across and up."""

    def __init__(self, max_steps: int | None = MAX_STEPS, render_mode: str | None = None) -> None:
        path, mode = f"gymnasium.envs.mujoco.{self.MODULE}", inner_mode(render_mode)
        inner: Any = simulator(path, self.NAME, "mujoco", render_mode=mode, reset_noise_scale=0.0, **self.ARGUMENTS)
        origin, steps = (0.0,) * len(self.OBJECTIVES), discounted_steps(DISCOUNT, max_steps)
        high = tuple(goal / MAX_STEPS * steps for goal in self.GOALS)
        spec = MOSpec(self.OBJECTIVES, DISCOUNT, max_steps, ref_point=origin, return_scale=(origin, high))
        super().__init__(inner, spec, max_steps, {"max_steps": max_steps, "render_mode": render_mode})
        self.render_mode = render_mode
        self._rewards = np.zeros(len(self.OBJECTIVES))

    @abstractmethod
    def _rewards_of(self, squares: float, info: Info) -> tuple[float, ...]:
        """The rewards of a step whose action has this sum of squares."""

    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        squares = float(np.square(action, dtype=np.float64).sum())
        self._rewards = np.array(self._rewards_of(squares, info))
        return self._rewards.copy()

    def render(self) -> Any:
        """Gymnasium's camera picture, or a side view in characters."""
        return gl_picture(self.simulator) if self.render_mode == "rgb_array" else super().render()

    def describe(self) -> str:
        """A side view of the robot in characters, and the last step's rewards."""
        parts = zip(self.mo_spec.names, self._rewards, strict=True)
        return f"{side_view(self.simulator, self.VIEW)}{'   '.join(f'{name} {value:+.3f}' for name, value in parts)}\n"


class PGMORLHalfCheetah(PGMORLTask):
    """``MO-HalfCheetah-v2`` of Xu et al. (2020): min(4, speed) + 1 and 5 − Σa²; ends where the torso tilts by 50°.

    No return exceeds 2,500 undiscounted, so no hypervolume exceeds 6.25 million.
    """

    MODULE, NAME = "half_cheetah_v5", "HalfCheetahEnv"
    OBJECTIVES = (
        Objective("speed", "m/s", high=5.0, description="speed along x, at most 4, and 1"),
        Objective("efficiency", "torque²", -1.0, 5.0, "energy saved: 5 minus the sum of squared torques"),
    )
    GOALS = (2500.0, 2500.0)

    def _ends(self, terminated: Any) -> bool:
        return not abs(float(self.simulator.data.qpos[2])) < np.deg2rad(50)  # type: ignore[attr-defined]

    def _rewards_of(self, squares: float, info: Info) -> tuple[float, ...]:
        return min(4.0, float(info["x_velocity"])) + 1.0, 5.0 - squares


class PGMORLWalker2d(PGMORLTask):
    """``MO-Walker2d-v2`` of Xu et al. (2020): speed + 1 and 5 − Σa²; ends where it falls.

    Gymnasium's v5 has other friction under the right foot than v2 had.
    """

    MODULE, NAME = "walker2d_v5", "Walker2dEnv"
    OBJECTIVES = (
        Objective("speed", "m/s", description="speed along x, and 1"),
        Objective("efficiency", "torque²", -1.0, 5.0, "energy saved: 5 minus the sum of squared torques"),
    )
    GOALS = (2500.0, 2500.0)

    def _rewards_of(self, squares: float, info: Info) -> tuple[float, ...]:
        return float(info["x_velocity"]) + 1.0, 5.0 - squares


class PGMORLSwimmer(PGMORLTask):
    """``MO-Swimmer-v2`` of Xu et al. (2020): speed and 0.3 − 0.15 Σa²."""

    MODULE, NAME = "swimmer_v5", "SwimmerEnv"
    OBJECTIVES = (
        Objective("speed", "m/s", description="speed along x"),
        Objective("efficiency", "torque²", 0.0, 0.3, "energy saved: 0.3 minus 0.15 times the sum of squared torques"),
    )
    GOALS = (250.0, 150.0)
    VIEW = (0, 1)

    def _rewards_of(self, squares: float, info: Info) -> tuple[float, ...]:
        return float(info["x_velocity"]), max(0.0, 0.3 - 0.15 * squares)


class PGMORLAnt(PGMORLTask):
    """``MO-Ant-v2`` of Xu et al. (2020): speed along x and along y, each + 1 − 0.5 Σa²; never ends early."""

    MODULE, NAME = "ant_v5", "AntEnv"
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "terminate_when_unhealthy": False,
        "include_cfrc_ext_in_observation": False,
        "contact_cost_weight": 0.0,
    }
    OBJECTIVES = (
        Objective("forward", "m/s", description="speed along x, and 1, minus half the sum of squared torques"),
        Objective("sideways", "m/s", description="speed along y, and 1, minus half the sum of squared torques"),
    )
    GOALS = (2500.0, 2500.0)

    def _rewards_of(self, squares: float, info: Info) -> tuple[float, ...]:
        both = 1.0 - 0.5 * squares
        return float(info["x_velocity"]) + both, float(info["y_velocity"]) + both
