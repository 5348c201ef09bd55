"""Nothing here breaks a rule, and all of it is likely to be a mistake: what ``check_env`` warns of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.checks.case import Case, Finding
from morl.spec import FloatArray, Objective

_COSTS = frozenset(
    """
    accident accidents collision collisions consumption cost costs crash crashes damage deaths delay delays deviation
    discomfort downtime effort emission emissions energy error errors expense expenses failure failures fee fees fuel
    harm injuries injury jerk latency loss losses makespan penalties penalty pollution price regret risk risks
    shortage spending tardiness time toxicity violation violations wait waiting waste wear
    """.split()  # noqa: SIM905
)
"""Words for what one would rather have less of."""

_GAINS = frozenset(
    """
    alive avoided efficiency gain gained left less reduction remaining saved saving savings survival
    """.split()  # noqa: SIM905
)
"""Words that turn these round: time alive, energy saved."""

_FAR, _SOME = 100.0, 3.0
"""How many times the largest reward seen a bound must be to be far off; to be off at all, where it fits a return."""

_FIT = (0.8, 1.25)
"""Between what shares of (horizon × largest reward seen) a bound is taken for one of the return."""


@dataclass
class _Seen:
    """What random actions met with.

    Args:
        low, high: smallest and largest reward ``(K,)``, of the whole model where there is one.
        steps: taken; 0 where a model told everything.
        ended: some episode ended, by itself or by a time limit.
    """

    low: FloatArray
    high: FloatArray
    steps: int
    ended: bool


def _look(case: Case) -> _Seen:
    env = case.make()
    try:
        stages = case.rollout(env)
        box = env.action_space
        if isinstance(box, spaces.Box) and np.isfinite([box.low, box.high]).all():
            stages += case.rollout(env, chooser=_Corners(box, case.seed))
        stages = [stage for stage in stages if stage.reward is not None]
        ended = any(stage.terminated or stage.truncated for stage in stages)
        table, steps = np.array([stage.reward for stage in stages], dtype=np.float64), len(stages)
        if hasattr(env.unwrapped, "momdp"):
            model = env.unwrapped.momdp()
            table, steps = model.rewards if model.outcome_rewards is None else model.outcome_rewards, 0
        return _Seen(table.min(axis=0), table.max(axis=0), steps, ended)
    finally:
        env.close()


class _Corners:
    """Random corners of a box of actions: what is rare in the middle may happen there."""

    def __init__(self, box: spaces.Box, seed: int) -> None:
        self.box, self.rng = box, np.random.default_rng(seed)

    def __call__(self, mask: Any = None) -> Any:
        """The next action."""
        return np.where(self.rng.random(self.box.shape) < 0.5, self.box.low, self.box.high).astype(self.box.dtype)


def signs(case: Case) -> Iterator[Finding]:
    """An objective whose name is that of a cost, and whose rewards are positive: more of it counts as better."""
    seen = _look(case)
    for objective, low, high in zip(case.spec.objectives, seen.low, seen.high, strict=True):
        word = _cost_in(objective.name)
        if word and low >= 0.0 and high > 0.0 and not getattr(objective, "minimise", False):
            yield (
                f"rewards of {objective.name!r} are positive (up to {high:g}) and are maximised in silence, "
                f"as if more {word} were better",
                "negate it, or declare it with minimise=True; where more is better, another name says so",
            )


def _cost_in(name: str) -> str:
    """The word for a cost in a name such as ``total_cost`` or ``EnergyUsed``, or the empty string."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return "" if _GAINS.intersection(words) else next((word for word in words if word in _COSTS), "")


def far_bounds(case: Case) -> Iterator[Finding]:
    """Bounds far from what is seen: often those of a whole episode's return, where one step's reward is meant."""
    seen = _look(case)
    horizon = case.spec.horizon or 0
    for objective, low, high in zip(case.spec.objectives, seen.low, seen.high, strict=True):
        most, bound = max(abs(low), abs(high)), _bound(objective)
        if not 0.0 < most < np.inf or bound is None:
            continue
        times = bound / most
        what = f"bounds of {objective.name!r} are {objective.low:g} to {objective.high:g}"
        met = f"rewards of one step from {low:g} to {high:g}"
        where = f"{seen.steps} steps show" if seen.steps else "its model has"
        if horizon and times >= _SOME and _FIT[0] <= times / horizon <= _FIT[1]:
            yield (
                f"{what}, and {where} {met}: they look like bounds of the return over {horizon} steps",
                "low and high bound the reward of one step; returns belong in return_scale",
            )
        elif times >= _FAR:
            yield (f"{what}, and {where} {met}", "bound the reward of one step, or leave the bounds out")


def _bound(objective: Objective) -> float | None:
    """The larger finite bound in size; ``None`` where there is none."""
    finite = [abs(b) for b in (objective.low, objective.high) if np.isfinite(b)]
    return max(finite, default=None)


def endless(case: Case) -> Iterator[Finding]:
    """No episode ends and no time limit is known: evaluations would never finish."""
    env = case.make()
    spec = getattr(env, "spec", None)
    limit = case.spec.horizon or (spec.max_episode_steps if spec is not None else None)
    env.close()
    if limit is None:
        seen = _look(case)
        if not seen.ended:
            yield (
                f"no episode ended in {case.steps} steps, and there is no time limit",
                "register it with max_steps=…, or make it with max_episode_steps=…",
            )
