"""Every stationary deterministic policy, evaluated by sharing eliminations.

The policies form a tree: choose the action of one state, eliminate the state, go on. Policies that agree on
the first choices share that work, so a policy costs O(K) arithmetic on average instead of O(S³), and the
innermost loops run over batches of partial policies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from morl.exact.deterministic.condensed import Condensed, condense, eliminate
from morl.exact.deterministic.tolerant import tolerance, tolerant_front
from morl.exact.graph import reachable_states
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray, ModelError

_BLOCK = 1 << 19  # floating-point numbers per batch: stays in the cache
LIMIT = 2e8


def enumerate_policies(momdp: MOMDP, *, limit: float = LIMIT) -> Front:
    """The Pareto front of all stationary deterministic policies, with the policy behind each point.

    With γ = 1 policies whose total is minus infinity are left out (their number is in the provenance).

    Raises:
        ModelError: more than ``limit`` policies (with the number); or γ = 1 and some policy's total is plus
            infinity or has no limit, or no policy's total is finite.
    """
    began = time.perf_counter()
    if momdp.horizon is not None:
        return _enumerate_with_horizon(momdp, min(limit, 1e6))
    model = condense(momdp)
    _check_size(model, limit)
    points, codes, total, excluded = _sweep(model)
    if excluded == total:
        raise ModelError(
            "with discount 1 every stationary deterministic policy collects negative reward without end; "
            "give a discount below 1 or a horizon"
        )
    facts = {"policies": total, "endless_policies": excluded}
    return _front(momdp, points, codes, lambda code: decode(momdp, model, code), began, facts)


def _front(
    momdp: MOMDP,
    points: FloatArray,
    codes: IntArray,
    policy_of: Callable[[int], IntArray],
    began: float,
    facts: dict[str, Any],
) -> Front:
    """Points ``(n, K)`` that none dominates, with the policies that their codes stand for."""
    slack = tolerance(points, momdp.rewards)
    keep = tolerant_front(points, slack)
    return Front(
        points[keep],
        momdp.objectives,
        discount=momdp.discount,
        policies=[policy_of(int(code)) for code in codes[keep]],
        epsilon=float(slack.max(initial=0.0)),
        complete=True,
        provenance={
            "algorithm": "enumeration",
            "policy_class": "stationary deterministic",
            "criterion": "SER",
            **facts,
            "seconds": time.perf_counter() - began,
        },
    )


def policy_values(momdp: MOMDP, *, limit: float = 1e7) -> FloatArray:
    """Start values ``(P, K)`` of all stationary deterministic policies over the reachable states.

    With γ = 1, rows of policies whose total is minus infinity are left out.

    Raises:
        ModelError: as :func:`enumerate_policies`.
    """
    model = condense(momdp)
    _check_size(model, limit)
    blocks = [values[:, finite].T for values, _, finite in policy_blocks(model)]
    return np.concatenate(blocks) if blocks else np.zeros((0, momdp.k))


def decode(momdp: MOMDP, model: Condensed, code: int) -> IntArray:
    """The policy ``(S,)`` with a number; unreachable and terminal states get action 0."""
    policy = np.zeros(momdp.n_states, dtype=np.int64)
    for state, count in zip(model.states, model.actions, strict=True):
        code, policy[state] = divmod(code, int(count))
    return policy


def policy_blocks(model: Condensed) -> Iterator[tuple[FloatArray, IntArray, np.ndarray]]:
    """Yield ``(values (K, B), policy numbers (B,), finite (B,))`` until all policies have been seen."""
    strides: IntArray = np.concatenate([[1], np.cumprod(model.actions.astype(np.int64))[:-1]]).astype(np.int64)
    stack = [(0, model.table[:, :, None], np.zeros(1, dtype=np.int64))]
    while stack:
        depth, table, codes = stack.pop()
        if depth == len(model.actions):
            yield _read(model, table[-1], codes)
            continue
        count = int(model.actions[depth])
        size = (table.shape[0] - count) * (table.shape[1] - 1)
        room = max(1, _BLOCK // max(1, size * count))
        if table.shape[2] > room:
            for first in range(0, table.shape[2], room):
                part = slice(first, first + room)
                stack.append((depth, np.ascontiguousarray(table[:, :, part]), codes[part]))
            continue
        parts = [eliminate(table, 0, count, a, model.sinks, model.k) for a in range(count)]
        joined = parts[0] if count == 1 else np.concatenate(parts, axis=2)
        numbers = np.concatenate([codes + a * int(strides[depth]) for a in range(count)])
        stack.append((depth + 1, joined, numbers))


def _read(model: Condensed, start: FloatArray, codes: IntArray) -> tuple[FloatArray, IntArray, np.ndarray]:
    values = start[model.sinks : model.sinks + model.k]
    if not model.endless:
        return values, codes, np.ones(len(codes), dtype=bool)
    if (start[2] > 0).any():
        raise ModelError(
            "with discount 1 some policy collects positive reward without end, so an objective is unbounded; "
            "give a discount below 1 or a horizon"
        )
    if (start[3] > 0).any():
        raise ModelError(
            "with discount 1 some policy collects rewards without end whose total has no limit; "
            "give a discount below 1 or a horizon"
        )
    return values, codes, start[1] == 0


def _check_size(model: Condensed, limit: float) -> None:
    if model.n_policies > limit:
        seconds = model.n_policies * 3e-8 * model.k
        raise ModelError(
            f"{model.n_policies:.3g} stationary deterministic policies, about {seconds:.2g} s; "
            f"more than {limit:.3g} are refused (raise limit, or use pareto_deterministic)"
        )


def _sweep(model: Condensed) -> tuple[FloatArray, IntArray, int, int]:
    """Candidates for the front ``(n, K)``, their numbers, and how many policies there are and are endless."""
    points, codes = np.zeros((0, model.k)), np.zeros(0, dtype=np.int64)
    waiting: list[tuple[FloatArray, IntArray]] = []
    waited = total = excluded = 0
    for values, numbers, finite in policy_blocks(model):
        total += len(numbers)
        excluded += int((~finite).sum())
        block, number = values[:, finite].T, numbers[finite]
        best = _candidates(block)
        waiting.append((block[best], number[best]))
        waited += len(best)
        if waited > 4096:
            points, codes, waited = *_merge(points, codes, waiting), 0
            waiting = []
    points, codes = _merge(points, codes, waiting)
    return points, codes, total, excluded


def _candidates(block: FloatArray) -> IntArray:
    """Indices of a superset of the true front of a block: exact dominance on the computed numbers."""
    if not len(block):
        return np.zeros(0, dtype=np.int64)
    alive = np.arange(len(block))
    for w in np.vstack([np.eye(block.shape[1]), np.full((1, block.shape[1]), 1.0)]):
        scale = np.ptp(block, axis=0) + 1e-300
        best = block[alive[int(np.argmax((block[alive] / scale) @ w))]]
        alive = alive[~((block[alive] <= best).all(axis=1) & (block[alive] < best).any(axis=1))]
    return np.asarray(alive[nondominated_mask(block[alive])])


def _merge(
    points: FloatArray, codes: IntArray, waiting: list[tuple[FloatArray, IntArray]]
) -> tuple[FloatArray, IntArray]:
    all_points = np.concatenate([points, *[p for p, _ in waiting]])
    all_codes = np.concatenate([codes, *[c for _, c in waiting]])
    keep = nondominated_mask(all_points)
    return all_points[keep], all_codes[keep]


def _enumerate_with_horizon(momdp: MOMDP, limit: float) -> Front:
    """Stationary policies of a model with a horizon: backward recursion for batches of policies."""
    began = time.perf_counter()
    states = np.flatnonzero(reachable_states(momdp) & ~momdp.terminal)
    counts = momdp.n_actions[states]
    total = float(np.prod(counts.astype(np.float64)))
    work = total * (momdp.horizon or 0) * len(states) ** 2 * momdp.k
    if total > limit or work > 1e12:
        raise ModelError(
            f"{total:.3g} stationary deterministic policies over {momdp.horizon} decisions, about {work * 2e-9:.2g} s; "
            f"more than {limit:.3g} policies or 2000 s are refused (ask for policies='markov' or 'history')"
        )
    dense = momdp.discount * momdp.transitions[:, states].toarray()
    step = max(1, _BLOCK // max(1, len(states) * (len(states) + momdp.k)))
    strides = np.concatenate([[1], np.cumprod(counts)[:-1]]).astype(np.int64)
    points, codes = np.zeros((0, momdp.k)), np.zeros(0, dtype=np.int64)
    for first in range(0, int(total), step):
        numbers = np.arange(first, min(first + step, int(total)))
        rows = momdp.row_ptr[states] + (numbers[:, None] // strides) % counts
        values = np.zeros((len(numbers), len(states), momdp.k))
        for _ in range(momdp.horizon or 0):
            values = momdp.rewards[rows] + dense[rows] @ values
        block = np.einsum("s,bsk->bk", momdp.start[states], values)
        best = _candidates(block)
        points, codes = _merge(points, codes, [(block[best], numbers[best])])

    def policy_of(code: int) -> IntArray:
        policy = np.zeros(momdp.n_states, dtype=np.int64)
        policy[states] = (code // strides) % counts
        return policy

    return _front(momdp, points, codes, policy_of, began, {"policies": int(total), "horizon": momdp.horizon})
