"""One agent for all objectives, or one for each? Task metrics and joint metrics at equal steps, measured together.

    python benchmarks/joint.py                              # every case, five seeds
    python benchmarks/joint.py --only labelling --seeds 0 1 2 [--steps 300000] [--out joint.jsonl]
    python benchmarks/joint.py --report joint.jsonl

K single-objective agents learn for a K-th of the steps each, the vector agent for all of them; all are of one algorithm
with one set of options, a single-objective agent on one corner of the simplex only. Task metrics: what the policy for
objective k earns of it, in per cent of the return scale, and where the environment labels or predicts, the accuracy,
F1, Dice or mean absolute error of its answers. Joint metrics: hypervolume of all policies, the best mean and the best
worst objective of one policy on the return scale, and Δ_MTL, the mean over tasks of joint minus single (Vandenhende et
al. 2021; here in points of the return scale, as objectives whose best is zero have no relative error).
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from records import record
from scipy import stats

import morl
from morl.agents import registry
from morl.envs.science.cluster_potential import cluster
from morl.envs.science.force_field import fit, make_samples
from morl.envs.science.labelling import LabellingDynamics
from morl.envs.science.scan import ScanDynamics
from morl.envs.wrappers.faulty import VectorFaultyReward
from morl.pareto.indicators import hypervolume

Array = np.ndarray[Any, Any]
Act = Callable[[Any], Any]


def labels(act: Act, k: int) -> dict[str, float]:
    """Accuracy of tags, or F1 of claimed entities, over 400 sentences."""
    dynamics, rng = LabellingDynamics(), np.random.default_rng(5)
    state = dynamics.initial(400, rng)
    while (going := state["at"] < dynamics.length).any():
        after = dynamics.step(state, act(dynamics.observe(state)), rng).state
        state = {name: np.where(going.reshape(-1, *[1] * (x.ndim - 1)), after[name], x) for name, x in state.items()}
    if k == 0:
        return {"accuracy": float((state["said_tags"] == state["tags"]).mean())}
    said, true = state["said_entities"], state["entities"]
    hits = float(((said == true) & (true > 0)).sum())
    return {"F1": 2 * hits / float((said > 0).sum() + (true > 0).sum())} if k == 1 else {}


def scans(act: Act, k: int) -> dict[str, float]:
    """F1 of declared digits, or Dice of the outline, over 300 canvases."""
    dynamics, rng = ScanDynamics(), np.random.default_rng(5)
    state, going = dynamics.initial(300, rng), np.ones(300, dtype=bool)
    declared, dice = np.zeros(300), np.zeros(300)
    hits = np.zeros(300)
    for _ in range(dynamics.max_steps or 0):
        out = dynamics.step(state, np.where(going, act(dynamics.observe(state)), 0), rng)
        declared += going * (out.rewards[:, 0] != 0)
        hits += going * (out.rewards[:, 0] > 0)
        dice += going * out.rewards[:, 1]
        going &= ~out.terminated
        state = out.state
    if k == 0:
        return {"F1": float(2 * hits.sum() / (declared.sum() + state["present"].sum()))}
    return {"Dice": float(dice.mean())} if k == 1 else {}


@dataclass(frozen=True)
class Case:
    """What is learned, by whom, and for how long.

    Args:
        env: id of the environment.
        algorithm: name of the algorithm.
        steps: of the vector agent.
        options: of every agent.
        metrics: of the policy for objective k: ``metrics(act, k)``.
        faulty: an objective whose reward is noise in training, and the noise's deviation.
    """

    env: str
    algorithm: str
    steps: int
    options: dict[str, Any] = field(default_factory=dict)
    metrics: Callable[[Act, int], dict[str, float]] | None = None
    faulty: tuple[str, float] | None = None


PPO = {"n_envs": 64, "batch_size": 512, "n_epochs": 5, "learning_rate": (2e-3, 1e-4)}
CASES = {
    "discovery": Case("morl/ScientificDiscovery-v0", "VectorQLambda", 60_000),
    "folding": Case("morl/HPFolding-v0", "Envelope", 30_000),
    "dosing": Case("morl/MultiDrugDosing-v0", "ConditionedPPO", 120_000, {**PPO, "ent_coef": 0.01}),
    "labelling": Case("morl/SequenceLabelling-v0", "ConditionedPPO", 200_000,
                      {**PPO, "ent_coef": 0.1, "gae_lambda": 0.0}, labels),
    "scan": Case("morl/ActiveScan-v0", "ConditionedPPO", 120_000, {**PPO, "ent_coef": 0.02}, scans),
    "driving": Case("morl/Driving-v0", "ConditionedPPO", 120_000, PPO),
    "driving, faulty energy": Case("morl/Driving-v0", "ConditionedPPO", 120_000, PPO, faulty=("energy", 5.0)),
}  # fmt: skip


def trained(case: Case, seed: int, steps: int, weights: Any) -> Any:
    """An agent that has learned, in the sound environment."""
    options = {"seed": seed, "weights": weights, **case.options}
    if case.faulty is None:
        return registry.get(case.algorithm)(case.env, **options).learn(steps)
    n = int(case.options["n_envs"])
    env: Any = VectorFaultyReward(morl.make_vec(case.env, n, autoreset_mode="SAME_STEP"), case.faulty[0], "noise",
                                  case.faulty[1])  # fmt: skip
    agent = registry.get(case.algorithm)(env, **options).learn(steps)
    sound = registry.get(case.algorithm)(case.env, **options)
    sound._restore(*agent._state())
    return sound


def measured(agent: Any, corners: Array, case: Case) -> tuple[Array, list[dict[str, float]]]:
    """Returns ``(m, K)`` of the policies for some corners of the simplex, and their metrics."""
    values = agent.evaluate(corners, episodes=200, seed=1).mean
    if case.metrics is None:
        return values, [{} for _ in corners]
    found = []
    for corner in corners:

        def act(obs: Any, corner: Any = corner) -> Any:
            return agent.predict(obs, preference=np.tile(corner, (len(obs), 1)), deterministic=True)[0]

        found.append(case.metrics(act, int(corner.argmax())))
    return values, found


def run(case: Case, seed: int, steps: int) -> dict[str, Any]:
    """Metrics of both, for one seed."""
    spec = morl.make(case.env).unwrapped.mo_spec
    k, low = spec.k, np.array(spec.return_scale[0])
    size, corners = np.array(spec.return_scale[1]) - low, np.eye(spec.k)
    begin = time.perf_counter()
    joint = trained(case, seed, steps, None)
    spent = [time.perf_counter() - begin]
    tasks, metrics = measured(joint, corners, case)
    front = joint.front(seed=2).points
    begin, alone, answers = time.perf_counter(), [], []
    for i in range(k):
        agent = trained(case, seed, steps // k, (tuple(corners[i]),))
        values, found = measured(agent, corners[i : i + 1], case)
        alone.append(values[0])
        answers.append(found[0])
    spent.append(time.perf_counter() - begin)
    out: dict[str, Any] = {"seconds": [round(s, 1) for s in spent]}
    for name, own, all_, said in (("joint", tasks, np.concatenate([front, tasks]), metrics),
                                  ("single", np.array(alone), np.array(alone), answers)):  # fmt: skip
        share = 100 * (all_ - low) / size
        task = 100 * (np.diag(own) - low) / size
        out[name] = {"tasks": dict(zip(spec.names, task.round(2).tolist(), strict=True)),
                     "answers": {f"{spec.names[i]} {what}": x for i, one in enumerate(said) for what, x in one.items()},
                     "hypervolume": hypervolume(all_, np.array(spec.ref_point)) / float(np.prod(size)),
                     "mean": float(share.mean(axis=1).max()), "worst": float(share.min(axis=1).max())}  # fmt: skip
    out["delta"] = float(np.mean([out["joint"]["tasks"][n] - out["single"]["tasks"][n] for n in spec.names]))
    return out


def force_field(seed: int, steps: int) -> dict[str, Any]:
    """Mean absolute errors of energy, force and dipole of (NaCl)₂ on fresh configurations, relative to their spread."""
    rng = np.random.default_rng(seed)
    samples, test = make_samples(2, 2000, rng), make_samples(2, 1000, rng)
    names, true = ("energy", "force", "dipole"), (test.energy, test.force, test.dipole)
    out: dict[str, Any] = {"seconds": []}
    for name, ways in (("joint", [None]), ("single", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])):
        begin, errors = time.perf_counter(), np.zeros(3)
        for weights in ways:
            model = fit(cluster("nacl", 2), samples, epochs=steps // len(ways), seed=seed, loss_weights=weights).model
            got = [part.detach().numpy() for part in model(_tensor(test.positions))]
            found = np.array([np.abs(g - t).mean() / t.std() for g, t in zip(got, true, strict=True)])
            errors = found if weights is None else np.where(np.array(weights) > 0, found, errors)
        out["seconds"].append(round(time.perf_counter() - begin, 1))
        out[name] = {"tasks": {n: -100 * float(e) for n, e in zip(names, errors, strict=True)}, "answers": {},
                     "hypervolume": float("nan"), "mean": -100 * float(errors.mean()),
                     "worst": -100 * float(errors.max())}  # fmt: skip
    out["delta"] = out["joint"]["mean"] - out["single"]["mean"]
    return out


def _tensor(array: Array) -> Any:
    import torch

    return torch.tensor(array)


def interval(values: list[float]) -> str:
    """Mean and its 95 % interval (Student)."""
    x = np.array(values)
    if len(x) < 2:
        return f"{x.mean():.2f}"
    return f"{x.mean():.2f} ± {stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)):.2f}"


def report(lines: list[dict[str, Any]]) -> None:
    """Tables in Markdown."""
    print("| case | metric | single | joint | joint − single |\n|---|---|---|---|---|")
    for case in dict.fromkeys(line["case"] for line in lines):
        some = [line for line in lines if line["case"] == case]
        rows: dict[str, tuple[str, ...]] = {
            n: (part, n) for part in ("tasks", "answers") for n in some[0]["joint"][part]
        }
        rows.update({n: (n,) for n in ("hypervolume", "mean", "worst") if np.isfinite(_at(some[0]["joint"], (n,)))})
        for name, path in rows.items():
            pair = [[_at(line[who], path) for line in some] for who in ("single", "joint")]
            change = interval([b - a for a, b in zip(*pair, strict=True)])
            if name == "hypervolume":  # its unit says nothing
                pair, change = [[1.0] * len(some), [b / a for a, b in zip(*pair, strict=True)]], ""
            print(f"| {case} | {name} | {interval(pair[0])} | {interval(pair[1])} | {change} |")
        print(f"| {case} | Δ_MTL | | | {interval([line['delta'] for line in some])} |")


def _at(tree: Any, path: tuple[str, ...]) -> float:
    for name in path:
        tree = tree[name]
    return float("nan") if tree is None else float(tree)


def main() -> None:
    """Run cases, adding a line for each seed to a file, or print the tables of such a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*CASES, "force field"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.report:
        report([json.loads(line) for line in given.report.read_text().splitlines()])
        return
    found = []
    for name in given.only:
        for seed in given.seeds:
            if name == "force field":
                line = force_field(seed, given.steps or 30)
            else:
                line = run(CASES[name], seed, given.steps or CASES[name].steps)
            found.append({"case": name, "seed": seed, **line})
            record(found[-1], given.out)
    report(found)


if __name__ == "__main__":
    main()
