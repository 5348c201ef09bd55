"""Fronts beside policies that learn nothing: action 0 (the middle of a box), and random actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.front import Front
from morl.pareto.indicators import expected_utility, hypervolume

if TYPE_CHECKING:
    from morl.agents.base import Agent

NAMES = {"do_nothing": "doing nothing", "random": "random actions"}

HARDLY = 0.01
"""Share of the hypervolume between the baselines and the upper end of the return scale that is hardly anything."""

_SHARE, _EPISODES = 0.05, 20


def with_baselines(front: Front, agent: Agent) -> Front:
    """The front with the returns ``(K,)`` of the baselines, by name and under its discount, in its provenance.

    They are exact where the environment has a finite model, else means of up to 20 episodes each, which take no more
    than a twentieth of the steps learned from (unless one is more), and are counted as evaluation.
    """
    from morl.agents.core.evaluation import Evaluator
    from morl.agents.core.watching import BASELINES, Baselines

    problem = agent.problem
    # A branch of the seeds that no other evaluation of the agent grows on.
    root = np.random.SeedSequence(agent.seeds("evaluation").entropy, spawn_key=(1, 1))
    evaluator = Evaluator(problem, root, agent.config.eval_envs)
    how: dict[str, Any] = {"deterministic": False, "budget": int(_SHARE * agent.num_timesteps)}
    means = evaluator.evaluate(Baselines(problem), _EPISODES, discount=front.discount, **how).mean
    agent._evaluator.steps += evaluator.steps
    found = {name: mean.tolist() for name, mean in zip(BASELINES, means, strict=True)}
    return front.replace(provenance={**front.provenance, "baselines": found})


def no_better(front: Front, baselines: Mapping[str, Any] | None = None) -> str | None:
    """By how much a front earns no more, or hardly more, than a policy that learned nothing; ``None`` where it does.

    What it earns is its hypervolume; where there is no reference point, its expected utility on the return scale.

    Args:
        front: was learned.
        baselines: discounted returns ``(K,)`` by name; those in the front's provenance by default.

    >>> front = Front([[1.0, 0.0]], ["speed", "effort"], ref_point=[-1, -1], discount=1)
    >>> no_better(front, {"do_nothing": [0.0, 0.0]}) is None
    True
    >>> no_better(front, {"do_nothing": [1.0, 0.5], "random": [0.0, 0.0]})
    'hypervolume 2, that of doing nothing 3'
    """
    known = front.provenance.get("baselines", {}) if baselines is None else baselines
    if not known or not len(front):
        return None
    singles = {NAMES.get(name, name): np.array([returns], dtype=np.float64) for name, returns in known.items()}
    if front.ref_point is not None:
        volumes = {name: hypervolume(points, front.ref_point) for name, points in singles.items()}
        mine, best = hypervolume(front.points, front.ref_point), max(volumes, key=lambda name: volumes[name])
        room = 0.0 if front.scale is None else hypervolume([front.scale[1]], front.ref_point) - volumes[best]
        enough = mine > volumes[best] + HARDLY * max(0.0, room)
        return None if enough else f"hypervolume {mine:.6g}, that of {best} {volumes[best]:.6g}"
    if front.scale is None:
        return None
    low, high = front.scale
    utilities = {name: expected_utility((points - low) / (high - low)) for name, points in singles.items()}
    mine, best = expected_utility((front.points - low) / (high - low)), max(utilities, key=lambda name: utilities[name])
    enough = mine > utilities[best] + HARDLY * max(0.0, 1.0 - utilities[best])
    return None if enough else f"expected utility {mine:.4g}, that of {best} {utilities[best]:.4g}"
