"""Agents against morl-baselines, both in one run: speed at equal updates, and quality against steps and seconds.

    python benchmarks/agents_vs_morl_baselines.py [speed] [jax] [pcn] [continuous] [floor] [--seeds 3] [--out FOLDER]

- ``speed``: Envelope and GPI-LS, one environment, the same batch, network and updates per step as morl-baselines; CPU
  time per step with its update. morl-baselines' GPI-LS pairs each transition with two weights where ours takes one, so
  it is compared at equal transitions and at equal rows; it draws transitions by priority (its default), ours uniformly.
- ``jax``: GPI-LS beside morl-baselines' own in JAX (``pip install jax flax optax orbax-checkpoint``), one thread,
  compiled before: the same network (normalised layers) and updates, transitions drawn uniformly by both; at equal
  transitions and equal rows, and with 20 updates a step, its default, which one compiled call does.
- ``pcn``: both on the concave Deep Sea Treasure; CPU seconds and steps to the exact front, and the hypervolume.
- ``continuous``: CAPQL and GPI-LS on ``mo-halfcheetah-v5``; CPU time per step with morl-baselines' width, batch and one
  update per step, as they ship, and with 16 parallel environments and one update in 16 steps (an advantage of
  doing less, named so).
- ``floor``: CPU time of the matrix products that an update of CAPQL and of GPI-LS consists of; and, for ``speed``, of
  those of both libraries: their ratio is what the ratio of updates would be if all else cost nothing.

CPU seconds of one thread are used because they do not depend on who else uses the machine. Evaluation is switched off
for both in ``speed`` and ``continuous``, and counted for both in ``pcn``. Needs the extra ``peers``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import as_json

from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.pareto.indicators import hypervolume

Row = dict[str, Any]
SEA = "morl/DeepSeaTreasureConcave-v0"


def cpu(run: Callable[[], Any]) -> float:
    """CPU seconds of ``run()``, its output thrown away."""
    begin = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
    return time.process_time() - begin


def peer_env(name: str) -> Any:
    import mo_gymnasium

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mo_gymnasium.make(name)


def ours(name: str, env: str, seed: int, steps: int, warm: int, **options: Any) -> float:
    """CPU seconds of ``steps`` steps after a warm-up of ``warm`` (compilation, first updates)."""
    agent = registry.get(name)(env, seed=seed, **options)
    agent.learn(warm)
    return cpu(lambda: agent.learn(steps))


def peer_envelope(seed: int, steps: int) -> float:
    from morl_baselines.multi_policy.envelope.envelope import Envelope

    env = peer_env("minecart-deterministic-v0")
    agent = Envelope(
        env, learning_starts=100, batch_size=64, net_arch=[256, 256], num_sample_w=4, gradient_updates=1, per=False,
        log=False, seed=seed,
    )  # fmt: skip
    return cpu(lambda: agent.train(total_timesteps=steps, eval_env=None, ref_point=np.array([0.0, 0.0, -200.0])))


def peer_gpi(seed: int, steps: int) -> float:
    from morl_baselines.multi_policy.gpi_pd.gpi_pd import GPILS

    agent = GPILS(
        peer_env("minecart-deterministic-v0"), batch_size=128, net_arch=[256, 256], learning_starts=100, num_nets=2,
        gradient_updates=1, per=True, log=False, seed=seed,
    )  # fmt: skip
    weights = list(np.eye(3))
    agent.set_weight_support(weights)
    return cpu(
        lambda: agent.train_iteration(total_timesteps=steps, weight=weights[0], weight_support=weights, eval_freq=10**9)
    )


def speed(seeds: int) -> list[Row]:
    """Envelope and GPI-LS at equal updates, batch and networks."""
    rows: list[Row] = []
    steps = 600
    same: Row = {"n_envs": 1, "train_freq": 1, "learning_starts": 100, "net_arch": (256, 256)}
    gpi: Row = {**same, "iteration": 10**9}
    cases: list[tuple[str, str, Row, Callable[[int, int], float]]] = [
        ("Envelope", "64 transitions × 4 weights", {**same, "batch_size": 64, "layer_norm": False}, peer_envelope),
        ("GPILS", "128 transitions (peer: × 2 weights)", {**gpi, "batch_size": 128}, peer_gpi),
        ("GPILS", "256 rows", {**gpi, "batch_size": 256}, peer_gpi),
    ]
    for name, batch, options, peer in cases:
        mine, theirs = [], []
        for s in range(seeds):  # in turn, so that both meet the same load
            mine.append(ours(name, "morl/MinecartDeterministic-v0", s, steps, 200, **options))
            theirs.append(peer(s, steps + 100))
        unit = f"CPU ms per step and update, {batch}"
        rows.append(_row("speed", name, "minecart-deterministic", unit, mine, theirs, 1e3 / steps))
    return rows


def peer_jax(updates: int, seed: int, steps: int) -> float:
    """CPU seconds of ``steps`` steps of morl-baselines' GPI-LS in JAX, after 300 steps in which it compiles."""
    from morl_baselines.multi_policy.gpi_ls_jax.gpi_ls_jax import GPILS

    agent = GPILS(
        peer_env("minecart-deterministic-v0"), batch_size=128, net_arch=[256, 256], learning_starts=100, num_nets=2,
        gradient_updates=updates, per=False, drop_rate=0.0, log=False, seed=seed,
    )  # fmt: skip
    weights = list(np.eye(3))
    agent.set_weight_support(weights)

    def train(n: int, first: bool) -> None:
        agent.train_iteration(n, weights[0], weights, reset_num_timesteps=first)

    train(300, True)
    return cpu(partial(train, steps, False))


def in_jax(seeds: int) -> list[Row]:
    """GPI-LS beside morl-baselines' in JAX, at one and at twenty updates a step."""
    rows: list[Row] = []
    same: Row = {"n_envs": 1, "train_freq": 1, "learning_starts": 100, "net_arch": (256, 256), "iteration": 10**9}
    for updates, steps in ((1, 600), (20, 60)):
        batches = {"128 transitions (peer: × 2 weights)": 128, "256 rows": 256}
        mine: dict[str, list[float]] = {label: [] for label in batches}
        theirs = []
        for s in range(seeds):  # in turn, so that both meet the same load
            theirs.append(peer_jax(updates, s, steps))
            for label, size in batches.items():
                # ours takes one update a step: as many steps as there are updates, so it steps and acts more
                spent = ours("GPILS", "morl/MinecartDeterministic-v0", s, steps * updates, 200, batch_size=size, **same)
                mine[label].append(spent)
        for label, seconds in mine.items():
            unit = f"CPU ms per update, {updates} a step there, {label}"
            rows.append(_row("jax", "GPILS", "minecart-deterministic", unit, seconds, theirs, 1e3 / (steps * updates)))
    return rows


def pcn(seeds: int) -> list[Row]:
    """CPU seconds to the exact concave front; morl-baselines has 30,000 steps."""
    from morl_baselines.multi_policy.pcn.pcn import PCN as Peer

    mine, theirs, curve = [], [], []
    for seed in range(seeds):
        agent = registry.get("PCN")(SEA, seed=seed)
        truth = agent.problem.env.unwrapped.pareto_front()
        target, spent = hypervolume(truth.points, truth.ref_point), 0.0
        while agent.num_timesteps < 400_000:
            spent += cpu(partial(agent.learn, 20_000))
            points = agent.front().points
            reached = hypervolume(points, truth.ref_point) / target
            curve.append({"seed": seed, "steps": agent.num_timesteps, "cpu": spent, "hypervolume": reached})
            if reached > 1 - 1e-9:
                break
        mine.append(spent)
        env = peer_env("deep-sea-treasure-concave-v0")
        peer = Peer(env, scaling_factor=np.array([0.1, 0.1, 0.01]), batch_size=256, log=False, seed=seed)
        begin = 30_000
        theirs.append(
            cpu(
                lambda peer=peer, begin=begin: peer.train(
                    total_timesteps=begin,
                    eval_env=peer_env("deep-sea-treasure-concave-v0"),
                    ref_point=np.array([0.0, -50.0]),
                    num_er_episodes=20,
                    max_buffer_size=50,
                    num_model_updates=50,
                    known_pareto_front=None,
                )
            )
        )
    row = _row("pcn", "PCN", "deep-sea-treasure-concave", "CPU s (ours: to exact; peer: 30k steps)", mine, theirs, 1.0)
    return [{**row, "curve": curve}]


def continuous(seeds: int) -> list[Row]:
    """CAPQL and GPI-LS on the half-cheetah."""
    from morl_baselines.multi_policy.capql.capql import CAPQL as PeerCAPQL
    from morl_baselines.multi_policy.gpi_pd.gpi_pd_continuous_action import GPILSContinuousAction

    rows: list[Row] = []
    steps = 1000

    def peer_capql(seed: int) -> float:
        agent = PeerCAPQL(peer_env("mo-halfcheetah-v5"), batch_size=128, learning_starts=150, log=False, seed=seed)
        return cpu(
            lambda: agent.train(
                total_timesteps=steps, eval_env=None, ref_point=np.array([-100.0, -1000.0]), eval_freq=10**9
            )
        )

    def peer_gpils(seed: int) -> float:
        agent = GPILSContinuousAction(
            peer_env("mo-halfcheetah-v5"), batch_size=128, learning_starts=150, gradient_updates=1, per=True, log=False,
            seed=seed,
        )  # fmt: skip
        weights = list(np.eye(2))
        agent.set_weight_support(weights)
        return cpu(
            lambda: agent.train_iteration(
                total_timesteps=steps, weight=weights[0], weight_support=weights, eval_freq=10**9
            )
        )

    for name, peer in (("CAPQL", peer_capql), ("GPILS", peer_gpils)):
        shipped = {**tuned_options(name, "mo-halfcheetah-v5"), "n_envs": 1, "learning_starts": 100}
        if name == "GPILS":
            shipped["iteration"] = 10**9
        runs: dict[str, Row] = {
            "one update a step, width 256": {**shipped, "net_arch": (256, 256), "train_freq": 1},
            "as it ships": shipped,
            "16 parallel environments, one update in 16 steps": {**shipped, "n_envs": 16, "train_freq": 16},
        }
        mine: dict[str, list[float]] = {label: [] for label in runs}
        theirs = []
        for s in range(seeds):  # in turn, so that both meet the same load
            theirs.append(peer(s))
            for label, options in runs.items():
                mine[label].append(ours(name, "mo-halfcheetah-v5", s, steps, 200, **options))
        for label, seconds in mine.items():
            unit = "CPU ms per step, " + label
            rows.append(_row("continuous", name, "mo-halfcheetah-v5", unit, seconds, theirs, 1e3 / steps))
    return rows


def floor(seeds: int) -> list[Row]:
    """CPU time of an update's matrix products alone, half-cheetah, 128 rows, two layers of 256."""
    n, k, observed, acts, h = 128, 2, 17, 6, 256
    critic, actor = (observed + acts + k, h, h, k), (observed + k, h, h, acts)
    gaussian = (*actor[:3], 2 * acts)
    # (network, forward, gradient of weights, gradient of inputs: of hidden layers, of all) per update; the actor is
    # improved, by one critic, at every second update
    share = (4.5, 2, 2.5, 0.5), (1.5, 0.5, 0.5, 0)
    capql = [(critic, *share[0]), (gaussian, *share[1])]
    gpils = [(critic, *share[0]), (actor, *share[1])]
    rows: list[Row] = []
    for name, networks in (("CAPQL", capql), ("GPILS", gpils)):
        times = []
        for _ in range(seeds):
            total = 0.0
            for sizes, forward, weights, hidden, passing in networks:
                for layer, (i, o) in enumerate(itertools.pairwise(sizes)):
                    total += forward * _product(n, i, o) + weights * _product(o, n, i)
                    total += (hidden if layer else passing) * _product(n, o, i)
            times.append(total * 1e3)
        both = {"morl": statistics.median(times), "peer": float("nan"), "ratio": float("nan"), "morl_all": times}
        unit = "CPU ms of an update's matrix products"
        rows.append({"part": "floor", "agent": name, "env": "mo-halfcheetah-v5", "unit": unit, **both})
    return rows + floor_discrete(seeds)


# Per update of ``speed``: networks, rows of each forward pass without gradient, rows learned from; ours, then the
# other library's. Envelope: 64 transitions × 4 weights, of which morl-baselines evaluates every pair of weights.
UPDATES: dict[str, tuple[tuple[int, tuple[int, ...], int], tuple[int, tuple[int, ...], int]]] = {
    "Envelope, every target": ((1, (256, 256), 256), (1, (1024, 1024), 256)),
    "Envelope, a quarter of the targets": ((1, (256, 64), 256), (1, (1024, 1024), 256)),
    "GPILS, 128 transitions (peer: × 2 weights)": ((2, (128,), 128), (2, (256,), 256)),
    "GPILS, 256 rows": ((2, (256,), 256), (2, (256,), 256)),
}


def floor_discrete(seeds: int) -> list[Row]:
    """CPU time of the matrix products of an update of ``speed``, of both libraries."""
    layers = list(itertools.pairwise((7 + 3, 256, 256, 6 * 3)))

    def seconds(networks: int, ahead: tuple[int, ...], learned: int) -> float:
        total = sum(_product(n, i, o) for n in (*ahead, learned) for i, o in layers)
        total += sum(_product(o, learned, i) for i, o in layers)
        total += sum(_product(learned, o, i) for i, o in layers[1:])
        return networks * total

    rows: list[Row] = []
    for name, both in UPDATES.items():
        mine, theirs = ([seconds(*update) for _ in range(seeds)] for update in both)
        unit = "CPU ms of an update's matrix products"
        rows.append(_row("floor", name, "minecart-deterministic", unit, mine, theirs, 1e3))
    return rows


def _product(rows: int, inner: int, columns: int) -> float:
    """CPU seconds of one product ``(rows, inner) × (inner, columns)`` by torch."""
    left, right = torch.rand(rows, inner), torch.rand(columns, inner)
    torch.nn.functional.linear(left, right)
    return cpu(lambda: [torch.nn.functional.linear(left, right) for _ in range(200)]) / 200


def _row(part: str, agent: str, env: str, unit: str, mine: list[float], theirs: list[float], factor: float) -> Row:
    a, b = statistics.median(mine) * factor, statistics.median(theirs) * factor
    return {
        "part": part, "agent": agent, "env": env, "unit": unit, "morl": a, "peer": b, "ratio": b / a,
        "morl_all": [x * factor for x in mine], "peer_all": [x * factor for x in theirs],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    parts = {"speed": speed, "jax": in_jax, "pcn": pcn, "continuous": continuous, "floor": floor}
    rows: list[Row] = []
    for name in args.parts or parts:
        rows += parts[name](args.seeds)
    lines = [
        "| part | agent | environment | measure | morl | morl-baselines | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = "| {part} | {agent} | {env} | {unit} | {morl:.3g} | {peer:.3g} | {ratio:.1f} |"
    lines += [columns.format(**r) for r in rows]
    print("\n".join(lines))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "agents_vs_morl_baselines.json").write_text(as_json(rows, indent=1))
    (args.out / "agents_vs_morl_baselines.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
