"""Costs of registered environments: paid as positive numbers, seen by everybody as negative rewards."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.spec import shown


def negate_costs(cls: type[Any]) -> None:
    """Make a class's own ``step`` return its minimised objectives negated; its ``reward_space`` follows.

    In the class itself, so that it holds however an instance comes about: by id, by Gymnasium, by its constructor
    or in another process. Done once: a class registered under two ids, or one that extends a registered class and
    calls its ``step``, is negated once.

    Args:
        cls: an environment class whose instances have a ``mo_spec``.
    """
    if getattr(cls.step, "negates_costs", False):
        return
    inner, build = cls.step, cls.__init__

    @functools.wraps(inner)
    def step(self: Any, action: Any) -> Any:
        if self.__dict__.get("_inside_step"):  # super().step(...) of a class that is registered as well
            return inner(self, action)
        self._inside_step = True
        try:
            moved = inner(self, action)
        finally:
            self._inside_step = False
        if not isinstance(moved, tuple) or len(moved) != 5:
            return moved  # whoever checks the contract says what is wrong with it
        paid = np.asarray(moved[1])
        if paid.shape != (self.mo_spec.k,) or paid.dtype.kind not in "iuf":
            return moved
        reward = shown(paid, self.mo_spec.objectives)
        return moved[0], reward.astype(paid.dtype) if paid.dtype.kind == "f" else reward, *moved[2:]

    @functools.wraps(build)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        space = self.__dict__.get("reward_space")
        if space is not None and space is not self.__dict__.get("_negated_space"):
            self.reward_space = self._negated_space = negated(space, self.mo_spec.objectives)

    step.negates_costs = True  # type: ignore[attr-defined]
    cls.step, cls.__init__ = step, init


def negated(space: Any, objectives: Any) -> Any:
    """A reward space with the bounds of its minimised objectives mirrored; anything that is none as it is."""
    if not isinstance(space, spaces.Box) or space.shape != (len(objectives),):
        return space
    ends = shown(space.low, objectives), shown(space.high, objectives)
    return spaces.Box(np.minimum(*ends), np.maximum(*ends), space.shape, np.float64)
