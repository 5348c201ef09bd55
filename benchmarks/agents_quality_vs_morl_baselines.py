"""What Envelope and GPI-LS have learned after equal environment steps and updates, beside morl-baselines.

    python benchmarks/agents_quality_vs_morl_baselines.py [envelope] [gpils] [--seeds 3] [--only SEED] [--steps N]
        [--env ID] [--out benchmarks/results]

Both learn on one and the same MO-Gymnasium environment, with one update per step, the same batch and width of the
network, and ε from 1 to 0.05 over the first half; other options are each library's own. Both are then measured by the
same evaluator under the same weights and seeds, acting deterministically: expected utility (the mean of w·J over
weights evenly spread on the simplex) and hypervolume, in discounted returns. Steps that GPI-LS spends on measuring its
weights are not among the equal steps for either, but their CPU time is counted: morl-baselines, which measures one
episode at a time and every corner once per corner, spends most of its time there with many objectives.

Continuous actions: `agents_continuous_vs_morl_baselines.py`. Needs the extra ``peers``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from agents_vs_morl_baselines import cpu, peer_env
from records import as_json

from morl.agents import registry
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.policies import Decision, PolicySet
from morl.agents.core.preferences import simplex_grid
from morl.agents.core.problem import Problem
from morl.pareto.indicators import hypervolume

Row = dict[str, Any]
REF_POINTS = {
    "deep-sea-treasure-v0": (0.0, -50.0),
    "fruit-tree-v0": (0.0,) * 6,
    "resource-gathering-v0": (-1.0, 0.0, 0.0),
    "minecart-deterministic-v0": (0.0, 0.0, -200.0),
}
DISCOUNT = 0.99
MEASURED = ("utility", "hypervolume", "cpu")


class PeerPolicies(PolicySet):
    """Policies of morl-baselines under fixed weights, for our evaluator.

    Args:
        choose: ``(observations (n, ...), weights (n, K)) -> actions (n, ...)``.
        weights: ``(m, K)``.
    """

    def __init__(self, choose: Callable[[Any, Any], Any], weights: Any) -> None:
        self.choose, self.preferences = choose, weights

    def __len__(self) -> int:
        return len(self.preferences)

    def act(self, decision: Decision) -> tuple[Any, Any]:
        """Ask morl-baselines."""
        rows = np.asarray(decision.observations, dtype=np.float32)
        return self.choose(rows, self.preferences[decision.which]), decision.memory


def measure(env: str, policies: PolicySet, episodes: int) -> tuple[float, float]:
    """Expected utility over the weights of these policies, and hypervolume."""
    evaluator = Evaluator(Problem(env, DISCOUNT), np.random.SeedSequence(2026), n_envs=50)
    returns = evaluator.evaluate(policies, episodes, seed=7, exact=False, deterministic=True).mean
    weights = policies.preferences
    return float((returns * weights).sum(axis=1).mean()), hypervolume(returns, np.array(REF_POINTS[env]))


def one_by_one(act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """morl-baselines' action for one observation and weight, for many."""
    return lambda obs, weights: np.array([act(o, w) for o, w in zip(obs, weights, strict=True)])


# ---- peers: (environment, seed, steps) -> how it acts, CPU seconds ------------------------------------------------


def peer_envelope(env: str, seed: int, steps: int) -> tuple[Any, float]:
    from morl_baselines.multi_policy.envelope.envelope import Envelope

    agent = Envelope(
        peer_env(env), batch_size=64, net_arch=[128, 128], num_sample_w=4, per=True, gamma=DISCOUNT,
        initial_epsilon=1.0, final_epsilon=0.05, epsilon_decay_steps=steps // 2, homotopy_decay_steps=steps,
        log=False, seed=seed,
    )  # fmt: skip
    ref = np.array(REF_POINTS[env])
    spent = cpu(lambda: agent.train(total_timesteps=steps, eval_env=None, ref_point=ref, eval_freq=10**9))
    return one_by_one(agent.eval), spent


def peer_gpils(env: str, seed: int, steps: int) -> tuple[Any, float]:
    from morl_baselines.multi_policy.gpi_pd.gpi_pd import GPILS

    agent = GPILS(
        peer_env(env), batch_size=128, net_arch=[128, 128], gradient_updates=1, per=True, gamma=DISCOUNT,
        initial_epsilon=1.0, final_epsilon=0.05, epsilon_decay_steps=steps // 2, log=False, seed=seed,
    )  # fmt: skip
    return one_by_one(agent.eval), cpu(lambda: _iterate(agent, env, steps, 8))


def _iterate(agent: Any, env: str, steps: int, iterations: int) -> None:
    agent.train(
        total_timesteps=steps, eval_env=peer_env(env), ref_point=np.array(REF_POINTS[env]), eval_freq=10**9,
        timesteps_per_iter=steps // iterations, num_eval_episodes_for_front=1, eval_mo_freq=10**9, checkpoints=False,
    )  # fmt: skip


# ---- comparison ---------------------------------------------------------------------------------------------------

ONE: Row = {"n_envs": 1, "train_freq": 1, "discount": DISCOUNT}
# part: agent, peer, environments, steps, weights, our options for so many steps
PARTS: dict[str, tuple[str, Any, tuple[str, ...], int, int, Callable[[int], Row]]] = {
    "envelope": (
        "Envelope", peer_envelope, ("deep-sea-treasure-v0", "fruit-tree-v0"), 6000, 100,
        lambda steps: {**ONE, "batch_size": 64, "net_arch": (128, 128), "learning_starts": 100},
    ),
    "gpils": (
        "GPILS", peer_gpils, ("deep-sea-treasure-v0", "resource-gathering-v0"), 6000, 100,
        lambda steps: {**ONE, "batch_size": 128, "net_arch": (128, 128), "learning_starts": 100,
                       "iteration": steps // 8, "eval_episodes": 1},
    ),
}  # fmt: skip


def compare(part: str, env: str, seeds: Iterable[int], steps: int) -> list[Row]:
    """Learn with both, seed by seed in turn, and measure both."""
    name, peer, _, _, m, options = PARTS[part]
    weights = simplex_grid(len(REF_POINTS[env]), m)
    if len(weights) < m // 2:  # many objectives have no lattice of this size
        weights = np.random.default_rng(0).dirichlet(np.ones(len(REF_POINTS[env])), m)
    rows: list[Row] = []
    for seed in seeds:
        choose, spent = peer(env, seed, steps)
        theirs = dict(zip(MEASURED, (*measure(env, PeerPolicies(choose, weights), 1), spent), strict=True))
        mine = learned(name, env, seed, steps, options(steps), weights)
        row = {"part": part, "env": env, "seed": seed, "peer_steps": steps, **mine}
        row |= {f"peer_{key}": value for key, value in theirs.items()}
        print(as_json(row), flush=True)
        rows.append(row)
    return rows


def learned(name: str, env: str, seed: int, steps: int, options: Row, weights: Any) -> Row:
    """What our agent has after so many steps."""
    agent = registry.get(name)(env, seed=seed, **options)
    spent = cpu(lambda: agent.learn(steps))
    values = (*measure(env, agent._policies(weights), 1), spent)
    return {**dict(zip(MEASURED, values, strict=True)), "steps": agent.num_timesteps, "updates": agent.updates}


def table(rows: list[Row]) -> list[str]:
    """Medians over seeds as a table; CPU in seconds."""
    heads = ["part", "env", "seeds", "steps", "peer", "utility", "peer", "hypervolume", "peer", "CPU", "peer"]
    heads += ["steps/s", "ratio"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for part, env in dict.fromkeys((r["part"], r["env"]) for r in rows):
        mine = [r for r in rows if (r["part"], r["env"]) == (part, env)]
        cells = [
            f"{statistics.median(r[who + key] for r in mine):.4g}"
            for key in ("steps", *MEASURED)
            for who in ("", "peer_")
        ]
        rate = statistics.median(r["steps"] / r["cpu"] for r in mine)
        ratio = rate / statistics.median(r["peer_steps"] / r["peer_cpu"] for r in mine)
        lines.append(f"| {part} | {env} | {len(mine)} | {' | '.join(cells)} | {rate:.0f} | {ratio:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", type=int, default=None, help="this seed alone, added to the results that are there")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--env", default=None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts or PARTS:
        _, _, envs, steps, _, _ = PARTS[part]
        file = args.out / f"agents_quality_{part}.json"
        rows: list[Row] = [] if args.only is None or not file.exists() else json.loads(file.read_text())
        seeds = range(args.seeds) if args.only is None else [args.only]
        for env in [args.env] if args.env else envs:
            fresh = compare(part, env, seeds, args.steps or steps)
            known = {(row["env"], row["seed"]) for row in fresh}
            rows = [row for row in rows if (row["env"], row["seed"]) not in known] + fresh
        lines = table(rows)
        print("\n".join(lines), flush=True)
        file.write_text(as_json(rows, indent=1))
        (args.out / f"agents_quality_{part}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
