"""What learning agents need from the science environments, and get: several actions at once, a falling step size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl.agents.linear import LinearScalarization
from morl.cli import main
from morl.envs.registration import entries
from morl.spec import AgentError

PPO: dict[str, Any] = {
    "n_steps": 40,
    "batch_size": 640,
    "n_epochs": 4,
    "learning_rate": [3e-3, 3e-4],
    "gae_lambda": 0.0,
}
LABELS: dict[str, Any] = {"weights": [[0.5, 0.48, 0.02]], "n_envs": 32, "sb3": PPO}


def test_several_actions_at_once_are_learned_with_a_falling_step_size() -> None:
    agent = LinearScalarization(morl.make("morl/SequenceLabelling-v0"), seed=0, **LABELS).learn(40_000)
    point = agent.front(episodes=100, seed=0).points[0]
    assert point[0] > 7.0  # the commonest tag alone is right 5 times in 20
    model = agent._begun(0, agent.solved[0], again=True)
    assert model.lr_schedule(1.0) == pytest.approx(3e-3)
    assert model.lr_schedule(0.5) == pytest.approx(1.65e-3)
    assert model.lr_schedule(0.0) == pytest.approx(3e-4)
    action, _ = agent.predict(agent.problem.observation_space.sample())
    assert np.shape(action) == (3,)


def test_what_cannot_take_several_actions_says_so() -> None:
    env = morl.make("morl/SequenceLabelling-v0")
    with pytest.raises(AgentError, match="DQN takes one action at a time"):
        LinearScalarization(env, algorithm="DQN")


@pytest.mark.parametrize("rate", [[1e-3], [1e-3, 0.0], [1e-3, "small"], [1e-3, 1e-4, 1e-5]])
def test_bad_step_sizes_are_refused(rate: list[Any]) -> None:
    agent = LinearScalarization(morl.make("morl/SequenceLabelling-v0"), seed=0, sb3={"learning_rate": rate})
    with pytest.raises(AgentError, match="first and last"):
        agent.learn(100)


EVOLUTION = ("--algo", "ParetoEvolution", "--set", "population=8", "--set", "episodes=1", "--set", "n_envs=8")
SHORT = ("--algo", "LinearScalarization", "--set", "n_envs=2", "--set", 'sb3={"n_steps": 16, "batch_size": 32}')
TRAINED = {
    "ScientificDiscovery-v0": ("--algo", "MultiWeightQLearning"),
    "Driving-v0": EVOLUTION,
    "CarFollowingLQ-v0": EVOLUTION,
    "MultiDrugDosing-v0": SHORT,
    "Portfolio-v0": EVOLUTION,
    "SpeakerCommand-v0": SHORT,
    "ExperimentDesign-v0": EVOLUTION,
    "MoleculeRelaxation-v0": EVOLUTION,
    "MoleculeRelaxationLJ-v0": EVOLUTION,
    "MoleculeRelaxationDeterministic-v0": EVOLUTION,
    "HPFolding-v0": ("--algo", "PCN"),
    "HPFolding3D-v0": EVOLUTION,
    "SequenceLabelling-v0": SHORT,
    "ActiveScan-v0": SHORT,
}


@pytest.mark.parametrize("name", TRAINED)
def test_every_science_environment_trains_from_the_command_line(name: str, tmp_path: Path) -> None:
    if name == "ActiveScan-v0":
        pytest.importorskip("sklearn")
    words = [
        "train",
        "--env",
        f"morl/{name}",
        *TRAINED[name],
        "-n",
        "200",
        "--episodes",
        "4",
        "--out",
        str(tmp_path),
        "-q",
    ]
    assert main(words) == 0
    (folder,) = tmp_path.iterdir()
    points = np.array(json.loads((folder / "front.json").read_text(encoding="utf-8"))["points"])
    spec = morl.make(f"morl/{name}").unwrapped.mo_spec
    assert len(points) > 0
    assert points.shape[1] == spec.k
    assert np.isfinite(points).all()


def test_every_science_environment_is_trained_above() -> None:
    assert {entry.id.removeprefix("morl/") for entry in entries("science")} == set(TRAINED)
