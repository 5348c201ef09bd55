"""Agents with shipped defaults on control tasks, beside doing nothing, acting at random, and plain stable-baselines3.

    python benchmarks/agents_control.py                                        # ConditionedPPO, all tasks, five seeds
    python benchmarks/agents_control.py cheetah minecart --agents ConditionedPPO CAPQL --seeds 3
    python benchmarks/agents_control.py cheetah --agents all --json docs/agents/control.json  # one cell after another
    python benchmarks/agents_control.py cheetah --sb3-seconds like             # SB3 for as long as the first agent

Per run: hypervolume (HV) of the front and expected utility (EU: mean over even weights of raw returns of the best
policy's weighted return) of discounted returns; the best undiscounted return of each objective by any policy of the
front; steps of learning and of evaluation; seconds of each (one thread, wall-clock: leave the machine alone). Medians
over seeds, with the least and the largest. "do nothing" takes action 0, or the middle of the box. "SB3 PPO" is plain
PPO (8 environments × 256 steps, VecNormalize) on the first objective alone; its other objectives are what that policy
earns. Its steps are the agents' unless ``--sb3-seconds`` says how long it learns.

With ``--json`` each cell is written as soon as it is measured, with the warnings that learning gave and the learning
curve, and cells of the file that are not asked for stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import as_json

from morl.agents import registry
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.policies import Decision, PolicySet, Subset
from morl.agents.core.preferences import simplex_grid
from morl.agents.core.problem import Problem
from morl.agents.core.watching import LearningCurve
from morl.counts import as_count
from morl.pareto.indicators import hypervolume
from morl.runs.baselines import no_better, with_baselines
from morl.spec import AgentError, FloatArray, MorlError
from morl.storage import write_atomic

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """An environment, its budget and how it is measured; ``first`` is the objective that SB3 learns."""

    env: str
    steps: int
    ref_point: tuple[float, ...]
    discount: float | None = None
    sb3: bool = True
    sb3_weights: tuple[float, ...] | None = None


TASKS = {
    "cheetah": Task("morl/HalfCheetah-v5", 100_000, (-100.0, -600.0), 0.99),
    "hopper": Task("morl/Hopper2Obj-v5", 100_000, (-100.0, -100.0), 0.99),
    "walker": Task("morl/Walker2d-v5", 100_000, (-100.0, -600.0), 0.99),
    "ant": Task("morl/Ant2Obj-v5", 100_000, (-100.0, -100.0), 0.99),
    "minecart": Task("morl/Minecart-v0", 200_000, (-1.0, -1.0, -200.0), 0.98),
    "minecart-deterministic": Task("morl/MinecartDeterministic-v0", 200_000, (-1.0, -1.0, -200.0), 0.98),
    "lander": Task("morl/LunarLander-v3", 200_000, (-101.0, -1000.0, -100.0, -100.0), 0.99,
                   sb3_weights=(0.25, 0.25, 0.25, 0.25)),
    "mountain-car": Task("morl/MountainCar-v0", 200_000, (-200.0, -200.0, -200.0)),
    "reservoir": Task("morl/WaterReservoir-v0", 200_000, ()),
    "sea": Task("morl/DeepSeaTreasure-v0", 100_000, (0.0, -50.0), 0.99),
    "fruit": Task("morl/FruitTree-v0", 200_000, (0.0,) * 6, 0.99),
}  # fmt: skip


class Fixed(PolicySet):
    """One policy: always the same action, random ones, or a function of the observations."""

    def __init__(self, choose: Callable[[Any, int, np.random.Generator], Any]) -> None:
        self._choose = choose

    def __len__(self) -> int:
        return 1

    def act(self, decision: Decision) -> Any:
        return self._choose(decision.observations, len(decision.which), decision.rng), decision.memory


def measured(task: Task, points: FloatArray, undiscounted: FloatArray, **more: Any) -> Row:
    """Indicators of discounted returns ``(n, K)``, and the best of each objective of undiscounted ones."""
    ref = np.array(task.ref_point or Problem(task.env).spec.ref_point)
    weights = simplex_grid(points.shape[1], 200)
    return {
        "HV": float(hypervolume(points, ref)),
        "EU": float((weights @ points.T).max(axis=1).mean()),
        "best": undiscounted.max(axis=0).tolist(),
        **more,
    }


def agent_row(task: Task, name: str, seed: int, steps: int) -> Row:
    """One agent with shipped defaults."""
    options = {} if task.discount is None else {"discount": task.discount}
    curve = LearningCurve(ref_point=task.ref_point or None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        agent = registry.get(name)(task.env, seed=seed, tuned=False, **options).learn(steps, callback=curve)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        front = agent.front(budget=agent.num_timesteps)
    more = {"steps": agent.num_timesteps, "seconds": agent.seconds, "eval_steps": agent.eval_steps}
    more |= {"eval_seconds": time.perf_counter() - began, "policies": len(front)}
    said = sorted({str(w.message) for w in caught if issubclass(w.category, UserWarning)})
    told = no_better(with_baselines(front.replace(ref_point=task.ref_point or front.ref_point), agent))
    said += [f"hardly better than a policy that learned nothing: {told}"] * bool(told and agent.info.multi_policy)
    plain = played(agent, front) if agent.problem.model is None else front.points
    return measured(task, front.points, plain, warnings=said, curve=curve.history, **more)


def played(agent: Any, front: Any, episodes: int = 5) -> FloatArray:
    """Undiscounted returns of the policies that are best for one objective each; not counted as the agent's."""
    best = [front.policies[int(front.points[:, k].argmax())] for k in range(agent.k)]
    evaluator = Evaluator(agent.problem, np.random.SeedSequence(99))
    chosen = Subset(best[0].policies, np.array([handle.number for handle in best]))
    return evaluator.evaluate(chosen, episodes, exact=False).undiscounted


def fixed_row(task: Task, problem: Problem, choose: Callable[..., Any], episodes: int = 20) -> Row:
    """A policy that learns nothing."""
    result = Evaluator(problem, np.random.SeedSequence(7)).evaluate(Fixed(choose), episodes, exact=False)
    return measured(task, result.mean, result.undiscounted)


def nothing(problem: Problem) -> Callable[..., Any]:
    """Action 0, or the middle of the box."""
    assert problem.actions is not None
    space = problem.actions.space
    return lambda obs, n, rng: np.zeros((n, *(space.shape or ())), space.dtype)


def at_random(problem: Problem) -> Callable[..., Any]:
    """Uniform actions."""
    from morl.agents.core.collector import random_actions

    assert problem.actions is not None
    space = problem.actions.space
    return lambda obs, n, rng: random_actions(space, n, rng)


def sb3_row(task: Task, problem: Problem, seed: int, steps: int, seconds: float | None) -> Row:
    """Plain stable-baselines3 PPO on one objective, for a number of steps or of seconds."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecNormalize

    import morl.sb3

    class Clock(BaseCallback):
        def _on_step(self) -> bool:
            return seconds is None or time.perf_counter() - began < seconds

    k, gamma = problem.spec.k, task.discount or problem.discount
    weights = task.sb3_weights or tuple(float(i == 0) for i in range(k))
    copies = VecNormalize(morl.sb3.make_vec_env(task.env, n_envs=8, weights=weights, seed=seed), gamma=gamma)
    kind = "MultiInputPolicy" if hasattr(problem.observation_space, "spaces") else "MlpPolicy"
    model = PPO(kind, copies, n_steps=256, gamma=gamma, seed=seed, device="cpu")
    began = time.perf_counter()
    model.learn(10**9 if seconds is not None else steps, callback=Clock())
    spent = time.perf_counter() - began
    copies.training = False

    def choose(observations: Any, n: int, rng: Any) -> Any:
        return model.predict(copies.normalize_obs(observations), deterministic=True)[0]

    native = Problem(task.env, task.discount)  # SB3 chooses the environment's own actions
    result = Evaluator(native, np.random.SeedSequence(7)).evaluate(Fixed(choose), 5, exact=False)
    return measured(task, result.mean, result.undiscounted, steps=model.num_timesteps, seconds=spent)


def line(label: str, rows: list[Row]) -> str:
    """Medians, with the range over seeds behind them."""

    def cell(values: list[float]) -> str:
        middle = f"{np.median(values):,.4g}"
        return middle if len(values) == 1 else f"{middle} ({min(values):,.4g}–{max(values):,.4g})"

    cells = [label]
    for key in ("HV", "EU", "best", "steps", "seconds", "eval_steps", "eval_seconds"):
        if key == "best":
            cells.append(", ".join(cell([row["best"][k] for row in rows]) for k in range(len(rows[0]["best"]))))
        else:
            cells.append(cell([row[key] for row in rows]) if key in rows[0] else "")
    return "| " + " | ".join(cells) + " |" + "".join(f"\n  warning: {words}" for words in rows[0].get("warnings", ()))


def store(path: Path, task: str, label: str, rows: list[Row]) -> None:
    """Put one cell into a JSON file; the others stay as they are."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known.setdefault(task, {})[label] = rows
    write_atomic(path, as_json(known, indent=1))


def run(name: str, task: Task, args: argparse.Namespace) -> dict[str, list[Row]]:
    """All rows of one task, printed as they come."""
    info = registry.get("ConditionedPPO").info
    problem = Problem(task.env, task.discount, info)
    steps = task.steps if args.steps is None else as_count(args.steps, "--steps", 1, AgentError)
    print(
        f"\n## {name}: {task.env}, {steps:,} steps, γ = {problem.discount}, reference {task.ref_point or 'its own'}\n"
    )
    print(f"| | HV | EU | best {', '.join(problem.spec.names)} (undiscounted) | steps | s | eval steps | eval s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    found: dict[str, list[Row]] = {}

    def add(label: str, make: Callable[[int], Row], seeds: int) -> None:
        try:
            found[label] = [make(seed) for seed in range(seeds)]
        except MorlError as error:
            print(f"| {label} | {error} |", flush=True)
            return
        print(line(label, found[label]), flush=True)
        if args.json:
            store(args.json, name, label, found[label])

    add("do nothing", lambda seed: fixed_row(task, problem, nothing(problem)), 1)
    add("random", lambda seed: fixed_row(task, problem, at_random(problem)), 1)
    chosen = registry.names() if args.agents == ["all"] else args.agents
    for agent in chosen:
        add(agent, lambda seed, agent=agent: agent_row(task, agent, seed, steps), args.seeds)
    if task.sb3 and not args.no_sb3:
        seconds = args.sb3_seconds
        if seconds == "like":
            seconds = np.median([row["seconds"] for row in found[chosen[0]]])
        limit = None if seconds is None else float(seconds)
        add("SB3 PPO, one objective", lambda seed: sb3_row(task, problem, seed, steps, limit), args.seeds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help=f"of {', '.join(TASKS)}; all by default")
    parser.add_argument("--agents", nargs="*", default=["ConditionedPPO"], help="'all' for every one")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", help="instead of each task's own")
    parser.add_argument("--no-sb3", action="store_true")
    parser.add_argument("--sb3-seconds", help="seconds that SB3 learns for; 'like' takes the first agent's median")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    unknown = set(args.tasks) - set(TASKS)
    if unknown:
        sys.exit(f"unknown task {sorted(unknown)[0]!r}; expected {', '.join(TASKS)}")
    torch.set_num_threads(1)
    for name in args.tasks or TASKS:
        run(name, TASKS[name], args)


if __name__ == "__main__":
    main()
