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

import numpy as np
from scipy import sparse

from morl.exact.deadline import OutOfTime, check
from morl.exact.deterministic.minkowski import cover, sum_sets
from morl.exact.deterministic.plans import PlanBuilder
from morl.exact.deterministic.tolerant import RELATIVE, tolerance, tolerant_front
from morl.exact.deterministic.value_sets import Sets, backup, layer_backup, next_bound, targets_of
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

PATIENCE = 600.0
"""Seconds after which an iteration without a time limit of its own returns its certified answer so far."""
_GRACE = 10.0
"""Seconds in which a small model is solved with thinned sets, however short its time limit."""
_LARGEST_SET = 200_000


def pareto_history(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
    """The front of policies with memory; see :func:`~morl.exact.deterministic.pareto.pareto_deterministic`.

    Exact where the sets stop changing (always with a horizon; on deterministic models as soon as longer paths
    stop paying), and within ``epsilon`` otherwise.

    Raises:
        OutOfTime: the time limit passed before there was a policy to show. With a horizon that is when the first
            decision is not reached within twice the limit, going on with thinned sets.
        ModelError: a total does not exist, or sets grow too large.
    """
    began = time.monotonic()
    matrix = sparse.csr_array(momdp.transitions, copy=True)
    matrix.sum_duplicates()
    limit = PATIENCE if time_limit is None else time_limit
    rounding = RELATIVE * np.maximum(np.abs(momdp.rewards).max(axis=0, initial=0.0), 1e-300)
    life = longest_mean_life(momdp)
    longest = float(life[reachable_states(momdp)].max(initial=0.0))
    if epsilon > 0 and not np.isfinite(longest):
        raise ModelError(
            "epsilon > 0 with discount 1 needs a model that ends under every policy, or errors add up without "
            "bound; give epsilon=0, a discount below 1 or a horizon"
        )
    drop = np.maximum(rounding, epsilon / max(longest, 1.0)) if epsilon > 0 else rounding
    sets = Sets(momdp, matrix, PlanBuilder(), drop, began + limit, began + 2.0 * limit + _GRACE)
    if momdp.horizon is not None:
        error, finished = _with_horizon(sets)
    else:
        error, finished = _without_horizon(sets, epsilon)
    return _front(sets, error, finished, time.monotonic() - began)


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
        late = late or time.monotonic() > sets.deadline
        new_values, new_nodes, new_version = list(values), list(nodes), list(version)
        new_bound = np.zeros(momdp.n_states)
        for s in np.flatnonzero(layers[t]):
            check(sets.last, f"going backwards through the decisions ({t} of {horizon} left)")
            same = older is not None and all(
                version[x] == older[x] for x in targets_of(sets, int(s)) if not momdp.terminal[x]
            )
            if same and version[s] >= momdp.n_states and sets.plans.ended(nodes[s]):
                new_bound[s] = next_bound(sets, int(s), bound)
                continue
            got, numbers, loss = layer_backup(sets, int(s), values, nodes, empty[0], late)
            new_values[s], new_nodes[s], new_version[s] = got, numbers, counter
            counter += 1
            new_bound[s] = loss + next_bound(sets, int(s), bound)
        older, values, nodes, version, bound = version, new_values, new_nodes, new_version, new_bound
    sets.values, sets.nodes, sets.bound = values, nodes, bound
    return float(bound[(momdp.start > 0) & ~momdp.terminal].max(initial=0.0)), not late


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


# ---- without ------------------------------------------------------------------------------------------


def _without_horizon(sets: Sets, epsilon: float) -> tuple[float, bool]:
    """Sweep until no set changes, or the certified bound at the start is at most ``epsilon``."""
    momdp = sets.momdp
    _begin(sets)  # out of time in here there is nothing to show
    order = _backward_order(momdp)
    first = (momdp.start > 0) & ~momdp.terminal
    targets: dict[int, list[int]] = {}
    for s in order:
        check(sets.last, "listing successors")
        targets[s] = [t for t in targets_of(sets, s) if not momdp.terminal[t]]
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
                sets.bound[s] = min(sets.bound[s], loss + next_bound(sets, s, sets.bound))
            changed = touched
            if not changed:
                return _settled(sets, loss), True
            if epsilon > 0 and float(sets.bound[first].max(initial=0.0)) <= goal:
                return float(sets.bound[first].max(initial=0.0)), True
    except OutOfTime:
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
        pairs = [best_policy(momdp, row, sets.last) for row in np.eye(k)]
        tails, tables = [p for p, _ in pairs], [v.states for _, v in pairs]
        best = np.column_stack([tables[i][:, i] for i in range(k)])
        gaps = np.array([(best - table).max(axis=1) for table in tables])
        sets.bound = np.where(momdp.terminal, 0.0, gaps.min(axis=0) + sets.drop.max())
    sets.plans.tails = tuple(tails)
    resting = resting_states(momdp)[0] if endless else np.zeros(n, dtype=bool)
    for s in seen:
        check(sets.last, "listing first values")
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


def _front(sets: Sets, error: float, finished: bool, seconds: float) -> Front:
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
                "without end; give a discount below 1 or a horizon"
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
