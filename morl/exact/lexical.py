"""Objectives in order of importance, with what may be given up of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from morl.exact.columns import Maximum, finish, make_pool, meet, optimise
from morl.exact.deadline import until
from morl.exact.programs import Block, Bounds, Constraint, parse_constraints
from morl.momdp import MOMDP
from morl.spec import MOSpec, SpecError


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
    bounds = parse_constraints(constraints, momdp)
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
