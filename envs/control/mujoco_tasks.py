"""Gymnasium's MuJoCo v5 locomotion tasks with their reward split into objectives.

Splitting these rewards into speed and effort goes back to Xu et al. (2020); the physics are Gymnasium's own.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from morl.envs.control.mujoco_render import gl_picture, side_view
from morl.envs.control.split import SplitEnv, inner_mode, simulator
from morl.envs.core import Info, discounted_steps
from morl.spec import EnvError, FloatArray, MOSpec, Objective

MAX_STEPS, DISCOUNT = 1000, 0.99


class MujocoTask(SplitEnv):
    """Base of the locomotion tasks: the parts of Gymnasium's scalar reward as objectives.

    Every task has ``forward``: the speed along x, with the bonus for being upright and the cost of contact forces
    where Gymnasium has them (divided by Gymnasium's forward weight, where that is not 1). Most have ``control``:
    minus the sum of squared torques. ``scalar_weights`` holds the weights that recover Gymnasium's reward.

    Args:
        control: make the effort an objective; otherwise each objective pays for it at Gymnasium's rate.
        bonus: ``"speed"`` adds the bonus and contact costs to the speed-like objectives; ``"all"`` to the effort as
            well, as MO-Gymnasium does: then no weights recover Gymnasium's reward, and ``scalar_weights`` is absent.
        effort: what one unit of Σa² costs in the effort objective. (MO-Gymnasium's ``mo-halfcheetah-v4`` has 0.1.)
        max_steps: time limit.
        render_mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.
        options: arguments of Gymnasium's class.

    Raises:
        MissingExtraError: MuJoCo is not installed.
        EnvError: an unknown bonus, or no effort objective where it is one of two.
    """

    MODULE: ClassVar[str]
    NAME: ClassVar[str]
    SECOND: ClassVar[tuple[Objective, str, float] | None] = None
    """A further speed-like objective, its key in info, and a factor."""
    VIEW: ClassVar[tuple[int, int]] = (0, 2)
    """The two coordinates that the text picture shows, across and up."""
    GOALS: ClassVar[tuple[float, ...]]
    """Undiscounted returns of 1000 steps worth aspiring to, roughly what good learners reach: discounted, they are the
    upper end of ``return_scale``."""

    def __init__(
        self,
        control: bool = True,
        bonus: str = "speed",
        effort: float = 1.0,
        max_steps: int | None = MAX_STEPS,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if bonus not in ("speed", "all"):
            raise EnvError(f"bonus is {bonus!r}; expected 'speed' or 'all'")
        if not control and self.SECOND is None:
            raise EnvError(f"control is {control!r}; {type(self).__name__} has two objectives, one of them control")
        if not 0.0 < effort < np.inf:
            raise EnvError(f"effort is {effort}; expected a positive number, the cost of one unit of Σa²")
        own = {"control": control, "bonus": bonus, "effort": effort, "max_steps": max_steps, "render_mode": render_mode}
        recipe = {**own, **options}
        path = f"gymnasium.envs.mujoco.{self.MODULE}"
        inner: Any = simulator(path, self.NAME, "mujoco", render_mode=inner_mode(render_mode), **options)
        self._forward_weight = float(inner._forward_reward_weight)
        self._effort_weight = float(inner._ctrl_cost_weight)
        if not self._forward_weight > 0:
            raise EnvError(f"forward_reward_weight is {self._forward_weight}; expected a positive number")
        self._control, self._everywhere = bool(control), bonus == "all"
        self._effort = float(effort)
        self._worst = -self._effort * float(np.square(inner.action_space.high.astype(np.float64)).sum())
        super().__init__(inner, self._spec(inner, max_steps), max_steps, recipe)
        self.render_mode = render_mode
        if not (self._everywhere and self._control):
            weights = [
                self._forward_weight,
                *[0.0] * (self.SECOND is not None),
                *[self._effort_weight / self._effort] * control,
            ]
            self.scalar_weights = np.array(weights)
        self._shared = [
            key
            for key, has in (("reward_survive", "healthy_reward"), ("reward_contact", "contact_cost"))
            if hasattr(inner, has)
        ]
        self._info: Info = {}
        inner.do_simulation = inner._step_mujoco_simulation  # the action's shape has been checked: not once more

    def _spec(self, inner: Any, max_steps: int | None) -> MOSpec:
        objectives = [Objective("forward", "m/s", description="speed along x, and the bonus for being upright")]
        if self.SECOND is not None:
            objectives.append(self.SECOND[0])
        steps = discounted_steps(DISCOUNT, max_steps)
        low = [-100.0] * len(objectives)
        if self._control:
            least = -np.inf if self._everywhere and hasattr(inner, "contact_cost") else self._worst
            most = float(getattr(inner, "_healthy_reward", 0.0)) if self._everywhere else 0.0
            objectives.append(Objective("control", "torque²", least, most, "minus the sum of squared torques"))
            low.append(steps * self._worst)
        goals = self.GOALS if self._control else self.GOALS[:-1]
        high = tuple(goal / MAX_STEPS * steps for goal in goals)
        return MOSpec(tuple(objectives), DISCOUNT, max_steps, ref_point=tuple(low), return_scale=(tuple(low), high))

    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        priced = info["reward_ctrl"]
        shared = 0.0 if self._control else priced
        for key in self._shared:
            shared += info[key]
        split = np.empty(len(self.mo_spec.objectives))
        split[0] = (info["reward_forward"] + shared) / self._forward_weight
        if self.SECOND is not None:
            split[1] = self.SECOND[2] * info[self.SECOND[1]] + shared
        if self._control:
            squares = priced / self._effort_weight if self._effort_weight else -np.square(action).sum()
            effort = max(self._effort * squares, self._worst)  # float32 torques may round below it
            split[-1] = effort + shared if self._everywhere else effort
        self._info = info
        return split

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode near the robot's rest position; there are no options."""
        self._info = {}
        return super().reset(seed=seed, options=options)

    def render(self) -> Any:
        """Gymnasium's camera picture, or a side view in characters.

        Raises:
            EnvError: a picture is wanted, and there is no OpenGL here.
        """
        return gl_picture(self.simulator) if self.render_mode == "rgb_array" else super().render()

    def describe(self) -> str:
        """A side view of the robot in characters, and the parts of its reward in the last step."""
        parts = ((key, float(value)) for key, value in self._info.items() if key.startswith("reward_"))
        facts = "   ".join(f"{key.removeprefix('reward_')} {value:+.3f}" for key, value in parts)
        return f"{side_view(self.simulator, self.VIEW)}{facts}\n"


class Hopper(MujocoTask):
    """Gymnasium's ``Hopper-v5``: a one-legged robot hops forward and high, and saves effort.

    **Objectives** (3): ``forward`` (m/s along x, +1 while upright), ``height`` (10 times the torso's gain in height
    in m, +1 while upright), ``control`` (−Σa²). With ``control=False`` two, each minus 0.001 Σa².
    Weights (1, 0, 0.001), or (1, 0), recover Gymnasium's reward.

    Differences from MO-Gymnasium's ``mo-hopper-v5``: the bonus for being upright is no part of ``control``. There it
    is, so the weights that it documents miss Gymnasium's reward by 0.001 a step; ``bonus="all"`` does the same.
    Rewards are float64, and torques outside [−1, 1] raise. See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "hopper_v5", "HopperEnv"
    SECOND = (
        Objective("height", "0.1 m", description="ten times the gain in height, and the bonus for being upright"),
        "z_distance_from_origin",
        10.0,
    )
    GOALS = (4000.0, 4000.0, 0.0)


class HalfCheetah(MujocoTask):
    """Gymnasium's ``HalfCheetah-v5``: a two-legged runner, its speed against its effort.

    **Objectives** (2): ``forward`` (m/s along x), ``control`` (−Σa²). Weights (1, 0.1) recover Gymnasium's reward.
    Same as MO-Gymnasium's ``mo-halfcheetah-v5``, in float64. See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "half_cheetah_v5", "HalfCheetahEnv"
    GOALS = (15000.0, 0.0)


class Walker2d(MujocoTask):
    """Gymnasium's ``Walker2d-v5``: a biped walks, its speed against its effort.

    **Objectives** (2): ``forward`` (m/s along x, +1 while upright), ``control`` (−Σa²). Weights (1, 0.001) recover
    Gymnasium's reward. MO-Gymnasium's ``mo-walker2d-v5`` adds the bonus to both; ``bonus="all"`` does the same.
    See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "walker2d_v5", "Walker2dEnv"
    GOALS = (6000.0, 0.0)


class Ant(MujocoTask):
    """Gymnasium's ``Ant-v5``: a four-legged robot runs along x or along y, and saves effort.

    **Objectives** (3): ``forward`` (m/s along x) and ``sideways`` (m/s along y), each +1 while upright and minus the
    contact cost, and ``control`` (−Σa²). With ``control=False`` two, each minus 0.5 Σa². Weights (1, 0, 0.5), or
    (1, 0), recover Gymnasium's reward. MO-Gymnasium's ``mo-ant-v5`` adds bonus and contact cost to all three;
    ``bonus="all"`` does the same. See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "ant_v5", "AntEnv"
    SECOND = (
        Objective("sideways", "m/s", description="speed along y, and the bonus for being upright"),
        "y_velocity",
        1.0,
    )
    GOALS = (6000.0, 6000.0, 0.0)


class Swimmer(MujocoTask):
    """Gymnasium's ``Swimmer-v5``: a three-link swimmer, its speed against its effort.

    **Objectives** (2): ``forward`` (m/s along x), ``control`` (−Σa²). Weights (1, 0.0001) recover Gymnasium's reward.
    Same as MO-Gymnasium's ``mo-swimmer-v5``, in float64. See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "swimmer_v5", "SwimmerEnv"
    VIEW = (0, 1)
    GOALS = (360.0, 0.0)


class Humanoid(MujocoTask):
    """Gymnasium's ``Humanoid-v5``: a humanoid runs, its speed against its effort.

    **Objectives** (2): ``forward`` (m/s along x, plus (5 while upright − contact cost) / 1.25), ``control`` (−Σa²).
    Weights (1.25, 0.1) recover Gymnasium's reward. In MO-Gymnasium's ``mo-humanoid-v5`` both objectives carry the
    whole bonus and contact cost, and the weights it documents count them 1.35 times; ``bonus="all"`` gives its
    effort, and its speed up to the factor above. See :class:`MujocoTask` for the arguments.
    """

    MODULE, NAME = "humanoid_v5", "HumanoidEnv"
    GOALS = (10000.0, 0.0)
