"""Lunar Lander beside Gymnasium's own heuristic: one ConditionedPPO for all preferences, asked for the usual reward.

    python benchmarks/lunar_lander.py                       # three seeds, 1.5 million steps each
    python benchmarks/lunar_lander.py --seeds 0 --steps 400k

The agent learns all trade-offs of landing, approach and the fuel of both engines. Then it is asked for the weights with
which they add up to Gymnasium's reward, and plays as many fresh episodes as the heuristic that Gymnasium ships.
Returns are undiscounted sums of Gymnasium's reward; ± is the standard error over episodes.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import gymnasium as gym
import numpy as np
import torch

import morl
from morl.agents import ConditionedPPO
from morl.counts import as_count

ENV = "morl/LunarLander-v3"
OPTIONS: dict[str, Any] = {"device": "cpu", "n_envs": 16}


def heuristic(episodes: int) -> list[float]:
    """Returns of Gymnasium's heuristic."""
    from gymnasium.envs.box2d.lunar_lander import heuristic as decide

    env, returns = gym.make("LunarLander-v3"), []
    for episode in range(episodes):
        observation, _ = env.reset(seed=10_000 + episode)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(decide(env.unwrapped, observation))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return returns


def played(agent: ConditionedPPO, episodes: int, deterministic: bool) -> list[float]:
    """Returns of the agent's policy for Gymnasium's reward."""
    env: Any = morl.make(ENV)
    preference, returns = env.unwrapped.scalar_weights, []
    for episode in range(episodes):
        observation, _ = env.reset(seed=10_000 + episode)
        total, over, state = 0.0, False, None
        while not over:
            action, state = agent.predict(
                observation, state, deterministic=deterministic, preference=preference / preference.sum(), raw=True
            )
            observation, _, terminated, truncated, info = env.step(action)
            total, over = total + float(info["original_reward"]), terminated or truncated
        returns.append(total)
    return returns


def said(returns: list[float]) -> str:
    """Mean and standard error."""
    return f"{np.mean(returns):6.1f} ± {np.std(returns) / np.sqrt(len(returns)):.1f}"


def main() -> None:
    """Print a line per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", default="1.5M")
    parser.add_argument("--episodes", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"heuristic {said(heuristic(given.episodes))}; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    for seed in given.seeds:
        agent = ConditionedPPO(ENV, seed=seed, **OPTIONS).learn(as_count(given.steps, "steps", 1))
        both = {kind: said(played(agent, given.episodes, kind == "greedy")) for kind in ("greedy", "drawn")}
        print(f"seed {seed}: greedy {both['greedy']}, drawn {both['drawn']}, {agent.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
