"""What every agent does: learning, fronts, prediction, interrupts."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents.base import Agent
from morl.agents.multi_weight_q import MultiWeightQLearning
from morl.spec import AgentError
from morl.testing import problems


def test_front_reports_fresh_episodes_and_counts_them() -> None:
    agent = MultiWeightQLearning(problems.Plain(problems.stochastic()), seed=0).learn(3000)
    front = agent.front(episodes=200)
    assert agent.eval_steps >= front.provenance["eval_steps"] > 0
    assert set(front.episodes.tolist()) == {100}
    best = {(0.0, 0.0): 0, (1.5, -0.5): 0, (4.0, -2.0): 0}
    for point, cov in zip(front.points, front.covariance, strict=True):
        assert any(np.all(np.abs(point - b) <= 5 * np.sqrt(np.diag(cov)) + 1e-9) for b in best)


def test_predict_needs_accrued_where_the_policy_does() -> None:
    from morl.agents.esr_q import ESRQLearning

    agent = ESRQLearning(problems.lottery(), seed=0).learn(500)
    with pytest.raises(AgentError, match="accrued"):
        agent.predict(0)
    action, state = agent.predict(0, accrued=[0, 0])
    assert action in (0, 1, 2)
    assert state["time"].tolist() == [1]


def test_ctrl_c_waits_for_a_clean_moment_and_keeps_what_was_learned() -> None:
    import os
    import signal

    from morl.agents import LearningInterrupted

    before = signal.getsignal(signal.SIGINT)
    agent = MultiWeightQLearning(problems.deterministic(), seed=0, n_steps=100)

    def press(a: Agent) -> None:
        if a.num_timesteps >= 500:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(LearningInterrupted, match=r"interrupted after \d+ of 5,000 steps; what .* learned is kept"):
        agent.learn(5000, callback=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert agent.num_timesteps % 100 == 0
    assert len(agent.front()) >= 1
    agent.learn(100)
