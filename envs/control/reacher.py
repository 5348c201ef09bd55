"""A two-link arm that can reach for four targets: each nearness is an objective (after Barreto et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.control.mujoco_render import gl_picture, side_view
from morl.envs.control.split import SplitEnv, inner_mode, simulator
from morl.envs.core import Info, discounted_steps
from morl.spec import FloatArray, MOSpec, Objective

MAX_STEPS, DISCOUNT = 50, 0.99
_WHERE = ("right", "left", "top", "bottom")
_LOWEST = 1.0 - 4.0 * (0.21 + 0.14)  # arm stretched away from a target


class Reacher(SplitEnv):
    """Gymnasium's ``Reacher-v5`` arm with four fixed targets and nine torques (after Barreto et al. 2017).

    - **Actions** (9): torque −1, 0 or 1 on the shoulder (slow) times the same on the elbow (fast).
    - **Observation** (6, float64): cosines and sines of both joint angles, and a tenth of their velocities.
    - **Objectives** (4): 1 − 4 d for the distance d in m from the fingertip to the targets at (±0.14, 0), (0, ±0.14),
      measured after the action; at least −0.4.
    - **Start**: elbow at a right angle, almost at rest. **End**: truncated after 50 steps.

    This is a task of its own; no weights recover Gymnasium's reacher, whose single target moves.

    Differences from MO-Gymnasium's ``mo-reacher-v5``, the arm being the same: rewards are measured after the action,
    at the angles that are observed (there before it, so that an action never changes its own reward and the last one
    is without effect; and from bodies that MuJoCo leaves half a step behind the joints); the elbow starts at π/2
    (there 3.1415/2); the targets are fixed bodies, not joints; rewards are float64 with true bounds.

    Args:
        max_steps: time limit.
        render_mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.
        options: arguments of Gymnasium's ``MujocoEnv`` (width, height, camera_id, …).

    Raises:
        MissingExtraError: MuJoCo is not installed.
    """

    def __init__(self, max_steps: int | None = MAX_STEPS, render_mode: str | None = None, **options: Any) -> None:
        inner = simulator(
            "morl.envs.control.reacher_simulator",
            "FourTargetArm",
            "mujoco",
            render_mode=inner_mode(render_mode),
            **options,
        )
        objectives = tuple(
            Objective(name, "", _LOWEST, 1.0, f"nearness to the target on the {name}: 1 − 4 × distance in m")
            for name in _WHERE
        )
        steps = discounted_steps(DISCOUNT, max_steps)
        low, high = (steps * _LOWEST,) * 4, (steps,) * 4
        spec = MOSpec(objectives, DISCOUNT, max_steps, ref_point=low, return_scale=(low, high))
        super().__init__(inner, spec, max_steps, {"max_steps": max_steps, "render_mode": render_mode, **options})
        self.render_mode = render_mode

    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        return np.asarray(1.0 - 4.0 * info["distances"])

    def render(self) -> Any:
        """Gymnasium's camera picture, or a view from above in characters."""
        return gl_picture(self.simulator) if self.render_mode == "rgb_array" else super().render()

    def describe(self) -> str:
        """The arm from above in characters, and the distances to the targets."""
        inner: Any = self.simulator
        near = zip(_WHERE, inner.distances(), strict=True)
        view = side_view(inner, axes=(0, 1), unit=0.01, height=31)
        return view + "   ".join(f"{name} {distance:.3f} m" for name, distance in near) + "\n"
