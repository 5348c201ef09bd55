"""Learning curves: hypervolume and expected utility against seconds and steps, ours and morl-baselines' in one run.

    python benchmarks/agents_curves.py                      # measure everything (about 25 minutes), then draw
    python benchmarks/agents_curves.py sea --seeds 0 1      # one environment, two seeds
    python benchmarks/agents_curves.py --draw               # draw what docs/agents/curves holds

Both count environment steps of learning. Seconds are wall-clock of one thread, two runs side by side at most
(``--jobs 2``); ours include our evaluations, morl-baselines' leave them out, which favours it.
Compilation (once per machine, cached) is done before. Runs of morl-baselines end after ``--budget`` seconds. Fronts of
our agents are the evaluator's (exact on finite environments); those of morl-baselines what its greedy policies return.
Needs the extra ``peers``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from records import as_json

import morl
from morl.agents import registry
from morl.agents.core.callbacks import FrontCallback
from morl.agents.core.config import tuned_options
from morl.pareto import Front
from morl.pareto.indicators import expected_utility, hypervolume
from morl.spec import MOSpec

DOCS = Path(__file__).resolve().parents[1] / "docs" / "agents"
CURVES, IMAGES = DOCS / "curves", DOCS / "images"
Row = dict[str, float]
Run = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """An environment, how it is measured, and who learns it.

    Args:
        env: our id.
        peer_env: morl-baselines' id of the same problem.
        ref_point: of the hypervolume.
        ours: environment steps by algorithm, with its tuned options.
        peers: names of functions below.
    """

    env: str
    peer_env: str
    ref_point: tuple[float, ...]
    ours: dict[str, int]
    peers: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def spec(self) -> MOSpec:
        """Objectives and discount, the same for both."""
        spec: MOSpec = morl.make(self.env).unwrapped.mo_spec
        return spec

    def truth(self) -> Front:
        """The exact front, or the best known one."""
        front: Front = morl.make(self.env).unwrapped.pareto_front()
        return front

    def measure(self, points: Any) -> Row:
        """Indicators of returns ``(n, K)``."""
        if not len(points):
            return {"hypervolume": 0.0, "expected_utility": 0.0}
        return {
            "hypervolume": hypervolume(np.asarray(points), np.array(self.ref_point)),
            "expected_utility": expected_utility(self.spec.normalise(points)),
        }


class Minecart(Task):
    """Measured as ``agents_minecart.py`` does it, whose runs of our agents the pictures show."""

    def measure(self, points: Any) -> Row:
        """Hypervolume, and expected utility of preferences over the returns as they are."""
        from agents_minecart import indicators

        return indicators(np.asarray(points)) if len(points) else {"hypervolume": 0.0, "expected_utility": -200 / 3}


TASKS = {
    "sea": Task(
        "morl/DeepSeaTreasureConcave-v0", "deep-sea-treasure-concave-v0", (0.0, -25.0),
        {"ParetoQLearning": 30_000, "PCN": 200_000, "MultiWeightQLearning": 30_000},
        ("pql", "pcn"),
        {"ParetoQLearning": {"n_steps": 500}},
    ),
    "fruit": Task(
        "morl/FruitTree-v0", "fruit-tree-v0", (0.0,) * 6,
        {"ParetoQLearning": 20_000, "PCN": 200_000, "VectorQLambda": 400_000},
        ("pcn",),
        {"ParetoQLearning": {"n_steps": 500}},
    ),
    "minecart": Minecart(
        "morl/MinecartDeterministic-v0", "minecart-deterministic-v0", (0.0, 0.0, -200.0), {}, ("pcn", "envelope")
    ),
}  # fmt: skip


# ---- ours ---------------------------------------------------------------------------------------------------


class Sparse(FrontCallback):
    """Measures at intervals that grow by a quarter, and stops where the whole exact front is found."""

    def __init__(self, task: Task, first: int) -> None:
        super().__init__(first, None, episodes=1)
        self.task, self.begun = task, time.perf_counter()
        self.whole = task.measure(task.truth().points)["hypervolume"]

    def on_step(self, agent: Any) -> bool:
        if agent.num_timesteps < self._next:
            return True
        self._next = max(agent.num_timesteps + self.every, int(agent.num_timesteps * 1.25))
        self.note(agent)
        return self.history[-1]["hypervolume"] < self.whole * (1 - 1e-9)

    def note(self, agent: Any) -> None:
        front = agent.front(episodes=1)
        spent = time.perf_counter() - self.begun
        counted = {"seconds": spent, "steps": agent.num_timesteps, "evaluation_steps": agent.eval_steps}
        self.history.append({**counted, **self.task.measure(front.points)})


def our_run(task: Task, name: str, seed: int) -> list[Row]:
    """One of our agents."""
    options = {**tuned_options(name, task.env), **task.options.get(name, {})}
    steps = task.ours[name]
    registry.get(name)(task.env, options, seed=seed).learn(min(2_000, steps)).front(episodes=1)  # compile
    watch = Sparse(task, max(steps // 60, 500))
    watch.begun = time.perf_counter()
    agent = registry.get(name)(task.env, options, seed=seed).learn(steps, callback=watch)
    watch.note(agent)
    return watch.history


# ---- morl-baselines ---------------------------------------------------------------------------------------------


class BudgetSpent(Exception):
    """morl-baselines' time is over."""


def watched(task: Task, budget: float, fronts: list[Callable[[], Any]]) -> tuple[Any, list[Row]]:
    """morl-baselines' environment, which measures ``fronts[0]()`` as it is stepped: at steps that grow by a quarter."""
    import gymnasium as gym

    rows: list[Row] = []

    class Watch(gym.Wrapper):  # type: ignore[type-arg]
        def __init__(self, env: Any) -> None:
            super().__init__(env)
            self.steps, self.next, self.apart, self.begun = 0, 1_000, 0.0, time.perf_counter()

        def step(self, action: Any) -> Any:
            moved = super().step(action)
            self.steps += 1
            spent = time.perf_counter() - self.begun - self.apart
            if self.steps >= self.next or spent > budget:
                self.next = max(self.steps + 500, int(self.steps * 1.25))
                before = time.perf_counter()
                rows.append({"seconds": spent, "steps": self.steps, "evaluation_steps": 0, **task.measure(fronts[0]())})
                self.apart += time.perf_counter() - before
                if spent > budget or rows[-1]["hypervolume"] >= whole * (1 - 1e-6):
                    raise BudgetSpent
            return moved

    whole = task.measure(task.truth().points)["hypervolume"]
    return Watch(peer_env(task)), rows


def floats(env: Any) -> Any:
    """The environment with float32 observations, which morl-baselines' networks need and some environments lack."""
    from gymnasium.wrappers import DtypeObservation

    return DtypeObservation(env, np.float32)


def peer_env(task: Task) -> Any:
    import mo_gymnasium

    return mo_gymnasium.make(task.peer_env)


def pql(task: Task, seed: int, budget: float) -> list[Row]:
    """Its Pareto Q-learning, its example's exploration over the same steps as ours times two."""
    from morl_baselines.multi_policy.pareto_q_learning.pql import PQL

    fronts: list[Callable[[], Any]] = []
    env, rows = watched(task, budget, fronts)

    reference = np.array(task.ref_point)
    agent = PQL(
        env, reference, gamma=task.spec.discount, initial_epsilon=1.0, epsilon_decay_steps=50_000, final_epsilon=0.2,
        seed=seed, log=False,
    )  # fmt: skip
    fronts.append(lambda: agent._eval_all_policies(peer_env(task)))  # followed in the environment, not estimates
    with contextlib.suppress(BudgetSpent):
        agent.train(total_timesteps=10**9, eval_env=env, ref_point=reference, log_every=10**9)
    return rows


def pcn(task: Task, seed: int, budget: float) -> list[Row]:
    """Its PCN with the options of its own minecart example; the scale of returns follows the environment."""
    from morl_baselines.multi_policy.pcn.pcn import PCN

    fronts: list[Callable[[], Any]] = []
    env, rows = watched(task, budget, fronts)
    low, high = (np.array(side) for side in task.spec.return_scale or ())
    span = high - low
    agent = PCN(
        floats(env), scaling_factor=np.append(1.0 / span, 0.1), learning_rate=1e-3, gamma=task.spec.discount,
        batch_size=256, log=False, seed=seed,
    )  # fmt: skip
    ceiling = np.float32(high)
    plain = floats(peer_env(task))
    fronts.append(lambda: agent.evaluate(plain, ceiling, n=50)[0] if len(agent.experience_replay) > 1 else [])
    agent.experience_replay = []
    with contextlib.suppress(BudgetSpent):
        agent.train(
            total_timesteps=10**9, eval_env=plain, ref_point=np.array(task.ref_point), num_er_episodes=20,
            max_buffer_size=50, num_model_updates=50, max_return=ceiling,
        )  # fmt: skip
    return rows


def envelope(task: Task, seed: int, budget: float) -> list[Row]:
    """Its Envelope with the options of its own minecart example; greedy returns of 21 spread preferences."""
    from morl_baselines.multi_policy.envelope.envelope import Envelope

    fronts: list[Callable[[], Any]] = []
    env, rows = watched(task, budget, fronts)
    agent = Envelope(
        floats(env), max_grad_norm=0.1, learning_rate=3e-4, gamma=task.spec.discount, batch_size=64, net_arch=[256] * 4,
        buffer_size=200_000, initial_epsilon=1.0, final_epsilon=0.05, epsilon_decay_steps=50_000,
        initial_homotopy_lambda=0.0, final_homotopy_lambda=1.0, homotopy_decay_steps=10_000, learning_starts=100,
        envelope=True, gradient_updates=1, target_net_update_freq=1000, tau=1, log=False, seed=seed,
    )  # fmt: skip
    from morl.agents.core.preferences import simplex_grid

    plain = floats(peer_env(task))
    fronts.append(lambda: [_greedy(agent, plain, w, task.spec.discount) for w in simplex_grid(len(task.ref_point), 5)])
    with contextlib.suppress(BudgetSpent):
        agent.train(
            total_timesteps=10**9, eval_env=None, ref_point=np.array(task.ref_point), eval_freq=10**9, verbose=False
        )
    return rows


def _greedy(agent: Any, env: Any, weight: Any, gamma: float) -> Any:
    observation, _ = env.reset(seed=0)
    total, factor, ended = np.zeros(env.unwrapped.reward_space.shape[0]), 1.0, False
    while not ended:
        observation, reward, terminated, truncated, _ = env.step(agent.eval(observation, np.float32(weight)))
        total += factor * reward
        factor *= gamma
        ended = terminated or truncated
    return total


PEERS: dict[str, Callable[[Task, int, float], list[Row]]] = {"pql": pql, "pcn": pcn, "envelope": envelope}
TITLES = {"pql": "morl-baselines PQL", "pcn": "morl-baselines PCN", "envelope": "morl-baselines Envelope"}


# ---- running and drawing ------------------------------------------------------------------------------------


def one(job: tuple[str, str, int, float]) -> Run:
    """A run in a process of its own."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    key, name, seed, budget = job
    task = TASKS[key]
    with contextlib.redirect_stdout(io.StringIO()):
        rows = our_run(task, name, seed) if name in task.ours else PEERS[name](task, seed, budget)
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    return {"agent": name if name in task.ours else TITLES[name], "seed": seed, **columns}


def measure(key: str, seeds: list[int], peer_seeds: int, budget: float, jobs: int) -> None:
    """All runs of one task, into ``docs/agents/curves/<task>.json``."""
    task = TASKS[key]
    truth = task.truth()
    work = [(key, name, seed, budget) for name in task.ours for seed in seeds]
    work += [(key, name, seed, budget) for name in task.peers for seed in seeds[:peer_seeds]]
    kept: list[Run] = []
    if not peer_seeds and (CURVES / f"{key}.json").exists():
        earlier = json.loads((CURVES / f"{key}.json").read_text())
        kept, budget = [run for run in earlier["runs"] if run["agent"] in TITLES.values()], earlier["budget"]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        runs = list(pool.map(one, work))
    level = {"name": "best known" if truth.best_known else "exact", **task.measure(truth.points)}
    hull = task.measure(truth.points[truth.classified().supported])
    answer = {"env": task.env, "reference": level, "hull": hull["hypervolume"], "budget": budget, "runs": runs + kept}
    CURVES.mkdir(parents=True, exist_ok=True)
    (CURVES / f"{key}.json").write_text(as_json(answer) + "\n")
    for run in runs:
        print(f"{key:9} {run['agent']:26} seed {run['seed']}: ", _summary(run, level), flush=True)


def _summary(run: Run, level: dict[str, Any]) -> str:
    ratios = np.array(run["hypervolume"]) / level["hypervolume"]
    text = (
        f"hypervolume {ratios[-1]:.3f} of {level['name']} after {run['steps'][-1]:,} steps, {run['seconds'][-1]:.1f} s"
    )
    for share in (0.95, 1.0):
        there = np.flatnonzero(ratios >= share * (1 - 1e-6))
        if len(there):
            text += f"; {share:.0%} at {run['seconds'][there[0]]:.2f} s, {run['steps'][there[0]]:,} steps"
    return text


PICTURES = {
    "sea": ("sea",),
    "fruit": ("fruit",),
    "minecart": ("minecart_evolution", "minecart_pcn", "minecart_linear", "minecart"),
    "minecart_stochastic": ("minecart_stochastic",),
}
"""Files of curves by picture; an agent is drawn from the first that has it."""

TITLES_OF_PICTURES = {
    "sea": "DeepSeaTreasureConcave",
    "fruit": "FruitTree, depth 6",
    "minecart": "MinecartDeterministic",
    "minecart_stochastic": "Minecart",
}


def read(name: str) -> tuple[dict[str, list[Run]], dict[str, Row]]:
    """All runs of a picture by agent, and what they are compared with: indicators by the name of the front."""
    files = [json.loads(f.read_text()) for part in PICTURES[name] if (f := CURVES / f"{part}.json").exists()]
    runs: dict[str, list[Run]] = {}
    levels: dict[str, Row] = {}
    for data in files:
        fresh = {run["agent"] for run in data["runs"]} - set(runs)
        for run in data["runs"]:
            if run["agent"] in fresh:
                runs.setdefault(run["agent"], []).append(run)
        reference = data["reference"]
        levels = levels or reference.get("others") or {reference["name"]: reference}
        if "hull" in data:
            levels["vertices of its hull"] = {"hypervolume": data["hull"]}
    return runs, {which: front for which, front in levels.items() if " and " not in which}


def draw(name: str) -> Path | None:
    """Two indicators, each against seconds and against steps; ``None`` where nothing was measured."""
    import matplotlib.pyplot as plt

    from morl.pareto.plots_curves import plot_curves

    runs, fronts = read(name)
    if not runs:
        return None
    figure, axes = plt.subplots(2, 2, figsize=(9.2, 5.8), layout="constrained", sharey="row")
    for row, indicator in zip(axes, ("hypervolume", "expected_utility"), strict=True):
        levels = {which: front[indicator] for which, front in fronts.items() if indicator in front}
        for ax, spent in zip(row, ("seconds", "steps"), strict=True):
            curves = {agent: [(run[spent], run[indicator]) for run in some] for agent, some in runs.items()}
            label = "seconds" if spent == "seconds" else "environment steps"
            plot_curves(curves, levels=levels, xlabel=label, ylabel=indicator.replace("_", " "), ax=ax)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    IMAGES.mkdir(parents=True, exist_ok=True)
    out = IMAGES / f"curves_{name}.png"
    figure.savefig(out, dpi=130)
    plt.close(figure)
    return out


def page(conditions: str) -> str:
    """The pictures and what they say in figures, in markdown."""
    lines = [
        "# Learning curves",
        "",
        "Written by `python benchmarks/agents_curves.py` and, for our agents in the minecart,",
        "`python benchmarks/agents_minecart.py`. Lines are medians over seeds (their number in brackets), bands go",
        "from the worst seed to the best. Seconds are wall-clock of one thread; ours include evaluation, those of",
        "morl-baselines leave it out; compilation, once per machine, is done before. Its runs end after a minute.",
        conditions,
        "",
        "Seconds and steps to a share of a front's hypervolume are those of the first measurement that has it: medians",
        "over the seeds that get there, whose number is given.",
        "",
    ]
    for name, title in TITLES_OF_PICTURES.items():
        runs, fronts = read(name)
        if not runs:
            continue
        which, level = next(iter(fronts.items()))
        words = "; ".join(
            f"{w}: hypervolume {f['hypervolume']:.6g}"
            + (f", expected utility {f['expected_utility']:.4g}" if "expected_utility" in f else "")
            for w, f in fronts.items()
        )
        lines += [f"## {title}", "", f"![{title}](images/curves_{name}.png)", "", words + ".", ""]
        lines += [
            "| agent | seeds | hypervolume at the end | expected utility at the end "
            f"| 95 % of the {which} | all of it |"
        ]
        lines += ["|---|---|---|---|---|---|"]
        for agent, some in runs.items():
            ends = [spread([run[i][-1] for run in some]) for i in ("hypervolume", "expected_utility")]
            there = [first(some, level["hypervolume"] * share) for share in (0.95, 1.0)]
            lines += ["| " + " | ".join([agent, str(len(some)), *ends, *there]) + " |"]
        lines += [""]
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Median and range."""
    middle, low, high = (f"{v:.4g}" for v in (float(np.median(values)), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}…{high})"


def first(runs: list[Run], level: float) -> str:
    """When runs first have a hypervolume."""
    found = [
        (run["seconds"][i], run["steps"][i])
        for run in runs
        if (i := next((j for j, v in enumerate(run["hypervolume"]) if v >= level * (1 - 1e-6)), -1)) >= 0
    ]
    if not found:
        return "–"
    seconds, steps = np.median(found, axis=0)
    return f"{seconds:.3g} s, {steps:,.0f} steps ({len(found)} of {len(runs)})"


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--peer-seeds", type=int, default=5, help="how many of the seeds morl-baselines runs with; 0 keeps its runs"
    )
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each run of morl-baselines")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--draw", action="store_true", help="draw only")
    parser.add_argument("--conditions", default="Two cores, two runs side by side.", help="a line for the page")
    given = parser.parse_args()
    if not given.draw:
        for key in given.tasks:
            measure(key, given.seeds, given.peer_seeds, given.budget, given.jobs)
    for name in PICTURES:
        print(draw(name) or f"{name}: no curves yet")
    (DOCS / "curves.md").write_text(page(given.conditions))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
