"""Simulators with a scalar reward, taken apart: the same episodes, with one reward per objective."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled
from gymnasium.utils import EzPickle

from morl.envs.actions import OneAction, check_integer, check_one
from morl.envs.batched import check_render_mode
from morl.envs.core import Info, MOEnv, check_options, reward_space
from morl.spec import EnvError, FloatArray, MissingExtraError, MOSpec


def simulator(module: str, name: str, extra: str, **arguments: Any) -> gym.Env[Any, Any]:
    """Make a simulator whose package may not be installed; it is imported here and not before.

    Args:
        module: where its class is.
        name: of the class.
        extra: the extra that installs it.
        arguments: for its constructor.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        with _without_advice_on_models() if extra == "mujoco" else contextlib.nullcontext():
            made: gym.Env[Any, Any] = getattr(importlib.import_module(module), name)(**arguments)
    except (ImportError, DependencyNotInstalled) as error:
        raise MissingExtraError(f"the {name} simulator", extra) from error
    return made


@contextlib.contextmanager
def _without_advice_on_models() -> Iterator[None]:
    """Drop what MuJoCo's compiler advises the authors of a model file; other warnings of it become Python's.

    By default it prints each on every compilation, and appends it to a file in the working folder.
    """
    import mujoco

    def tell(message: str) -> None:
        if not message.startswith("compiler attribute"):
            warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=2)

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(tell)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


class SplitEnv(MOEnv[Any, Any], EzPickle):
    """A scalar-reward simulator with a vector reward; episodes are the simulator's own, seed by seed.

    Subclasses say in :meth:`_split` how a step's reward divides. Copies and pickles start without an episode.

    Args:
        inner: the simulator, unwrapped; kept as :attr:`simulator`.
        spec: the objectives.
        max_steps: time limit, or ``None``.
        recipe: constructor arguments, from which copies and pickles are made anew.
    """

    options_of = None  # a simulator's further arguments, files to read among them, are for code and people to give

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array", "ansi"]}  # noqa: RUF012  # Gymnasium asks the class

    def __init__(
        self, inner: gym.Env[Any, Any], spec: MOSpec, max_steps: int | None, recipe: Mapping[str, Any]
    ) -> None:
        EzPickle.__init__(self, **recipe)
        self.simulator = inner
        self.mo_spec = spec
        self.reward_space = reward_space(spec)
        self.observation_space, self.action_space = inner.observation_space, inner.action_space
        self.max_steps = max_steps
        self.metadata = dict(inner.metadata)
        modes = [mode for mode in self.metadata.get("render_modes", []) if mode in ("human", "rgb_array")]
        self.metadata["render_modes"] = [*modes, "ansi"]
        self.render_mode = inner.render_mode
        self._choices = int(self.action_space.n) if isinstance(self.action_space, spaces.Discrete) else 0
        self._checked = OneAction(self.action_space)
        self._limit = np.inf if max_steps is None else max_steps
        self._steps = -1  # negative while there is no episode
        self._why = "before reset"

    @abstractmethod
    def _split(self, action: Any, reward: Any, terminated: Any, info: Info) -> FloatArray:
        """The rewards ``(K,)`` float64 of the step that has just been simulated."""

    def _ends(self, terminated: Any) -> Any:
        """Whether the episode ends in the state just reached; as the simulator says."""
        return terminated

    @abstractmethod
    def describe(self) -> str:
        """The current situation in a few lines, for ``render_mode="ansi"``."""

    # Gymnasium keeps an environment's generator and its seed in these two; here they are the simulator's own.
    @property
    def _np_random(self) -> np.random.Generator | None:
        return self.simulator._np_random

    @_np_random.setter
    def _np_random(self, value: np.random.Generator | None) -> None:
        self.simulator._np_random = value

    @property
    def _np_random_seed(self) -> int | None:
        return self.simulator._np_random_seed

    @_np_random_seed.setter
    def _np_random_seed(self, value: int | None) -> None:
        self.simulator._np_random_seed = value

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode of the simulator; there are no options."""
        check_options(options, (), type(self).__name__)
        observation, info = self.simulator.reset(seed=seed)
        self._steps = 0
        return np.array(observation), {k: v.copy() if type(v) is np.ndarray else v for k, v in info.items()}

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, Info]:
        """Take one action; ``info["original_reward"]`` is the simulator's own scalar reward.

        Raises:
            EnvError: before reset, after the end of an episode, or on an invalid action.
        """
        if self._steps < 0:
            raise EnvError(f"step was called {self._why}; call reset() first")
        if self._choices:
            valid = check_integer(action, self._choices)
        else:
            valid = action if self._checked.fits(action) else check_one(action, self.action_space)[0]
        observation, reward, terminated, truncated, info = self.simulator.step(valid)
        terminated = self._ends(terminated)
        rewards = self._split(valid, reward, terminated, info)
        for key, value in info.items():
            if type(value) is np.ndarray:
                info[key] = value.copy()  # some releases of Gymnasium hand out the simulator's own memory
        info["original_reward"] = reward
        self._steps += 1
        if terminated or truncated or self._steps >= self._limit:
            self._steps, self._why = -1, "after the episode ended"
            return observation, rewards, bool(terminated), not terminated, info
        return observation, rewards, False, False, info

    def render(self) -> Any:
        """A picture by the simulator, or a few lines of text."""
        if self.render_mode == "ansi":
            return self.describe()
        return None if self.render_mode is None else self.simulator.render()

    def close(self) -> None:
        """Close the simulator's window and buffers."""
        self.simulator.close()


def inner_mode(render_mode: str | None) -> str | None:
    """The render mode that a simulator is made with: text is ours, pictures are its own.

    Raises:
        EnvError: an unknown mode.
    """
    check_render_mode(render_mode, ["human", "rgb_array", "ansi"])
    return None if render_mode == "ansi" else render_mode
