"""Returns and advantages of rollouts: pure functions of arrays, time first."""

from __future__ import annotations

import numpy as np

from morl.spec import BoolArray, FloatArray


def advantages(
    rewards: FloatArray,
    values: FloatArray,
    following: FloatArray,
    terminated: BoolArray,
    truncated: BoolArray,
    discount: float,
    gae_lambda: float,
) -> FloatArray:
    """λ-advantages ``(T, n)`` or, one per objective, ``(T, n, K)``: Σ_l (γλ)^l δ_{t+l} with δ = r + γ V(s') − V(s).

    Nothing follows where an episode terminated; where it was truncated, V(s') stands for the rest; no trace crosses the
    end of an episode (Schulman et al. 2016). The advantage of the value's estimate plus the value is the λ-return.

    Args:
        rewards: ``(T, n)`` or ``(T, n, K)``.
        values, following: of the states before and after each step, shaped as ``rewards``.
        terminated, truncated: ``(T, n)``.
        discount: γ.
        gae_lambda: λ; 0 trusts the values, 1 sums up what was earned.

    >>> one, end = np.ones((2, 1)), np.array([[False], [True]])
    >>> advantages(one, 0 * one, 0 * one, end, ~one.astype(bool), 1.0, 1.0).tolist()
    [[2.0], [1.0]]
    """
    assert rewards.shape == values.shape == following.shape, (rewards.shape, values.shape, following.shape)
    assert terminated.shape == truncated.shape == rewards.shape[:2], (terminated.shape, truncated.shape)
    wide = terminated.shape + (1,) * (rewards.ndim - 2)
    goes_on = (~(terminated | truncated)).reshape(wide)
    delta = rewards + discount * np.where(terminated.reshape(wide), 0.0, following) - values
    out = np.zeros(rewards.shape)
    running = np.zeros(rewards.shape[1:])
    for t in reversed(range(len(rewards))):
        running = delta[t] + discount * gae_lambda * np.where(goes_on[t], running, 0.0)
        out[t] = running
    return out
