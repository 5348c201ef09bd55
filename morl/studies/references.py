"""What the fronts of a study are measured against: each environment's reference front, and doing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from morl.pareto.compare import union
from morl.pareto.front import Front
from morl.runs.folder import RunFolder
from morl.spec import MorlError

EPISODES = 100
"""Episodes of doing nothing, where they must be sampled."""


def measured_reference(slug: str, folder: Path, runs: Mapping[str, RunFolder]) -> tuple[Front, Front]:
    """The reference front of an environment, and doing nothing there; computed once, then read from the folder.

    The exact front where the environment publishes one, or the best-known one; else the union of the study's own
    fronts, which is made anew each time.

    Args:
        slug: stem of the files.
        folder: where they lie.
        runs: finished runs there, by cell.
    """
    run = next(iter(runs.values()))
    front = run.front()
    files = folder / f"{slug}.json", folder / f"{slug}.nothing.json"
    folder.mkdir(parents=True, exist_ok=True)
    nothing = Front.load(files[1]) if files[1].is_file() else _do_nothing(run)
    reference = Front.load(files[0]) if files[0].is_file() else None
    if reference is None or reference.role not in ("exact front", "best-known front"):
        reference = _published(run) or union({name: run.front() for name, run in runs.items()})
    facts = {**reference.provenance, "env": run.config["env"]}
    reference = reference.replace(ref_point=front.ref_point, scale=front.scale, provenance=facts)
    reference.save(files[0])
    nothing.save(files[1])
    return reference, nothing


def _env(run: RunFolder) -> Any:
    from morl.envs import make

    return make(str(run.config["env"]), **run.config.get("env_options", {}))


def _published(run: RunFolder) -> Front | None:
    from morl.envs.core import published_front

    front, env = run.front(), _env(run)
    try:
        if not hasattr(env.unwrapped, "pareto_front"):
            return None
        found = published_front(env, front.discount)
        return found if found.names == front.names and len(found) else None
    except MorlError:  # none for this discount, or too large to be computed
        return None
    finally:
        env.close()


def _do_nothing(run: RunFolder) -> Front:
    """Action 0 (the middle of a box) for ever: exact on a finite model, else in episodes of a seed of its own."""
    from morl.agents import registry
    from morl.agents.core.evaluation import Evaluator
    from morl.agents.core.policies import Subset
    from morl.agents.core.problem import Problem
    from morl.agents.core.watching import BASELINES, Baselines

    front = run.front()
    info = registry.get(str(run.config["algo"])).info
    env = _env(run)
    try:
        problem = Problem(env, front.discount, info)
        policies = Subset(Baselines(problem), np.array([BASELINES.index("do_nothing")]))
        evaluator = Evaluator(problem, np.random.SeedSequence(0))
        found = evaluator.evaluate(policies, EPISODES, deterministic=False)
    finally:
        env.close()
    facts: dict[str, Any] = {"algorithm": "doing nothing", "env": run.config["env"], "eval_steps": found.steps}
    return Front(
        found.mean,
        front.objectives,
        front.ref_point,
        front.discount,
        covariance=found.covariance,
        episodes=found.episodes,
        scale=front.scale,
        provenance=facts,
    )
