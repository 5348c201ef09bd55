"""A run resumed at any boundary ends as the uninterrupted one: every agent, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.callbacks import CheckpointCallback
from morl.spec import MOSpec, Objective
from morl.testing import problems
from morl.testing.agents import digest


class Pictures(gym.Env):
    """Observations of two kinds; the first action pays in one objective, the second in the other."""

    mo_spec = MOSpec((Objective("a"), Objective("b")), 0.9, ref_point=(-1.0, -1.0), return_scale=((0, 0), (8, 8)))

    def __init__(self) -> None:
        self.observation_space = spaces.Dict(place=spaces.Box(0, 1, (2,), np.float32), kind=spaces.Discrete(3))
        self.action_space = spaces.Discrete(2)
        self.reward_space = spaces.Box(-1.0, 1.0, (2,))
        self._time = 0

    def _see(self) -> dict[str, Any]:
        return {"place": self.np_random.random(2, dtype=np.float32), "kind": int(self.np_random.integers(3))}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._time = 0
        return self._see(), {}

    def step(self, action: Any) -> Any:
        self._time += 1
        reward = np.array([1.0 - action, float(action)])
        return self._see(), reward, self._time == 8, False, {}


PPO = {"n_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 2, "policy_kwargs": {"net_arch": [8]}}
PCN = {"learning_starts": 64, "n_envs": 8, "n_steps": 8, "gradient_steps": 2, "net_arch": (8,)}
SB3 = {"learning_starts": 10, "batch_size": 8, "policy_kwargs": {"net_arch": [8]}}
DQN = {"algorithm": "DQN", "n_weights": 2, "n_envs": 2}
BOX = {"n_weights": 2, "n_envs": 2, "sb3": {**SB3, "train_freq": 2}}
CASES: dict[str, tuple[str, Any, dict[str, Any], int]] = {
    "MultiWeightQLearning": ("MultiWeightQLearning", problems.stochastic, {"n_steps": 100}, 800),
    "MultiWeightQLearning-no-model": (
        "MultiWeightQLearning", lambda: problems.Plain(problems.stochastic()), {"n_steps": 100}, 800,
    ),
    "ParetoQLearning": ("ParetoQLearning", problems.stochastic, {}, 1200),
    "ParetoQLearning-no-model": ("ParetoQLearning", lambda: problems.Plain(problems.deterministic()), {}, 1200),
    "ESRQLearning": ("ESRQLearning", problems.lottery, {}, 1200),
    "ESRQLearning-no-model": ("ESRQLearning", lambda: problems.Plain(problems.lottery()), {}, 1200),
    "ExactPlanner": ("ExactPlanner", problems.stochastic, {}, 100),
    "WorstCase": ("WorstCase", problems.stochastic, {}, 1200),
    "ParetoEvolution": ("ParetoEvolution", problems.deterministic, {"population": 12}, 1200),
    "ParetoEvolution-noise": ("ParetoEvolution", problems.stochastic, {"population": 12, "episodes": 2}, 3000),
    "ParetoEvolution-box": ("ParetoEvolution", problems.Target, {"population": 8}, 600),
    "PCN": ("PCN", problems.deterministic, PCN, 600),
    "PCN-trimmed": (
        "PCN", problems.stochastic,
        {**PCN, "archive": 6, "per_cell": 1}, 900,
    ),
    "PCN-aged": (
        "PCN", problems.stochastic,
        {**PCN, "archive": 9, "max_age": 3}, 900,
    ),
    "PCN-box": ("PCN", problems.Target, {**PCN, "archive": 7}, 600),
    "PCN-scout": ("PCN", problems.deterministic, {**PCN, "evolution_steps": 100,
                                                  "demonstration_rounds": 2, "archive": 5}, 600),
    "VectorQLambda": ("VectorQLambda", problems.stochastic, {"n_envs": 4}, 900),
    "VectorQLambda-own-size": ("VectorQLambda", problems.stochastic, {}, 2000),
    "Envelope": ("Envelope", problems.stochastic, {"n_envs": 4}, 900),
    "GPILS": ("GPILS", problems.stochastic, {"n_envs": 4}, 900),
    "GPILS-box": ("GPILS", problems.Target, {"n_envs": 4}, 600),
    "CAPQL": ("CAPQL", problems.Target, {"n_envs": 4}, 600),
    "CMORL": ("CMORL", problems.stochastic, {**PPO, "n_envs": 6, "n_policies": 3, "rounds": 2}, 900),
    "CMORL-box": ("CMORL", problems.Target, PPO, 600),
    "PGMORL": ("PGMORL", problems.stochastic, {**PPO, "n_envs": 6, "n_policies": 3, "generations": 3}, 900),
    "ConditionedPPO": ("ConditionedPPO", problems.stochastic, PPO, 600),
    "ConditionedPPO-box": ("ConditionedPPO", problems.Target, PPO, 600),
    "EUPG": ("EUPG", problems.lottery, {"n_envs": 4, "n_steps": 16, "net_arch": (8,)}, 600),
    "QuantileDQN": (
        "QuantileDQN", problems.lottery,
        {"n_envs": 4, "net_arch": (8,), "learning_starts": 50, "quantiles": 4, "batch_size": 16, "train_freq": 8}, 600,
    ),
    "LinearScalarization-PPO": (
        "LinearScalarization", problems.stochastic,
        {"n_weights": 3, "n_envs": 2, "sb3": {"n_steps": 8, "batch_size": 8, "learning_rate": [3e-3, 1e-4]}}, 400,
    ),
    "LinearScalarization-A2C": ("LinearScalarization", problems.stochastic, {"algorithm": "A2C", "n_weights": 2}, 320),
    "LinearScalarization-A2C-sde": (
        "LinearScalarization", problems.Target,
        {"algorithm": "A2C", "n_weights": 2, "sb3": {"use_sde": True, "sde_sample_freq": 3}}, 320,
    ),
    "LinearScalarization-OLS": (
        "LinearScalarization", problems.stochastic,
        {"selection": "ols", "n_weights": 3, "n_envs": 2, "sb3": {"n_steps": 8, "batch_size": 8}}, 400,
    ),
    "LinearScalarization-DQN": ("LinearScalarization", problems.stochastic, {**DQN, "sb3": SB3}, 400),
    "LinearScalarization-DQN-slow": (
        "LinearScalarization", problems.stochastic,
        {**DQN, "sb3": {**SB3, "exploration_fraction": 0.9, "exploration_initial_eps": 0.8, "buffer_size": 37,
                        "target_update_interval": 14, "train_freq": 3, "learning_rate": [1e-2, 1e-4]}}, 400,
    ),
    "LinearScalarization-DQN-memory": (
        "LinearScalarization", problems.Target, {"algorithm": "SAC", **BOX,
        "sb3": {**SB3, "optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}},
        240,
    ),
    "LinearScalarization-DQN-dict": ("LinearScalarization", Pictures, {**DQN, "sb3": SB3}, 400),
    "LinearScalarization-SAC": ("LinearScalarization", problems.Target, {"algorithm": "SAC", **BOX}, 240),
    "LinearScalarization-SAC-sde": (
        "LinearScalarization", problems.Target, {"algorithm": "SAC", **BOX, "sb3": {**SB3, "use_sde": True}}, 240,
    ),
    "LinearScalarization-TD3": ("LinearScalarization", problems.Target, {"algorithm": "TD3", **BOX}, 240),
    "LinearScalarization-DDPG": ("LinearScalarization", problems.Target, {"algorithm": "DDPG", **BOX}, 240),
}  # fmt: skip


def test_every_algorithm_is_here() -> None:
    assert {algorithm for algorithm, *_ in CASES.values()} == set(registry.BUILT_IN)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_from_every_boundary_to_the_same_end(name: str, tmp_path: Path) -> None:
    algorithm, problem, options, steps = CASES[name]
    kind, every = registry.get(algorithm), steps // 4
    kept: list[Path] = []

    class Keep(CheckpointCallback):
        def on_segment_end(self, agent: Agent) -> None:
            kept.append(agent.save(tmp_path / f"at-{len(kept)}"))

    whole = kind(problem(), seed=3, **options).learn(steps, callback=Keep(tmp_path, every))
    end = digest(whole)
    assert kept
    for i, place in enumerate(kept):
        resumed = kind.load(place, problem())
        left = whole.target_timesteps - resumed.num_timesteps
        if left > 0:
            resumed.learn(left, callback=CheckpointCallback(tmp_path / f"again-{i}", every))
        assert digest(resumed) == end, f"from boundary {i} of {len(kept)}, at {resumed.num_timesteps} steps"
