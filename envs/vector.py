"""Vector environments for any vector-reward Gymnasium environment: one after the other, or one process per group.

Ours have native vector forms that are far faster; these are for everything else, third-party environments included.
Rewards are ``(num_envs, K)`` float64, which Gymnasium's own vector environments cannot carry.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from morl.envs.copies import AllMoved, Copy
from morl.envs.core import Info, MOVectorEnv, check_options, mo_spec
from morl.envs.infos import stack_infos
from morl.envs.native import parse_mask, parse_mode
from morl.spec import BoolArray, EnvError, FloatArray, MOSpec

EnvFn = Callable[[], Any]


class CopiesVectorEnv(MOVectorEnv):
    """What the sequential and the process-parallel vector environment share: spaces, seeds, masks and stacking.

    Args:
        spec: objectives of the copies.
        example: one of the copies, for spaces and metadata.
        num_envs: how many there are.
        autoreset_mode: one of Gymnasium's modes.
    """

    def __init__(self, spec: MOSpec, example: Any, num_envs: int, autoreset_mode: AutoresetMode | str) -> None:
        self.metadata = dict(example.metadata)
        super().__init__()
        self.mo_spec = spec
        self.reward_space = spaces.Box(spec.reward_low, spec.reward_high, (spec.k,), np.float64)
        self.num_envs = num_envs
        self.autoreset_mode = parse_mode(autoreset_mode)
        self.metadata["autoreset_mode"] = self.autoreset_mode
        self.render_mode = example.render_mode
        self.single_observation_space = example.observation_space
        self.single_action_space = example.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._started = False

    @abstractmethod
    def _reset_copies(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        """Reset some copies: the info of each."""

    @abstractmethod
    def _step_copies(self, actions: Any) -> AllMoved:
        """Step all copies with actions of the batched space."""

    @abstractmethod
    def _observed(self) -> Any:
        """What all copies see now, in the batched space; fresh."""

    @abstractmethod
    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every copy, or read an attribute; results in order."""

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Start all copies anew, or those of ``options["reset_mask"]``.

        Args:
            seed: copy i gets ``seed + i``, or ``seed[i]`` of a list.
            options: ``reset_mask``, and whatever the copies understand.
        """
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
        fresh = self._reset_copies(which, [seeds[i] for i in which], given or None)
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
            EnvError: before the first reset, with the wrong number of actions, or when a copy fails.
        """
        if not self._started:
            raise EnvError("step was called before reset; call reset() first")
        moved = self._step_copies(actions)
        return self._observed(), moved.rewards, moved.terminated, moved.truncated, moved.infos

    def _one_by_one(self, actions: Any) -> list[Any]:
        """The action of each copy."""
        try:
            chosen = list(iterate(self.action_space, actions))
        except (TypeError, ValueError, IndexError, KeyError):
            chosen = []
        if len(chosen) != self.num_envs:
            raise EnvError(f"actions are {actions!r}; expected {self.num_envs}, one per environment")
        return chosen

    def _stack(self, observations: Sequence[Any]) -> Any:
        space = self.single_observation_space
        empty: Any = create_empty_array(space, self.num_envs)
        return concatenate(space, observations, empty)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy."""
        return self.call(name)

    def render(self) -> tuple[Any, ...] | None:
        """The frame of every copy."""
        return None if self.render_mode is None else self.call("render")


class SyncVectorEnv(CopiesVectorEnv):
    """Copies stepped one after the other in this process.

    Args:
        env_fns: one function per copy, each making an environment with the same spaces and objectives.
        autoreset_mode: one of Gymnasium's modes.

    Raises:
        EnvError: no functions, or copies that differ.
    """

    def __init__(self, env_fns: Sequence[EnvFn], autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP) -> None:
        if not env_fns:
            raise EnvError("no environments given; expected at least one function that makes one")
        self.envs = [make() for make in env_fns]
        first = self.envs[0]
        spec = mo_spec(first)
        super().__init__(spec, first, len(self.envs), autoreset_mode)
        for i, env in enumerate(self.envs):
            check_same(first, env, i)
        self._copies = [Copy(env, spec.k, self.autoreset_mode, i) for i, env in enumerate(self.envs)]
        self._seen: list[Any] = [None] * self.num_envs

    def _reset_copies(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        infos = []
        for i, seed in zip(which, seeds, strict=True):
            self._seen[i], info = self._copies[i].reset(seed, options)
            infos.append(info)
        return infos

    def _step_copies(self, actions: Any) -> AllMoved:
        chosen = self._one_by_one(actions)
        if self.autoreset_mode is AutoresetMode.DISABLED:  # refuse before any copy has moved
            for copy in self._copies:
                if copy.ended:
                    copy.step(None)
        moved = [copy.step(action) for copy, action in zip(self._copies, chosen, strict=True)]
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
        """Call a method of every copy, or read an attribute; results in order."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(f(*args, **kwargs) if callable(f) else f for f in found)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every copy: one value for all, or a list with one each."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise EnvError(f"{len(each)} values are given; expected {self.num_envs}, one per environment")
        for env, value in zip(self.envs, each, strict=True):
            env.set_wrapper_attr(name, value)

    def close_extras(self, **kwargs: Any) -> None:
        """Close all copies."""
        for env in getattr(self, "envs", ()):
            env.close()


def check_same(first: Any, other: Any, number: int) -> None:
    """Raise :class:`EnvError` unless a copy has the spaces and the number of objectives of the first one."""
    for what in ("observation_space", "action_space"):
        if getattr(first, what) != getattr(other, what):
            raise EnvError(
                f"environment {number} has {what} {getattr(other, what)}; environment 0 has {getattr(first, what)}: "
                "all copies must be alike"
            )
    if mo_spec(first).k != mo_spec(other).k:
        raise EnvError(f"environment {number} has {mo_spec(other).k} objectives; environment 0 has {mo_spec(first).k}")


def __getattr__(name: str) -> Any:
    if name == "AsyncVectorEnv":  # multiprocessing loads when it is asked for
        from morl.envs.parallel import AsyncVectorEnv

        return AsyncVectorEnv
    raise AttributeError(f"module 'morl.envs.vector' has no attribute {name!r}")
