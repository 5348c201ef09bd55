"""What surrounds a finite model, checked against it: objectives, observations and start states."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.vector.native import check_max_steps
from morl.momdp import MOMDP
from morl.spec import EnvError, FloatArray, IntArray, MOSpec

_REWARD_RANGE: weakref.WeakKeyDictionary[MOMDP, tuple[FloatArray, FloatArray] | None] = weakref.WeakKeyDictionary()
"""Smallest and largest reward of models seen before; looking again at millions of rows would slow every ``make``."""


def fit_spec(model: MOMDP, spec: MOSpec, max_steps: int | None) -> MOSpec:
    """The spec with the time limit as its horizon, once it is known to fit the model's rewards."""
    if spec.k != model.k:
        raise EnvError(f"spec has {spec.k} objectives ({', '.join(spec.names)}); the model's rewards have {model.k}")
    check_max_steps(max_steps)
    if model not in _REWARD_RANGE:
        rewards = model.rewards if model.outcome_rewards is None else model.outcome_rewards
        _REWARD_RANGE[model] = (rewards.min(axis=0), rewards.max(axis=0)) if len(rewards) else None
    pay = _REWARD_RANGE[model]
    if pay is not None:
        low, high = pay
        for i, objective in enumerate(spec.objectives):
            if low[i] < objective.reward_low or high[i] > objective.reward_high:
                raise EnvError(
                    f"rewards of objective {objective.name!r} run from {low[i]:g} to {high[i]:g}; "
                    f"its bounds are {objective.reward_low:g} to {objective.reward_high:g}: widen Objective(low, high)"
                )
    return replace(spec, horizon=max_steps if max_steps is not None else spec.horizon)


def fit_observations(
    model: MOMDP, observations: np.ndarray[Any, Any] | None, space: spaces.Space[Any] | None
) -> tuple[np.ndarray[Any, Any], spaces.Space[Any]]:
    """Observations ``(S, ...)`` as a read-only array of the space's dtype, and the space they lie in."""
    n = model.n_states
    table = np.arange(n, dtype=np.int64) if observations is None else np.asarray(observations)
    if len(table) != n:
        raise EnvError(f"observations have {len(table)} entries; the model has {n} states")
    if space is None:
        if table.ndim == 1 and table.dtype.kind in "iu":
            space = spaces.Discrete(int(table.max()) + 1)
        else:
            space = spaces.Box(table.min(axis=0), table.max(axis=0), table.shape[1:], table.dtype.type)
    if table.flags.writeable or table.dtype != space.dtype or not table.flags.c_contiguous:
        table = np.array(table, dtype=space.dtype, order="C")
        table.flags.writeable = False
    if not space.contains(table[0] if table.ndim > 1 else table[0].item()):
        raise EnvError(f"observation {table[0].tolist()} of state 0 is not in the observation space {space}")
    return table, space


def check_starts(states: Any, model: MOMDP, n: int) -> IntArray:
    """Start states from reset options: one number, or one per environment.

    Raises:
        EnvError: not integers, no such state, or a terminal one.
    """
    array = np.asarray(states)
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise EnvError(f"reset option 'state' is {states!r}; expected a state number, or {n} of them")
    array = np.broadcast_to(array, (n,)).astype(np.int64)
    if (array < 0).any() or (array >= model.n_states).any():
        bad = array[(array < 0) | (array >= model.n_states)][0]
        raise EnvError(f"reset option 'state' is {bad}; expected 0 to {model.n_states - 1}")
    if model.terminal[array].any():
        bad = array[model.terminal[array]][0]
        raise EnvError(f"reset option 'state' is {model.label(int(bad))}, a terminal state; expected one with actions")
    return array
