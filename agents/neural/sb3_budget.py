"""stable-baselines3's defaults, made to fit the number of steps that a policy is learned in.

Its defaults are for a million steps in one environment: PPO collects 2,048 steps in *each* copy before it learns
anything, DQN copies its target network every 10,000 steps. What the caller sets stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

UPDATES = 20
"""Rounds of collecting and learning that a policy needs at least to become anything."""

SHORTEST = 8
"""Steps in each copy below which a rollout says too little about what follows."""

_ROLLOUT, _BATCH = 2048, 64  # of all copies together; stable-baselines3's own for one copy
ON_POLICY = ("PPO", "A2C")


def fitted(
    algorithm: str, options: Mapping[str, Any], fixed: Collection[str], n_envs: int, budget: int
) -> dict[str, Any]:
    """Arguments of a stable-baselines3 class for ``budget`` steps in ``n_envs`` copies.

    Args:
        algorithm: name of the class.
        options: arguments so far (given or tuned).
        fixed: names of those that must not be changed.
        n_envs: copies stepped together.
        budget: steps of one policy, over all copies.

    >>> fitted("PPO", {}, (), 8, 10_000)
    {'n_steps': 32, 'batch_size': 64}
    """
    out = dict(options)
    if algorithm in ON_POLICY:
        if "n_steps" not in fixed:
            most = int(out.get("n_steps", max(1, _ROLLOUT // n_envs) if algorithm == "PPO" else 5))
            out["n_steps"] = _rollout(most, n_envs, budget)
        if algorithm == "PPO" and "batch_size" not in fixed:
            out["batch_size"] = _batch(int(out.get("batch_size", _BATCH)), out["n_steps"], n_envs)
        return out
    out.setdefault("learning_starts", min(100, budget // UPDATES))
    if "train_freq" not in out:  # as many updates for each step as in one copy
        out["train_freq"] = 4 if algorithm == "DQN" else 1
        out.setdefault("gradient_steps", n_envs)
    if algorithm == "DQN":
        out.setdefault("target_update_interval", max(1, min(10_000, budget // UPDATES)))
    return out


def steps_per_update(algorithm: str, options: Mapping[str, Any], n_envs: int) -> int:
    """Steps, over all copies, between the updates of a policy."""
    if algorithm in ON_POLICY:
        return int(options["n_steps"]) * n_envs
    freq = options["train_freq"]
    return n_envs * (freq if isinstance(freq, int) else 1)


def least_budget(algorithm: str, options: Mapping[str, Any], fixed: Collection[str], n_envs: int) -> int:
    """Steps that give one policy :data:`UPDATES` updates, ``options`` being :func:`fitted` ones for a large budget."""
    if algorithm in ON_POLICY:
        given = int(options["n_steps"])
        return UPDATES * n_envs * (given if "n_steps" in fixed else min(given, SHORTEST))
    return int(options["learning_starts"]) + UPDATES * steps_per_update(algorithm, options, n_envs)


def _rollout(most: int, n_envs: int, budget: int) -> int:
    """Steps in each copy between updates: ``most``, or the power of two that leaves enough updates."""
    wanted = budget // (UPDATES * n_envs)
    if wanted >= most:
        return most
    wanted = max(wanted, min(SHORTEST, most, max(1, budget // n_envs)))
    return int(2 ** (max(1, wanted).bit_length() - 1))


def _batch(wanted: int, n_steps: int, n_envs: int) -> int:
    """The batch size nearest above ``wanted`` that divides a rollout by a power of two, so that none is cut short."""
    size = n_steps * n_envs
    while size % 2 == 0 and size // 2 >= wanted:
        size //= 2
    return size
