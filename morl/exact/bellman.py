"""The value of a policy, by a linear solve: every answer comes with a bound on its floating-point error.

Without discounting a total may not exist. Then the answer is a refusal that names the states in which the
policy collects reward without end, never a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from morl.exact.graph import ends_under_every_policy, reachable_states, strong_classes
from morl.exact.passes import Passes
from morl.exact.policy import HistoryPolicy, Mixture, as_stochastic
from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray, ModelError

_DENSE = 600  # up to this many states a dense factorisation beats a sparse one
_SMALL_CLASS = 100  # strongly connected classes up to this size are factorised as they are
_BATCH = 1 << 22  # floating-point numbers per batch of matrices


@dataclass(frozen=True)
class Value:
    """What a policy earns.

    Args:
        start: expected (discounted) return from the start distribution, ``(K,)``.
        states: expected return from each state, ``(S, K)``; NaN where it does not exist, and for policies
            with memory in states that they do not start from.
        error: bound on the absolute floating-point error of ``start``.
    """

    start: FloatArray
    states: FloatArray
    error: float


def evaluate(momdp: MOMDP, policy: Any) -> Value:
    """Expected return vector of a policy of any kind (see :mod:`morl.exact.policy`).

    Args:
        policy: integers ``(S,)`` or ``(T, S)``, floats ``(rows,)`` or ``(T, rows)``, :class:`Mixture` or
            :class:`HistoryPolicy`.

    Raises:
        ModelError: the policy does not fit the model, or γ = 1 and the policy collects reward without end.

    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5)
    >>> evaluate(m, np.array([1])).start
    array([0., 6.])
    """
    if isinstance(policy, Mixture):
        parts = [evaluate(momdp, part) for part in policy.policies]
        p = policy.probabilities
        return Value(
            np.asarray(sum(w * part.start for w, part in zip(p, parts, strict=True))),
            np.asarray(sum(w * part.states for w, part in zip(p, parts, strict=True))),
            float(sum(w * part.error for w, part in zip(p, parts, strict=True))),
        )
    if isinstance(policy, HistoryPolicy):
        return _evaluate_plan(momdp, policy)
    array = np.asarray(policy)
    if array.ndim == 2:
        return _evaluate_timed(momdp, array)
    probabilities = as_stochastic(momdp, array)
    if momdp.horizon is not None:
        return _evaluate_timed(momdp, np.broadcast_to(probabilities, (momdp.horizon, momdp.n_rows)))
    passes = Passes.of(momdp)
    found = None if passes is None else policy_value(passes, momdp, probabilities)
    states, error, _ = found or chain_value(momdp, *induced_chain(momdp, probabilities))
    used = momdp.start > 0
    if np.isnan(states[used]).any():
        raise ModelError(_endless(momdp, *induced_chain(momdp, probabilities)))
    return Value(momdp.start[used] @ states[used], states, error)


def evaluate_batch(momdp: MOMDP, policies: ArrayLike) -> FloatArray:
    """Start values ``(P, K)`` of many deterministic stationary policies ``(P, S)``.

    Small models are solved as one batch of dense systems for the occupancies; others one by one.

    Raises:
        ModelError: as :func:`evaluate`.
    """
    table = np.asarray(policies)
    if table.ndim != 2 or table.shape[1] != momdp.n_states:
        raise ModelError(f"policies have shape {table.shape}; expected (P, {momdp.n_states})")
    seen = np.flatnonzero(reachable_states(momdp) & ~momdp.terminal)
    batchable = momdp.horizon is None and (momdp.discount < 1 or ends_under_every_policy(momdp))
    if len(seen) > 200 or not batchable:
        rows = [evaluate(momdp, policy).start for policy in table]
        return np.array(rows).reshape(-1, momdp.k)
    values = np.empty((len(table), momdp.k))
    dense = np.asarray(momdp.transitions[:, seen].todense()) * momdp.discount
    eye, start = np.eye(len(seen)), momdp.start[seen]
    step = max(1, _BATCH // max(1, len(seen) ** 2))
    live = np.cumsum(~momdp.terminal)[seen] - 1
    for first in range(0, len(table), step):
        rows_used = np.array([momdp.rows(policy)[live] for policy in table[first : first + step]])
        systems = eye - dense[rows_used].transpose(0, 2, 1)
        visits = np.linalg.solve(systems, np.broadcast_to(start[:, None], (len(rows_used), len(seen), 1)))[..., 0]
        values[first : first + step] = np.einsum("ps,psk->pk", visits, momdp.rewards[rows_used])
    return values


def induced_chain(momdp: MOMDP, probabilities: FloatArray) -> tuple[sparse.csr_array, FloatArray]:
    """Transition matrix ``(S, S)`` and expected rewards ``(S, K)`` of a stochastic policy ``(rows,)``."""
    used = np.flatnonzero(probabilities > 0)
    mix = sparse.csr_array((probabilities[used], (momdp.row_state[used], used)), shape=(momdp.n_states, momdp.n_rows))
    chain = sparse.csr_array(mix @ momdp.transitions)
    chain.eliminate_zeros()
    return chain, np.asarray(mix @ momdp.rewards)


def chain_value(momdp: MOMDP, chain: sparse.csr_array, rewards: FloatArray) -> tuple[FloatArray, float, float]:
    """Values ``(S, K)`` of a chain, a bound on their error and the longest life; NaN where the total does not exist.

    The bound is the residual times the life, the expected (discounted) number of steps, which solves the same system.
    """
    gamma, n = momdp.discount, momdp.n_states
    absorbed, undefined = (np.array(momdp.terminal), np.zeros(n, dtype=bool))
    if gamma == 1.0:
        resting, endless = endless_classes(chain, rewards, momdp.terminal)
        absorbed |= resting
        undefined = _can_reach(chain, endless)
    live = np.flatnonzero(~absorbed & ~undefined)
    values = np.zeros((n, rewards.shape[1]))
    values[undefined] = np.nan
    if not len(live):
        return values, 0.0, 0.0
    inner = sparse.csr_array(chain[live][:, live])
    right = np.column_stack([rewards[live], np.ones(len(live))])
    solved = solve_chain(inner, gamma, right)
    residual = np.abs(right - solved + gamma * (inner @ solved)).max(axis=0)
    values[live] = solved[:, :-1]
    return values, *_bounds(np.abs(rewards[live]).max(axis=0), solved, residual)


def policy_value(passes: Passes, momdp: MOMDP, probabilities: FloatArray) -> tuple[FloatArray, float, float] | None:
    """The same of a stationary policy ``(rows,)`` by one pass; ``None`` where its cycles need :func:`chain_value`."""
    done = passes.evaluate(momdp.rewards, probabilities)
    if done is None:
        return None
    solved, residual = done
    return np.ascontiguousarray(solved[:, :-1]), *_bounds(np.abs(momdp.rewards).max(axis=0), solved, residual)


def _bounds(right: FloatArray, solved: FloatArray, residual: FloatArray) -> tuple[float, float]:
    """Bounds on the error of values and on the longest life, from solutions ``(n, K + 1)`` and what they miss."""
    size = np.fmax.reduce(np.abs(solved), axis=0, initial=0.0)
    life = float(size[-1]) * (1.0 + float(residual[-1]))
    rounding = 4e-16 * (right + 2.0 * size[:-1])
    return float((residual[:-1] + rounding).max()) * max(life, 1.0), life


def solve_chain(chain: sparse.csr_array, gamma: float, right: FloatArray) -> FloatArray:
    """Solve ``(I − γ P) x = right`` for ``right`` ``(n, m)``: dense when small, else iterative or by sparse LU.

    Where a chain never returns to most of what it leaves, states in the order of its strongly connected classes make
    the matrix block triangular, and its factors fill in inside the classes only.
    """
    n = chain.shape[0]
    if n <= _DENSE:
        return np.asarray(np.linalg.solve(np.eye(n) - gamma * chain.todense(), right))
    matrix = sparse.csr_array(sparse.identity(n, format="csr") - gamma * chain)
    count, label = strong_classes(chain)
    if np.bincount(label, minlength=count).max() <= _SMALL_CLASS:
        order = np.argsort(label, kind="stable")
        ordered = sparse.csc_array(matrix[order][:, order])
        factors = sparse_linalg.splu(ordered, permc_spec="NATURAL", diag_pivot_thresh=0.0)
        solved = np.empty_like(right)
        solved[order] = _refined(ordered, factors, right[order])
        return solved
    iterative = [_iterated(matrix, column) for column in right.T]
    if all(x is not None for x in iterative):
        return np.column_stack(iterative)  # type: ignore[arg-type]
    return _refined(matrix, sparse_linalg.splu(sparse.csc_array(matrix)), right)


def _refined(matrix: Any, factors: Any, right: FloatArray) -> FloatArray:
    """A solution by factors, with one step of refinement."""
    x = factors.solve(right)
    return np.asarray(x + factors.solve(right - matrix @ x))


def _iterated(matrix: sparse.csr_array, right: FloatArray) -> FloatArray | None:
    """The solution by BiCGSTAB with refinement; ``None`` where it does not settle."""
    x = np.zeros(len(right))
    size = max(float(np.abs(right).max()), 1e-300)
    inverse_diagonal = 1.0 / matrix.diagonal()
    scaled = sparse_linalg.LinearOperator(matrix.shape, matvec=lambda y: inverse_diagonal * np.ravel(y))
    for _ in range(4):
        residual = right - matrix @ x
        if np.abs(residual).max() <= 1e-13 * size:
            return x
        step, _info = sparse_linalg.bicgstab(matrix, residual, rtol=1e-10, maxiter=400, M=scaled)
        if not np.isfinite(step).all():
            return None
        x = x + step
    return None


def endless_classes(chain: sparse.csr_array, rewards: FloatArray, terminal: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Recurrent states of a chain ``(S, S)``: those in classes without reward, and with reward; masks ``(S,)``."""
    n = chain.shape[0]
    label = strong_classes(chain)[1]
    closed = np.ones(label.max() + 1 if n else 0, dtype=bool)
    coo = chain.tocoo()
    leaving = label[coo.row] != label[coo.col]
    closed[label[coo.row[leaving]]] = False
    closed[label[terminal]] = False
    paying = np.zeros_like(closed)
    paying[label[np.any(rewards != 0, axis=1)]] = True
    return np.asarray(closed[label] & ~paying[label]), np.asarray(closed[label] & paying[label])


def _can_reach(chain: sparse.csr_array, targets: BoolArray) -> BoolArray:
    """States with a path to a target, mask ``(S,)``."""
    backwards = sparse.csr_array(chain.T)
    seen = np.array(targets)
    frontier = np.flatnonzero(seen)
    while len(frontier):
        sources = np.unique(backwards[frontier].indices)
        frontier = sources[~seen[sources]]
        seen[frontier] = True
    return seen


def _endless(momdp: MOMDP, chain: sparse.csr_array, rewards: FloatArray) -> str:
    _, endless = endless_classes(chain, rewards, momdp.terminal)
    reached = np.array(momdp.start > 0)
    frontier = np.flatnonzero(reached)
    while len(frontier):
        targets = np.unique(chain[frontier].indices)
        frontier = targets[~reached[targets]]
        reached[frontier] = True
    where = np.flatnonzero(endless & reached)
    names = ", ".join(momdp.label(int(s)) for s in where[:3]) + (", …" if len(where) > 3 else "")
    return (
        f"with discount 1 this policy collects reward without end (states {names}), so its total does not exist; "
        "give a discount below 1, a horizon, or a policy that ends"
    )


def _evaluate_timed(momdp: MOMDP, table: Any) -> Value:
    """Backward recursion for a policy per decision, ``(T, S)`` or ``(T, rows)``."""
    if momdp.horizon is None:
        raise ModelError(
            f"a policy for {len(table)} decisions needs a model with a horizon; use momdp.with_horizon({len(table)})"
        )
    if len(table) != momdp.horizon:
        raise ModelError(f"policy has {len(table)} decisions; the model's horizon is {momdp.horizon}")
    values = np.zeros((momdp.n_states, momdp.k))
    live = ~momdp.terminal
    previous: Any = None
    same: FloatArray = np.zeros(0)
    for layer in table[::-1]:
        if layer is not previous:
            same, previous = as_stochastic(momdp, layer), layer
        q = same[:, None] * (momdp.rewards + momdp.discount * (momdp.transitions @ values))
        values = np.zeros_like(values)
        if live.any():
            values[live] = np.add.reduceat(q, momdp.row_ptr[:-1][live], axis=0)
    size = float(np.abs(momdp.rewards).max(initial=0.0)) * momdp.horizon
    return Value(momdp.start @ values, values, 4e-16 * momdp.horizon * size)


def _evaluate_plan(momdp: MOMDP, policy: HistoryPolicy) -> Value:
    """Values of the plan's nodes, oldest first, from the model alone (stored values are not used)."""
    plan = policy.plan
    tails = [evaluate(momdp.with_horizon(None), tail).states for tail in plan.tails]
    needed = _nodes_below(policy)
    values = np.zeros((len(plan), momdp.k))
    merged = sparse.csr_array(momdp.transitions, copy=True)
    merged.sum_duplicates()
    for node in needed:
        s = int(plan.state[node])
        if plan.action[node] < 0:
            if plan.tail[node] >= 0:
                values[node] = tails[int(plan.tail[node])][s]
            continue
        row = int(momdp.row_ptr[s] + plan.action[node])
        total = momdp.rewards[row].copy()
        for target, p in zip(*_entries(merged, row), strict=True):
            if p > 0 and not momdp.terminal[target]:
                child = plan.next_node(int(node), int(target))
                total += momdp.discount * p * values[child]
        values[node] = total
    states = np.full((momdp.n_states, momdp.k), np.nan)
    states[momdp.terminal] = 0.0
    for s, node in policy.roots.items():
        states[s] = values[node] if node >= 0 else 0.0
    used = momdp.start > 0
    if np.isnan(states[used]).any():
        raise ModelError("the plan lacks a root for a start state, or its tail collects reward without end")
    size = float(np.abs(values).max(initial=0.0)) + float(np.abs(momdp.rewards).max(initial=0.0))
    return Value(momdp.start[used] @ states[used], states, 4e-16 * size * (2 + len(needed)))


def _entries(matrix: sparse.csr_array, row: int) -> tuple[IntArray, FloatArray]:
    first, last = matrix.indptr[row], matrix.indptr[row + 1]
    return matrix.indices[first:last], matrix.data[first:last]


def _nodes_below(policy: HistoryPolicy) -> list[int]:
    """Nodes that the roots depend on, oldest first."""
    plan = policy.plan
    seen: set[int] = set()
    stack = [node for node in policy.roots.values() if node >= 0]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(int(c) for c in plan.children[plan.ptr[node] : plan.ptr[node + 1]] if c >= 0)
    return sorted(seen)
