"""Actions as agents choose them, and as environments take them: the one place that maps between the two.

An agent chooses a number from 0, a row of numbers from 0, or a row of reals in [−1, 1]; an environment may count from
another number, take several numbers, bits, whole numbers of a box, or reals between odd bounds. :func:`action_map`
says what an algorithm chooses in an action space, :meth:`ActionMap.to_env` makes the environment's actions of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.boxes import UnitScale
from morl.agents.core.errors import DivergedError
from morl.agents.core.info import AlgoInfo
from morl.spec import AgentError, IntArray

Array = np.ndarray[Any, Any]

MAX_ACTIONS = 4096
"""Most actions, or entries of all components together, that are made of a space with several components."""

ENDLESS = 1e15
"""A bound of a box beyond this says nothing about what is sensible: the side counts as unbounded."""


class ActionMap:
    """The environment's actions as an agent's, and back.

    Attributes:
        space: what the agent chooses from: ``Discrete(n)`` or a flat ``MultiDiscrete``, both from 0, or a flat box
            ``[-1, 1]``.
        native: the environment's space of one action.
        continuous: whether :attr:`space` is a box.

    >>> some = ActionMap(spaces.Discrete(3, start=-1), spaces.Discrete(3))
    >>> some.to_env(np.array([0, 2])).tolist()
    [-1, 1]
    """

    def __init__(self, native: spaces.Space[Any], space: spaces.Space[Any]) -> None:
        self.native, self.space = native, space
        self.continuous = isinstance(space, spaces.Box)
        self._shape = tuple(native.shape or ())
        self._dtype = np.dtype(native.dtype or np.int64)
        if self.continuous:
            assert isinstance(native, spaces.Box)
            self._whole = np.issubdtype(self._dtype, np.integer)
            self._scale = UnitScale(native, ENDLESS)
        else:
            sizes = _components(native)
            assert sizes is not None
            self._sizes, self._first = sizes

    @property
    def n(self) -> int:
        """How many actions there are to choose from.

        Raises:
            AgentError: they are no numbers from 0.
        """
        if not isinstance(self.space, spaces.Discrete):
            raise AgentError(f"actions are chosen from {one_line(self.space)}, which are no numbers from 0")
        return int(self.space.n)

    def to_env(self, actions: Array) -> Array:
        """Environment actions ``(n, ...)`` for the agent's ``(n,)``, ``(n, parts)`` or ``(n, size)``.

        Raises:
            DivergedError: an action is NaN.
        """
        actions = np.asarray(actions)
        if self.continuous:
            return self._to_box(actions.reshape(len(actions), -1).astype(np.float64))
        if isinstance(self.space, spaces.Discrete):
            if isinstance(self.native, spaces.Discrete):
                return np.asarray(actions.astype(self._dtype) + self._dtype.type(self.native.start))
            actions = np.stack(np.unravel_index(actions, tuple(self._sizes)), axis=1)
        rows = actions.reshape(len(actions), -1) + self._first
        return np.asarray(rows.astype(self._dtype).reshape(len(actions), *self._shape))

    def from_env(self, actions: Any) -> Array:
        """The inverse of :meth:`to_env` (the middle of its bin where a box holds whole numbers)."""
        given = np.asarray(actions)
        if self.continuous:
            return self._from_box(given.reshape(len(given), -1).astype(np.float64)).astype(np.float32)
        rows = given.reshape(len(given), -1).astype(np.int64) - self._first
        if isinstance(self.space, spaces.Discrete):
            return np.asarray(np.ravel_multi_index(tuple(rows.T), tuple(self._sizes)), dtype=np.int64)
        return rows

    def _to_box(self, rows: Array) -> Array:
        if np.isnan(rows).any():
            raise DivergedError("the policy's action is NaN, so its network has parameters that are not finite")
        unit = np.clip(rows, -1.0, 1.0)
        if self._whole:  # one bin of [−1, 1] for each number
            low, numbers = self._bins()
            values = low + np.minimum(np.floor((unit + 1.0) / 2.0 * numbers), numbers - 1.0)
        else:
            values = self._scale.from_unit(unit)
        # Rounding to the space's own type may step over a bound by a last digit.
        assert isinstance(self.native, spaces.Box)
        shaped = values.astype(self._dtype).reshape(len(rows), *self._shape)
        return np.asarray(np.clip(shaped, self.native.low, self.native.high))

    def _from_box(self, values: Array) -> Array:
        if self._whole:
            low, numbers = self._bins()
            return (values - low + 0.5) / numbers * 2.0 - 1.0
        return self._scale.to_unit(values)

    def _bins(self) -> tuple[Array, Array]:
        """The lowest whole number of each component, and how many there are."""
        return self._scale.centre - self._scale.half, 2.0 * self._scale.half + 1.0


def action_map(space: spaces.Space[Any], info: AlgoInfo, env: str) -> ActionMap:
    """What an algorithm chooses from in an environment.

    Args:
        space: of one action of the environment.
        info: what the algorithm can choose.
        env: the environment's name, for messages.

    Raises:
        AgentError: the algorithm cannot act in this space; one line says why and what can.
    """
    sizes = _components(space)
    if sizes is not None and "discrete" in info.actions:
        counts = sizes[0]
        with np.errstate(over="ignore"):
            joint = float(np.prod(counts.astype(np.float64)))
        if isinstance(space, spaces.Discrete) or (len(counts) == 1 and joint <= MAX_ACTIONS):
            return ActionMap(space, spaces.Discrete(int(counts[0])))
        if info.several_actions and counts.sum() <= MAX_ACTIONS:
            return ActionMap(space, spaces.MultiDiscrete(counts))
        if not info.several_actions and joint <= MAX_ACTIONS:
            return ActionMap(space, spaces.Discrete(int(joint)))
        if not (isinstance(space, spaces.Box) and "continuous" in info.actions):
            what = "components" if info.several_actions else "combinations"
            raise AgentError(
                f"{info.name} chooses among at most {MAX_ACTIONS:,} {what}; {env} has {one_line(space)}, "
                f"{counts.sum() if info.several_actions else joint:,.6g} of them"
            )
    if isinstance(space, spaces.Box) and "continuous" in info.actions:
        size = int(np.prod(space.shape))
        if _is_bounded(space):
            return ActionMap(space, spaces.Box(-1.0, 1.0, (size,), np.float32))
        raise AgentError(
            f"{info.name} needs bounded actions; {env} has {one_line(space)}: give its box finite bounds, for example "
            "with gymnasium.wrappers.TransformAction"
        )
    raise AgentError(
        f"{info.name} needs {' or '.join(info.actions)} actions; {env} has {one_line(space)}. "
        f"`morl algo list` shows which algorithms take which"
    )


def one_line(space: spaces.Space[Any]) -> str:
    """A space in words, without line breaks, and cut where it is long."""
    text = " ".join(str(space).split())
    return text if len(text) <= 160 else f"{text[:160]}…"


def _components(space: spaces.Space[Any]) -> tuple[IntArray, IntArray] | None:
    """Number of choices of each component, and the first choice of each; ``None`` where choices cannot be counted."""
    if isinstance(space, spaces.Discrete):
        return np.array([int(space.n)]), np.array([int(space.start)])
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ravel().astype(np.int64), space.start.ravel().astype(np.int64)
    if isinstance(space, spaces.MultiBinary):
        n = int(np.prod(space.shape))
        return np.full(n, 2), np.zeros(n, dtype=np.int64)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype or np.float64, np.integer) and _is_bounded(space):
        low = space.low.ravel().astype(np.int64)
        return space.high.ravel().astype(np.int64) - low + 1, low
    return None


def _is_bounded(box: spaces.Box) -> bool:
    """Whether both bounds of every component say something."""
    return bool(UnitScale(box, ENDLESS).bounded.all())
