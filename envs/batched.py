"""Environments that are one pure function over arrays: the single env is the vector env with one copy.

A :class:`Dynamics` says how a batch of states begins, moves and is observed. :class:`BatchedEnv` and
:class:`BatchedVectorEnv` turn it into Gymnasium environments; time limits, seeds, autoreset and action checks
are here, rendering is in a renderer, and the dynamics hold nothing but physics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from morl.envs.actions import OneAction, check_batch
from morl.envs.core import Info, MOEnv, check_options, reward_space
from morl.envs.vector.native import NativeVectorEnv
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec

State = dict[str, np.ndarray[Any, Any]]
"""The state of a batch: named arrays, each ``(n, ...)``."""

Renderer = Callable[[State, str], Any]
"""``renderer(state of one copy, "rgb_array" or "ansi")`` draws a picture ``(h, w, 3)`` of uint8, or text."""


NO_INFO: Mapping[str, Any] = MappingProxyType({})


class Transition(NamedTuple):
    """What one step does to a batch of n states; a named tuple, because every step of every environment makes one.

    Args:
        state: the new states; arrays of their own, never views of the old ones.
        rewards: ``(n, K)`` float64, a fresh array.
        terminated: ``(n,)`` boolean. Time limits are not the dynamics' business.
        info: arrays ``(n, ...)`` for ``info``.
    """

    state: State
    rewards: FloatArray
    terminated: BoolArray
    info: Mapping[str, np.ndarray[Any, Any]] = NO_INFO


class Dynamics(ABC):
    """A pure transition function over arrays ``(n, ...)``. Objects of this class hold parameters, never state."""

    mo_spec: MOSpec
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    reset_options: tuple[str, ...] = ()
    """Names of the reset options that :meth:`initial` understands."""
    masked: bool = False
    """Whether :meth:`reset_info` holds, for any states, the valid actions: ``action_mask`` ``(n, actions)``, 0 or 1."""

    @abstractmethod
    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """``n`` fresh start states.

        Raises:
            EnvError: an option with a value that makes no sense.
        """

    @abstractmethod
    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Move all states. ``actions`` are valid and of shape ``(n, ...)``; neither argument is changed.

        A vector environment may pass states that have ended; what comes of them is thrown away, so it need not
        make sense, but it must not raise or warn.
        """

    @abstractmethod
    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Observations ``(n, ...)`` as a fresh array. What needs memory (sensor noise, say) is part of the state."""

    def reset_info(self, state: State) -> Mapping[str, np.ndarray[Any, Any]]:
        """Info arrays ``(n, ...)`` that go with fresh states; none by default."""
        return {}


class BatchedEnv(MOEnv[Any, Any]):
    """The single environment of some dynamics.

    Args:
        dynamics: the transition function.
        max_steps: time limit, after which ``truncated`` is set (never together with ``terminated``).
        render_mode: ``"rgb_array"`` or ``"ansi"``, where there is a renderer.
        renderer: draws one state.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        dynamics: Dynamics,
        max_steps: int | None = None,
        render_mode: str | None = None,
        renderer: Renderer | None = None,
    ) -> None:
        self.dynamics = dynamics
        self.mo_spec = dynamics.mo_spec
        self.reward_space = reward_space(dynamics.mo_spec)
        self.observation_space = dynamics.observation_space
        self.action_space = dynamics.action_space
        self._checked = OneAction(dynamics.action_space)
        self.max_steps = max_steps
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._renderer = renderer
        self._state: State | None = None
        self._ended = False
        self._steps = 0

    @property
    def state(self) -> State:
        """A copy of the current state, without the batch axis.

        Raises:
            EnvError: before the first reset.
        """
        if self._state is None:
            raise EnvError("there is no state before reset; call reset() first")
        return {key: np.array(value[0]) for key, value in self._state.items()}

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives the valid actions now, ``(actions,)``: the name by which MaskablePPO asks for them.

        Raises:
            AttributeError: all actions are always valid.
        """
        _needs_masks(self.dynamics)
        return lambda: valid_actions(self.dynamics, self._state)[0]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode; options are those of the dynamics."""
        given = check_options(options, self.dynamics.reset_options, type(self.dynamics).__name__)
        super().reset(seed=seed)
        state = self.dynamics.initial(1, self.np_random, given or None)
        self._state, self._steps, self._ended = state, 0, False
        info = {key: _item(value) for key, value in self.dynamics.reset_info(state).items()}
        return self.dynamics.observe(state)[0], info

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, Info]:
        """Take one action.

        Raises:
            EnvError: before reset, after the end of an episode, or on an invalid action.
        """
        if self._state is None or self._ended:
            when = "before reset" if self._state is None else "after the episode ended"
            raise EnvError(f"step was called {when}; call reset() first")
        state, rewards, ends, extra = self.dynamics.step(self._state, self._checked(action), self.np_random)
        self._state = state
        self._steps += 1
        terminated = bool(ends[0])
        truncated = not terminated and self.max_steps is not None and self._steps >= self.max_steps
        self._ended = terminated or truncated
        info = {key: _item(value) for key, value in extra.items()} if extra else {}
        return self.dynamics.observe(state)[0], rewards[0], terminated, truncated, info

    def render(self) -> Any:
        """A picture or text of the current state, as ``render_mode`` says; ``None`` without one."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            raise EnvError(f"{type(self.dynamics).__name__} has no renderer; make it with render_mode=None")
        return self._renderer(self.state, self.render_mode)


class BatchedVectorEnv(NativeVectorEnv):
    """The native vector environment of some dynamics: all copies in one call.

    Args:
        dynamics: the transition function.
        num_envs: number of copies.
        max_steps: time limit.
        autoreset_mode: one of Gymnasium's modes.
        max_episode_steps: Gymnasium's name for ``max_steps``, which ``gymnasium.make_vec`` passes on.
        render_mode: as in :class:`BatchedEnv`; every copy is drawn.
        renderer: draws one state.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        num_envs: int = 1,
        max_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        renderer: Renderer | None = None,
    ) -> None:
        super().__init__(
            dynamics.mo_spec,
            num_envs,
            dynamics.observation_space,
            dynamics.action_space,
            max_steps if max_episode_steps is None else max_episode_steps,
            autoreset_mode,
        )
        self.dynamics = dynamics
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._renderer = renderer
        self._state: State = {}

    @property
    def _reset_options(self) -> tuple[str, ...]:
        return self.dynamics.reset_options

    @property
    def state(self) -> State:
        """A copy of the states of all environments."""
        return {key: value.copy() for key, value in self._state.items()}

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives the valid actions of all copies now, ``(num_envs, actions)``.

        Raises:
            AttributeError: all actions are always valid.
        """
        _needs_masks(self.dynamics)
        return lambda: valid_actions(self.dynamics, self._state or None)

    def _begin(self, which: IntArray, options: Mapping[str, Any], initial: bool) -> Info:
        fresh = self.dynamics.initial(len(which), self.np_random, options or None)
        if len(which) == self.num_envs:
            self._state = fresh
        else:
            state = dict(self._state)
            for key, value in fresh.items():
                state[key] = state[key].copy()
                state[key][which] = value
            self._state = state
        return {key: np.array(value) for key, value in self.dynamics.reset_info(fresh).items()}

    def _advance(self, actions: Any) -> tuple[FloatArray, BoolArray, Info]:
        valid = check_batch(actions, self.single_action_space, self.num_envs)
        moved = self.dynamics.step(self._state, valid, self.np_random)
        self._state = moved.state
        info = {key: np.array(value) for key, value in moved.info.items()}
        return np.array(moved.rewards, dtype=np.float64), np.array(moved.terminated, dtype=bool), info

    def _observe(self) -> Any:
        return self.dynamics.observe(self._state)

    def render(self) -> tuple[Any, ...] | None:
        """One picture or text per copy."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            raise EnvError(f"{type(self.dynamics).__name__} has no renderer; make it with render_mode=None")
        one = [{key: np.array(value[i]) for key, value in self._state.items()} for i in range(self.num_envs)]
        return tuple(self._renderer(state, self.render_mode) for state in one)


def _needs_masks(dynamics: Dynamics) -> None:
    if not dynamics.masked:
        raise AttributeError(f"{type(dynamics).__name__} has no action masks: all actions are always valid")


def valid_actions(dynamics: Dynamics, state: State | None) -> BoolArray:
    """Which actions are valid in a batch of states, ``(n, actions)``.

    Raises:
        EnvError: before the first reset.
    """
    if state is None:
        raise EnvError("there are no action masks before reset; call reset() first")
    return np.array(dynamics.reset_info(state)["action_mask"], dtype=bool)


def check_render_mode(mode: str | None, known: list[str]) -> str | None:
    """The render mode, or an error that lists the known ones."""
    if mode is not None and mode not in known:
        raise EnvError(f"render_mode is {mode!r}; expected one of {', '.join(map(repr, known))} or None")
    return mode


def _item(value: np.ndarray[Any, Any]) -> Any:
    """Entry 0 of an info array: a scalar as a plain Python number, anything else as a fresh array."""
    first = value[0]
    return first.item() if isinstance(first, np.generic) else np.array(first)
