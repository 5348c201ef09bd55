"""Other people's environments go through every command: those of mo-gymnasium, and one from a package of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from morl.cli import main
from morl.envs.core import published_front
from morl.pareto import Front
from morl.spec import EnvError

LAB = '''
import gymnasium as gym
import numpy as np

import morl


@morl.register("bench/Stroll-v0", objectives=["apples", "steps"], discount=1.0, max_steps=8, ref_point=(-1.0, -9.0))
class Stroll(gym.Env):
    """A path of six cells; an apple lies on every one, and each step costs one."""

    observation_space = gym.spaces.Discrete(7)
    action_space = gym.spaces.Discrete(2)
    reward_space = gym.spaces.Box(np.array([0.0, -1.0]), np.array([1.0, 0.0]), dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell = 0
        return 0, {}

    def step(self, action):
        if action not in (0, 1):
            raise ValueError(f"action is {action!r}; expected 0 or 1")
        self.cell += int(action)
        apples = float(action)
        return self.cell, np.array([apples, -float(action)]), action == 0 or self.cell == 6, False, {}
'''


def train(out: Path, algo: str, env: str, steps: int, *more: str) -> Path:
    words = ["train", "--algo", algo, "--env", env, "-n", str(steps), "--episodes", "2", "--out", str(out), "-q"]
    assert main([*words, *more]) == 0
    (folder,) = out.iterdir()
    return folder


def goes_through_the_commands(run: Path, env: str, capsys: pytest.CaptureFixture[str], *more: str) -> None:
    """Show, evaluate, draw and compare."""
    capsys.readouterr()
    picture = run.parent / "front.png"
    assert main(["env", "show", env, "--json", *more]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == env.rpartition(":")[2]
    assert main(["eval", str(run), "--episodes", "2"]) == 0
    assert len(Front.load(run / "front.json")) >= 1
    assert main(["front", str(run), "--plot", str(picture)]) == 0
    assert picture.stat().st_size > 1000
    assert main(["compare", str(run)]) == 0
    assert "front" in capsys.readouterr().out


@pytest.mark.peers
@pytest.mark.parametrize(
    ("algo", "env", "steps"),
    [("MultiWeightQLearning", "fishwood-v0", 2000), ("PCN", "minecart-v0", 3000), ("CAPQL", "mo-hopper-v5", 400)],
)
def test_mo_gymnasium_ids_train_and_go_through_every_command(
    algo: str, env: str, steps: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"PCN": ["--set", "learning_starts=1000"], "CAPQL": ["--set", "learning_starts=100"]}
    run = train(tmp_path, algo, env, steps, "--ref-point", *REFERENCE[env], *small.get(algo, []))
    goes_through_the_commands(run, env, capsys)
    assert main(["solve", env]) != 0
    assert "no exact model" in capsys.readouterr().err


REFERENCE = {
    "fishwood-v0": ["0", "0"],
    "minecart-v0": ["0", "0", "-200"],
    "mo-hopper-v5": ["-100", "-100", "-100"],
}


def test_an_environment_of_another_package_trains_and_goes_through_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "bench_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = train(tmp_path / "runs", "ParetoQLearning", "bench/Stroll-v0", 3000, "--import", "bench_of_mine")
    front = Front.load(run / "front.json")
    assert sorted(map(tuple, front.points.tolist())) == [(float(n), -float(n)) for n in range(7)]
    goes_through_the_commands(run, "bench/Stroll-v0", capsys, "--import", "bench_of_mine")
    assert main(["env", "check", "bench_of_mine:bench/Stroll-v0"]) == 0


def test_an_environment_of_another_package_is_learned_in_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes know it without being told which module to import."""
    pytest.importorskip("stable_baselines3")
    (tmp_path / "lab_of_mine.py").write_text(LAB.replace("bench/", "lab/"))
    monkeypatch.syspath_prepend(str(tmp_path))
    run = train(
        tmp_path / "runs", "LinearScalarization", "lab/Stroll-v0", 256, "--import", "lab_of_mine",
        "--set", "processes=2", "--set", "n_weights=2", "--set", 'sb3={"n_steps": 16, "batch_size": 64}',
    )  # fmt: skip
    assert len(Front.load(run / "front.json")) >= 1


class Publishes(gym.Env[int, int]):
    """Publishes what it is told to."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    reward_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float64)

    def __init__(self, front: Any) -> None:
        self.front = front

    def pareto_front(self, gamma: float) -> Any:
        return self.front


def test_a_front_published_as_points_is_the_environments_word_and_not_the_truth() -> None:
    front = published_front(Publishes([np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.0, 0.5])]), 0.9)
    assert front.points.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert front.best_known
    assert front.discount == 0.9


@pytest.mark.parametrize("front", [None, "points", [[1.0, 2.0, 3.0]]])
def test_a_front_published_as_something_else_is_refused(front: Any) -> None:
    with pytest.raises(EnvError, match=r"expected points \(n, 2\)"):
        published_front(Publishes(front))
