"""What learning agents need from the science environments, and get: several actions at once, a falling step size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import morl
from morl.agents.linear import LinearScalarization
from morl.spec import AgentError

PPO: dict[str, Any] = {"n_steps": 40, "batch_size": 640, "n_epochs": 4, "learning_rate": [3e-3, 3e-4], "gae_lambda": 0.0}
LABELS: dict[str, Any] = {"weights": [[0.5, 0.48, 0.02]], "n_envs": 32, "sb3": PPO}


def test_several_actions_at_once_are_learned_with_a_falling_step_size() -> None:
    agent = LinearScalarization(morl.make("morl/SequenceLabelling-v0"), seed=0, **LABELS).learn(40_000)
    point = agent.front(episodes=200, seed=0).points[0]
    assert point[0] > 8.0  # the commonest tag alone is right 5 times in 20
    model = agent._network(0)
    assert model.lr_schedule(1.0) == pytest.approx(3e-3)
    assert model.lr_schedule(0.5) == pytest.approx(1.65e-3)
    assert model.lr_schedule(0.0) == pytest.approx(3e-4)
    action, _ = agent.predict(agent.problem.observation_space.sample())
    assert np.shape(action) == (3,)


def test_what_cannot_take_several_actions_says_so() -> None:
    env = morl.make("morl/SequenceLabelling-v0")
    with pytest.raises(AgentError, match="DQN takes one action at a time"):
        LinearScalarization(env, algorithm="DQN")
    with pytest.raises(AgentError, match="MultiDiscrete"):
        morl.agents.registry.get("Envelope")(env)


@pytest.mark.parametrize("rate", [[1e-3], [1e-3, 0.0], [1e-3, "small"], [1e-3, 1e-4, 1e-5]])
def test_bad_step_sizes_are_refused(rate: list[Any]) -> None:
    agent = LinearScalarization(morl.make("morl/SequenceLabelling-v0"), seed=0, sb3={"learning_rate": rate})
    with pytest.raises(AgentError, match="first and last"):
        agent.learn(100)
