"""Policies played once each, as episodes that other agents learn from."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from morl.agents.core.episodes import Episode, EpisodeRecorder
from morl.agents.core.policies import Decision, PolicySet
from morl.agents.core.problem import Problem
from morl.agents.core.rows import Rows


def demonstrations(
    problem: Problem, policies: PolicySet, discount: float, seed: int, rng: np.random.Generator
) -> list[Episode]:
    """One episode of each policy (memoryless, by their most likely actions).

    Args:
        problem: the environment.
        policies: what is played.
        discount: γ of the returns that episodes hold.
        seed: of the environments.
        rng: for policies that draw.
    """
    n = len(policies)
    recorder = EpisodeRecorder(n, Rows(problem.observation_space, problem.id), discount)
    which, waiting, out = np.arange(n), np.ones(n, dtype=bool), []
    with closing(problem.vector(n)) as env:
        collector = problem.collector(env)
        collector.reset(seed)
        while waiting.any():
            decision = Decision(which, collector.obs, {}, collector.accrued, collector.time, rng, deterministic=True)
            step = collector.step(policies.act(decision)[0])
            ended = step.env[step.terminated | step.truncated]
            wanted = waiting[ended]
            out += [e for e, first in zip(recorder.record(step), wanted.tolist(), strict=True) if first]
            waiting[ended] = False
    return out
