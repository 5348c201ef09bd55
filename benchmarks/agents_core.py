"""Speed and quality of the tabular, episodic and stable-baselines3 agents, against exact answers and a peer.

    python benchmarks/agents_core.py                 # everything but morl-baselines: about three minutes
    python benchmarks/agents_core.py --peer          # with morl-baselines' Pareto Q-learning (extra: peers)
    python benchmarks/agents_core.py --only pareto-q

Medians over seeds; compile time apart; evaluation included where a time is to a level.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

import morl
from morl.agents import registry
from morl.agents.core.callbacks import Callback

DST, SCIENCE = "morl/DeepSeaTreasureConcave-v0", "morl/ScientificDiscovery-v0"
EXACT_DST = 1101.3844295193442


class Until(Callback):
    """Stops when the front's hypervolume reaches a level; remembers when."""

    def __init__(self, level: float, ref_point: list[float]) -> None:
        self.level, self.ref_point, self.steps = level, ref_point, 0

    def on_step(self, agent) -> bool:
        if agent.front().hypervolume(self.ref_point) >= self.level:
            self.steps = agent.num_timesteps
            return False
        return True


def pareto_q(peer: bool) -> None:
    """Wall-clock to the exact front of DST-concave, evaluation included."""
    start = time.perf_counter()
    registry.get("ParetoQLearning")(DST, seed=99).learn(2000).front()
    print(f"compile and first run: {time.perf_counter() - start:.1f} s")
    times, steps = [], []
    for seed in range(5):
        agent = registry.get("ParetoQLearning")(DST, seed=seed, n_steps=1000)
        until = Until(EXACT_DST - 1e-6, [0, -25])
        start = time.perf_counter()
        agent.learn(60_000, callback=until)
        times.append(time.perf_counter() - start)
        steps.append(until.steps or float("nan"))
    print(
        f"Pareto Q-learning, exact front: {statistics.median(times) * 1e3:.1f} ms (max {max(times) * 1e3:.1f}), {steps}"
    )
    agent = registry.get("ParetoQLearning")(DST, seed=0)
    start = time.perf_counter()
    agent.learn(60_000)
    ours = time.perf_counter() - start
    print(f"60,000 steps: {ours:.3f} s, {60_000 / ours:,.0f} steps/s")
    if peer:
        print(f"peer: {_peer(ours)}")


def _peer(ours: float) -> str:
    import mo_gymnasium
    from morl_baselines.multi_policy.pareto_q_learning.pql import PQL

    env = mo_gymnasium.make("deep-sea-treasure-concave-v0")
    agent = PQL(env, np.array([0, -50]), gamma=0.99, initial_epsilon=1.0, epsilon_decay_steps=50_000, log=False)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agent.train(total_timesteps=60_000, eval_env=env, ref_point=np.array([0, -50]), log_every=1_000_000)
    theirs = time.perf_counter() - start
    return f"60,000 steps in {theirs:.1f} s; ratio {theirs / ours:.0f}x"


def linear(peer: bool) -> None:
    """Overhead of LinearScalarization over plain stable-baselines3 on the same scalar problem."""
    import gymnasium as gym
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    options = {"n_steps": 64, "batch_size": 256, "n_epochs": 4}

    class Scalar(gym.Wrapper):
        def step(self, action):
            observation, reward, terminated, truncated, info = self.env.step(action)
            return observation, float(reward.sum() / 2), terminated, truncated, info

    def plain() -> None:
        env = make_vec_env(lambda: Scalar(morl.make(DST)), n_envs=8)
        PPO("MlpPolicy", env, device="cpu", **options).learn(32_768)

    def ours() -> None:
        registry.get("LinearScalarization")(DST, seed=0, weights=((0.5, 0.5),), sb3=options).learn(32_768)

    plain()
    ratios = [_seconds(ours) / _seconds(plain) for _ in range(5)]
    print(f"LinearScalarization / plain stable-baselines3: {statistics.median(ratios):.3f}")


def processes(peer: bool) -> None:
    """Two weights, one after the other or two at a time; the first line pays for starting the server of processes."""
    import torch

    torch.set_num_threads(1)
    options = {"n_steps": 64, "batch_size": 256, "n_epochs": 4}

    def two(count: int, steps: int) -> None:
        weights = ((0.5, 0.5), (1.0, 0.0))
        registry.get("LinearScalarization")(
            DST, seed=0, weights=weights, processes=count, warm_start=False, sb3=options
        ).learn(2 * steps)

    two(1, 512)  # this process imports and warms up, which both ways need
    for note, steps in (("first call", 200_000), ("later call", 200_000), ("later call", 50_000)):
        together = _seconds(lambda steps=steps: two(2, steps))
        apart = _seconds(lambda steps=steps: two(1, steps))
        print(
            f"two weights, {steps:,} steps each, {note}: one process {apart:.2f} s, two {together:.2f} s, "
            f"ratio {apart / together:.2f}x",
            flush=True,
        )


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def science(peer: bool) -> None:
    """Worst objective on ScientificDiscovery: SER .4801, stationary deterministic .4063, linear .2499, ESR .3764."""
    env = morl.make(SCIENCE)
    for name, steps, options in (
        ("MultiWeightQLearning", 200_000, {}),
        ("ParetoQLearning", 50_000, {}),
        ("WorstCase", 100_000, {}),
        ("WorstCase", 100_000, {"average": "uniform"}),
        ("ESRQLearning", 100_000, {}),
        ("EUPG", 100_000, {}),
        ("QuantileDQN", 100_000, {"risk": "expectation"}),
    ):
        worst, volumes, seconds = [], [], []
        for seed in range(5):
            start = time.perf_counter()
            agent = registry.get(name)(env, seed=seed, **options).learn(steps)
            if agent.info.criterion == ("ESR",):
                worst.append(agent.expected_utility()[0])
            else:
                front = agent.front()
                worst.append(float(agent.spec.normalise(front.points).min(axis=1).max()))
                volumes.append(front.hypervolume())
            seconds.append(time.perf_counter() - start)
        volume = f", hypervolume {min(volumes):.4f} to {max(volumes):.4f}" if volumes else ""
        label = f"{name} {options or ''}".strip()
        print(f"{label}: worst {min(worst):.4f} to {max(worst):.4f}{volume}, {statistics.median(seconds):.2f} s")


SUITES = {"pareto-q": pareto_q, "linear": linear, "processes": processes, "science": science}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SUITES)
    parser.add_argument("--peer", action="store_true")
    given = parser.parse_args()
    for suite in [given.only] if given.only else SUITES:
        SUITES[suite](given.peer)
