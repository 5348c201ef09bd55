"""What a policy is worth on a finite model, exactly: by the Bellman equations, or by carrying distributions forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.agents.core.collector import take
from morl.agents.core.policies import Decision, PolicySet
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError

Array = np.ndarray[Any, Any]


def action_probabilities(
    policies: PolicySet,
    i: int,
    model: MOMDP,
    observations: Array,
    accrued: FloatArray,
    time: IntArray,
    deterministic: bool,
) -> FloatArray | None:
    """Probabilities ``(n, A)`` of policy ``i`` at n observations, where actions are numbers; ``None`` otherwise."""
    n = len(accrued)
    which = np.full(n, i, dtype=np.int64)
    width = int(model.n_actions.max())
    rng = np.random.default_rng(0)
    drawn = policies.stochastic and not deterministic
    decision = Decision(which, observations, policies.start(which, rng), accrued, time, rng, not drawn)
    if drawn:
        probabilities = policies.probabilities(decision)
        return None if probabilities is None else probabilities[:, :width]
    actions, _ = policies.act(decision)
    actions = np.asarray(actions)
    if actions.shape != (n,) or not np.issubdtype(actions.dtype, np.integer):
        return None
    out = np.zeros((n, width))
    out[np.arange(n), np.clip(actions, 0, width - 1)] = 1.0
    return out


def stationary_values(
    policies: PolicySet, model: MOMDP, observations: Array, deterministic: bool, horizon: int | None
) -> FloatArray | None:
    """Exact start values ``(m, K)`` of policies that look at the observation alone; ``None`` where they cannot be had.

    A policy that never ends an undiscounted episode has no infinite-horizon value; it is then worth what it earns
    within the environment's time limit.
    """
    from morl.exact import evaluate, evaluate_batch

    n, m, k = model.n_states, len(policies), model.k
    accrued, time = np.zeros((n, k)), np.zeros(n, dtype=np.int64)
    live = ~model.terminal
    values = np.full((m, k), np.nan)
    tables = np.zeros((m, n), dtype=np.int64)
    simple = np.zeros(m, dtype=bool)
    for i in range(m):
        chances = action_probabilities(policies, i, model, observations, accrued, time, deterministic)
        if chances is None:
            return None
        width = np.maximum(model.n_actions, 1)[:, None]
        chances = np.where(np.arange(chances.shape[1]) < width, chances, 0.0)
        totals = chances.sum(axis=1)
        if np.any(live & (totals <= 0)):
            return None
        chances = chances / np.where(totals > 0, totals, 1.0)[:, None]
        tables[i] = chances.argmax(axis=1)
        simple[i] = bool(np.all(chances.max(axis=1)[live] == 1.0))
        if not simple[i]:
            action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
            values[i] = _guarded(lambda p=chances[model.row_state, action]: evaluate(model, p).start, k)
    chosen = np.flatnonzero(simple)
    if len(chosen):
        batch = _guarded(lambda: evaluate_batch(model, tables[chosen]), k, len(chosen))
        for j in np.flatnonzero(~np.isfinite(batch).all(axis=1)):
            batch[j] = _guarded(lambda p=tables[chosen[j]]: evaluate(model, p).start, k)
        values[chosen] = batch
    missing = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(missing):
        if horizon is None:
            return None
        for i in missing.tolist():
            chances = action_probabilities(policies, i, model, observations, accrued, time, deterministic)
            assert chances is not None
            values[i] = _finite_horizon(model, chances, horizon)
    return values


def _guarded(compute: Any, k: int, rows: int | None = None) -> FloatArray:
    """The result of a solver, or NaN where it refuses (an improper policy)."""
    try:
        with np.errstate(all="ignore"):
            return np.array(compute(), dtype=np.float64)
    except (ModelError, np.linalg.LinAlgError, RuntimeError):
        return np.full(k if rows is None else (rows, k), np.nan)


def _finite_horizon(model: MOMDP, chances: FloatArray, horizon: int) -> FloatArray:
    """Start value over ``horizon`` steps of a policy given by action probabilities ``(S, A)``."""
    from scipy import sparse

    action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
    weight = chances[model.row_state, action]
    pick = sparse.csr_array((weight, (model.row_state, np.arange(model.n_rows))), shape=(model.n_states, model.n_rows))
    chain, reward = pick @ model.transitions, pick @ model.rewards
    value = np.zeros((model.n_states, model.k))
    for _ in range(horizon):
        value = reward + model.discount * (chain @ value)
    return np.asarray(model.start @ value)


def deterministic_values(
    policies: PolicySet, model: MOMDP, observations: Array, discount: float, horizon: int | None
) -> FloatArray | None:
    """Start values ``(m, K)`` of memoryless deterministic policies, all followed at once where nothing is random.

    Args:
        policies: they may look at the accrued reward and the time.
        model: the finite model, under the γ that values are asked for.
        observations: observation of every state.
        discount: γ of the accrued reward that the policies look at.
        horizon: time limit.

    Returns:
        ``None`` where a start or a transition is random, or an action is no number that its state has.
    """
    if model.transitions.nnz != model.n_rows or model.start.max() < 1.0:
        return None
    first, successor, n_actions = model.row_ptr[:-1], model.transitions.indices, model.n_actions
    values, accrued = np.zeros((len(policies), model.k)), np.zeros((len(policies), model.k))
    state, rng = np.full(len(policies), int(model.start.argmax())), np.random.default_rng(0)
    running = np.flatnonzero(n_actions[state] > 0)
    for t in range(horizon or 100_000):
        if not len(running):
            break
        seen, time = take(observations, state[running]), np.full(len(running), t)
        actions = policies.act(Decision(running, seen, {}, accrued[running], time, rng, deterministic=True))[0]
        if actions.shape != (len(running),) or not np.issubdtype(actions.dtype, np.integer):
            return None
        if (actions >= n_actions[state[running]]).any():
            return None
        rows = first[state[running]] + actions
        values[running] += model.discount**t * model.rewards[rows]
        accrued[running] += discount**t * model.rewards[rows]
        state[running] = successor[rows]
        running = running[n_actions[state[running]] > 0]
    return values


def return_distribution(
    policies: PolicySet,
    model: MOMDP,
    observations: Array,
    deterministic: bool = True,
    horizon: int | None = None,
    *,
    max_atoms: int = 200_000,
    lost: float = 1e-9,
) -> tuple[FloatArray, FloatArray] | None:
    """The exact distribution of the discounted return of one memoryless policy.

    The distribution over (state, accrued reward) is carried forward step by step; equal pairs merge.

    Args:
        policies: a set of one policy; it may look at the accrued reward and the time.
        model: the finite model.
        observations: observation of every state.
        deterministic: as in :meth:`Evaluator.evaluate`.
        horizon: time limit.
        max_atoms: give up (``None``) beyond so many pairs.
        lost: stop when less probability than this is still running; it is counted with what it has accrued.

    Returns:
        ``(values (n, K), probabilities (n,))``, or ``None``.
    """
    states = np.flatnonzero(model.start > 0)
    mass, accrued = model.start[states], np.zeros((len(states), model.k))
    done_values: list[FloatArray] = []
    done_mass: list[FloatArray] = []
    finished = 0
    matrix = model.transitions
    limit = horizon if horizon is not None else 100_000
    gamma_t = 1.0
    for t in range(limit):
        ended = model.terminal[states]
        if ended.any():
            done_values.append(accrued[ended])
            done_mass.append(mass[ended])
            finished += int(ended.sum())
            states, mass, accrued = states[~ended], mass[~ended], accrued[~ended]
        if len(states) == 0 or mass.sum() < lost or gamma_t < 1e-12:
            break
        time = np.full(len(states), t, dtype=np.int64)
        chances = action_probabilities(policies, 0, model, take(observations, states), accrued, time, deterministic)
        if chances is None:
            return None
        chances = np.where(np.arange(chances.shape[1]) < model.n_actions[states][:, None], chances, 0.0)
        atom, action = np.nonzero(chances)
        rows = model.row_ptr[states[atom]] + action
        count = np.diff(matrix.indptr)[rows]
        entry = np.repeat(matrix.indptr[rows] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(
            count.sum()
        )
        parent = np.repeat(atom, count)
        if model.outcome_rewards is not None:
            gain = model.outcome_rewards[entry]
        else:
            gain = np.repeat(model.rewards[rows], count, axis=0)
        mass = mass[parent] * np.repeat(chances[atom, action], count) * matrix.data[entry]
        accrued = accrued[parent] + gamma_t * gain
        states = matrix.indices[entry].astype(np.int64)
        keep = mass > 0
        states, mass, accrued = _merge(states[keep], mass[keep], accrued[keep])
        gamma_t *= model.discount
        if len(states) + finished > max_atoms:
            return None
    if len(states):
        done_values.append(accrued)
        done_mass.append(mass)
    values, mass = np.concatenate(done_values), np.concatenate(done_mass)
    _, mass, values = _merge(np.zeros(len(mass), dtype=np.int64), mass, values)
    return values, mass / mass.sum()


def _merge(states: IntArray, mass: FloatArray, accrued: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Add up the probability of equal (state, accrued) pairs; accrued rewards equal to 1e-9 count as equal."""
    keys = np.concatenate([states[:, None].astype(np.float64), np.round(accrued, 9) + 0.0], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    total = np.zeros(len(first))
    np.add.at(total, inverse.ravel(), mass)
    return states[first], total, accrued[first]
