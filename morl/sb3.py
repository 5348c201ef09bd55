"""Environments with vector rewards for stable-baselines3: one line makes copies whose rewards are scalarised.

.. code-block:: python

    import morl
    from stable_baselines3 import PPO

    env = morl.sb3.make_vec_env("morl/MountainCar-v0", n_envs=8, weights=[0.8, 0.1, 0.1])
    PPO("MlpPolicy", env).learn(10_000)

stable-baselines3's own ``make_vec_env(id, wrapper_class=LinearReward)`` puts its ``Monitor`` below the wrapper, where
rewards are still vectors; hence this one. To learn a whole front instead of one policy, see
:class:`morl.agents.LinearScalarization`, which trains such a model for every weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import ArrayLike
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from morl.envs import make_vec
from morl.envs.vector import SubEnvsVectorEnv
from morl.envs.vector.infos import unstack_info
from morl.envs.wrappers import VectorESRReward, VectorLinearReward
from morl.envs.wrappers.rewards import VECTOR_REWARD, UtilityFunction
from morl.spec import EnvError

VECTOR_RETURN = "vector_return"
"""Info key of an episode's return ``(K,)``, in the step that ends it; undiscounted, as they report them."""


def make_vec_env(
    id: Any,
    n_envs: int = 1,
    *,
    weights: ArrayLike | None = None,
    utility: UtilityFunction | None = None,
    seed: int | None = None,
    vectorization_mode: str | None = None,
    monitor: bool = True,
    **options: Any,
) -> VecEnv:
    """Copies of an environment as stable-baselines3 takes them, with scalar rewards.

    Args:
        id: as for :func:`morl.make_vec`.
        n_envs: number of copies.
        weights: ``(K,)`` on the simplex; the reward is ``w · r``.
        utility: u of an episode's return, in place of weights: rewards add up to it, and the observation grows by the
            accrued return and the time (:class:`morl.envs.wrappers.VectorESRReward`).
        seed: of the first reset.
        vectorization_mode: as for :func:`morl.make_vec`: native where there is one, by default.
        monitor: record episodes, as stable-baselines3's function does: ``info["episode"]`` in the step that ends one.
        options: arguments of the environment.

    Raises:
        EnvError: neither weights nor a utility, or both; and any error of :func:`morl.make_vec`.
        SpecError: weights that are no point of the simplex.
    """
    if (weights is None) == (utility is None):
        given = "neither" if weights is None else "both"
        raise EnvError(
            f"{given} of weights and utility {'is' if weights is None else 'are'} given; stable-baselines3 learns from "
            "one number a step: expected weights=[...], one per objective, or utility=a function of returns"
        )
    copies = make_vec(id, n_envs, vectorization_mode=vectorization_mode, autoreset_mode="same_step", **options)
    try:
        env: VecEnv = VecEnvAdapter(
            VectorESRReward(copies, utility) if utility is not None else VectorLinearReward(copies, np.asarray(weights))
        )
    except BaseException:
        copies.close()
        raise
    if seed is not None:
        env.seed(seed)
    return VecMonitor(env) if monitor else env


class VecEnvAdapter(VecEnv):
    """A Gymnasium vector environment with scalar rewards as a ``VecEnv`` of stable-baselines3.

    ``info["vector_reward"]`` holds the vector behind each reward, ``info["vector_return"]`` their sum over an episode
    that has just ended. ``env_method("action_masks")``, which MaskablePPO asks for, is there where there are masks.

    Args:
        env: a vector environment under :class:`~morl.envs.wrappers.VectorLinearReward` or the like, with autoreset mode
            ``SAME_STEP``.

    Raises:
        EnvError: rewards that are vectors, another autoreset mode, or no vector environment.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env, VectorEnv):
            raise EnvError(f"{env!r} is no vector environment; expected morl.make_vec(...) under VectorLinearReward")
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise EnvError(
                f"autoreset mode is {getattr(mode, 'name', mode)}; stable-baselines3 expects a new episode in the step "
                "that ends one: make the vector environment with autoreset_mode='same_step'"
            )
        space = getattr(env, "reward_space", None)
        if isinstance(space, spaces.Box) and space.shape != ():
            raise EnvError(
                f"rewards are vectors of shape {space.shape}; expected one number: "
                "wrap the environment in VectorLinearReward(env, weights)"
            )
        self.env, self.base = env, env.unwrapped
        self._actions: Any = None
        self._returns: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    # ---- episodes ---------------------------------------------------------------------------------------------

    def reset(self) -> Any:
        """Begin episodes in all copies, with the seed and options that were set."""
        observations, info = self.env.reset(seed=self._seeds[0], options=dict(self._options[0]) or None)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [unstack_info(info, i) for i in range(self.num_envs)]
        self._returns = None
        return observations

    def step_async(self, actions: Any) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Step: observations, rewards ``(n,)`` float32, dones ``(n,)``, and one info per copy."""
        observations, rewards, terminated, truncated, info = self.env.step(self._actions)
        if np.shape(rewards) != (self.num_envs,):
            raise EnvError(f"rewards have shape {np.shape(rewards)}; expected ({self.num_envs},): one number per copy")
        done = np.asarray(terminated) | np.asarray(truncated)
        infos = self._infos(info, np.asarray(truncated), done)
        return observations, np.asarray(rewards, dtype=np.float32), done, infos

    def _infos(self, info: dict[str, Any], truncated: Any, done: Any) -> list[dict[str, Any]]:
        """One info per copy; that of a copy which has ended is of its last step, not of the episode that begins."""
        last = info.get("final_info", {})
        step = {key: value for key, value in info.items() if not key.lstrip("_").startswith("final_")}
        infos = [unstack_info(step, i) for i in range(self.num_envs)]
        vectors = info.get(VECTOR_REWARD)
        if vectors is not None:
            self._returns = vectors.copy() if self._returns is None else self._returns + vectors
        for i in done.nonzero()[0].tolist():
            self.reset_infos[i] = {k: v for k, v in infos[i].items() if k != VECTOR_REWARD}
            infos[i] = unstack_info(last, i) | {k: v for k, v in infos[i].items() if k == VECTOR_REWARD}
            infos[i]["terminal_observation"] = info["final_obs"][i]
            infos[i]["TimeLimit.truncated"] = bool(truncated[i])
            if vectors is not None:
                infos[i][VECTOR_RETURN] = self._returns[i].copy()
                self._returns[i] = 0.0
        return infos

    def close(self) -> None:
        """Close the copies."""
        self.env.close()

    # ---- attributes and methods of the copies -----------------------------------------------------------------

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of every copy asked for; a native vector environment has one for all.

        Raises:
            AttributeError: there is none of that name.
        """
        which = list(self._get_indices(indices))
        if attr_name in ("render_mode", "spec", "metadata"):
            return [getattr(self.base, attr_name, None)] * len(which)
        if isinstance(self.base, SubEnvsVectorEnv):
            try:
                found = self.base.call("get_wrapper_attr", attr_name)
            except EnvError as error:
                raise AttributeError(f"the copies have no attribute {attr_name!r}: {error}") from None
            return [found[i] for i in which]
        return [getattr(self.base, attr_name)] * len(which)

    def has_attr(self, attr_name: str) -> bool:
        """Whether the copies have an attribute; the value is not needed, so nothing is sent between processes."""
        if isinstance(self.base, SubEnvsVectorEnv):
            return all(self.base.call("has_wrapper_attr", attr_name))
        return hasattr(self.base, attr_name)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the copies asked for; of a native vector environment, of all.

        Raises:
            EnvError: only some of the copies of a native vector environment.
        """
        which = list(self._get_indices(indices))
        if isinstance(self.base, SubEnvsVectorEnv):
            values = [value] * self.num_envs
            if len(which) < self.num_envs:
                old = self.get_attr(attr_name)
                values = [value if i in which else old[i] for i in range(self.num_envs)]
            self.base.set_attr(attr_name, values)
        elif len(which) < self.num_envs:
            raise EnvError(
                f"{attr_name!r} is to be set for copies {which}; the {self.num_envs} copies of a native vector "
                "environment share their attributes: use vectorization_mode='sync'"
            )
        else:
            setattr(self.base, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of every copy asked for; a native vector environment answers for all, one row per copy.

        Raises:
            AttributeError: there is none of that name.
            EnvError: a native vector environment's answer has no row per copy.
        """
        which = list(self._get_indices(indices))
        if isinstance(self.base, SubEnvsVectorEnv):
            found: Sequence[Any] = self.base.call(method_name, *method_args, **method_kwargs)
        else:
            found = getattr(self.base, method_name)(*method_args, **method_kwargs)
            if not isinstance(found, Sequence | np.ndarray) or len(found) != self.num_envs:
                raise EnvError(
                    f"{method_name!r} of the native vector environment gives {found!r}; expected one answer per copy: "
                    "use vectorization_mode='sync'"
                )
        return [found[i] for i in which]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Whether each copy is wrapped in a class; those of a native vector environment never are."""
        which = list(self._get_indices(indices))
        envs = getattr(self.base, "envs", None)
        if envs is None:
            return [False] * len(which)
        from stable_baselines3.common.env_util import is_wrapped

        return [is_wrapped(envs[i], wrapper_class) for i in which]

    def get_images(self) -> Sequence[Any]:
        """A picture of every copy."""
        return list(self.base.render() or [None] * self.num_envs)
