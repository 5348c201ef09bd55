"""Several policies that act in one call: what an agent hands to the evaluator, to ``predict`` and to a front."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.pareto.identity import digest
from morl.spec import AgentError, FloatArray, IntArray

Array = np.ndarray[Any, Any]
Memory = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Decision:
    """One step of n policies in lock-step: everything that an action may depend on.

    Args:
        which: ``(n,)`` number of the policy that acts in each row.
        observations: ``(n, ...)``, or what the space's batches are.
        memory: what ``start`` or the last ``act`` returned, rows aligned with ``which``.
        accrued: ``(n, K)`` discounted reward since the episode began, Σ γᵗ rₜ.
        time: ``(n,)`` steps since the episode began.
        rng: for policies that draw.
        deterministic: take the most likely action instead of drawing.
    """

    which: IntArray
    observations: Any
    memory: Memory
    accrued: FloatArray
    time: IntArray
    rng: np.random.Generator
    deterministic: bool


class PolicySet(ABC):
    """``len(self)`` policies that act in lock-step.

    Attributes:
        needs_accrued: actions depend on the accrued reward or the step number, not on the observation alone.
        has_memory: policies carry a memory from step to step.
        stochastic: actions are drawn (``deterministic=False`` matters).
        inner: the components of a set of mixtures, or the set that this one selects from; ``None`` for others.
        preferences: ``(m, K)`` raw weight or command behind each policy, or ``None``.
        commanded: ``preferences`` are wanted returns, not weights.
        names: one label per policy, or ``None``.
        whole: :meth:`content` is all that a policy is; what its agent learns later does not change it.
    """

    needs_accrued = False
    has_memory = False
    stochastic = False
    inner: PolicySet | None = None
    preferences: FloatArray | None = None
    commanded = False
    names: Sequence[str] | None = None
    whole = False

    @abstractmethod
    def __len__(self) -> int:
        """The number of policies."""

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """Memory at the beginning of an episode, one row per entry of ``which``; arrays ``(n, ...)``."""
        return {}

    @abstractmethod
    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Actions ``(n, ...)`` for the rows of a decision, and the memory for the next one."""

    def probabilities(self, decision: Decision) -> FloatArray | None:
        """Action probabilities ``(n, A)`` of a memoryless stochastic policy with discrete actions, or ``None``."""
        return None

    def action_values(self, decision: Decision) -> Array | None:
        """Expected returns ``(n, A, K)`` after each numbered action, where the set knows them; else ``None``."""
        return None

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """Start values ``(m, K)`` on a finite model, where the set can compute them itself; else ``None``.

        (The evaluator computes those of memoryless policies by the Bellman equations; only others need this.)
        """
        return None

    def content(self, number: int) -> tuple[Any, ...]:
        """What tells one policy from the others of its agent: numbers, texts and arrays, for its identity."""
        return (number,) if self.preferences is None else (self.preferences[number],)

    def network(self, number: int) -> Any:
        """One policy as a :class:`morl.agents.neural.deployed.Network` for export, acting as it is measured.

        Raises:
            AgentError: it is none. (Mixtures are made of those of their components.)
        """
        raise AgentError("this policy acts by no network that could be exported; a table goes to .npz or .json")

    def table(self, number: int) -> dict[str, Array]:
        """One policy as a table for export: ``observations``, ``actions`` or ``probabilities``, ``default``.

        Raises:
            AgentError: it is none.
        """
        raise AgentError("this policy is no table that could be exported; a network goes to .onnx")

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

    whole = True
    _states: tuple[IntArray, str] | None = None

    def __init__(self, index: Any, actions: IntArray, preferences: FloatArray | None = None, default: int = 0) -> None:
        self.index, self.actions, self.preferences, self.default = index, np.asarray(actions), preferences, default

    def __len__(self) -> int:
        return len(self.actions)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Look the actions up."""
        states = self.index.lookup(decision.observations, grow=False)
        known = (states >= 0) & (states < self.actions.shape[1])
        chosen = self.actions[decision.which, np.where(known, states, 0)]
        return np.where(known, chosen, self.default).astype(np.int64), decision.memory

    def table(self, number: int) -> dict[str, Array]:
        """The action of each observation seen, and the one in any other."""
        seen = self.index.table()[: self.actions.shape[1]]
        return {"observations": seen, "actions": self.actions[number, : len(seen)], "default": np.array(self.default)}

    def content(self, number: int) -> tuple[Any, ...]:
        """The action of each observation, whatever numbers they have."""
        if self._states is None:
            seen = self.index.table()[: self.actions.shape[1]]
            rows = seen.reshape(len(seen), -1)
            order = np.lexsort(rows.T) if rows.size else np.arange(len(rows))
            self._states = order, digest(rows[order])
        order, observations = self._states
        return observations, self.actions[number, order], self.default


class WeightedPolicies(PolicySet):
    """One deterministic policy per linear preference, all of one function.

    Args:
        choose: ``(observations (n, ...), weights (n, K)) -> actions (n, ...)``.
        preferences: ``(m, K)`` weights of raw returns.
    """

    preferences: FloatArray

    def __init__(self, choose: Callable[[Any, FloatArray], Array], preferences: FloatArray) -> None:
        self.choose, self.preferences = choose, np.asarray(preferences, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.preferences)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One call of the function for all rows."""
        return self.choose(decision.observations, self.preferences[decision.which]), decision.memory


class Subset(PolicySet):
    """Some of the policies of a set, renumbered.

    Args:
        inner: the set.
        chosen: ``(m,)`` numbers in it; repeats are welcome.
    """

    inner: PolicySet

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

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """As the inner set."""
        return self.inner.act(self._renumbered(decision))

    def network(self, number: int) -> Any:
        """As the inner set."""
        return self.inner.network(int(self.chosen[number]))

    def table(self, number: int) -> dict[str, Array]:
        """As the inner set."""
        return self.inner.table(int(self.chosen[number]))

    def probabilities(self, decision: Decision) -> FloatArray | None:
        """As the inner set."""
        return self.inner.probabilities(self._renumbered(decision))

    def action_values(self, decision: Decision) -> Array | None:
        """As the inner set."""
        return self.inner.action_values(self._renumbered(decision))

    def _renumbered(self, decision: Decision) -> Decision:
        return replace(decision, which=self.chosen[decision.which])

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """As the inner set."""
        values = self.inner.exact_values(model)
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
    inner: PolicySet

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

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Follow the drawn component."""
        component = decision.memory["component"]
        rest = {key: value for key, value in decision.memory.items() if key != "component"}
        actions, rest = self.inner.act(replace(decision, which=component, memory=rest))
        return actions, {"component": component, **rest}

    def mixture(self) -> FloatArray:
        """The probabilities of the components."""
        return self.weights

    def table(self, number: int) -> dict[str, Array]:
        """The tables of the components, and their shares."""
        used = np.flatnonzero(self.weights[number] > 0)
        tables = [self.inner.table(int(i)) for i in used]
        shares = self.weights[number][used] / self.weights[number][used].sum()
        return {**tables[0], "actions": np.stack([one["actions"] for one in tables]), "shares": shares}
