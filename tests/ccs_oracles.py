"""Independent answers to check convex coverage sets against: exact fractions, occupancy programs, plain enumeration."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog

from morl.momdp import MOMDP


def rational_values(m: MOMDP) -> list[tuple[Fraction, ...]]:
    """Start values of every stationary deterministic policy, in exact fractions, by Gaussian elimination."""
    n, gamma = m.n_states, Fraction(m.discount)
    dense = [[Fraction(float(x)) for x in row] for row in np.asarray(m.transitions.todense())]
    rewards = [[Fraction(float(x)) for x in row] for row in m.rewards]
    result = []
    choices = [range(int(m.row_ptr[s]), int(m.row_ptr[s + 1])) or [None] for s in range(n)]
    for rows in itertools.product(*choices):
        table: list[list[Fraction]] = []
        for s, r in enumerate(rows):
            left = [Fraction(int(i == s)) - (gamma * dense[r][i] if r is not None else 0) for i in range(n)]
            table.append(left + (rewards[r] if r is not None else [Fraction(0)] * m.k))
        for i in range(n):
            pivot = next(j for j in range(i, n) if table[j][i] != 0)
            table[i], table[pivot] = table[pivot], table[i]
            table[i] = [x / table[i][i] for x in table[i]]
            for j in range(n):
                if j != i and table[j][i] != 0:
                    table[j] = [x - table[j][i] * y for x, y in zip(table[j], table[i], strict=True)]
        start = [Fraction(float(x)) for x in m.start]
        result.append(tuple(sum(start[s] * table[s][n + k] for s in range(n)) for k in range(m.k)))
    return result


def occupancy_optimum(m: MOMDP, w: Any) -> float:
    """The best ``w·x`` over all policies, by the linear program over discounted occupancies."""
    flow = np.zeros((m.n_states, m.n_rows))
    flow[m.row_state, np.arange(m.n_rows)] = 1.0
    flow -= m.discount * np.asarray(m.transitions.todense()).T
    live = ~m.terminal
    solved = linprog(-(m.rewards @ np.asarray(w)), A_eq=flow[live], b_eq=m.start[live], method="highs")
    assert solved.status == 0
    return float(-solved.fun)


def timed_optimum(m: MOMDP, w: Any) -> float:
    """The best ``w·x`` over the horizon, by a scalar dynamic program written as loops."""
    value = [0.0] * m.n_states
    dense = np.asarray(m.transitions.todense())
    for _ in range(m.horizon or 0):
        value = [
            max(
                (
                    float(m.rewards[r] @ w) + m.discount * float(dense[r] @ value)
                    for r in range(m.row_ptr[s], m.row_ptr[s + 1])
                ),
                default=0.0,
            )
            for s in range(m.n_states)
        ]
    return float(m.start @ value)


def hull_loss(points: Any, targets: Any) -> float:
    """Smallest ε such that each target has a mixture of points at least as good up to ε in every objective."""
    points, targets, worst = np.asarray(points, float), np.asarray(targets, float), 0.0
    n, k = points.shape
    size = max(float(np.abs(points).max()), float(np.abs(targets).max()), 1e-300)
    points, targets = points / size, targets / size
    for target in targets:
        # minimise e with mixture·points + e >= target
        solved = linprog(
            np.append(np.zeros(n), 1.0),
            A_ub=np.hstack([-points.T, -np.ones((k, 1))]),
            b_ub=-target,
            A_eq=np.append(np.ones(n), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, None)] * n + [(None, None)],
            method="highs",
        )
        worst = max(worst, float(solved.fun))
    return worst * size


def random_model(
    rng: np.random.Generator,
    n: int,
    actions: int,
    k: int,
    *,
    discount: float = 0.9,
    terminals: int = 0,
    ragged: bool = False,
    horizon: int | None = None,
    spread_start: bool = False,
) -> MOMDP:
    """A small random model; with terminals every state leads to one of them in the end."""
    from scipy import sparse

    counts = rng.integers(1, actions + 1, n) if ragged else np.full(n, actions)
    counts[n - terminals :] = 0
    row_ptr = np.concatenate([[0], np.cumsum(counts)])
    rows = int(row_ptr[-1])
    dense = rng.dirichlet(np.full(n, 0.5), rows) * (rng.random((rows, n)) < 0.6)
    dense[np.arange(rows), rng.integers(0, n, rows)] += 0.1
    if terminals:
        dense[:, n - 1] += 0.05
    dense /= dense.sum(axis=1, keepdims=True)
    start = rng.dirichlet(np.ones(n)) if spread_start else np.eye(1, n)[0]
    return MOMDP(sparse.csr_array(dense), rng.normal(size=(rows, k)), row_ptr, discount, start, horizon)
