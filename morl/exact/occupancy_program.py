"""The best stochastic policy as one linear program over occupancies: an independent check of column generation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.columns import Maximum, best_mixture
from morl.exact.deterministic.unroll import unroll
from morl.exact.occupancy import Flow, policy_of, stationary
from morl.exact.policy import Mixture
from morl.momdp import MOMDP
from morl.spec import FloatArray, ModelError
from morl.utility import Utility
from morl.utility.constraints import Constraint, parse_constraints
from morl.utility.programs import Block, utility_blocks


def occupancy_lp(momdp: MOMDP, objective: Utility | ArrayLike, constraints: Iterable[Constraint] | str = ()) -> Maximum:
    """The best stochastic policy for a utility of the expected return, as one linear program.

    Args:
        objective: a :class:`~morl.utility.Utility`, or weights ``(K,)``.
        constraints: as for :func:`~morl.exact.columns.maximise`, which scales further.

    Raises:
        ModelError: infeasible constraints, an unbounded total, or more than 3 million copies of states.
    """
    unrolled = None if momdp.horizon is None else unroll(momdp)
    model = momdp if unrolled is None else unrolled.model
    bounds = parse_constraints(constraints, momdp.objectives or ())
    if isinstance(objective, Utility):
        blocks = utility_blocks(objective, momdp.k)
    else:
        gain = np.asarray(objective, dtype=np.float64)
        blocks = [Block(gain, np.zeros(0), np.zeros((0, 0)), np.zeros((0, momdp.k)), np.zeros(0))]
    flow = Flow(model)
    solved = [_block_program(flow, block, bounds.matrix, bounds.bound) for block in blocks]
    visits, score = max(solved, key=lambda pair: pair[1])
    value = visits @ flow.rewards
    policy = policy_of(model, flow.rows, visits[: len(flow.rows)])
    if unrolled is not None:
        policy = unrolled.timed_stochastic(momdp, policy)
    utility_of = objective if isinstance(objective, Utility) else blocks[0].gain.dot
    utility = float(utility_of(value))
    same = stationary(momdp, policy, value)
    mixture = Mixture([policy], [1.0])
    if same is None:
        mixture = best_mixture(momdp, blocks, constraints, utility_of).mixture
    return Maximum(mixture, same, value, utility, max(score - utility, 0.0), len(blocks))


def _block_program(flow: Flow, block: Any, matrix: FloatArray, bound: FloatArray) -> tuple[FloatArray, float]:
    """Maximise one block over flows: visits ``(columns,)`` and the optimum."""
    from scipy.optimize import linprog  # slow to import

    y, n = len(block.cost), flow.matrix.shape[1]
    upper = sparse.csr_array(
        np.vstack(
            [
                np.hstack([block.on_x @ flow.rewards.T, block.on_y]),
                np.hstack([-matrix @ flow.rewards.T, np.zeros((len(bound), y))]),
            ]
        )
    )
    limit = np.concatenate([block.bound, -bound])
    result = linprog(
        -np.concatenate([flow.rewards @ block.gain, block.cost]),
        A_ub=upper if len(limit) else None,
        b_ub=limit if len(limit) else None,
        A_eq=sparse.hstack([flow.matrix, sparse.csr_array((len(flow.start), y))]),
        b_eq=flow.start,
        bounds=[(0, None)] * n + [(None, None)] * y,
        method="highs",
    )
    if result.status == 3:
        raise ModelError("with discount 1 the utility grows without bound; give a discount below 1 or a horizon")
    if result.status != 0:
        raise ModelError(f"occupancy program: HiGHS stopped with {result.message!r}; maximise() explains infeasibility")
    return np.asarray(result.x[:n]), block.constant - float(result.fun)
