"""Several policies that act in one call: what an agent hands to the evaluator, to ``predict`` and to a front.

A policy may look at the observation, at the discounted reward accrued since the episode began, at the step number
and at a memory of its own. ``which`` says, row by row, which of the policies acts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray

Array = np.ndarray[Any, Any]
Memory = dict[str, Array]


class PolicySet(ABC):
    """``len(self)`` policies that act in lock-step.

    Attributes:
        needs_accrued: actions depend on the accrued reward or the step number, not on the observation alone.
        has_memory: policies carry a memory from step to step.
        stochastic: actions are drawn (``deterministic=False`` matters).
        preferences: ``(m, K)`` raw weight or command behind each policy, or ``None``.
        commanded: ``preferences`` are wanted returns, not weights.
        names: one label per policy, or ``None``.
    """

    needs_accrued = False
    has_memory = False
    stochastic = False
    preferences: FloatArray | None = None
    commanded = False
    names: Sequence[str] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """The number of policies."""

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """Memory at the beginning of an episode, one row per entry of ``which``; arrays ``(n, ...)``."""
        return {}

    @abstractmethod
    def act(
        self,
        which: IntArray,
        observations: Any,
        memory: Memory,
        accrued: FloatArray,
        time: IntArray,
        rng: np.random.Generator,
        deterministic: bool,
    ) -> tuple[Array, Memory]:
        """Actions for n rows.

        Args:
            which: ``(n,)`` number of the policy that acts in each row.
            observations: ``(n, ...)``.
            memory: what :meth:`start` or the last call returned, rows aligned with ``which``.
            accrued: ``(n, K)`` reward since the episode began, Σ γᵗ rₜ.
            time: ``(n,)`` steps since the episode began.
            rng: for policies that draw.
            deterministic: take the most likely action instead of drawing.

        Returns:
            Actions ``(n, ...)`` and the memory for the next step.
        """

    def probabilities(self, which: IntArray, observations: Any) -> FloatArray | None:
        """Action probabilities ``(n, A)`` of a memoryless stochastic policy with discrete actions, or ``None``."""
        return None

    def mixture(self) -> FloatArray | None:
        """Probabilities ``(m, components)`` where a policy draws one of several per episode, or ``None``."""
        return None


class TablePolicies(PolicySet):
    """Policies as tables of actions over numbered observations.

    Args:
        index: numbers observations (see :class:`morl.agents.core.observations.StateIndex`).
        actions: ``(m, S)`` action number per policy and state.
        preferences: ``(m, K)``.
        default: action in a state never seen.
    """

    def __init__(self, index: Any, actions: IntArray, preferences: FloatArray | None = None, default: int = 0) -> None:
        self.index, self.actions, self.preferences, self.default = index, np.asarray(actions), preferences, default

    def __len__(self) -> int:
        return len(self.actions)

    def act(
        self,
        which: IntArray,
        observations: Any,
        memory: Memory,
        accrued: FloatArray,
        time: IntArray,
        rng: np.random.Generator,
        deterministic: bool,
    ) -> tuple[Array, Memory]:
        """Look the actions up."""
        states = self.index.lookup(observations, grow=False)
        known = (states >= 0) & (states < self.actions.shape[1])
        chosen = self.actions[which, np.where(known, states, 0)]
        return np.where(known, chosen, self.default).astype(np.int64), memory


class Subset(PolicySet):
    """Some of the policies of a set, renumbered.

    Args:
        inner: the set.
        chosen: ``(m,)`` numbers in it; repeats are welcome.
    """

    def __init__(self, inner: PolicySet, chosen: IntArray) -> None:
        self.inner, self.chosen = inner, np.asarray(chosen, dtype=np.int64)
        self.needs_accrued, self.has_memory, self.stochastic = inner.needs_accrued, inner.has_memory, inner.stochastic
        self.preferences = None if inner.preferences is None else inner.preferences[self.chosen]
        self.commanded = inner.commanded
        self.names = None if inner.names is None else [inner.names[i] for i in self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """As the inner set."""
        return self.inner.start(self.chosen[which], rng)

    def act(
        self,
        which: IntArray,
        observations: Any,
        memory: Memory,
        accrued: FloatArray,
        time: IntArray,
        rng: np.random.Generator,
        deterministic: bool,
    ) -> tuple[Array, Memory]:
        """As the inner set."""
        return self.inner.act(self.chosen[which], observations, memory, accrued, time, rng, deterministic)

    def probabilities(self, which: IntArray, observations: Any) -> FloatArray | None:
        """As the inner set."""
        return self.inner.probabilities(self.chosen[which], observations)

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """As the inner set, where that knows the values of its policies itself."""
        own = getattr(self.inner, "exact_values", None)
        values = None if own is None else own(model)
        return None if values is None else np.asarray(values)[self.chosen]


class Mixtures(PolicySet):
    """Policies that draw one of the components at the start of each episode and follow it to the end.

    Args:
        inner: the components.
        weights: ``(m, components)`` probabilities.
        preferences: ``(m, K)`` or ``None``.
    """

    has_memory = True
    stochastic = True

    def __init__(self, inner: PolicySet, weights: FloatArray, preferences: FloatArray | None = None) -> None:
        self.inner, self.weights, self.preferences = inner, np.atleast_2d(weights), preferences
        self.needs_accrued = inner.needs_accrued

    def __len__(self) -> int:
        return len(self.weights)

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """Draw the component of each episode."""
        edges = np.cumsum(self.weights[which], axis=1)
        draw = rng.random(len(which))[:, None] * edges[:, -1:]
        component = np.minimum((draw >= edges).sum(axis=1), self.weights.shape[1] - 1).astype(np.int64)
        return {"component": component, **self.inner.start(component, rng)}

    def act(
        self,
        which: IntArray,
        observations: Any,
        memory: Memory,
        accrued: FloatArray,
        time: IntArray,
        rng: np.random.Generator,
        deterministic: bool,
    ) -> tuple[Array, Memory]:
        """Follow the drawn component."""
        rest = {key: value for key, value in memory.items() if key != "component"}
        actions, rest = self.inner.act(memory["component"], observations, rest, accrued, time, rng, deterministic)
        return actions, {"component": memory["component"], **rest}

    def mixture(self) -> FloatArray:
        """The probabilities of the components."""
        return self.weights
