"""Vector environments for any vector-reward Gymnasium environment: one after the other, or one process per group.

Ours have native vector forms that are far faster; these are for everything else, third-party environments included.
Rewards are ``(num_envs, K)`` float64, which Gymnasium's own vector environments cannot carry.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import (
    batch_differing_spaces,
    batch_space,
    concatenate,
    create_empty_array,
    iterate,
)

from morl.envs.core import Info, MOVectorEnv, check_options, mo_spec
from morl.envs.vector.infos import stack_infos
from morl.envs.vector.misfits import require_fit
from morl.envs.vector.native import parse_mask, parse_mode
from morl.envs.vector.subenv import AllMoved, SubEnv
from morl.spec import BoolArray, EnvError, FloatArray, MOSpec

EnvFn = Callable[[], Any]
ObservationMode = str | tuple[spaces.Space[Any], spaces.Space[Any]]


class SubEnvsVectorEnv(MOVectorEnv):
    """What the sequential and the process-parallel vector environment share: spaces, seeds, masks and stacking.

    Args:
        spec: objectives of the environments.
        example: one of the environments, for spaces and metadata.
        env_fns: what makes the environments.
        autoreset_mode: one of Gymnasium's modes.
        observation_mode: see :func:`batched_observations`.
        copy: observations are fresh arrays; otherwise one buffer, which the next step overwrites.
    """

    def __init__(
        self,
        spec: MOSpec,
        example: Any,
        env_fns: Sequence[EnvFn],
        autoreset_mode: AutoresetMode | str,
        observation_mode: ObservationMode,
        copy: bool,
    ) -> None:
        self.metadata = dict(example.metadata)
        super().__init__()
        self.mo_spec = spec
        self.reward_space = spaces.Box(spec.reward_low, spec.reward_high, (spec.k,), np.float64)
        self.env_fns = env_fns
        self.num_envs = num_envs = len(env_fns)
        self.observation_mode, self.copy = observation_mode, copy
        self.autoreset_mode = parse_mode(autoreset_mode)
        self.metadata["autoreset_mode"] = self.autoreset_mode
        self.render_mode = example.render_mode
        self.single_observation_space, self.observation_space = batched_observations(
            observation_mode, example.observation_space, num_envs
        )
        self.single_action_space = example.action_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._check = Alike(self.single_observation_space, self.single_action_space, spec.k, observation_mode == "same")
        self._buffer: Any = None
        self._started = False

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed of every environment."""
        return self.get_attr("np_random_seed")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generator of every environment (of parallel ones: as it is now)."""
        return self.get_attr("np_random")

    @abstractmethod
    def _reset_some(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        """Reset some environments: the info of each."""

    @abstractmethod
    def _step_all(self, actions: Any) -> AllMoved:
        """Step all environments with actions of the batched space."""

    @abstractmethod
    def _observed(self) -> Any:
        """What all environments see now, in the batched space; fresh."""

    @abstractmethod
    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or read an attribute; results in order."""

    @abstractmethod
    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every copy: one value for all, or a list with one each."""

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Start all environments anew, or those of ``options["reset_mask"]``.

        Args:
            seed: environment i gets ``seed + i``, or ``seed[i]`` of a list.
            options: ``reset_mask``, and whatever the environments understand.
        """
        which, seeds, given = self._plan_reset(seed, options)
        return self._begun(which, self._reset_some(which, seeds, given))

    def _plan_reset(
        self, seed: int | Sequence[int | None] | None, options: dict[str, Any] | None
    ) -> tuple[list[int], list[int | None], dict[str, Any] | None]:
        """Which environments to reset, the seed of each, and what is left of the options for them."""
        if options is not None:
            check_options(options, tuple(options), "the vector environment")
        given = dict(options or {})
        mask = given.pop("reset_mask", None)
        if mask is None:
            which = list(range(self.num_envs))
        else:
            which = np.flatnonzero(parse_mask(mask, self.num_envs)).tolist()
            if not self._started and len(which) < self.num_envs:
                raise EnvError("the first reset must start every environment; call reset() without reset_mask first")
        seeds = self._seeds(seed)
        return which, [seeds[i] for i in which], given or None

    def _begun(self, which: Sequence[int], fresh: Sequence[Info]) -> tuple[Any, Info]:
        """What ``reset`` returns, from the infos of the environments that were reset."""
        infos: list[Info | None] = [None] * self.num_envs
        for i, info in zip(which, fresh, strict=True):
            infos[i] = info
        self._started = True
        return self._observed(), stack_infos(infos)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise EnvError(f"{len(seed)} seeds are given; expected {self.num_envs}, one per environment")
        return [None if s is None else int(s) for s in seed]

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        """Move every copy: observations, rewards ``(n, K)``, terminated, truncated ``(n,)``, infos.

        Raises:
            EnvError: before the first reset, with the wrong number of actions, or when an environment fails.
        """
        if not self._started:
            raise EnvError("step was called before reset; call reset() first")
        return self._stepped(self._step_all(actions))

    def _stepped(self, moved: AllMoved) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        return self._observed(), moved.rewards, moved.terminated, moved.truncated, moved.infos

    def _one_by_one(self, actions: Any) -> list[Any]:
        """The action of each environment."""
        try:
            chosen = list(iterate(self.action_space, actions))
        except (TypeError, ValueError, IndexError, KeyError):
            chosen = []
        if len(chosen) != self.num_envs:
            raise EnvError(f"actions are {actions!r}; expected {self.num_envs}, one per environment")
        return chosen

    def _stack(self, observations: Sequence[Any]) -> Any:
        space = self.single_observation_space
        if self.copy or self._buffer is None:
            self._buffer = create_empty_array(space, self.num_envs)
        try:
            self._buffer = concatenate(space, observations, self._buffer)
        except (TypeError, ValueError, KeyError, IndexError):
            for i, observation in enumerate(observations):
                require_fit(space, observation, i)
            raise
        return self._buffer

    def _each(self, values: Any) -> list[Any] | tuple[Any, ...]:
        """One value per copy: those of a list or tuple, or the same for all."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise EnvError(f"{len(each)} values are given; expected {self.num_envs}, one per environment")
        return each

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every environment."""
        return self.call(name)

    def render(self) -> tuple[Any, ...] | None:
        """The frame of every environment."""
        return None if self.render_mode is None else self.call("render")


class SyncVectorEnv(SubEnvsVectorEnv):
    """Environments stepped one after the other in this process.

    Args:
        env_fns: one function per environment, each making an environment with the same spaces and objectives.
        autoreset_mode: one of Gymnasium's modes.
        observation_mode: ``"same"``, ``"different"`` or two spaces; see :func:`batched_observations`.
        copy: observations are fresh arrays; otherwise one buffer, which the next step overwrites.

    Raises:
        EnvError: no functions, or environments that differ.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        *,
        observation_mode: ObservationMode = "same",
        copy: bool = True,
    ) -> None:
        env_fns = given_functions(env_fns)
        self.envs = [make() for make in env_fns]
        first = self.envs[0]
        spec = mo_spec(first)
        super().__init__(spec, first, env_fns, autoreset_mode, observation_mode, copy)
        for i, env in enumerate(self.envs):
            self._check(env, i)
        if observation_mode == "different":
            self.observation_space = batch_differing_spaces([env.observation_space for env in self.envs])
        self._subs = [SubEnv(env, spec.k, self.autoreset_mode, i) for i, env in enumerate(self.envs)]
        self._seen: list[Any] = [None] * self.num_envs

    def _reset_some(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        infos = []
        for i, seed in zip(which, seeds, strict=True):
            self._seen[i], info = self._subs[i].reset(seed, options)
            infos.append(info)
        return infos

    def _step_all(self, actions: Any) -> AllMoved:
        chosen = self._one_by_one(actions)
        if self.autoreset_mode is AutoresetMode.DISABLED:  # refuse before any environment has moved
            for sub in self._subs:
                if sub.ended:
                    sub.step(None)
        moved = [sub.step(action) for sub, action in zip(self._subs, chosen, strict=True)]
        self._seen = [m.observation for m in moved]
        return AllMoved(
            np.array([m.reward for m in moved], dtype=np.float64),
            np.array([m.terminated for m in moved], dtype=bool),
            np.array([m.truncated for m in moved], dtype=bool),
            stack_infos([m.info for m in moved]) if any(m.info for m in moved) else {},
        )

    def _observed(self) -> Any:
        return self._stack(self._seen)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or read an attribute; results in order."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(f(*args, **kwargs) if callable(f) else f for f in found)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every copy: one value for all, or a list with one each."""
        for env, value in zip(self.envs, self._each(values), strict=True):
            env.set_wrapper_attr(name, value)

    def close_extras(self, **kwargs: Any) -> None:
        """Close all environments."""
        for env in getattr(self, "envs", ()):
            env.close()


class Alike:
    """Raises where an environment differs from the first one; a picklable function, for workers in other processes.

    Args:
        observation_space, action_space: those of the first environment.
        k: its number of objectives.
        strict: observation spaces must be equal; otherwise shape and dtype are enough.
    """

    def __init__(self, observation_space: Any, action_space: Any, k: int, strict: bool) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.k, self.strict = k, strict

    def __call__(self, env: Any, number: int) -> None:
        """Check environment ``number``.

        Raises:
            EnvError: another space, or another number of objectives.
        """
        alike = self.observation_space == env.observation_space
        if not self.strict:
            alike = is_space_dtype_shape_equiv(self.observation_space, env.observation_space)
        for what, fits in (("observation_space", alike), ("action_space", self.action_space == env.action_space)):
            if not fits:
                hint = "; observation_mode='different' batches spaces of one shape" if what[0] == "o" else ""
                raise EnvError(
                    f"environment {number} has {what} {getattr(env, what)}; environment 0 has {getattr(self, what)}: "
                    f"all environments must be alike{hint if self.strict else ''}"
                )
        if mo_spec(env).k != self.k:
            raise EnvError(f"environment {number} has {mo_spec(env).k} objectives; environment 0 has {self.k}")


def batched_observations(mode: ObservationMode, space: Any, num_envs: int) -> tuple[Any, Any]:
    """The observation spaces ``(of one environment, of all)`` under one of Gymnasium's observation modes.

    Args:
        mode: ``"same"``, environments have equal spaces; ``"different"``, their spaces have one shape and dtype but may
            have other bounds; or a pair ``(space of all, space of one)``.
        space: that of the first environment.
        num_envs: parallel environments.

    Raises:
        EnvError: anything else.
    """
    if isinstance(mode, tuple) and len(mode) == 2 and all(isinstance(part, spaces.Space) for part in mode):
        return mode[1], mode[0]
    if not isinstance(mode, str) or mode not in ("same", "different"):
        raise EnvError(f"observation_mode is {mode!r}; expected 'same', 'different' or a pair (batched space, space)")
    return space, batch_space(space, num_envs)


def given_functions(env_fns: Any) -> list[EnvFn]:
    """A list of functions, at least one.

    Raises:
        EnvError: none, or something that cannot be called.
    """
    found = list(env_fns) if isinstance(env_fns, Iterable) and not isinstance(env_fns, str) else [env_fns]
    if not found:
        raise EnvError("no environments given; expected at least one function that makes one")
    for function in found:
        if not callable(function):
            raise EnvError(f"{function!r} is given as an environment; expected functions, each of which makes one")
    return found
