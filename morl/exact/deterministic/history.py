"""Set-valued (Pareto) value iteration: the front of deterministic policies with memory.

White (1982): the set of values of a state is the non-dominated part of the union, over its actions, of the
reward plus the discounted sum of one value per successor. Choosing the successor's value freely, anew at
every visit, is what memory buys; the class contains every deterministic policy.

Every set holds *real* values only: iteration starts from the values of real stationary policies and each
new vector carries the plan that earns it. Vectors that a kept one covers up to δ are dropped, so the error
at the start is at most δ times the largest expected (discounted) number of decisions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from morl.exact.deterministic.minkowski import cover, new_points, sum_sets
from morl.exact.deterministic.plans import PlanBuilder
from morl.exact.deterministic.tolerant import RELATIVE, tolerance, tolerant_front
from morl.exact.graph import (
    end_components,
    longest_mean_life,
    proper_policy,
    reachable_states,
    refuse_unbounded,
    resting_states,
)
from morl.exact.oracle import best_policy
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import BoolArray, FloatArray, IntArray, ModelError

LARGEST_BACKUP = 3e7
"""Sums of sets with more pairs than this are refused: several seconds of work each."""
PATIENCE = 600.0
"""Seconds after which an iteration without a time limit of its own returns its certified answer so far."""
_LARGEST_SET = 200_000
_THIN = 64


class Timeout(Exception):
    """The time limit has passed."""


@dataclass
class Sets:
    """What is known while the sets grow.

    Args:
        values: per state ``(m, K)`` real values; ``nodes``: the plan behind each.
        bound: ``(S,)`` no achievable value exceeds some known value of its state by more than this.
        drop: δ ``(K,)``: vectors covered up to this are dropped.
    """

    momdp: MOMDP
    matrix: sparse.csr_array
    plans: PlanBuilder
    drop: FloatArray
    deadline: float
    values: list[FloatArray] = field(default_factory=list)
    nodes: list[IntArray] = field(default_factory=list)
    bound: FloatArray = field(default_factory=lambda: np.zeros(0))

    def check(self) -> None:
        """Raise :class:`Timeout` once time is up."""
        if time.perf_counter() > self.deadline:
            raise Timeout

    def successors(self, row: int) -> tuple[IntArray, FloatArray]:
        """Distinct successors of a row and their probabilities, zero probabilities left out."""
        first, last = self.matrix.indptr[row], self.matrix.indptr[row + 1]
        positive = self.matrix.data[first:last] > 0
        return (
            self.matrix.indices[first:last][positive].astype(np.int64),
            self.matrix.data[first:last][positive],
        )


def pareto_history(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
    """The front of policies with memory; see :func:`~morl.exact.deterministic.pareto.pareto_deterministic`.

    Exact where the sets stop changing (always with a horizon; on deterministic models as soon as longer paths
    stop paying), and within ``epsilon`` otherwise.
    """
    began = time.perf_counter()
    matrix = sparse.csr_array(momdp.transitions, copy=True)
    matrix.sum_duplicates()
    deadline = began + (PATIENCE if time_limit is None else time_limit)
    rounding = RELATIVE * np.maximum(np.abs(momdp.rewards).max(axis=0, initial=0.0), 1e-300)
    life = longest_mean_life(momdp)
    longest = float(life[reachable_states(momdp)].max(initial=0.0))
    if epsilon > 0 and not np.isfinite(longest):
        raise ModelError(
            "epsilon > 0 with discount 1 needs a model that ends under every policy, or errors add up without "
            "bound; give epsilon=0, a discount below 1 or a horizon"
        )
    drop = np.maximum(rounding, epsilon / max(longest, 1.0)) if epsilon > 0 else rounding
    sets = Sets(momdp, matrix, PlanBuilder(), drop, deadline)
    if momdp.horizon is not None:
        error, finished = _with_horizon(sets)
    else:
        error, finished = _without_horizon(sets, epsilon)
    return _front(sets, error, finished, time.perf_counter() - began, longest)


# ---- one backup ----------------------------------------------------------------------------------------


def backup(
    sets: Sets, state: int, values: list[FloatArray], nodes: list[IntArray], known: FloatArray
) -> tuple[FloatArray, IntArray]:
    """New values of a state and their plans, given its successors' sets: those that ``known`` does not cover."""
    momdp = sets.momdp
    found: list[FloatArray] = []
    choices: list[tuple[int, IntArray, IntArray]] = []
    for action, row in enumerate(range(momdp.row_ptr[state], momdp.row_ptr[state + 1])):
        targets, probabilities = sets.successors(row)
        result = _row_sums(sets, row, targets, probabilities, values)
        if result is None:
            continue
        vectors, picks = result
        fresh = new_points(vectors, known, sets.drop)
        found.append(vectors[fresh])
        live = ~momdp.terminal[targets]
        children = np.full((len(fresh), len(targets)), -1, dtype=np.int64)
        for column, target, pick in zip(np.flatnonzero(live), targets[live], picks, strict=True):
            children[:, column] = nodes[target][pick[fresh]]
        choices.append((action, targets, children))
    if not found:
        return np.zeros((0, momdp.k)), np.zeros(0, dtype=np.int64)
    joined = np.concatenate(found)
    owner = np.repeat(np.arange(len(found)), [len(x) for x in found])
    offset = np.concatenate([[0], np.cumsum([len(x) for x in found])])
    keep = cover(joined, sets.drop)
    numbers = np.empty(len(keep), dtype=np.int64)
    for i, (action, targets, children) in enumerate(choices):
        mine = owner[keep] == i
        if mine.any():
            numbers[mine] = sets.plans.add(state, action, targets, children[keep[mine] - offset[i]])
    return joined[keep], numbers


def _row_sums(
    sets: Sets, row: int, targets: IntArray, probabilities: FloatArray, values: list[FloatArray]
) -> tuple[FloatArray, list[IntArray]] | None:
    """Covered sums of a row: values and, per live successor, which of its values is used. ``None`` if empty."""
    momdp = sets.momdp
    total = momdp.rewards[row][None].copy()
    picks: list[IntArray] = []
    live = [(t, p) for t, p in zip(targets.tolist(), probabilities.tolist(), strict=True) if not momdp.terminal[t]]
    if any(not len(values[t]) for t, _ in live):
        return None
    slack = sets.drop * (0.0 if not len(live) > 1 else 0.5 / len(live))
    for target, p in live:
        pairs = float(len(total)) * len(values[target])
        if pairs > LARGEST_BACKUP:
            s = int(np.searchsorted(momdp.row_ptr, row, side="right")) - 1
            raise ModelError(
                f"state {momdp.label(s)}, action {row - int(momdp.row_ptr[s])}: a sum of sets of {len(total)} and "
                f"{len(values[target])} values has {pairs:.2g} pairs, and later ones more; give epsilon "
                "(sets then have about (range / epsilon)^(K-1) values), a shorter horizon or a time_limit"
            )
        total, i, j = sum_sets(total, momdp.discount * p * values[target], slack, check=sets.check)
        picks = [pick[i] for pick in picks] + [j]
    return total, picks


# ---- with a horizon ------------------------------------------------------------------------------------


def _with_horizon(sets: Sets) -> tuple[float, bool]:
    """Backward over the decisions; sets that cannot change any more are shared between layers."""
    momdp, horizon = sets.momdp, sets.momdp.horizon or 0
    layers = _layers(momdp, horizon)
    empty = np.zeros((0, momdp.k)), np.zeros(0, dtype=np.int64)
    values = [np.zeros((1, momdp.k)) for _ in range(momdp.n_states)]
    nodes = [np.array([sets.plans.leaf(s)]) for s in range(momdp.n_states)]
    version = list(range(momdp.n_states))
    older: list[int] | None = None
    counter, late = momdp.n_states, False
    bound = np.zeros(momdp.n_states)
    for t in reversed(range(horizon)):
        late = late or time.perf_counter() > sets.deadline
        new_values, new_nodes, new_version = list(values), list(nodes), list(version)
        new_bound = np.zeros(momdp.n_states)
        for s in np.flatnonzero(layers[t]):
            same = older is not None and all(
                version[x] == older[x] for x in _targets(sets, int(s)) if not momdp.terminal[x]
            )
            if same and version[s] >= momdp.n_states and sets.plans.ended(nodes[s]):
                new_bound[s] = _next_bound(sets, int(s), bound)
                continue
            got, numbers, loss = _layer_backup(sets, int(s), values, nodes, empty[0], late)
            new_values[s], new_nodes[s], new_version[s] = got, numbers, counter
            counter += 1
            new_bound[s] = loss + _next_bound(sets, int(s), bound)
        older, values, nodes, version, bound = version, new_values, new_nodes, new_version, new_bound
    sets.values, sets.nodes, sets.bound = values, nodes, bound
    return float(bound[(momdp.start > 0) & ~momdp.terminal].max(initial=0.0)), not late


def _layer_backup(
    sets: Sets, s: int, values: list[FloatArray], nodes: list[IntArray], known: FloatArray, late: bool
) -> tuple[FloatArray, IntArray, float]:
    """One backup; once time is up, on thinned successors, with the loss that the thinning adds."""
    loss = float(sets.drop.max())
    if not late:
        try:
            return *backup(sets, s, values, nodes, known), loss
        except Timeout:
            pass
    thin_values, thin_nodes = dict[int, FloatArray](), dict[int, IntArray]()
    extra = 0.0
    for x in _targets(sets, s):
        thin_values[x], thin_nodes[x], lost = _thinned(values[x], nodes[x], _THIN if late else 16)
        extra = max(extra, lost)
    deadline, sets.deadline = sets.deadline, np.inf
    got, numbers = backup(sets, s, _View(thin_values), _View(thin_nodes), known)  # type: ignore[arg-type]
    sets.deadline = deadline
    return got, numbers, loss + sets.momdp.discount * extra


class _View(dict[int, Any]):
    """Sets of some states, indexed like a list of all."""


def _thinned(values: FloatArray, nodes: IntArray, size: int) -> tuple[FloatArray, IntArray, float]:
    """At most ``size`` of the values, and the δ up to which they cover the others."""
    if len(values) <= size:
        return values, nodes, 0.0
    slack = float(np.ptp(values, axis=0).max()) / size
    while True:
        keep = cover(values, np.full(values.shape[1], slack))
        if len(keep) <= size:
            return values[keep], nodes[keep], slack
        slack *= 1.5


def _layers(momdp: MOMDP, horizon: int) -> list[BoolArray]:
    """States that can be reached at each decision, terminal ones left out."""
    now = (momdp.start > 0) & ~momdp.terminal
    layers = []
    graph = momdp.transitions.copy()
    graph.eliminate_zeros()
    for _ in range(horizon):
        layers.append(now)
        rows = now[momdp.row_state]
        nxt = np.zeros(momdp.n_states, dtype=bool)
        nxt[graph[np.flatnonzero(rows)].indices] = True
        now = nxt & ~momdp.terminal
    return layers


def _targets(sets: Sets, s: int) -> list[int]:
    rows = range(sets.momdp.row_ptr[s], sets.momdp.row_ptr[s + 1])
    return sorted({int(t) for row in rows for t in sets.successors(row)[0]})


def _next_bound(sets: Sets, s: int, bound: FloatArray) -> float:
    """max over actions of γ Σ p · bound(successor)."""
    momdp = sets.momdp
    best = 0.0
    for row in range(momdp.row_ptr[s], momdp.row_ptr[s + 1]):
        targets, p = sets.successors(row)
        live = ~momdp.terminal[targets]
        if live.any():
            best = max(best, momdp.discount * float(p[live] @ bound[targets[live]]))
    return best


# ---- without ------------------------------------------------------------------------------------------


def _without_horizon(sets: Sets, epsilon: float) -> tuple[float, bool]:
    """Sweep until no set changes, or the certified bound at the start is at most ``epsilon``."""
    momdp = sets.momdp
    _begin(sets)
    order = _backward_order(momdp)
    first = (momdp.start > 0) & ~momdp.terminal
    targets = {s: [t for t in _targets(sets, s) if not momdp.terminal[t]] for s in order}
    changed = set(order)
    loss = float(sets.drop.max())
    goal = max(epsilon, 0.0)
    try:
        while True:
            touched: set[int] = set()
            for s in order:
                sets.check()
                if ((changed | touched).intersection(targets[s]) or s in changed) and _grow(sets, s):
                    touched.add(s)
                sets.bound[s] = min(sets.bound[s], loss + _next_bound(sets, s, sets.bound))
            changed = touched
            if not changed:
                return _settled(sets, loss), True
            if epsilon > 0 and float(sets.bound[first].max(initial=0.0)) <= goal:
                return float(sets.bound[first].max(initial=0.0)), True
    except Timeout:
        return float(sets.bound[first].max(initial=0.0)), False


def _grow(sets: Sets, s: int) -> bool:
    """Add a state's new values; true where there are any."""
    known = sets.values[s]
    got, numbers = backup(sets, s, sets.values, sets.nodes, known)
    if not len(got):
        return False
    # Known values do not dominate each other, so what falls here falls to a new one (or to its equal up to rounding).
    rounding = 1e-4 * sets.drop * (sets.drop < 1e-9)
    keep = nondominated_mask(np.concatenate([got + rounding, known]))[len(got) :]
    sets.values[s] = np.concatenate([known[keep], got])
    sets.nodes[s] = np.concatenate([sets.nodes[s][keep], numbers])
    if len(sets.values[s]) > _LARGEST_SET:
        raise ModelError(
            f"state {sets.momdp.label(s)} has more than {_LARGEST_SET} non-dominated values and the sets still grow; "
            "give epsilon, a horizon or a time_limit"
        )
    return True


def _settled(sets: Sets, loss: float) -> float:
    """The error once no set changes: δ at each of the longest expected number of decisions.

    With γ = 1 and policies that may never end, every plan that ends is covered; what is lost is rounding.
    """
    momdp = sets.momdp
    life = longest_mean_life(momdp)
    first = (momdp.start > 0) & ~momdp.terminal
    longest = float(life[first].max(initial=0.0))
    return loss * longest if np.isfinite(longest) else loss * momdp.n_states


def _begin(sets: Sets) -> None:
    """Real values to begin with, and a bound on what they may miss."""
    momdp = sets.momdp
    k, n = momdp.k, momdp.n_states
    sets.values = [np.zeros((0, k)) for _ in range(n)]
    sets.nodes = [np.zeros(0, dtype=np.int64) for _ in range(n)]
    sets.bound = np.where(momdp.terminal, 0.0, np.inf)
    seen = np.flatnonzero(reachable_states(momdp) & ~momdp.terminal)
    parts = end_components(momdp) if momdp.discount == 1.0 else None
    endless = parts is not None and parts.count > 0
    if parts is not None and endless:
        refuse_unbounded(momdp, parts)
        policy, sure = proper_policy(momdp)
        tails, tables = [policy], [_values_where(momdp, policy, sure)]
    else:
        pairs = [best_policy(momdp, row) for row in np.eye(k)]
        tails, tables = [p for p, _ in pairs], [v.states for _, v in pairs]
        best = np.column_stack([tables[i][:, i] for i in range(k)])
        gaps = np.array([(best - table).max(axis=1) for table in tables])
        sets.bound = np.where(momdp.terminal, 0.0, gaps.min(axis=0) + sets.drop.max())
    sets.plans.tails = tuple(tails)
    resting = resting_states(momdp)[0] if endless else np.zeros(n, dtype=bool)
    for s in seen:
        options = [(table[s], i) for i, table in enumerate(tables) if np.isfinite(table[s]).all()]
        if resting[s]:
            options = [(np.zeros(k), 0)]
        if options:
            table = np.array([x for x, _ in options])
            keep = cover(table, sets.drop)
            sets.values[s] = table[keep]
            sets.nodes[s] = np.array([sets.plans.leaf(int(s), options[i][1]) for i in keep])


def _values_where(momdp: MOMDP, policy: IntArray, sure: BoolArray) -> FloatArray:
    """Values of a policy, NaN where it does not surely end."""
    from morl.exact.bellman import chain_value, induced_chain
    from morl.exact.policy import as_stochastic

    chain, rewards = induced_chain(momdp, as_stochastic(momdp, policy))
    values, _, _ = chain_value(momdp, chain, rewards)
    return np.where(sure[:, None], values, np.nan)


def _backward_order(momdp: MOMDP) -> list[int]:
    """Live reachable states, those nearest to an end (or seen last) first: sweeps then settle quickly."""
    from scipy.sparse.csgraph import breadth_first_order

    from morl.exact.graph import state_graph

    seen = reachable_states(momdp) & ~momdp.terminal
    graph = state_graph(momdp)
    depth = np.full(momdp.n_states, -1, dtype=np.int64)
    position = 0
    for s in np.flatnonzero(momdp.start > 0):
        for x in breadth_first_order(graph, int(s), return_predecessors=False):
            if depth[x] < 0:
                depth[x] = position
                position += 1
    live = np.flatnonzero(seen)
    return [int(s) for s in live[np.argsort(-depth[live], kind="stable")]]


# ---- the answer ----------------------------------------------------------------------------------------


def _front(sets: Sets, error: float, finished: bool, seconds: float, longest: float) -> Front:
    """Join the sets of the start states, and name what is behind each point."""
    momdp = sets.momdp
    total = np.zeros((1, momdp.k))
    picks: list[IntArray] = []
    starts = [int(s) for s in np.flatnonzero(momdp.start > 0)]
    live = [s for s in starts if not momdp.terminal[s]]
    for s in live:
        if not len(sets.values[s]):
            raise ModelError(
                f"with discount 1 no policy's total is finite from state {momdp.label(s)}: every one collects reward "
                "for ever; give a discount below 1 or a horizon"
            )
        total, i, j = sum_sets(total, float(momdp.start[s]) * sets.values[s], sets.drop * 0.0)
        picks = [pick[i] for pick in picks] + [j]
    keep = tolerant_front(total, np.maximum(tolerance(total), sets.drop * (sets.drop < 1e-9)))
    roots = [
        {
            **{s: -1 for s in starts if momdp.terminal[s]},
            **{s: int(sets.nodes[s][p[i]]) for s, p in zip(live, picks, strict=True)},
        }
        for i in keep
    ]
    policies = sets.plans.policies(roots)
    return Front(
        total[keep],
        momdp.objectives,
        discount=momdp.discount,
        policies=policies,
        epsilon=error if np.isfinite(error) else None,
        complete=finished,
        provenance={
            "algorithm": "Pareto value iteration",
            "policy_class": "history-dependent deterministic",
            "criterion": "SER",
            "horizon": momdp.horizon,
            "nodes": len(sets.plans),
            "seconds": seconds,
        },
    )
