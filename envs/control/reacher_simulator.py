"""A two-link arm in MuJoCo with four fixed targets and nine torques. Importing this module needs MuJoCo."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import gymnasium.envs.mujoco as suite
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv

from morl.spec import FloatArray

TARGETS = ((0.14, 0.0), (-0.14, 0.0), (0.0, 0.14), (0.0, -0.14))
COLOURS = ("0.81 0.28 0.24 1", "0.22 0.44 0.79 1", "0.30 0.57 0.35 1", "0.87 0.63 0.19 1")
_ABOVE = {"trackbodyid": 0, "distance": 0.85, "azimuth": 90.0, "elevation": -90.0}
TORQUES = np.array([(first, second) for first in (-1.0, 0.0, 1.0) for second in (-1.0, 0.0, 1.0)])


def arm_model() -> str:
    """Gymnasium's reacher as XML, its one movable target replaced by four fixed ones that touch nothing."""
    path = Path(suite.__file__).parent / "assets" / "reacher.xml"
    root = ElementTree.parse(path).getroot()
    world = root.find("worldbody")
    assert world is not None
    movable = world.find("body[@name='target']")
    assert movable is not None
    world.remove(movable)
    ElementTree.SubElement(world, "light", diffuse=".9 .9 .9", pos="0 0 2", dir="0 0 -1")
    for number, ((x, y), colour) in enumerate(zip(TARGETS, COLOURS, strict=True)):
        body = ElementTree.SubElement(world, "body", name=f"target{number}", pos=f"{x} {y} .01")
        shape = {"type": "sphere", "size": ".012", "rgba": colour, "contype": "0", "conaffinity": "0"}
        ElementTree.SubElement(body, "geom", shape)
    return ElementTree.tostring(root, encoding="unicode")


class FourTargetArm(suite.MujocoEnv):
    """Gymnasium's reacher arm with discrete torques; ``info["distances"]`` are those to the four targets in m."""

    metadata = dict(ReacherEnv.metadata)  # noqa: RUF012  # Gymnasium's convention

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        infinite = np.full(2, np.inf)
        space = spaces.Box(
            np.concatenate([-np.ones(4), -infinite]), np.concatenate([np.ones(4), infinite]), dtype=np.float64
        )
        super().__init__(
            "reacher.xml", 2, space, render_mode=render_mode, default_camera_config=dict(_ABOVE), **options
        )
        self.action_space = spaces.Discrete(len(TORQUES))
        self._tip = self.data.body("fingertip")

    def _initialize_simulation(self) -> tuple[Any, Any]:
        model = mujoco.MjModel.from_xml_string(arm_model())
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, self.width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, self.height)
        return model, mujoco.MjData(model)

    def distances(self) -> FloatArray:
        """From the fingertip to each target, in the plane, in m: ``(4,)``."""
        return np.asarray(np.hypot(*(self._tip.xpos[:2] - np.array(TARGETS)).T))

    def step(  # type: ignore[override]  # Gymnasium types the info of this one class narrowly
        self, action: Any
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply one of nine torque pairs for 0.02 s."""
        self.do_simulation(TORQUES[action], self.frame_skip)
        mujoco.mj_kinematics(self.model, self.data)  # a step leaves the bodies half a step behind the joints
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        distances = self.distances()
        return self._get_obs(), float(np.sum(1.0 - 4.0 * distances)), False, False, {"distances": distances}

    def reset_model(self) -> FloatArray:
        """The arm bent by a right angle, almost at rest."""
        speed = self.init_qvel + self.np_random.uniform(-0.005, 0.005, self.model.nv)
        self.set_state(np.array([0.0, np.pi / 2]), speed)  # type: ignore[no-untyped-call]
        return self._get_obs()

    def _get_obs(self) -> FloatArray:
        angles = self.data.qpos[:2]
        return np.concatenate([np.cos(angles), np.sin(angles), 0.1 * self.data.qvel[:2]])
