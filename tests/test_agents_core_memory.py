"""Arrays that are too large, updates that diverge, threads: said or settled before they do harm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from morl.agents import registry
from morl.agents.core import memory
from morl.agents.core.errors import DivergedError
from morl.agents.neural.replay import ReplayBuffer
from morl.spec import AgentError
from morl.testing import problems
from morl.testing.agents import digest

IMAGE = problems.AnySpaces(spaces.Discrete(2), spaces.Box(0, 255, (64, 64, 3), np.uint8))
PLAIN = problems.AnySpaces(spaces.Discrete(2), spaces.Discrete(4))


@pytest.fixture
def gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.LIMIT, "1")


@pytest.mark.usefixtures("gigabyte")
@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Envelope", {}, "replay buffer of 200,000 rows of 24 KiB needs 4.58 GiB"),
        ("GPILS", {}, "replay buffer"),
        ("QuantileDQN", {"utility": "worst"}, "replay buffer"),
        ("LinearScalarization", {"algorithm": "DQN"}, "replay buffer of 1,000,000 observations needs"),
        ("WorstCase", {"learner": "DQN", "sb3": {"buffer_size": 10**12}}, "replay buffer"),
        ("PCN", {"n_envs": 512}, "recording episodes of 512 parallel environments"),
    ],
)
def test_images_that_do_not_fit_say_how_large_they_are(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AgentError, match=rf"{words}.*are available; lower ") as caught:
        registry.get(name)(IMAGE, seed=0, **options).learn(3_000_000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Envelope", {"n_envs": 10**12}),
        ("Envelope", {"n_envs": "1e400"}),
        ("Envelope", {"buffer_size": 10**15}),
        ("Envelope", {"net_arch": (10**9, 10**9)}),
        ("ParetoEvolution", {"population": 10**15}),
        ("ParetoEvolution", {"offspring": 10**15}),
        ("ParetoQLearning", {"max_states": 10**15}),
        ("ParetoQLearning", {"max_points": 10**15}),
        ("MultiWeightQLearning", {"max_states": 10**15}),
        ("VectorQLambda", {"n_steps": 10**15}),
        ("EUPG", {"n_steps": 10**15, "utility": "worst"}),
        ("ESRQLearning", {"capacity": 10**17, "utility": "worst"}),
    ],
)
def test_absurd_sizes_are_one_line(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(AgentError) as caught:
        registry.get(name)(PLAIN, seed=0, **options).learn(100)
    assert "\n" not in str(caught.value)


def test_an_upper_bound_of_pcn_is_refused_where_the_steps_would_reach_it() -> None:
    agent = registry.get("PCN")(PLAIN, seed=0, n_envs=10**18, learning_starts=10)
    with pytest.raises(AgentError, match=r"parallel environments of AnySpaces needs .*; lower n_envs"):
        agent.learn(10**20)
    agent.learn(100)  # a hundred steps are enough for one environment, whatever the bound


def test_available_memory_is_the_least_that_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "max").write_text("5000")
    (tmp_path / "current").write_text("2000")
    (tmp_path / "none").write_text("max")
    pairs = ((str(tmp_path / "none"), str(tmp_path / "current")), (str(tmp_path / "max"), str(tmp_path / "current")))
    monkeypatch.setattr(memory, "_CGROUPS", pairs)
    assert memory.available() == 3000
    monkeypatch.setenv(memory.LIMIT, "1e-6")
    assert memory.available() == 1000
    memory.require(1000, "something", "lower it")
    with pytest.raises(AgentError, match="something needs"):
        memory.require(1001, "something", "lower it")
    monkeypatch.setenv(memory.LIMIT, "much")
    with pytest.raises(AgentError, match="MORL_MAX_MEMORY is 'much'; expected a positive number"):
        ReplayBuffer(2, {"x": ((), np.float32)})


@pytest.mark.parametrize("name", ["CAPQL", "EUPG", "Envelope", "GPILS", "PCN", "QuantileDQN", "VectorQLambda"])
def test_an_update_that_diverges_stops_with_its_name_and_spares_the_parameters(name: str) -> None:
    import torch

    from morl.testing.spaces import SMALL, reference_action

    cls = registry.get(name)
    more = {"learning_starts": 50} if name in ("CAPQL", "Envelope", "GPILS") else {}
    env = problems.AnySpaces(reference_action(cls.info), spaces.Box(-1.0, 1.0, (2,)))
    agent = cls(env, seed=0, **SMALL.get(name, {}) | more).learn(600)
    module: Any = next(x for x in (getattr(agent, part, None) for part in ("net", "actor", "learner")) if x is not None)
    module = module if isinstance(module, torch.nn.Module) else module.critics
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] = float("nan")  # as an overflow would
    with pytest.raises(DivergedError, match=rf"{name} diverged after [\d,]+ steps: .*(loss|action)"):
        agent.learn(3000)


def test_a_stable_baselines_model_that_diverges_is_named() -> None:
    env = problems.AnySpaces(spaces.Discrete(2), spaces.Box(-1.0, 1.0, (2,)))
    options = {"n_weights": 1, "n_envs": 2, "sb3": {"n_steps": 16, "batch_size": 16, "learning_rate": 1e30}}
    with pytest.raises(DivergedError, match=r"LinearScalarization diverged after .*the policy of PPO"):
        registry.get("LinearScalarization")(env, seed=0, **options).learn(2000)


@pytest.mark.parametrize("name", ["EUPG", "LinearScalarization"])
def test_results_do_not_depend_on_the_number_of_threads(name: str) -> None:
    import torch

    from morl.testing.spaces import SMALL

    options = SMALL[name] | (
        {"net_arch": (512, 512)} if name == "EUPG" else {"sb3": {"n_steps": 256, "batch_size": 512}}
    )
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            env = problems.AnySpaces(spaces.Discrete(2), spaces.Box(-1.0, 1.0, (64,)))
            found.append(digest(registry.get(name)(env, seed=0, **options).learn(4096)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_utility_that_nobody_chose_is_named(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("EUPG", "QuantileDQN", "ESRQLearning"):
        caplog.clear()
        agent = registry.get(name)(problems.deterministic(), seed=0)
        assert f"{name} maximises the expected utility 'worst', its default" in caplog.text
        assert agent.learn(100).front(2).provenance["utility"] == "worst"
        caplog.clear()
        registry.get(name)(problems.deterministic(), {"utility": "worst"}, seed=0)
        registry.get(name)(problems.deterministic(), seed=0, utility="worst")
        assert not caplog.records


@pytest.mark.slow
def test_processes_without_a_main_guard_name_the_cause(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import morl.agents\n"
        "agent = morl.agents.LinearScalarization('morl/DeepSeaTreasure-v0', seed=0, processes=2, n_weights=2,\n"
        "    n_envs=2, sb3={'n_steps': 16, 'batch_size': 16})\n"
        "agent.learn(64)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert 'unguarded.py: put what it does under if __name__ == "__main__":' in last, done.stderr[-2000:]
