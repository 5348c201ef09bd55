"""Policies written as vectors, for evolution: tables of actions, action sequences, and weights of small networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.observations import Encoder, StateIndex, is_integer_valued
from morl.agents.core.policies import Array, Decision, Memory, PolicySet, TablePolicies
from morl.agents.core.problem import Problem
from morl.agents.search import sequences
from morl.envs.finite.tables import tables_of
from morl.spec import AgentError

MAX_TABLE = 20_000


class Genotype(ABC):
    """How a vector of numbers becomes a policy.

    Attributes:
        size: length of the vector.
        integer: true where entries are action numbers ``0 … n_actions − 1``, false where they are reals.
    """

    size: int
    integer: bool
    n_actions: int = 0

    @abstractmethod
    def policies(self, vectors: Array) -> PolicySet:
        """The policies of vectors ``(m, size)``."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Random vectors ``(n, size)`` to begin with."""
        return rng.integers(0, self.n_actions, (n, self.size))

    def mutate(self, vectors: Array, rng: np.random.Generator) -> Array:
        """A changed copy of each vector: one entry in expectation redrawn, at least one."""
        n, size = vectors.shape
        out = vectors.copy()
        change = rng.random((n, size)) < 1.0 / size
        change[np.arange(n), rng.integers(0, size, n)] = True
        out[change] = rng.integers(0, self.n_actions, int(change.sum()))
        return out

    def cross(self, first: Array, second: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Two children of each pair: uniform crossover."""
        swap = rng.random(first.shape) < 0.5
        return np.where(swap, second, first), np.where(swap, first, second)


class Table(Genotype):
    """One action number per observation (a stationary deterministic policy)."""

    integer = True

    def __init__(self, problem: Problem) -> None:
        self.index = StateIndex(problem.observation_space, _all_observations(problem))
        self.size, self.n_actions = len(self.index), int(_count(problem))

    def policies(self, vectors: Array) -> PolicySet:
        """Look-up tables."""
        return TablePolicies(self.index, vectors)


class Sequence(Genotype):
    """One action number per step, whatever is observed: right for deterministic environments with one start."""

    integer = True

    def __init__(self, problem: Problem, length: int | None) -> None:
        horizon = length or problem.horizon
        if horizon is None:
            raise AgentError(f"{problem.id} has no time limit; set option length for genotype 'sequence'")
        self.size, self.n_actions = int(horizon), int(_count(problem))

    def policies(self, vectors: Array) -> PolicySet:
        """Open-loop policies."""
        return SequencePolicies(vectors)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Runs of equal actions of geometric length: long moves are rare in independent draws."""
        return np.asarray(sequences.random_runs(n, self.size, self.n_actions, rng))

    def mutate(self, vectors: Array, rng: np.random.Generator) -> Array:
        """Redraw an entry, overwrite a run with one action, or insert or delete a step so that the rest shifts."""
        n, size = vectors.shape
        steps = np.arange(size)
        # What happens late in an episode is often never played, so places are drawn with a bias to early steps.
        at = np.minimum((rng.random(n) ** 2 * size).astype(np.int64), size - 1)[:, None]
        action = rng.integers(0, self.n_actions, (n, 1))
        kind = rng.integers(0, 4, (n, 1))
        run = rng.geometric(0.25, (n, 1))
        overwritten = np.where((steps >= at) & (steps < at + np.where(kind == 0, 1, run)), action, vectors)
        inserted = np.take_along_axis(vectors, np.where(steps > at, steps - 1, np.broadcast_to(steps, (n, size))), 1)
        inserted[np.arange(n), at[:, 0]] = action[:, 0]
        deleted = np.take_along_axis(vectors, np.minimum(np.where(steps >= at, steps + 1, steps), size - 1), 1)
        return np.where(kind <= 1, overwritten, np.where(kind == 2, inserted, deleted))

    def cross(self, first: Array, second: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """One-point crossover: a child begins as one parent and ends as the other."""
        cut = (rng.random((len(first), 1)) ** 2 * self.size).astype(np.int64)
        early = np.arange(self.size) < cut
        return np.where(early, first, second), np.where(early, second, first)


class Network(Genotype):
    """Weights of a network with one hidden tanh layer; discrete actions by the largest output, boxes by tanh."""

    integer = False

    def __init__(self, problem: Problem, hidden: int) -> None:
        self.encoder, self.hidden = Encoder(problem.observation_space), hidden
        assert problem.actions is not None
        self.continuous = problem.actions.continuous
        self.out = int(np.prod(problem.actions.space.shape or ())) if self.continuous else _count(problem)
        self.size = (self.encoder.size + 1) * hidden + (hidden + 1) * self.out

    def policies(self, vectors: Array) -> PolicySet:
        """Networks that act in one batched product."""
        return NetworkPolicies(self, vectors)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Standard normal weights, scaled by the layer's width."""
        return rng.normal(0.0, 1.0, (n, self.size))

    def mutate(self, vectors: Array, rng: np.random.Generator) -> Array:
        """Gaussian noise on some weights, its size drawn per vector (log-uniform from 0.01 to 1)."""
        n, size = vectors.shape
        scale = 10.0 ** rng.uniform(-2.0, 0.0, (n, 1))
        share = rng.uniform(0.05, 1.0, (n, 1))
        return vectors + scale * rng.normal(size=(n, size)) * (rng.random((n, size)) < share)

    def layers(self, vectors: Array) -> tuple[Array, Array]:
        """Weights ``(m, inputs + 1, hidden)`` and ``(m, hidden + 1, outputs)``; the last row is the bias."""
        cut = (self.encoder.size + 1) * self.hidden
        first = vectors[:, :cut].reshape(-1, self.encoder.size + 1, self.hidden) / np.sqrt(self.encoder.size + 1)
        second = vectors[:, cut:].reshape(-1, self.hidden + 1, self.out) / np.sqrt(self.hidden + 1)
        return first, second


class SequencePolicies(PolicySet):
    """Open-loop policies: the action depends on the step number alone.

    Args:
        actions: ``(m, T)`` action numbers from 0; −1, and steps after T, repeat the action before.
    """

    needs_accrued = True  # the step number is kept by whoever keeps the accrued reward
    whole = True

    def __init__(self, actions: Array) -> None:
        self.actions = sequences.fill(np.asarray(actions, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.actions)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """The action of the step."""
        step = np.minimum(decision.time, self.actions.shape[1] - 1)
        return self.actions[decision.which, step], decision.memory

    def content(self, number: int) -> tuple[Any, ...]:
        """The actions."""
        return (self.actions[number],)


class NetworkPolicies(PolicySet):
    """Small networks, all evaluated in one batched product.

    Args:
        genotype: the shape of the networks.
        vectors: ``(m, size)``.
    """

    whole = True

    def __init__(self, genotype: Network, vectors: Array) -> None:
        self.genotype, self.count = genotype, len(vectors)
        self.first, self.second = genotype.layers(np.asarray(vectors, dtype=np.float64))

    def __len__(self) -> int:
        return self.count

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Forward passes, each row through the network of its policy."""
        x = self.genotype.encoder(decision.observations).astype(np.float64)
        first, second = self.first[decision.which], self.second[decision.which]
        hidden = np.tanh(np.matmul(x[:, None], first[:, :-1])[:, 0] + first[:, -1])
        out = np.matmul(hidden[:, None], second[:, :-1])[:, 0] + second[:, -1]
        return (np.tanh(out) if self.genotype.continuous else out.argmax(axis=1).astype(np.int64)), decision.memory

    def content(self, number: int) -> tuple[Any, ...]:
        """Weights and biases."""
        return self.first[number], self.second[number]

    def network(self, number: int) -> Any:
        """The same in tensors, in double precision as it is."""
        import torch

        from morl.agents.neural.deployed import Network, encoded

        first, second = torch.as_tensor(self.first[number]), torch.as_tensor(self.second[number])

        def act(rows: Any, weights: Any, accrued: Any, time: Any) -> Any:
            hidden = torch.tanh(rows.double() @ first[:-1] + first[-1])
            out = hidden @ second[:-1] + second[-1]
            return torch.tanh(out) if self.genotype.continuous else out.argmax(dim=1)

        return Network(act, encoded(self.genotype.encoder))


def _nothing_is_random(problem: Problem) -> bool:
    """Is there a finite model with one start and certain outcomes, and a time limit?"""
    if problem.model is None or problem.horizon is None:
        return False
    tables = tables_of(problem.model)
    return not tables.random and not tables.ragged and len(tables.start_states) == 1


def _count(problem: Problem) -> int:
    assert problem.actions is not None
    space = problem.actions.space
    assert isinstance(space, spaces.Discrete)  # make_genotype has checked
    return int(space.n)


def make_genotype(problem: Problem, kind: str, hidden: int, length: int | None) -> Genotype:
    """The genotype of that kind; ``"auto"`` takes what is smallest and sufficient.

    That is a sequence where a finite model shows that nothing is random (an open-loop policy then does all that any
    policy can), a table where observations can be counted, and else a network.

    Raises:
        AgentError: the kind does not suit the environment.
    """
    assert problem.actions is not None
    discrete = not problem.actions.continuous
    if kind == "auto" and discrete and _nothing_is_random(problem):
        kind = "sequence"
    if kind == "auto":
        kind = "table" if discrete and _all_observations(problem) is not None else "network"
    if kind in ("table", "sequence") and not discrete:
        raise AgentError(f"genotype {kind!r} needs discrete actions; {problem.id} has {problem.action_space}")
    if kind == "table":
        if _all_observations(problem) is None:
            raise AgentError(f"genotype 'table' needs few countable observations; {problem.id}: use 'network'")
        return Table(problem)
    return Sequence(problem, length) if kind == "sequence" else Network(problem, hidden)


def _all_observations(problem: Problem) -> Array | None:
    """Every observation there is, where they can be listed."""
    if problem.model is not None and is_integer_valued(problem.observation_space):
        return problem.model_observations if problem.model.n_states <= MAX_TABLE else None
    space = problem.observation_space
    if isinstance(space, spaces.Discrete) and space.n <= MAX_TABLE:
        return np.arange(space.start, space.start + space.n)
    if isinstance(space, spaces.MultiDiscrete) and np.prod(space.nvec.astype(float)) <= MAX_TABLE:
        grid = np.indices(tuple(int(x) for x in space.nvec.ravel())).reshape(space.nvec.size, -1).T
        return grid.reshape(-1, *space.shape) + space.start
    return None
