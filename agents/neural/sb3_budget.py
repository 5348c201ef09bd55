"""stable-baselines3's defaults, made to fit the number of steps that a policy is learned in.

Its defaults are for a million steps in one environment: PPO collects 2,048 steps in *each* environment before it
learns anything, DQN copies its target network every 10,000 steps. What the caller sets stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gymnasium import spaces

from morl.agents.core.problem import Problem
from morl.spec import AgentError

UPDATES = 20
"""Rounds of collecting and learning that a policy needs at least to become anything."""

SHORTEST = 8
"""Steps in each environment below which a rollout says too little about what follows."""

_ROLLOUT, _BATCH = 2048, 64  # of all environments together; stable-baselines3's own for one
ON_POLICY = ("PPO", "A2C")


def fitted(
    algorithm: str, options: Mapping[str, Any], fixed: Collection[str], n_envs: int, budget: int
) -> dict[str, Any]:
    """Arguments of a stable-baselines3 class for ``budget`` steps in ``n_envs`` environments.

    Args:
        algorithm: name of the class.
        options: arguments so far (given or tuned).
        fixed: names of those that must not be changed.
        n_envs: parallel environments.
        budget: steps of one policy, over all environments.

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
    if "train_freq" not in out:  # as many updates for each step as in one environment
        out["train_freq"] = 4 if algorithm == "DQN" else 1
        out.setdefault("gradient_steps", n_envs)
    if algorithm == "DQN":
        out.setdefault("target_update_interval", max(1, min(10_000, budget // UPDATES)))
    return out


def steps_per_update(algorithm: str, options: Mapping[str, Any], n_envs: int) -> int:
    """Steps, over all environments, between the updates of a policy."""
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


def least_for(algorithm: str, options: Mapping[str, Any], fixed: Collection[str], n_envs: int) -> int:
    """Steps within which one policy can become something, ``options`` being those that the caller sets."""
    return least_budget(algorithm, fitted(algorithm, options, fixed, n_envs, 10**9), fixed, n_envs)


def check_actions(algorithm: str, problem: Problem) -> None:
    """Require that an algorithm of stable-baselines3 can act in an environment.

    Raises:
        AgentError: it cannot; the message names one that can.
    """
    assert problem.actions is not None
    continuous, space = problem.actions.continuous, problem.action_space
    if algorithm == "DQN" and continuous:
        raise AgentError(f"DQN needs discrete actions; {problem.id} has {space}. Use SAC or PPO")
    if algorithm == "DQN" and isinstance(problem.actions.space, spaces.MultiDiscrete):
        raise AgentError(f"DQN takes one action at a time; {problem.id} has {space}. Use PPO or A2C")
    if algorithm in ("SAC", "TD3", "DDPG") and not continuous:
        raise AgentError(f"{algorithm} needs continuous actions; {problem.id} has {space}. Use PPO or DQN")


def parallel_envs(problem: Problem, n_envs: int) -> int:
    """Environments stepped together: as many as were given where there can be no other number of them."""
    given = problem.is_vector and problem.recipe is None
    return int(problem.env.num_envs if given else n_envs)


def _rollout(most: int, n_envs: int, budget: int) -> int:
    """Steps in each environment between updates: ``most``, or the power of two that leaves enough updates."""
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
