"""Callbacks: stopping, checkpoints, progress."""

from __future__ import annotations

import pytest

from morl.agents.core.callbacks import CheckpointCallback, StopAtHypervolume
from morl.agents.core.logger import MemoryLogger
from morl.agents.multi_weight_q import MultiWeightQLearning
from morl.spec import AgentError, EnvError
from morl.testing import problems


def test_stop_at_hypervolume_and_logging() -> None:
    env = problems.deterministic()
    exact = MultiWeightQLearning(env, seed=0).learn(5000).front()
    stop = StopAtHypervolume(0.999, every=500, reference=exact)
    agent = MultiWeightQLearning(env, seed=1, n_steps=500)
    agent.logger = memory = MemoryLogger()
    agent.learn(50_000, callback=stop, log_interval=500)
    assert stop.reached is not None
    assert agent.num_timesteps < 50_000
    assert {"seconds", "tried"} <= set().union(*(row.keys() for row in memory.rows))
    assert any("front/hypervolume_ratio" in row for row in memory.rows)


def test_failure_saves_what_was_learned_beside_the_last_good_checkpoint(tmp_path) -> None:
    steps = []

    class Late(problems.Plain):
        """Breaks at the 500th step of all copies together (learning begins every segment in a fresh copy)."""

        def step(self, action):
            steps.append(1)
            self._poison = 1 if len(steps) >= 500 else None
            return super().step(action)

    agent = MultiWeightQLearning(Late(problems.deterministic()), seed=0)
    with pytest.raises(EnvError) as caught:
        agent.learn(2000, callback=CheckpointCallback(tmp_path / "run", 200))
    assert "run-stopped" in "".join(caught.value.__notes__)
    good = MultiWeightQLearning.load(tmp_path / "run", Late(problems.deterministic()))
    stopped = MultiWeightQLearning.load(tmp_path / "run-stopped", Late(problems.deterministic()))
    assert good.num_timesteps == 400
    assert good.num_timesteps < stopped.num_timesteps < 500


def test_callbacks_must_agree_on_boundaries(tmp_path) -> None:
    agent = MultiWeightQLearning(problems.deterministic(), seed=0)
    with pytest.raises(AgentError, match="one interval"):
        agent.learn(10, callback=[CheckpointCallback(tmp_path / "a", 5), CheckpointCallback(tmp_path / "b", 7)])


def test_progress_bar_runs(capfd) -> None:
    MultiWeightQLearning(problems.deterministic(), seed=0).learn(4000, progress_bar=True)
    assert "MultiWeightQLearning" in capfd.readouterr().err
