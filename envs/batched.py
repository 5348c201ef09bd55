"""Environments that are one pure function over arrays: the single one is the vector one with a batch of one.

A :class:`~morl.envs.dynamics.Dynamics` says how a batch of states begins, moves, is observed and is drawn, and which
front is known. :class:`BatchedEnv` and :class:`BatchedVectorEnv` turn it into Gymnasium environments, and
:func:`morl.envs.register_dynamics` registers both forms at once; time limits, seeds, autoreset and action checks are
here, so that dynamics hold nothing but parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode

from morl.envs.actions import OneAction, check_batch
from morl.envs.core import Info, MOEnv, UnknownFrontError, accepts_gamma, check_options, reward_space
from morl.envs.dynamics import Dynamics, State
from morl.envs.makers import entry_points as _entry_points
from morl.envs.makers import found, from_name
from morl.envs.vector.native import NativeVectorEnv, check_max_steps
from morl.momdp import MOMDP
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec

if TYPE_CHECKING:
    from morl.pareto import Front

OWN_LIMIT = -1
"""As ``max_steps``: the time limit that the dynamics declare."""


class _OfDynamics:
    """What the single and the vector environment of some dynamics have in common."""

    dynamics: Dynamics
    mo_spec: MOSpec
    max_steps: int | None

    @property
    def pareto_front(self) -> Callable[..., Front]:
        """``pareto_front(discount=None)``: the exact or best-known front; see :meth:`Dynamics.front`.

        A formula or a replay needs no ``time_limit``; it is accepted because fronts of finite models have one.

        Raises:
            UnknownFrontError: none is known; being an ``AttributeError``, it makes ``hasattr`` say so.
        """
        if self.dynamics.no_front:
            raise UnknownFrontError(self.dynamics.no_front)

        @accepts_gamma
        def pareto_front(discount: float | None = None, *, time_limit: float | None = None) -> Front:
            gamma = self.mo_spec.discount if discount is None else float(discount)
            if not 0.0 <= gamma <= 1.0:
                raise EnvError(f"discount is {gamma:g}; expected a number in [0, 1]")
            front = self.dynamics.front(gamma, self.max_steps)
            if front is None:
                raise UnknownFrontError(f"{type(self.dynamics).__name__}.front gives None; set no_front to say why")
            return front

        return pareto_front

    def _model(self) -> tuple[MOMDP, np.ndarray[Any, Any]]:
        model = self.dynamics.finite_model()
        if model is None:
            raise AttributeError(f"{type(self.dynamics).__name__} is not written down as a finite model")
        return model

    @property
    def momdp(self) -> Callable[..., MOMDP]:
        """``momdp(discount=None)``: the finite model.

        Raises:
            AttributeError: there is none, so that ``hasattr`` tells.
        """
        model, _ = self._model()
        return lambda discount=None: model if discount is None else model.with_discount(discount)

    @property
    def observations(self) -> np.ndarray[Any, Any]:
        """What is observed in each state of the finite model, ``(S, ...)``.

        Raises:
            AttributeError: there is no model.
        """
        return self._model()[1].copy()


class BatchedEnv(_OfDynamics, MOEnv[Any, Any]):
    """The single environment of some dynamics.

    Args:
        dynamics: the transition function.
        max_steps: time limit, after which ``truncated`` is set (never together with ``terminated``); ``None`` for
            none. By default that of the dynamics.
        render_mode: ``"rgb_array"`` or ``"ansi"``, where the dynamics can be drawn.

    Raises:
        EnvError: a time limit below one step, or another render mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, dynamics: Dynamics, max_steps: int | None = OWN_LIMIT, render_mode: str | None = None) -> None:
        self.metadata = self.metadata | {"render_fps": dynamics.render_fps}
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self.dynamics = dynamics if render_mode is None else dynamics.drawn()
        self.mo_spec = dynamics.mo_spec
        self.reward_space = reward_space(dynamics.mo_spec)
        self.observation_space = dynamics.observation_space
        self.action_space = dynamics.action_space
        self._checked = OneAction(dynamics.action_space)
        self.max_steps = dynamics.max_steps if max_steps == OWN_LIMIT else check_max_steps(max_steps)
        self._state: State | None = None
        self._ended = False
        self._steps = 0

    @classmethod
    def of(
        cls,
        build: str | Callable[..., Dynamics],
        /,
        *arguments: Any,
        max_steps: int | None = OWN_LIMIT,
        render_mode: str | None = None,
        **options: Any,
    ) -> BatchedEnv:
        """The environment of a class of dynamics, or of ``"module:Class"``, made with these arguments."""
        return cls(found(build)(*arguments, **options), max_steps, render_mode)

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
        return None if self.render_mode is None else self.dynamics.render(self.state, self.render_mode)


class BatchedVectorEnv(_OfDynamics, NativeVectorEnv):
    """The native vector environment of some dynamics: parallel environments moved in one call.

    Args:
        dynamics: the transition function.
        num_envs: number of parallel environments.
        max_steps: time limit; by default that of the dynamics.
        autoreset_mode: one of Gymnasium's modes.
        max_episode_steps: Gymnasium's name for ``max_steps``, which ``gymnasium.make_vec`` passes on.
        render_mode: as in :class:`BatchedEnv`; every environment is drawn.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        num_envs: int = 1,
        max_steps: int | None = OWN_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        limit = max_steps if max_episode_steps is None else max_episode_steps
        super().__init__(
            dynamics.mo_spec,
            num_envs,
            dynamics.observation_space,
            dynamics.action_space,
            dynamics.max_steps if limit == OWN_LIMIT else limit,
            autoreset_mode,
        )
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self.dynamics = dynamics if render_mode is None else dynamics.drawn()
        self._state: State = {}

    @classmethod
    def of(
        cls,
        build: str | Callable[..., Dynamics],
        /,
        num_envs: int = 1,
        *arguments: Any,
        max_steps: int | None = OWN_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> BatchedVectorEnv:
        """The parallel environments of a class of dynamics, or of ``"module:Class"``, made with these arguments."""
        dynamics = found(build)(*arguments, **options)
        return cls(dynamics, num_envs, max_steps, autoreset_mode, max_episode_steps, render_mode)

    @property
    def _reset_options(self) -> tuple[str, ...]:
        return self.dynamics.reset_options

    @property
    def state(self) -> State:
        """A copy of the states of all environments."""
        return {key: value.copy() for key, value in self._state.items()}

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives the valid actions of all environments now, ``(num_envs, actions)``.

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
            if initial:  # after a step the arrays are this environment's own; before, they may be parameters
                self._state = {key: value.copy() for key, value in self._state.items()}
            for key, value in fresh.items():
                self._state[key][which] = value
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
        """One picture or text per environment."""
        if self.render_mode is None:
            return None
        one = [{key: np.array(value[i]) for key, value in self._state.items()} for i in range(self.num_envs)]
        return tuple(self.dynamics.render(state, self.render_mode) for state in one)


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


_KINDS: Mapping[str, Any] = {"BatchedEnv": BatchedEnv, "BatchedVectorEnv": BatchedVectorEnv}


def entry_points(build: str | Callable[..., Dynamics]) -> tuple[Any, Any]:
    """Gymnasium's entry points of the single and of the vector environment of a class of dynamics."""
    return _entry_points(_KINDS, __name__, build)


def __getattr__(name: str) -> Any:
    """What the strings of :func:`entry_points` stand for."""
    return from_name(_KINDS, __name__, name)
