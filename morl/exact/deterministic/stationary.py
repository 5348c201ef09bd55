"""The front of stationary deterministic policies: enumeration where it is quick, else branch and bound."""

from __future__ import annotations

import time

import numpy as np

from morl.exact.deterministic.branch import Result, Search
from morl.exact.deterministic.condensed import Condensed, condense
from morl.exact.deterministic.enumeration import LIMIT, enumerate_policies
from morl.exact.deterministic.history import pareto_history
from morl.exact.deterministic.restricted import Dense, from_condensed
from morl.exact.deterministic.tolerant import tolerant_front
from morl.exact.graph import certain_rows, longest_mean_life, reachable_states
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import FloatArray, IntArray, ModelError

ENUMERATE = {1: 2.0**16, 2: 2.0**17}
"""Up to this many policies enumeration is quicker than a search; 1e6 for three objectives and more."""
_FLOOR = 1e-10
PATIENCE = 600.0
"""Seconds after which a search without a time limit of its own returns its certified answer so far."""
_GLANCE, _FIRST, _SECOND = 1.0, 5.0, 30.0
"""Seconds for policies with memory, then for a search, then for policies with memory again."""


def pareto_stationary(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
    """The front of stationary deterministic policies; see :func:`~morl.exact.pareto_deterministic`.

    Raises:
        ModelError: γ = 1, some policy never ends, and there are too many policies to enumerate.
    """
    began = time.perf_counter()
    if momdp.horizon is not None:
        return enumerate_policies(momdp)
    model = condense(momdp)
    if model.n_policies <= ENUMERATE.get(momdp.k, 1e6):
        return enumerate_policies(momdp)
    limit = PATIENCE if time_limit is None else time_limit
    likely = model.endless or certain_rows(momdp).mean() >= 0.5  # else sets of values explode
    memory = _with_memory(momdp, epsilon, min(_GLANCE, limit / 6)) if likely else None
    if memory is None and not model.endless:
        first = time.perf_counter() + min(_FIRST, limit / 3) if likely else began + limit
        result = _search(momdp, model, epsilon, first, None)
        if result.finished or not likely:
            return _front(momdp, model, result, time.perf_counter() - began)
    if memory is None:
        left = limit - (time.perf_counter() - began)
        memory = _with_memory(momdp, epsilon, min(_SECOND, left / 2))
    if memory is not None and all(policy.stationary(momdp) is not None for policy in memory.policies or ()):
        return _without_memory(momdp, memory, time.perf_counter() - began)
    if not model.endless:
        result = _search(momdp, model, epsilon, began + limit, memory)
        return _front(momdp, model, result, time.perf_counter() - began)
    if model.n_policies <= LIMIT:
        return enumerate_policies(momdp)
    raise ModelError(
        f"{model.n_policies:.3g} stationary deterministic policies, some of which never end, with discount 1: "
        "bounds do not exist; give a discount below 1 or a horizon, or ask for policies='history'"
    )


def _search(momdp: MOMDP, model: Condensed, epsilon: float, deadline: float, memory: Front | None) -> Result:
    """Branch and bound on objectives scaled to a range of 1, constant ones left out."""
    life = float(longest_mean_life(momdp)[reachable_states(momdp)].max(initial=1.0))
    raw = from_condensed(model)
    low, high = value_range(raw)
    size = np.maximum(np.maximum(np.abs(low), np.abs(high)), np.abs(raw.reward).max(axis=0, initial=0.0))
    varies = high - low > 1e-11 * size
    if not varies.any():
        return Result(np.zeros((1, 0)), [raw.first.copy()], float((_FLOOR * size).max()), True, 1)
    unit = (high - low)[varies]
    slack = np.maximum(epsilon / unit, np.maximum(_FLOOR, 1e-12 * size[varies] / unit))
    root = Dense(raw.move, raw.reward[:, varies] / unit, raw.owner, raw.first, raw.label, raw.start, raw.offset[varies])
    search = Search(root, low[varies] / unit - 1.0, slack, unit, life, deadline)
    if memory is not None:
        search.ceiling = (memory.points + (memory.epsilon or 0.0))[:, varies] / unit
        for policy in memory.policies or ():
            table = policy.stationary(momdp, strict=False)
            rows = raw.first + table[model.states]
            search.archive.add(root.value(rows)[1], rows)
    return search.run()


def _with_memory(momdp: MOMDP, epsilon: float, seconds: float) -> Front | None:
    """The complete front of policies with memory, if it is to be had in time.

    It bounds the stationary front, and where no point of it needs memory it is the stationary front.
    """
    try:
        front = pareto_history(momdp, epsilon, seconds)
    except ModelError:
        return None
    return front if front.complete else None


def _without_memory(momdp: MOMDP, front: Front, seconds: float) -> Front:
    """The same points as stationary policies."""
    tables = tuple(policy.stationary(momdp) for policy in front.policies or ())
    facts = {**front.provenance, "policy_class": "stationary deterministic", "seconds": seconds}
    return front.replace(policies=tables, provenance=facts)


def value_range(model: Dense) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest start value of each objective over all policies, ``(K,)`` each."""
    k = model.reward.shape[1]
    eye = np.eye(k)
    low = np.array([model.best(-eye[j], model.first.copy())[1][j] for j in range(k)])
    high = np.array([model.best(eye[j], model.first.copy())[1][j] for j in range(k)])
    return low, high


def _front(momdp: MOMDP, model: Condensed, result: Result, seconds: float) -> Front:
    """Values computed afresh from the policies, and the policies in the states of the model."""
    raw = from_condensed(model)
    points = np.array([raw.value(rows)[1] for rows in result.policies]).reshape(-1, momdp.k)
    size = np.abs(points).max(axis=0, initial=0.0)
    keep = tolerant_front(points, np.maximum(1e-11 * size, 1e-300))
    return Front(
        points[keep],
        momdp.objectives,
        discount=momdp.discount,
        policies=[_policy(momdp, model, raw, result.policies[i]) for i in keep],
        epsilon=result.epsilon,
        complete=result.finished,
        provenance={
            "algorithm": "branch and bound",
            "policy_class": "stationary deterministic",
            "criterion": "SER",
            "nodes": result.nodes,
            "seconds": seconds,
        },
    )


def _policy(momdp: MOMDP, model: Condensed, raw: Dense, rows: IntArray) -> IntArray:
    policy = np.zeros(momdp.n_states, dtype=np.int64)
    policy[model.states] = rows - raw.first
    return policy
