"""The models that the benchmarks share, built from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.momdp import MOMDP


def random_momdp(n: int, actions: int, k: int, *, branching: int = 5, discount: float = 0.95, seed: int = 0) -> MOMDP:
    """Uniform successors, Dirichlet(1) probabilities, rewards U[0, 1], start in state 0."""
    rng = np.random.default_rng(seed)
    rows = n * actions
    indices = rng.integers(0, n, rows * branching, dtype=np.int32)
    data = rng.standard_exponential((rows, branching))
    data /= data.sum(axis=1, keepdims=True)
    indptr = np.arange(0, rows * branching + 1, branching, dtype=np.int64)
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    start = np.zeros(n)
    start[0] = 1.0
    return MOMDP(
        sparse.csr_array((data.ravel(), indices, indptr), shape=(rows, n)),
        rng.random((rows, k)),
        np.arange(0, rows + 1, actions),
        discount,
        start,
    )


def slippery_grid(side: int, k: int = 2, *, discount: float = 0.99, slip: float = 0.2, seed: int = 0) -> MOMDP:
    """Four moves on a square grid; with probability ``slip`` the move goes to one of the two sides instead.

    Walls keep the walker where it is. Rewards U[0, 1] for each state and move; start in a corner.
    """
    rng = np.random.default_rng(seed)
    n = side * side
    x, y = np.divmod(np.arange(n), side)
    moves = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
    columns = np.empty((n, 4, 3), np.int32)
    for a in range(4):
        for i, turn in enumerate((0, 1, 3)):
            dx, dy = moves[(a + turn) % 4]
            columns[:, a, i] = np.clip(x + dx, 0, side - 1) * side + np.clip(y + dy, 0, side - 1)
    data = np.tile([1.0 - slip, slip / 2, slip / 2], n * 4)
    indptr = np.arange(0, 12 * n + 1, 3, dtype=np.int32)
    start = np.zeros(n)
    start[0] = 1.0
    return MOMDP(
        sparse.csr_array((data, columns.ravel(), indptr), shape=(4 * n, n)),
        rng.random((4 * n, k)),
        np.arange(0, 4 * n + 1, 4),
        discount,
        start,
    )


def mud_grid(side: int, slip: float, cost: ArrayLike = 1.0, hole: int | None = None) -> MOMDP:
    """Reach the far corner of a slippery grid at γ = 1, or quit at any time: cost against the probability of success.

    Four moves, which turn to one of the two sides with probability ``slip``; walls bounce; the fifth action quits.

    Args:
        side: of the square.
        slip: probability of turning.
        cost: of a move from each cell, one for all or ``(side²,)``.
        hole: a cell that ends it without success.
    """
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    last = side * side - 1
    costs = np.broadcast_to(np.asarray(cost, dtype=np.float64), last + 1)

    def outcomes(s: int, action: int) -> list[tuple[Any, ...]]:
        if action == 4:
            return [(1.0, s, (0.0, 0.0), True)]
        out = []
        for turn, p in ((0, 1.0 - slip), (1, slip / 2), (-1, slip / 2)):
            (down, right), (row, column) = moves[(action + turn) % 4], divmod(s, side)
            t = int(np.clip(row + down, 0, side - 1)) * side + int(np.clip(column + right, 0, side - 1))
            out.append((p, t, (costs[s], float(t == last)), t in (last, hole)))
        return out

    return MOMDP.from_simulator(0, 5, outcomes, discount=1.0, objectives=("cost", "goal"))[0].minimised("cost")


def scheduler(tasks: int, length: int = 1) -> MOMDP:
    """Tasks that need each other, on two processors, one fast and expensive: time against energy at γ = 1.

    State: which tasks are done, and what each processor works on and for how much longer. A tick of the clock costs
    time and energy, and each unit of work takes one more tick with probability 1/10; being done is a loop that pays
    nothing.

    Args:
        tasks: each needs the third one before it.
        length: the unit of the tasks' durations, in ticks.
    """
    needs = {t: [t - 3] if t >= 3 else [] for t in range(tasks)}
    full = (1 << tasks) - 1

    def choices(state: Any) -> list[tuple[Any, ...]]:
        done, busy = state
        running = {job[0] for job in busy if job}
        ready = [
            t for t in range(tasks) if not done >> t & 1 and t not in running and all(done >> d & 1 for d in needs[t])
        ]
        return [("tick",), *((i, t) for i in range(2) if done != full and not busy[i] for t in ready)]

    def outcomes(state: Any, a: int) -> list[tuple[Any, ...]]:
        done, busy = state
        if done == full:
            return [(1.0, state, (0.0, 0.0), False)]
        act = choices(state)[a]
        if act[0] != "tick":
            i, t = act
            new = tuple((t, length * (1 + t % 3) * (1 + i)) if j == i else job for j, job in enumerate(busy))
            return [(1.0, (done, new), (0.0, 0.01), False)]
        energy = sum((3.0, 1.0)[i] if job else 0.2 for i, job in enumerate(busy))
        out: list[tuple[float, int, tuple[Any, ...]]] = [(1.0, done, ())]
        for job in busy:
            step: list[tuple[float, int, tuple[Any, ...]]] = []
            for p, d, new in out:
                if not job:
                    step.append((p, d, (*new, None)))
                    continue
                ended = job[1] == 1
                step.append((p * 0.9, d | ended << job[0], (*new, None if ended else (job[0], job[1] - 1))))
                step.append((p * 0.1, d, (*new, job)))
            out = step
        return [(p, (d, (None, None) if d == full else new), (1.0, energy), False) for p, d, new in out]

    return MOMDP.from_simulator(
        (0, (None, None)), lambda s: len(choices(s)), outcomes, discount=1.0, objectives=("time", "energy")
    )[0].minimised(("time", "energy"))
