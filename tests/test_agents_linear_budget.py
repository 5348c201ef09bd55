"""LinearScalarization's defaults fit the steps that it is given."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents import LinearScalarization
from morl.agents.core.running import Normaliser, unscaled
from morl.agents.neural.sb3_budget import SHORTEST, UPDATES, fitted, least_budget, steps_per_update
from morl.envs.core import MOEnv
from morl.spec import MOSpec
from morl.testing import problems

FAST = {"n_epochs": 1}
DST = "morl/DeepSeaTreasureConcave-v0"


@given(n_envs=st.integers(1, 40), budget=st.integers(1, 10**7), algorithm=st.sampled_from(["PPO", "A2C"]))
@settings(max_examples=200, deadline=None)
def test_rollouts_leave_enough_updates(n_envs: int, budget: int, algorithm: str) -> None:
    options = fitted(algorithm, {}, (), n_envs, budget)
    rollout = steps_per_update(algorithm, options, n_envs)
    plenty = fitted(algorithm, {}, (), n_envs, 10**9)
    if budget >= least_budget(algorithm, plenty, (), n_envs):
        assert budget // rollout >= UPDATES
        assert options["n_steps"] >= min(SHORTEST, plenty["n_steps"]) or algorithm == "A2C"
    assert rollout <= max(budget, n_envs * min(SHORTEST, plenty["n_steps"]))
    if algorithm == "PPO":
        assert rollout % options["batch_size"] == 0
        assert rollout <= 2048 or n_envs > 256


def test_what_is_given_stays() -> None:
    given_options = {"n_steps": 2048, "batch_size": 100}
    assert fitted("PPO", given_options, ("n_steps", "batch_size"), 8, 100) == given_options
    tuned = fitted("PPO", {"n_steps": 64, "batch_size": 256}, (), 8, 1_000_000)
    assert tuned == {"n_steps": 64, "batch_size": 256}
    assert fitted("PPO", tuned, (), 8, 3_000)["n_steps"] == 16
    assert fitted("DQN", {"train_freq": 2}, ("train_freq",), 8, 3_000).get("gradient_steps") is None
    assert fitted("SAC", {}, (), 8, 3_000)["gradient_steps"] == 8
    assert fitted("DQN", {}, (), 8, 3_000)["target_update_interval"] == 150


@pytest.mark.parametrize(("total", "n_weights"), [(3_999, 3), (5_200, 4)])
def test_every_weight_is_learned_with_enough_updates(total: int, n_weights: int) -> None:
    agent = LinearScalarization(problems.deterministic(), seed=0, n_weights=n_weights, sb3=FAST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent.learn(total)
    assert len(agent.weights) == n_weights
    updates = [int(arrays["model.counters"][1]) for arrays in agent.solved]
    assert min(updates) >= UPDATES - 1  # shares are rounded up to whole rollouts
    assert total <= agent.num_timesteps < total + agent.config.n_envs


@pytest.mark.parametrize("options", [{}, {"sb3": {"n_steps": 256, **FAST}}, {"algorithm": "A2C"}, {"n_weights": 3}])
def test_a_budget_that_is_too_small_says_how_much_would_do(options: dict[str, Any]) -> None:
    settings_ = {"sb3": FAST if options.get("algorithm") != "A2C" else None, **options}
    agent = LinearScalarization(problems.deterministic(), seed=0, **settings_)
    with pytest.warns(UserWarning, match=r"fewer than 20 updates") as caught:
        agent.learn(300)
    if "sb3" not in options:
        assert len(agent.weights) == agent.n_weights  # little for each, but something for all
    found = re.search(r"at least ([\d,]+) steps", str(caught[0].message))
    assert found is not None
    enough = int(found.group(1).replace(",", ""))
    again = LinearScalarization(problems.deterministic(), seed=0, **settings_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.target_timesteps = enough
        again._share_out()
    assert again.n_weights == again.config.n_weights


def test_tuned_options_and_what_is_asked() -> None:
    def taken(**options: Any) -> dict[str, Any]:
        return LinearScalarization("morl/ActiveScan-v0", seed=0, **options).tuned

    assert taken()["weights"]
    assert "weights" not in taken(n_weights=3)
    assert "weights" not in taken(selection="ols")
    assert taken(sb3={"n_epochs": 1})["sb3"]["n_epochs"] == 1
    assert taken(sb3={"n_epochs": 1})["sb3"]["n_steps"] == 64
    assert taken(algorithm="PPO")["weights"]
    assert taken(algorithm="A2C") == {}
    assert taken(tuned=False) == {}
    dst = LinearScalarization("morl/DeepSeaTreasure-v0", seed=0, algorithm="PPO")
    assert dst.tuned == {}  # those are for DQN


class Drift(MOEnv[Any, Any]):
    """A point pushed along a line, seen in large units without bounds; it earns by going right or by resting."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.mo_spec = MOSpec(("speed", "rest"), 0.95)
        self.reward_space = spaces.Box(-np.inf, np.inf, (2,))
        self._at, self._time = 0.0, 0

    def _seen(self) -> np.ndarray[Any, Any]:
        return np.array([1e4 * self._at + 5e5, 3.0])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._at, self._time = float(self.np_random.normal()), 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        push = float(np.clip(np.asarray(action).ravel()[0], -1, 1))
        self._at, self._time = self._at + 0.1 * push, self._time + 1
        return self._seen(), np.array([100.0 * push, -100.0 * push**2]), False, self._time >= 20, {}


def test_running_scales_are_numpys() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal([5e5, 3.0], [1e4, 2.0], size=(40, 8, 2))
    norm = Normaliser(np.array([True, True]), 8, 0.9)
    for batch in rows:
        norm.observe(batch)
    flat = rows.reshape(-1, 2)
    assert norm.mean == pytest.approx(flat.mean(axis=0), rel=1e-5)
    assert norm.var == pytest.approx(flat.var(axis=0), rel=1e-3)
    assert norm(flat).std(axis=0) == pytest.approx([1, 1], rel=1e-2)
    scaled = [norm.rewards(np.full(8, 50.0), np.arange(8) == 3) for _ in range(30)]
    assert norm._running[3] == 0.0
    assert 0 < scaled[-1][0] < 10
    copy = Normaliser(np.array([True, True]), 8, 0.9)
    copy.restore(norm.arrays("n"), "n")
    assert copy(flat).tolist() == norm(flat).tolist()
    assert unscaled(spaces.Discrete(3)) is None
    bounds = unscaled(spaces.Box(np.array([0.0, -np.inf]), np.array([1.0, np.inf])))
    assert bounds is not None
    assert bounds.tolist() == [False, True]


@pytest.mark.slow
def test_unbounded_observations_and_large_rewards_are_learned_from(tmp_path: Path) -> None:
    """The best actions are 1 for speed alone and 0 for rest alone, whatever the units are."""
    good = 0
    for seed in range(3):
        agent = LinearScalarization(Drift(), seed=seed, n_weights=2, weights=((1.0, 0.0), (0.0, 1.0)))
        agent.learn(10_000)
        observations = np.array([[5e5 + 1e4 * x, 3.0] for x in (-1.0, 0.0, 1.0)])
        speed, rest = (
            agent.predict(observations, preference=w, deterministic=True)[0].mean() for w in ([1, 0], [0, 1])
        )
        good += bool(speed > 0.6 and abs(rest) < 0.4)
    assert good >= 2  # three of three where this was written: speed 1.0, rest within 0.03


def test_scales_are_saved_with_the_agent(tmp_path: Path) -> None:
    agent = LinearScalarization(Drift(), seed=1, n_weights=2, sb3=FAST).learn(2_000)
    again = LinearScalarization.load(agent.save(tmp_path / "saved"), Drift())
    observations = np.array([[5e5, 3.0], [4e5, 3.0]])
    for weights in ([1, 0], [0, 1]):
        acts = [x.predict(observations, preference=weights, deterministic=True)[0].tolist() for x in (agent, again)]
        assert acts[0] == acts[1]
