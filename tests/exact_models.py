"""Models that the tests of the exact solvers share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from morl.momdp import MOMDP

RETURN_SCALE = (np.array([0.0, -12.0, 0.0]), np.array([0.5, 0.0, 1.0]))
"""Returns that count as 0 and as 1 in ScientificDiscovery."""


def scientific_discovery() -> MOMDP:
    """Choose a model class, buy evidence, publish: 9 states, 4 actions, 3 objectives, γ = 1."""
    accuracy = [[0.50, 0.58, 0.64], [0.50, 0.66, 0.78], [0.50, 0.72, 0.96]]
    interpretable = [1.0, 0.5, 0.1]
    gain = {1: (1.0, 0.45), 2: (3.0, 0.90)}

    def outcomes(state: tuple[int, int], action: int) -> list[tuple]:
        c, e = state
        if action == 0:
            return [(1.0, state, (accuracy[c][e] - 0.5, 0.0, interpretable[c]), True)]
        cost, p = (1.0, 1.0) if action == 3 else gain[action]
        reward = (0.0, -cost, 0.0)
        out = [(0.05, state, reward, True)]
        if action == 3:
            return [*out, (0.95, ((c + 1) % 3, e), reward, False)]
        if e == 2:
            return [*out, (0.95, state, reward, False)]
        return [*out, (0.95 * p, (c, e + 1), reward, False), (0.95 * (1 - p), state, reward, False)]

    model, _ = MOMDP.from_simulator((0, 0), 4, outcomes, discount=1.0, objectives=("accuracy", "money", "interp"))
    return model


def random_momdp(
    rng: np.random.Generator, s: int, a: int, k: int, *, discount: float = 0.95, branching: int = 5
) -> MOMDP:
    """Uniform successors with Dirichlet(1) probabilities, rewards U[0, 1], start in state 0."""
    b = min(branching, s)
    transitions = np.zeros((s, a, s))
    for i, j in itertools.product(range(s), range(a)):
        transitions[i, j, rng.choice(s, b, replace=False)] = rng.dirichlet(np.ones(b))
    return MOMDP.from_arrays(transitions, rng.random((s, a, k)), discount=discount)


def all_policies(momdp: MOMDP) -> Iterator[np.ndarray]:
    """Every stationary deterministic policy; terminal states get action 0."""
    choices = [range(max(int(n), 1)) for n in momdp.n_actions]
    for choice in itertools.product(*choices):
        yield np.array(choice)


def rational_value(momdp: MOMDP, policy: np.ndarray) -> list[Fraction]:
    """Start value of a policy by Gaussian elimination in fractions (γ < 1, or a policy that ends)."""
    n, k = momdp.n_states, momdp.k
    gamma = Fraction(momdp.discount)
    dense = momdp.transitions.toarray()
    system = [[Fraction(int(i == j)) for j in range(n)] + [Fraction(0)] * k for i in range(n)]
    for s in range(n):
        if momdp.terminal[s]:
            continue
        row = int(momdp.row_ptr[s]) + int(policy[s])
        for j in range(n):
            system[s][j] -= gamma * Fraction(dense[row, j])
        for o in range(k):
            system[s][n + o] = Fraction(momdp.rewards[row, o])
    for c in range(n):
        pivot = next(r for r in range(c, n) if system[r][c] != 0)
        system[c], system[pivot] = system[pivot], system[c]
        scale = system[c][c]
        system[c] = [x / scale for x in system[c]]
        for r in range(n):
            if r != c and system[r][c] != 0:
                f = system[r][c]
                system[r] = [x - f * y for x, y in zip(system[r], system[c], strict=True)]
    return [sum((Fraction(momdp.start[s]) * system[s][n + o] for s in range(n)), Fraction(0)) for o in range(k)]


def rational_front(values: list[list[Fraction]]) -> set[tuple[Fraction, ...]]:
    """Non-dominated vectors, exactly."""
    distinct = {tuple(v) for v in values}
    return {v for v in distinct if not any(u != v and all(x >= y for x, y in zip(u, v, strict=True)) for u in distinct)}


def same_front(a: np.ndarray, b: np.ndarray, atol: float = 1e-9) -> bool:
    """Two sets of points ``(n, K)`` agree one to one."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    gaps = np.abs(a[:, None] - b[None]).max(axis=2)
    return bool((gaps.min(axis=0) <= atol).all() and (gaps.min(axis=1) <= atol).all())
