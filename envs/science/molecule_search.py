"""Searching policies for relaxing clusters: all candidates step together, and utility is applied to the return.

A policy is a small table of weights: each coefficient is ``clip(W φ)`` with φ = (1, log₁₀ F, E, μ, μ − μ*, time), every
entry scaled to order one. That is enough to go downhill, to stretch, to brake and to stop, and small enough for the
cross-entropy method (Rubinstein 1999) and for keeping an archive of trade-offs by mutation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.envs.dynamics import State
from morl.envs.science.molecule import HORIZON, MoleculeDynamics
from morl.envs.science.molecule_replay import QUANTUM
from morl.pareto.indicators import nondominated_mask
from morl.spec import EnvError, FloatArray

Utility = Callable[[FloatArray], FloatArray]


def policy_features(dynamics: MoleculeDynamics, state: State) -> FloatArray:
    """What the policies look at: ``(n, 6)`` for ``nacl``, ``(n, 4)`` for ``lj``."""
    columns = [
        np.ones(len(state["step"])),
        np.log10(state["push"]) / 3.0,
        state["energy"] / (4.0 * dynamics.cluster.atoms),
    ]
    if dynamics.ionic:
        dipole = np.sqrt(np.einsum("ij,ij->i", state["dipole"], state["dipole"]))
        columns += [dipole / 20.0, np.clip((dipole - dynamics.target) / 5.0, -2.0, 2.0)]
    return np.stack([*columns, state["step"] / HORIZON], axis=-1)


@dataclass(frozen=True)
class Rollouts:
    """What became of a batch of policies.

    Args:
        returns: ``(n, K)`` undiscounted.
        actions: ``(n, 100, A)`` as taken; zero after the end.
        lengths: ``(n,)`` steps taken.
        final: the states at the end of each episode.
    """

    returns: FloatArray
    actions: FloatArray
    lengths: np.ndarray[Any, Any]
    final: State


def rollouts(dynamics: MoleculeDynamics, start: State, weights: FloatArray) -> Rollouts:
    """One episode per policy, all from the same start.

    Args:
        start: a state of one cluster (batch of one).
        weights: ``(n, A, features)``.
    """
    n, rng = len(weights), np.random.default_rng(0)
    state = {key: np.repeat(value, n, axis=0) for key, value in start.items()}
    returns, lengths = np.zeros((n, dynamics.mo_spec.k)), np.zeros(n, dtype=np.int64)
    actions, alive = np.zeros((n, HORIZON, dynamics.fields)), np.ones(n, dtype=np.bool_)
    for t in range(HORIZON):
        raw = np.einsum("naf,nf->na", weights, policy_features(dynamics, state))
        act = np.rint(np.clip(raw, -1.0, 1.0) * QUANTUM) / QUANTUM
        moved = dynamics.step(state, act, rng)
        returns[alive] += moved.rewards[alive]
        actions[alive, t] = act[alive]
        lengths += alive
        # the dead stay where they ended
        state = {
            key: np.where(alive.reshape(-1, *[1] * (value.ndim - 1)), value, state[key])
            for key, value in moved.state.items()
        }
        alive = alive & ~moved.terminated
        if not alive.any():
            break
    return Rollouts(returns, actions, lengths, state)


def cross_entropy(
    dynamics: MoleculeDynamics,
    start: State,
    utility: Utility,
    rng: np.random.Generator,
    *,
    population: int = 256,
    generations: int = 40,
    elite: float = 0.1,
) -> tuple[FloatArray, Rollouts]:
    """The policy of largest utility that the cross-entropy method finds: its weights, and its episode (batch of one).

    Args:
        utility: maps returns ``(n, K)`` to ``(n,)``; linear, worst case, anything.

    Raises:
        EnvError: fewer than 8 policies per generation, or no generation.
    """
    if population < 8 or generations < 1:
        raise EnvError(f"population {population} and generations {generations}; expected at least 8 and 1")
    width = policy_features(dynamics, start).shape[1]
    mean, spread = np.zeros((dynamics.fields, width)), np.ones((dynamics.fields, width))
    best_weights, best_value = mean, -np.inf
    keep = max(4, int(elite * population))
    for _ in range(generations):
        weights = mean + spread * rng.normal(size=(population, *mean.shape))
        weights[0] = best_weights
        values = np.asarray(utility(rollouts(dynamics, start, weights).returns))
        order = np.argsort(-values)
        if values[order[0]] > best_value:
            best_value, best_weights = float(values[order[0]]), weights[order[0]]
        top = weights[order[:keep]]
        mean = top.mean(axis=0)
        spread = np.maximum(top.std(axis=0), 0.05)
    return best_weights, rollouts(dynamics, start, best_weights[None])


def evolve_front(
    dynamics: MoleculeDynamics,
    start: State,
    rng: np.random.Generator,
    *,
    population: int = 1024,
    generations: int = 100,
    archive: int = 400,
    seeds: FloatArray | None = None,
) -> Rollouts:
    """Non-dominated episodes, with their actions as witnesses, found by mutating an archive of policies."""
    width = policy_features(dynamics, start).shape[1]
    pool = rng.normal(size=(population, dynamics.fields, width))
    if seeds is not None:
        pool = np.concatenate([seeds, pool])
    kept: Any = None
    for _ in range(generations):
        found = rollouts(dynamics, start, pool)
        parts = [pool, found.returns, found.actions, found.lengths]
        joined = parts if kept is None else [np.concatenate(pair) for pair in zip(kept, parts, strict=True)]
        good = np.flatnonzero(nondominated_mask(np.round(joined[1], 3)))
        if len(good) > archive:
            good = good[_spread_out(joined[1][good], archive)]
        kept = [part[good] for part in joined]
        parents = kept[0][rng.integers(len(good), size=population)]
        others = kept[0][rng.integers(len(good), size=population)]
        cross = rng.random((population, dynamics.fields, 1)) < 0.15
        size = 10.0 ** rng.uniform(-2.5, 0.0, (population, 1, 1))
        change = rng.normal(size=parents.shape) * (rng.random(parents.shape) < 0.3)
        pool = np.where(cross, others, parents) + size * change
    return Rollouts(kept[1], kept[2], kept[3], {})


def _spread_out(points: FloatArray, count: int) -> Any:
    """Indices of ``count`` points far from each other: farthest-point sampling on normalised objectives."""
    unit = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
    chosen = [int(i) for i in np.unique(unit.argmax(axis=0))]
    distance = np.min([np.linalg.norm(unit - unit[i], axis=1) for i in chosen], axis=0)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(unit - unit[chosen[-1]], axis=1))
    return np.array(chosen)
