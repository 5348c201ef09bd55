"""CAPQL and GPI-LS with continuous actions beside morl-baselines: what both know after equal environment steps.

    python benchmarks/agents_continuous_vs_morl_baselines.py peer ours copies [--agent CAPQL GPILS]
        [--env mo-halfcheetah-v5 mo-hopper-2obj-v5] [--seeds 0 1 2] [--steps 5000] [--set name=value ...]
    python benchmarks/agents_continuous_vs_morl_baselines.py table

- ``peer``: morl-baselines with its own options, one update per step from 1,000 steps on. It is slow, so every run is
  kept in ``results/agents_continuous.json`` and not made again.
- ``ours``: one environment and the options that ship, for as many steps.
- ``equal``: the same with one update per step.
- ``copies``: 16 parallel environments and fewer updates, measured every 1,600 steps (GPI-LS 4,800), until
  the hypervolume is what morl-baselines of this seed ended with.

Both are measured after half of the steps and after all of them, by one evaluator: 20 weights evenly spread, each
acting deterministically in 3 episodes of the same seeds; expected utility is the mean of w·J, hypervolume that of the
20 vectors J, discounted returns. Measuring is in nobody's CPU seconds, except that GPI-LS for either measures
corners to choose what to train on: that is part of learning and counted. morl-baselines' GPI-LS is measured both
ways in which it can act, plainly for the weight and by GPI over its weight support, and the larger hypervolume is kept.

Reference points: full effort at every step of the half-cheetah; the hopper's as in morl-baselines' experiments. All is
one thread, but CPU seconds still grow with the load of the machine. Needs the extra ``peers``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from agents_quality_vs_morl_baselines import PeerPolicies
from agents_vs_morl_baselines import cpu, peer_env
from records import as_json

from morl.agents import registry
from morl.agents.core.config import parse_assignments, tuned_options
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.policies import PolicySet
from morl.agents.core.preferences import simplex_grid
from morl.agents.core.problem import Problem
from morl.pareto.indicators import hypervolume

Row = dict[str, Any]
STORE = Path(__file__).parent / "results" / "agents_continuous.json"
REF_POINTS = {"mo-halfcheetah-v5": (-100.0, -600.0), "mo-hopper-2obj-v5": (-100.0, -100.0)}
DISCOUNT, WEIGHTS, EPISODES, ITERATION = 0.99, simplex_grid(2, 20), 3, 1250
# Measuring corners is most of what GPI-LS does with many parallel environments: there it chooses weights less often.
MANY: dict[str, Row] = {
    "CAPQL": {"n_envs": 16, "train_freq": 16},
    "GPILS": {"n_envs": 16, "train_freq": 4, "iteration": 4800},
}


def measure(env: str, policies: PolicySet) -> Row:
    """Expected utility of policies for :data:`WEIGHTS`, and their hypervolume."""
    evaluator = Evaluator(Problem(env, DISCOUNT), np.random.SeedSequence(2026), n_envs=60)
    returns = evaluator.evaluate(policies, EPISODES, seed=7, exact=False, deterministic=True).mean
    utility = float((returns * WEIGHTS).sum(axis=1).mean())
    return {"utility": utility, "hypervolume": hypervolume(returns, np.array(REF_POINTS[env]))}


def as_tensors(policy: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A network of morl-baselines, for arrays."""

    def choose(obs: Any, weights: Any) -> Any:
        with torch.no_grad():
            return policy(torch.from_numpy(obs), torch.from_numpy(weights.astype(np.float32))).numpy()

    return choose


# ---- morl-baselines -------------------------------------------------------------------------------------------------


def peer_capql(env: str, seed: int, steps: int) -> list[Row]:
    """Curve of morl-baselines' CAPQL."""
    from morl_baselines.multi_policy.capql.capql import CAPQL

    agent = CAPQL(peer_env(env), batch_size=128, gamma=DISCOUNT, learning_starts=1000, log=False, seed=seed)
    ref, spent, points = np.array(REF_POINTS[env]), 0.0, []
    for part in (1, 2):
        spent += cpu(lambda: agent.train(total_timesteps=steps // 2, eval_env=None, ref_point=ref, eval_freq=10**9))
        values = measure(env, PeerPolicies(as_tensors(agent.policy.get_action), WEIGHTS))
        points.append({"steps": part * steps // 2, "cpu": spent, **values})
    return points


def peer_gpils(env: str, seed: int, steps: int) -> list[Row]:
    """Curve of morl-baselines' GPI-LS; its loop over iterations is interrupted to measure."""
    from morl_baselines.multi_policy.gpi_pd.gpi_pd_continuous_action import GPILSContinuousAction

    points: list[Row] = []
    measuring = 0.0

    class Interrupted(GPILSContinuousAction):  # type: ignore[misc]
        def train_iteration(self, *args: Any, **kwargs: Any) -> None:
            nonlocal measuring
            super().train_iteration(*args, **kwargs)
            if self.global_step in (steps // 2, steps):
                measuring += cpu(lambda: points.append({"steps": self.global_step, **both_ways(env, self)}))

    agent = Interrupted(
        peer_env(env), batch_size=128, net_arch=[256, 256], gradient_updates=1, per=True, gamma=DISCOUNT,
        learning_starts=1000, log=False, seed=seed,
    )  # fmt: skip
    whole = cpu(
        lambda: agent.train(
            total_timesteps=steps, eval_env=peer_env(env), ref_point=np.array(REF_POINTS[env]), eval_freq=10**9,
            timesteps_per_iter=ITERATION, num_eval_episodes_for_front=1, eval_mo_freq=10**9, checkpoints=False,
        )
    )  # fmt: skip
    points[-1]["cpu"] = whole - measuring
    return points


def both_ways(env: str, agent: Any) -> Row:
    """morl-baselines acting plainly and by GPI; the way with the larger hypervolume."""
    plain = measure(env, PeerPolicies(as_tensors(agent.policy), WEIGHTS))
    by_gpi = measure(env, PeerPolicies(as_tensors(lambda obs, w: peer_gpi(agent, obs, w)), WEIGHTS))
    best = max(plain, by_gpi, key=lambda values: values["hypervolume"])
    return {**best, "plain": plain, "gpi": by_gpi}


def peer_gpi(agent: Any, obs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What ``agent.eval`` does, for many rows: the action that a critic for any weight of its support likes best."""
    practised = agent.stacked_weight_support
    n, m = len(obs), len(practised)
    actions = agent.policy(obs.repeat_interleave(m, 0), practised.repeat(n, 1)).view(n, m, -1)
    rows, tried = obs.repeat_interleave(m * m, 0), actions.repeat_interleave(m, 0).view(n * m * m, -1)
    asked = practised.repeat_interleave(m, 0).repeat(n, 1)
    values = agent.q_nets[0](rows, tried, asked).view(n, m * m, -1)
    best = (values * weights[:, None]).sum(-1).argmax(1) % m
    return actions[torch.arange(n), best]


PEERS: dict[str, Callable[[str, int, int], list[Row]]] = {"CAPQL": peer_capql, "GPILS": peer_gpils}

# ---- ours ---------------------------------------------------------------------------------------------------------


def make(name: str, env: str, seed: int, options: Row) -> Any:
    """Our agent as it ships, in one environment unless the options say otherwise."""
    same: Row = {**tuned_options(name, env), "discount": DISCOUNT, "n_envs": 1}
    if name == "GPILS":
        same |= {"iteration": ITERATION, "eval_episodes": 1}
    return registry.get(name)(env, seed=seed, **{**same, **options})


def ours(name: str, env: str, seed: int, steps: int, options: Row) -> list[Row]:
    """Curve of our agent."""
    agent, spent, points = make(name, env, seed, options), 0.0, []
    for _ in range(2):
        spent += cpu(lambda: agent.learn(steps // 2))
        values = measure(env, agent._policies(WEIGHTS))
        points.append({"steps": agent.num_timesteps, "updates": agent.updates, "cpu": spent, **values})
    return points


def until(name: str, env: str, seed: int, options: Row, wanted: float, limit: float) -> list[Row]:
    """Curve of our agent until it has the wanted hypervolume, or has learned for ``limit`` CPU seconds."""
    agent, spent, points = make(name, env, seed, options), 0.0, []
    part = options.get("iteration", 1600)
    while not points or (points[-1]["hypervolume"] < wanted and spent < limit):
        spent += cpu(lambda: agent.learn(part))
        values = measure(env, agent._policies(WEIGHTS))
        points.append({"steps": agent.num_timesteps, "updates": agent.updates, "cpu": spent, **values})
    points[-1]["reached"] = points[-1]["hypervolume"] >= wanted
    return points


# ---- keeping and showing ------------------------------------------------------------------------------------------


def key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("who", "agent", "env", "seed", "end"))


def load() -> dict[tuple[Any, ...], Row]:
    return {key(row): row for row in json.loads(STORE.read_text())} if STORE.exists() else {}


def keep(row: Row) -> None:
    """Put one run into the file, in place of an earlier one."""
    rows = {**load(), key(row): row}
    STORE.parent.mkdir(parents=True, exist_ok=True)
    STORE.write_text(as_json(sorted(rows.values(), key=lambda r: json.dumps(key(r))), indent=1))


def run(who: str, name: str, env: str, seed: int, steps: int, options: Row) -> None:
    """Make one run and keep it; a run of morl-baselines that is there already is not made again."""
    row: Row = {"who": who, "agent": name, "env": env, "seed": seed, "end": steps, "options": options}
    known = load()
    if who == "peer":
        if key(row) in known:
            return
        points = PEERS[name](env, seed, steps)
    elif who == "copies":
        peer = known[key({**row, "who": "peer"})]["points"][-1]
        points = until(name, env, seed, {**MANY[name], **options}, peer["hypervolume"], peer["cpu"])
    else:
        points = ours(name, env, seed, steps, {**options, "train_freq": 1} if who == "equal" else options)
    keep({**row, "points": points})
    print(who, name, env, seed, options, as_json(points[-1]), flush=True)


def table() -> list[str]:
    """Mean (and range) over seeds at the end of each run; CPU seconds of learning."""
    lines = [
        "| agent | environment | run | seeds | steps | updates | utility | hypervolume | CPU s |",
        "|---" * 9 + "|",
    ]
    rows = list(load().values())
    groups = dict.fromkeys((r["agent"], r["env"], r["end"], r["who"]) for r in rows)
    for group in sorted(groups, key=lambda g: (*g[:3], ("peer", "equal", "ours", "copies").index(g[3]))):
        ends = [r["points"][-1] for r in rows if (r["agent"], r["env"], r["end"], r["who"]) == group]
        cells = [_spread([end.get(name, float("nan")) for end in ends]) for name in ("utility", "hypervolume", "cpu")]
        counts = [
            f"{statistics.mean(end.get(name, float('nan')) for end in ends):,.0f}" for name in ("steps", "updates")
        ]
        missed = sum(not end.get("reached", True) for end in ends)
        label = group[3] + (f" (not reached: {missed})" if missed else "")
        lines.append("| " + " | ".join([group[0], group[1], label, str(len(ends)), *counts, *cells]) + " |")
    return lines


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):,.4g} ({min(values):,.4g} to {max(values):,.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=["peer", "ours", "equal", "copies", "table"])
    parser.add_argument("--agent", nargs="+", default=list(PEERS))
    parser.add_argument("--env", nargs="+", default=list(REF_POINTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--set", nargs="*", default=[], help="options of ours, name=value")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for part in args.parts:
        if part == "table":
            print("\n".join(table()))
            continue
        for name in args.agent:
            for env in args.env:
                for seed in args.seeds:
                    run(part, name, env, seed, args.steps, parse_assignments(args.set))


if __name__ == "__main__":
    main()
