"""The best mixture for a utility of the expected return, under constraints: column generation.

A small master program mixes the policies found so far; its dual prices are a weight, and the best policy for
that weight either improves the mixture or proves how little could be gained (Dantzig & Wolfe 1960). The proof
is the duality gap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.exact.deadline import OutOfTime, until
from morl.exact.occupancy import average_policy, stationary
from morl.exact.oracle import Oracle
from morl.exact.policy import Mixture
from morl.momdp import MOMDP
from morl.spec import FloatArray, ModelError, MOSpec, SpecError
from morl.utility import Threshold, Utility
from morl.utility.constraints import Bounds, Constraint, parse_constraints
from morl.utility.programs import Block, best_shares, utility_blocks, value_at

_ROUNDS = 500
_GAP = 1e-10


@dataclass(frozen=True)
class Maximum:
    """The best expected return for a utility.

    Args:
        mixture: deterministic policies and their probabilities.
        policy: the equivalent stochastic policy, floats ``(rows,)``, or ``(T, rows)`` with a horizon; ``None`` where
            γ = 1 and no stationary one is equivalent, because the mixture rests where it also leaves.
        value: expected return ``(K,)`` of both.
        utility: utility of ``value``.
        gap: no policy's utility exceeds ``utility + gap``.
        solves: policies computed on the way.
    """

    mixture: Mixture
    policy: FloatArray | None
    value: FloatArray
    utility: float
    gap: float
    solves: int


@dataclass
class Pool:
    """The policies found so far, and the oracle that finds more."""

    momdp: MOMDP
    oracle: Callable[[FloatArray], tuple[Any, FloatArray]]
    points: list[FloatArray]
    policies: list[Any]
    unit: FloatArray
    solves: int = 0

    def ask(self, w: FloatArray) -> FloatArray:
        """The value ``(K,)`` of the best policy for raw weights ``w``; kept if it is new."""
        policy, value = self.oracle(w)
        self.solves += 1
        if not any(np.array_equal(value, point) for point in self.points):
            self.points.append(value)
            self.policies.append(policy)
        return value


def maximise(
    momdp: MOMDP, utility: Utility, constraints: Iterable[Constraint] | str = (), time_limit: float | None = None
) -> Maximum:
    """The mixture of policies whose *expected return* has the largest utility (SER), under constraints.

    Mixtures reach everything that stochastic, history-dependent policies reach, so this is the optimum over
    all policies.

    Args:
        utility: any of :mod:`morl.utility` but a lexicographic one.
        constraints: on the expected return, e.g. ``["cost>=-5", ("time", "<=", 20)]``.
        time_limit: seconds; then the best mixture so far, with the gap that is proven for it.

    Raises:
        ModelError: the constraints cannot be met (which, and by how much); γ = 1 and a total is unbounded (see
            :mod:`morl.exact.ending` for which policies count then); or the time limit passes before some mixture
            meets the constraints.
        SpecError: a utility or constraint that does not fit.

    >>> from morl.utility import WorstCase
    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5)
    >>> maximise(m, WorstCase()).value.round(9).tolist()
    [1.5, 1.5]
    """
    return best_mixture(momdp, utility_blocks(utility, momdp.k), constraints, utility, until(time_limit))


def best_mixture(
    momdp: MOMDP,
    blocks: list[Block],
    constraints: Iterable[Constraint] | str,
    utility: Callable[[FloatArray], Any],
    deadline: float = math.inf,
) -> Maximum:
    """The mixture for the best of some blocks of a utility; see :func:`maximise`."""
    bounds = parse_constraints(constraints, momdp.objectives or ())
    pool = make_pool(momdp, deadline)
    meet(pool, bounds)
    best: tuple[FloatArray, float] | None = None
    upper = -np.inf
    for block in blocks:
        shares, gap = optimise(pool, block, bounds)
        value = shares @ np.array(pool.points[: len(shares)])
        score = value_at(block, value)
        upper = max(upper, score + gap)
        if best is None or score > best[1]:
            best = (shares, score)
    assert best is not None
    return finish(pool, best[0], utility, upper)


def make_pool(momdp: MOMDP, deadline: float = math.inf) -> Pool:
    """A pool that holds the best policy of each objective."""
    size = np.maximum(np.abs(momdp.rewards).max(axis=0, initial=0.0), 1e-300)
    pool = Pool(momdp, Oracle(momdp, deadline).ask, [], [], size)
    for j in range(momdp.k):
        pool.ask(np.eye(momdp.k)[j] / size[j])
    spread = np.abs(np.array(pool.points)).max(axis=0)
    pool.unit = np.where(spread > 0, spread, size)
    return pool


def optimise(pool: Pool, block: Block, bounds: Bounds) -> tuple[FloatArray, float]:
    """Shares of the pool's policies that maximise a block under the constraints, and the gap left.

    The constraints must be feasible for the pool (see :func:`meet`).
    """
    size = max(float(np.abs(block.gain * pool.unit).max(initial=0.0)), 1.0)
    bound = gap = math.inf
    for _ in range(_ROUNDS):
        shares, prices, value = _master(pool, block, bounds)
        points = np.array(pool.points)
        try:
            found = pool.ask(prices)
        except OutOfTime:
            return shares, max(bound - value, 0.0)
        # the master's optimum never falls, so an earlier bound on all policies still holds
        bound = min(bound, value + max(float(prices @ found - (points @ prices).max()), 0.0))
        gap = max(bound - value, 0.0)
        if gap <= _GAP * max(size, abs(value)) or len(pool.points) == len(points):
            return shares, gap
    return shares, gap


def meet(pool: Pool, bounds: Bounds) -> None:
    """Add policies until some mixture of the pool meets the constraints.

    Raises:
        ModelError: none does.
    """
    if not len(bounds.bound):
        return
    unit = np.maximum(np.abs(bounds.matrix * pool.unit).max(axis=1), 1e-300)
    m, k = bounds.matrix.shape
    worst = Block(np.zeros(k), np.ones(1), np.ones((m, 1)), -bounds.matrix / unit[:, None], -bounds.bound / unit)
    capped = Block(  # max min(0, slack): stops as soon as all are met
        worst.gain,
        worst.cost,
        np.vstack([worst.on_y, [[1.0]]]),
        np.vstack([worst.on_x, np.zeros((1, k))]),
        np.append(worst.bound, 0.0),
    )
    free = Bounds(np.zeros((0, k)), np.zeros(0), ())
    shares, _gap = optimise(pool, capped, free)
    value = shares @ np.array(pool.points[: len(shares)])
    missing = bounds.bound - bounds.matrix @ value
    if (missing > 1e-9 * unit).any():
        raise ModelError(_infeasible(pool, bounds, missing))


def _infeasible(pool: Pool, bounds: Bounds, missing: FloatArray) -> str:
    """Which constraints cannot be met: alone, or only together, and by how much."""
    upper = bounds.below or (False,) * len(bounds.text)
    for row, bound, text, below in zip(bounds.matrix, bounds.bound, bounds.text, upper, strict=True):
        best = float(row @ pool.ask(row))
        if best < bound - 1e-9 * max(1.0, abs(bound)):
            sign = -1.0 if below else 1.0
            return (
                f"constraint {text!r} cannot be met: the best any policy reaches is {sign * best + 0.0:.9g}, "
                f"it misses by {bound - best:.6g}; relax it to that"
            )
    parts = ", ".join(f"{text!r} by {gap:.6g}" for text, gap in zip(bounds.text, missing, strict=True) if gap > 0)
    return f"the constraints cannot be met together: the best compromise misses {parts}; relax them"


def _master(pool: Pool, block: Block, bounds: Bounds) -> tuple[FloatArray, FloatArray, float]:
    """Solve the master program: shares ``(n,)``, prices of the objectives ``(K,)`` and its value."""
    try:
        found = best_shares(np.array(pool.points), block, bounds, pool.unit)
    except SpecError as error:
        raise ModelError(f"master program: {error}") from None
    if found is None:
        raise ModelError("master program: the constraints cannot be met by the policies found; scale the rewards")
    return found.shares, found.prices, found.value


def finish(pool: Pool, shares: FloatArray, utility: Callable[[FloatArray], Any], upper: float) -> Maximum:
    """The answer from shares of the pool: unused policies dropped, both forms of the policy, value and gap."""
    used = np.flatnonzero(shares > 1e-12)
    p = shares[used] / shares[used].sum()
    value = p @ np.array([pool.points[i] for i in used])
    policies = [pool.policies[i] for i in used]
    score = float(utility(value))
    if isinstance(utility, Threshold) and utility.mode == "satisfied":
        short = Threshold(utility.thresholds, scale=utility.scale)
        score = 1.0 if float(short(value)) >= -1e-9 else 0.0
        upper = 1.0 if upper >= -1e-9 else 0.0
    return Maximum(
        Mixture(policies, p),
        stationary(pool.momdp, average_policy(pool.momdp, policies, p), value),
        value,
        score,
        max(upper - score, 0.0),
        pool.solves,
    )


def lexicographic(
    momdp: MOMDP,
    order: Sequence[str | int] | None = None,
    slack: float | Sequence[float] = 0.0,
    constraints: Sequence[Constraint] | str = (),
    time_limit: float | None = None,
) -> Maximum:
    """Maximise objectives one after the other, keeping each within its slack of its best (Mouaddib 2004).

    Args:
        order: objectives by name or number, most important first; all of them by default. Others do not count.
        slack: how much of each objective may be given up for the later ones, in the unit of the return; one
            number, or one per objective in ``order``.
        constraints, time_limit: as for :func:`~morl.exact.columns.maximise`; the gap is that of the last objective.

    Returns:
        The mixture, its value, and as ``utility`` the last objective's value.

    Raises:
        SpecError: an order with repetitions, or a negative slack.
        ModelError: infeasible constraints.

    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5)
    >>> lexicographic(m, [0, 1], slack=[0.5, 0.0]).value.round(6).tolist()
    [1.5, 1.5]
    """
    spec = MOSpec(tuple(momdp.objectives or ()))
    numbers = [spec.index(x) for x in (range(spec.k) if order is None else order)]
    if not numbers or len(set(numbers)) < len(numbers):
        raise SpecError(f"order is {order!r}; expected distinct objectives, most important first")
    slacks = (
        np.broadcast_to(np.asarray(slack, dtype=np.float64), (len(numbers),))
        if np.ndim(slack) == 0
        else np.asarray(slack, dtype=np.float64)
    )
    if slacks.shape != (len(numbers),) or not np.all(slacks >= 0):
        raise SpecError(f"slack is {slack!r}; expected a number >= 0, or one per objective in {len(numbers)}")
    bounds = parse_constraints(constraints, momdp.objectives or ())
    pool = make_pool(momdp, until(time_limit))
    meet(pool, bounds)
    for number, allowed in zip(numbers, slacks, strict=True):
        row = np.eye(momdp.k)[number]
        block = Block(row, np.zeros(0), np.zeros((0, 0)), np.zeros((0, momdp.k)), np.zeros(0))
        shares, gap = optimise(pool, block, bounds)
        best = float((shares @ np.array(pool.points[: len(shares)]))[number])
        upper = best + gap
        bounds = Bounds(
            np.vstack([bounds.matrix, row]),
            np.append(bounds.bound, best - allowed),
            (*bounds.text, f"{spec.names[number]}>={best - allowed:g}"),
        )
    return finish(pool, shares, lambda x: x[numbers[-1]], upper)
