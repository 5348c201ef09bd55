"""The best policy for one weight vector, and models made ready for that, whatever their horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from morl.exact.coverage.backward import Backward
from morl.exact.coverage.policy_iteration import PolicyIteration, longest_life
from morl.exact.coverage.prepared import Prepared, reachable, reduce_model
from morl.exact.coverage.proper import Proper
from morl.exact.coverage.solver import WeightSolver
from morl.exact.deadline import until
from morl.exact.oracle import Oracle
from morl.momdp import MOMDP
from morl.spec import FloatArray, ModelError, SpecError, check_vector


@dataclass(frozen=True)
class WeightSolution:
    """The best policy for a weight vector.

    Args:
        policy: action numbers ``(S,)``, or ``(T, S)`` for a model with a horizon.
        value: start value of the policy, ``(K,)``.
        lower, upper: the optimum of ``w · value`` lies between; ``w · value`` too, up to ``error``.
        error: bound on the error of ``value`` in any objective.
    """

    policy: np.ndarray
    value: FloatArray
    lower: float
    upper: float
    error: float


def check_weight(w: ArrayLike, momdp: MOMDP) -> FloatArray:
    """A finite, non-negative, non-zero weight vector of length K.

    Raises:
        SpecError: anything else.
    """
    weight = check_vector(w, momdp.k, "weight", [o.name for o in momdp.objectives or ()])
    if np.any(weight < 0) or not weight.sum() > 0:
        raise SpecError(f"weight is {weight.tolist()}; expected non-negative numbers with a positive sum")
    return weight


def solve_weight(
    momdp: MOMDP, w: ArrayLike, *, precision: float | None = None, time_limit: float | None = None
) -> WeightSolution:
    """The best policy for the weights ``w (K,)``, with bounds on the optimum of ``w · value``.

    Args:
        precision: difference between the bounds to reach, in units of ``w · value``; ``None`` reaches the
            floor of floating-point arithmetic (about 1e-12 of the largest value).
        time_limit: seconds; out of time, the bounds are wider and still valid.

    Raises:
        SpecError: weights that are negative, all zero or of the wrong length.
        ModelError: γ = 1, no horizon, and an objective is unbounded or no policy comes to an end.

    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5)
    >>> best = solve_weight(m, [0.5, 0.5])
    >>> best.policy.tolist(), best.value.round(9).tolist(), round(best.upper, 9)
    ([1], [0.0, 6.0], 3.0)
    """
    weight = check_weight(w, momdp)
    scale = float(weight.sum())
    prepared = prepare(momdp)
    deadline = until(time_limit)
    gap = 0.0 if precision is None else float(precision) / scale
    solver = make_solver(prepared, 1)
    if not solver.anytime:
        deadline = math.inf  # there is nothing to show before it is done
    solved = solver.solve((weight / scale)[None, :], [()], gap, 1e-3 * gap, deadline)[0]
    policy = solver.policy(solved.rows)
    lower = float(weight @ solved.point) - scale * solved.error
    return WeightSolution(policy, solved.point, lower, max(scale * solved.upper, lower), solved.error)


def make_solver(prepared: Prepared, batch: int) -> WeightSolver:
    """The solver for the model's kind of horizon, for up to ``batch`` weights at once."""
    if prepared.oracle is not None:
        return Proper(prepared)
    return PolicyIteration(prepared, batch) if prepared.horizon is None else Backward(prepared, batch)


def prepare(momdp: MOMDP) -> Prepared:
    """Reduce a model and find the constants of its error bounds.

    Raises:
        ModelError: γ = 1, no horizon, and totals do not exist; or the model is too large for 32-bit numbers.
    """
    if momdp.n_rows >= 2**31 - 1:
        raise ModelError(f"model has {momdp.n_rows} rows; expected fewer than 2^31")
    if momdp.discount < 1.0 or momdp.horizon is not None:
        return reduce_model(momdp, reachable(momdp))
    oracle = Oracle(momdp)
    ending = oracle.ending
    assert ending is not None
    base = replace(reduce_model(ending.model, np.ones(ending.model.n_states, dtype=bool)), ending=ending)
    if ending.always:
        return _with_life(base)
    life = max(oracle.begin().life, 1.0)
    return replace(base, oracle=oracle, life=life, tail=life - 1.0)


def _with_life(base: Prepared) -> Prepared:
    """γ = 1 with every policy ending: find the life function by maximising the expected number of decisions."""
    if not base.live.any():
        return replace(base, life=1.0, tail=0.0)
    life = longest_life(replace(base, rewards=np.ones((len(base.rewards), 1)), life=float(base.n), tail=float(base.n)))
    start = base.start_states[base.live[base.start_states]]
    weight = base.start[base.live[base.start_states]]
    return replace(base, life=float(life.max()), tail=float(weight @ (life[start] - 1.0)))
