"""What a check works with: fresh environments of one kind, reproducible actions, rollouts and comparisons."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from morl.envs.core import mo_spec
from morl.envs.failures import short
from morl.spec import MOSpec

Array = np.ndarray[Any, Any]
Finding = tuple[str, str]
"""``(what is wrong, how to fix it)``."""
Check = Callable[["Case"], Iterator[Finding]]


class Stage(NamedTuple):
    """One moment of a rollout; the first has no action and no reward."""

    action: Any
    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    info: Any


@dataclass
class Case:
    """An environment under examination.

    Args:
        make: makes a fresh one.
        name: how messages call it.
        registered: the spec that makes it, alone and as a vector environment; ``None`` where there is none.
        steps: length of the rollouts.
        seed: of resets and actions.
    """

    make: Callable[..., Any]
    name: str
    registered: EnvSpec | None = None
    steps: int = 200
    seed: int = 0
    _spec: MOSpec | None = field(default=None, repr=False)

    @property
    def spec(self) -> MOSpec:
        """The objectives.

        Raises:
            EnvError: none are declared.
        """
        if self._spec is None:
            env = self.make()
            try:
                self._spec = mo_spec(env)
            finally:
                env.close()
        return self._spec

    def rollout(
        self,
        env: Any,
        *,
        seed: int | None = None,
        steps: int | None = None,
        between: Callable[[Stage], None] | None = None,
        actions: int | None = None,
        chooser: Callable[[Any], Any] | None = None,
    ) -> list[Stage]:
        """Random actions through as many episodes as fit into the steps.

        Args:
            env: the environment; it is reset first.
            seed: of the first reset.
            steps: how many.
            between: called with every stage as it came from the environment, before a copy of it is kept.
            actions: seed of the actions.
            chooser: gives an action for a mask (or ``None``); random valid ones by default.
        """
        chooser = chooser or Chooser(env.action_space, self.seed if actions is None else actions)
        out: list[Stage] = []

        def keep(stage: Stage) -> None:
            kept = snapshot(stage)
            if between is not None:
                between(stage)
            out.append(kept)

        observation, info = env.reset(seed=self.seed if seed is None else seed)
        mask = info.get("action_mask") if isinstance(info, dict) else None
        mask = None if mask is None else np.array(mask)
        keep(Stage(None, observation, None, False, False, info))
        for _ in range(self.steps if steps is None else steps):
            action = chooser(mask)
            observation, reward, terminated, truncated, info = env.step(action)
            mask = info.get("action_mask") if isinstance(info, dict) else None
            mask = None if mask is None else np.array(mask)
            keep(Stage(action, observation, reward, terminated, truncated, info))
            if terminated or truncated:
                observation, info = env.reset()
                mask = info.get("action_mask")
                mask = None if mask is None else np.array(mask)
                keep(Stage(None, observation, None, False, False, info))
        return out


class Chooser:
    """Reproducible valid actions, within an action mask where there is one."""

    def __init__(self, space: spaces.Space[Any], seed: int) -> None:
        self.space = copy.deepcopy(space)
        self.space.seed(seed)

    def __call__(self, mask: Any = None) -> Any:
        """The next action."""
        if mask is not None and isinstance(self.space, spaces.Discrete):
            return self.space.sample(np.asarray(mask, dtype=np.int8))
        return self.space.sample()


def snapshot(value: Any) -> Any:
    """A deep copy that nothing the environment does later can change."""
    if isinstance(value, Stage):
        return Stage(*(snapshot(v) for v in value))
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def same(a: Any, b: Any) -> bool:
    """Equality through arrays, dictionaries and sequences; NaN equals NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape:
            return False
        if x.dtype == object or y.dtype == object:
            return all(same(p, q) for p, q in zip(x.ravel(), y.ravel(), strict=True))
        return bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f" and y.dtype.kind == "f"))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(p, q) for p, q in zip(a, b, strict=True))
    try:
        return bool(a == b) or (a != a and b != b)
    except Exception:
        return a is b


def difference(first: list[Stage], second: list[Stage], infos: bool = False) -> str | None:
    """Where two rollouts part, in words; ``None`` where they do not."""
    for t, (p, q) in enumerate(zip(first, second, strict=False)):
        for name in ("observation", "reward", "terminated", "truncated", *(("info",) if infos else ())):
            x, y = getattr(p, name), getattr(q, name)
            if not same(x, y):
                return f"{name} {t} is {short(x)} the first time and {short(y)} the second"
    if len(first) != len(second):
        return f"one rollout has {len(first)} stages and the other {len(second)}"
    return None


def arrays_in(value: Any) -> Iterator[Array]:
    """All numpy arrays inside an observation, reward or info."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from arrays_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays_in(item)


def lists_in(value: Any) -> Iterator[list[Any]]:
    """All lists inside a value."""
    if isinstance(value, list):
        yield value
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for item in items:
        yield from lists_in(item)


def spoil(value: Any) -> None:
    """Overwrite every array and list in a value, as careless (or in-place) user code does."""
    for array in arrays_in(value):
        if array.flags.writeable and array.dtype != object and array.size:
            array[...] = 0 if array.dtype == bool else np.asarray(77).astype(array.dtype)
    for items in lists_in(value):
        for i, item in enumerate(items):
            if isinstance(item, int | float):
                items[i] = 77
