"""What is learned carries over: to a new objective, to a new preference, to the next task; all valued exactly.

    python benchmarks/study_transfer.py objective [--env morl/FruitTree-v0]    # a head on a frozen trunk, or all anew
    python benchmarks/study_transfer.py preference                             # warm start, or from scratch
    python benchmarks/study_transfer.py tasks                                  # a sequence, with one trunk

``objective``: each objective in turn is the new one. Regret is what the best policy for a weight earns more, on the
return scale, mean over 100 weights of all objectives. ``preference``: a network trained on six preferences meets one
that it never saw; steps until its policy earns, and goes on earning, 95 % of what the best policy does (0 %: the lowest
return of each objective). ``tasks``: three seas one after the other; the share of the exact hypervolume of each when it
had just been learned, and at the end.
"""

from __future__ import annotations

import argparse
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from records import record
from study_federated import seas

import morl
from morl.agents import Envelope, VectorQLambda
from morl.agents.core.preferences import sample_simplex, simplex_grid
from morl.agents.lifelong import Lifelong
from morl.agents.neural.parts import warm_start
from morl.agents.new_objective import NewObjective
from morl.envs.finite.tabular import TabularEnv
from morl.spec import MOSpec

DISCOVERY = "morl/ScientificDiscovery-v0"
FAST: dict[str, Any] = {"n_envs": 256, "n_epochs": 1}


def with_objectives(env_id: str, columns: list[int]) -> TabularEnv:
    """A finite environment with some of its objectives."""
    env: Any = morl.make(env_id).unwrapped
    model, spec = env.momdp(), env.mo_spec
    objectives = tuple(spec.objectives[i] for i in columns)
    outcomes = None if model.outcome_rewards is None else model.outcome_rewards[:, columns]
    model = replace(model, rewards=model.rewards[:, columns], outcome_rewards=outcomes, objectives=objectives)
    scale = tuple(tuple(bound[i] for i in columns) for bound in spec.return_scale)
    some = MOSpec(objectives, spec.discount, spec.horizon, tuple(spec.ref_point[i] for i in columns), scale)
    return TabularEnv(model, some, observations=env.observations, observation_space=env.observation_space,
                      max_steps=env.max_steps)  # fmt: skip


def span(spec: MOSpec) -> np.ndarray[Any, Any]:
    """Width of each objective's return scale."""
    return np.subtract(spec.return_scale[1], spec.return_scale[0])


def regret(values: np.ndarray[Any, Any], best: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> float:
    """Mean over weights ``(n, K)`` of what the best of ``(m, K)`` earn more than ``(n, K)``, on the return scale."""
    return float(((weights @ best.T).max(axis=1) - (weights * values).sum(axis=1)).mean())


def objective(env_id: str, seed: int, steps: int) -> list[dict[str, Any]]:
    """Regret for each objective as the new one, by what is done about it."""
    whole: Any = morl.make(env_id).unwrapped
    k, rows = whole.mo_spec.k, []
    for new in range(k):
        columns = [i for i in range(k) if i != new] + [new]
        env = with_objectives(env_id, columns)
        size, weights = span(env.mo_spec), sample_simplex(100, k, np.random.default_rng(7))
        best = morl.solve(env, policies="stationary" if k < 4 else "history").points / size

        def value(agent: Any, size: Any = size, weights: Any = weights, best: Any = best) -> float:
            return regret(agent.evaluate(weights, exact=True).mean / size, best, weights)

        source = Envelope(with_objectives(env_id, columns[:-1]), seed=seed).learn(2 * steps)
        agent = NewObjective(env, source=source, seed=seed)
        known = source._policies(np.asarray(agent.policies, dtype=np.float64))
        earned = agent._evaluator.evaluate(known, exact=True).mean / size
        found = {"known policies, the best": regret(earned[(weights @ earned.T).argmax(axis=1)], best, weights)}
        for many in (steps // 4, steps // 2, steps):
            found[f"new head, {many:,} steps"] = value(NewObjective(env, source=source, seed=seed).learn(many))
        for many in (steps, 3 * steps):
            found[f"all anew, {many:,} steps"] = value(Envelope(env, seed=seed).learn(many))
        rows += [{"new": env.mo_spec.names[-1], "what": what, "regret": x} for what, x in found.items()]
    return rows


def preference(env_id: str, seed: int, steps: int) -> list[dict[str, Any]]:
    """Steps to 95 % for five preferences, from scratch and begun with a network for six others."""
    env: Any = morl.make(env_id).unwrapped
    low, size = np.array(env.mo_spec.return_scale[0]), span(env.mo_spec)
    best = (morl.solve(env, policies="stationary").points - low) / size
    six = tuple(map(tuple, simplex_grid(3, 6)))
    source = Envelope(env_id, seed=seed, weights=six).learn(2 * steps)
    rows = []
    for weight in sample_simplex(5, 3, np.random.default_rng([seed, 1])):
        goal = 0.95 * (best @ weight).max()
        for begun in ("scratch", "trunk", "all"):
            agent = Envelope(env_id, seed=seed, weights=(tuple(weight),), learning_starts=200)
            if begun != "scratch":
                warm_start(agent, source, begun)
            reached = [(0, agent_share(agent, weight, low, size) >= goal)]
            agent.learn(steps, callback=watching(reached, weight, low, size, goal))
            missed = [at for at, fine in reached if not fine]
            later = [at for at, _ in reached if not missed or at > missed[-1]]
            rows.append({"begun": begun, "steps": later[0] if later else math.inf})
    return rows


def watching(reached: list[tuple[int, bool]], weight: Any, low: Any, size: Any, goal: float) -> Any:
    """A callback that notes every 100 steps whether the policy for a preference earns its goal."""

    def note(agent: Any) -> None:
        if agent.num_timesteps >= reached[-1][0] + 100:
            reached.append((agent.num_timesteps, agent_share(agent, weight, low, size) >= goal))

    return note


def agent_share(agent: Any, weight: Any, low: Any, size: Any) -> float:
    """Utility of the policy for a preference above the lowest returns."""
    return float((agent.evaluate(weight, exact=True).mean[0] - low) / size @ weight)


def tasks(seed: int, steps: int) -> list[dict[str, Any]]:
    """Shares of the exact hypervolume after each of three seas, for pulls of the trunk, and of tasks learned apart."""
    exact = [morl.solve(sea, policies="history") for sea in seas()]
    rows = []
    for pull in (0.0, 1e-3, 1e-2, math.inf):
        lifelong = Lifelong(VectorQLambda, seas(), seed=seed, pull=pull, **FAST)
        found = lifelong.learn(steps)
        scale = np.array([front.hypervolume() for front in exact])
        shares = found.scores / scale
        rows.append(
            {
                "pull": "frozen" if math.isinf(pull) else pull,
                "learned": np.diag(shares).tolist(),
                "end": shares[-1].tolist(),
            }
        )
    apart = [
        VectorQLambda(sea, seed=seed + t, **FAST).learn(steps).front().hypervolume() for t, sea in enumerate(seas())
    ]
    return [*rows, {"pull": "apart", "learned": (apart / scale).tolist(), "end": (apart / scale).tolist()}]


def main() -> None:
    """Run one study for some seeds, and add its rows to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("objective", "preference", "tasks"))
    parser.add_argument("--env", default=DISCOVERY)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for seed in given.seeds:
        if given.study == "tasks":
            rows = tasks(seed, given.steps or 60_000)
        else:
            run = objective if given.study == "objective" else preference
            rows = run(given.env, seed, given.steps or 4000)
        for row in rows:
            record({"study": given.study, "env": given.env, "seed": seed, **row}, given.out)


if __name__ == "__main__":
    main()
