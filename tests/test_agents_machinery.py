"""The shared machinery of agents: config, files, collector, evaluator, preferences, networks."""

from __future__ import annotations

import json
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core import checkpoint
from morl.agents.core.callbacks import CheckpointCallback, StopAtHypervolume
from morl.agents.core.collector import Collector, check_rewards, random_actions
from morl.agents.core.config import (
    AgentConfig,
    load_options,
    make_config,
    option,
    options,
    parse_assignments,
    tuned_options,
)
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.exact_values import return_distribution
from morl.agents.core.logger import JsonlLogger, MemoryLogger
from morl.agents.core.observations import Encoder, RunningScale, StateIndex
from morl.agents.core.policies import Mixtures, TablePolicies
from morl.agents.core.preferences import LinearSupport, sample_simplex, simplex_grid, to_raw
from morl.agents.core.problem import Problem
from morl.agents.multi_weight_q import MultiWeightQConfig, MultiWeightQLearning
from morl.agents.neural.replay import ReplayBuffer
from morl.agents.search.archive import Archive, crowding
from morl.envs.finite.tabular import TabularEnv, TabularVectorEnv
from morl.momdp import MOMDP
from morl.spec import AgentError, EnvError, MOSpec, Objective, RunError, UnknownNameError
from morl.testing import problems

# ---- registry and options -------------------------------------------------------------------------------


def test_registry_lists_algorithms_without_importing_torch() -> None:
    code = "import sys, morl.agents.registry as r; r.names(); print('torch' in sys.modules, len(r.names()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == "False"
    assert int(out[1]) >= 8


def test_info_of_every_algorithm_is_read_without_torch() -> None:
    code = (
        "import sys, morl.agents.registry as r\n"
        "from morl.agents.core.config import options\n"
        "for n in ['ParetoQLearning','MultiWeightQLearning','LinearScalarization','WorstCase','ESRQLearning',"
        "'ExactPlanner']: assert options(r.get(n).Config) and r.get(n).info.name == n\n"
        "print('torch' in sys.modules, 'stable_baselines3' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == ["False", "False"]


def test_names_are_found_whatever_their_spelling() -> None:
    assert registry.get("pareto-q-learning") is registry.get("ParetoQLearning")
    with pytest.raises(UnknownNameError, match="did you mean ParetoQLearning"):
        registry.get("ParetoQLerning")


def test_options_are_converted_checked_and_suggested() -> None:
    config = make_config(
        MultiWeightQConfig, {"n_weights": "8", "epsilon": "0.5", "scaled": "false", "discount": "none"}
    )
    assert (config.n_weights, config.epsilon, config.scaled, config.discount) == (8, 0.5, False, None)
    weights = make_config(MultiWeightQConfig, {"weights": "[[1, 0], [0.5, 0.5]]"}).weights
    assert weights == ((1.0, 0.0), (0.5, 0.5))
    with pytest.raises(UnknownNameError, match="did you mean epsilon"):
        make_config(MultiWeightQConfig, {"epsilom": 1})
    with pytest.raises(AgentError, match=r"is 2\.0; expected 0\.0 to 1\.0"):
        make_config(MultiWeightQConfig, {"epsilon": 2})
    with pytest.raises(AgentError, match="'many'; expected int"):
        make_config(MultiWeightQConfig, {"n_weights": "many"})
    assert [o.name for o in options(MultiWeightQConfig)][-1] in {"eval_envs", "n_envs", "discount"}


def test_assignments_and_toml(tmp_path) -> None:
    assert parse_assignments(["a=1", "b-c = [2, 3]"]) == {"a": "1", "b_c": "[2, 3]"}
    with pytest.raises(AgentError, match="name=value"):
        parse_assignments(["a"])
    (tmp_path / "f.toml").write_text("[options]\nepsilon = 0.25\n")
    assert load_options(tmp_path / "f.toml") == {"epsilon": 0.25}
    (tmp_path / "g.toml").write_text("epsilon = = 1")
    with pytest.raises(AgentError, match="not TOML"):
        load_options(tmp_path / "g.toml")


def test_tuned_options_exist_and_are_valid() -> None:
    from morl.agents.core.config import _tuned

    for algorithm, table in _tuned().items():
        for env_id, values in table.items():
            assert make_config(registry.get(algorithm).Config, values, algorithm)
            assert tuned_options(algorithm, env_id) == values
    assert tuned_options("EUPG", None) == {}


def test_third_party_agents_come_through_the_entry_point_group(monkeypatch) -> None:
    class Point:
        name = "Theirs"

        @staticmethod
        def load() -> type[Agent]:
            return MultiWeightQLearning

    monkeypatch.setattr(registry, "_third_party", lambda: {"Theirs": Point})
    assert "Theirs" in registry.names()
    assert registry.get("theirs") is MultiWeightQLearning


# ---- checkpoints ----------------------------------------------------------------------------------------


def test_checkpoint_round_trip_keeps_the_previous_one(tmp_path) -> None:
    for i in range(3):
        checkpoint.save(tmp_path / "c", {"i": i}, {"x": np.arange(i + 1.0), "empty": np.zeros((0, 2))})
    assert checkpoint.load(tmp_path / "c").meta == {"i": 2}
    assert len(list((tmp_path / "c").glob("arrays-*"))) == 2


@pytest.mark.parametrize("damage", ["truncate", "flip", "json", "missing"])
def test_damaged_checkpoint_is_refused_and_the_previous_one_used(tmp_path, damage) -> None:
    folder = tmp_path / "c"
    checkpoint.save(folder, {"i": 0}, {"x": np.zeros(3)})
    checkpoint.save(folder, {"i": 1}, {"x": np.ones(3)})
    body = json.loads((folder / "checkpoint.json").read_text())
    arrays = folder / body["arrays"]
    if damage == "truncate":
        arrays.write_bytes(arrays.read_bytes()[:-3])
    elif damage == "flip":
        raw = bytearray(arrays.read_bytes())
        raw[-1] ^= 1
        arrays.write_bytes(bytes(raw))
    elif damage == "json":
        text = (folder / "checkpoint.json").read_text()
        (folder / "checkpoint.json").write_text(text.replace('"i": 1', '"i": 7'))
    else:
        arrays.unlink()
    with pytest.warns(UserWarning, match="using the previous checkpoint"):
        assert checkpoint.load(folder).meta == {"i": 0}
    (folder / "previous.json").unlink()
    with pytest.raises(RunError):
        checkpoint.load(folder)


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch) -> None:
    checkpoint.save(tmp_path / "c", {"i": 0}, {"x": np.zeros(3)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        checkpoint.save(tmp_path / "c", {"i": 1}, {"x": np.ones(3)})
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "c").meta == {"i": 0}
    assert not list((tmp_path / "c").glob("*.part"))


# ---- collector ------------------------------------------------------------------------------------------


def _walk() -> tuple[MOMDP, MOSpec]:
    """Four states in a row, the last terminal; one action; reward (1, s)."""
    p = np.zeros((4, 1, 4))
    for s in range(3):
        p[s, 0, s + 1] = 1
    p[3, 0, 3] = 1
    r = np.array([[[1.0, s]] for s in range(4)])
    model = MOMDP.from_arrays(p, r, discount=0.5, terminal=[False, False, False, True], objectives=["one", "state"])
    return model, MOSpec(model.objectives, 0.5)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("limit", [None, 2])
def test_collector_tells_ends_apart_in_every_autoreset_mode(mode, limit) -> None:
    model, spec = _walk()
    env = TabularVectorEnv(model, spec, 3, max_steps=limit, autoreset_mode=mode)
    collector = Collector(env, spec, 0.5, "walk")
    collector.reset(0)
    seen = []
    while len(seen) < 12:
        out = collector.step(np.zeros(3, dtype=np.int64))
        seen += [
            (int(out.obs[i]), int(out.next_obs[i]), bool(out.terminated[i]), bool(out.truncated[i]), int(out.time[i]),
             tuple(out.accrued[i]))
            for i in range(len(out))
        ]  # fmt: skip
    expected = [
        (0, 1, False, False, 0, (0.0, 0.0)),
        (1, 2, False, limit == 2, 1, (1.0, 0.0)),
        (2, 3, True, False, 2, (1.5, 0.5)),
    ][: 3 if limit is None else 2]
    assert set(seen) == set(expected)
    assert collector.steps == len(seen)


def test_rollout_marks_resets_as_invalid() -> None:
    model, spec = _walk()
    env = TabularVectorEnv(model, spec, 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    collector = Collector(env, spec, 0.5, "walk")
    collector.reset(0)
    out = collector.rollout(lambda o, a, t: np.zeros(2, dtype=np.int64), 8)
    assert out.valid[:, 0].tolist() == [True, True, True, False] * 2
    assert out.rewards[3].tolist() == [[0.0, 0.0]] * 2
    assert out.terminated[2].all()


def test_rewards_are_checked_with_names() -> None:
    spec = MOSpec((Objective("gain"), Objective("cost")))
    with pytest.raises(EnvError, match=r"lab, step 7, copy 1: reward of objective 'cost' is inf"):
        check_rewards([[0.0, 0.0], [1.0, np.inf]], 2, spec, "lab", 7)
    with pytest.raises(EnvError, match=r"rewards have shape \(2,\); expected \(2, 2\)"):
        check_rewards([0.0, 1.0], 2, spec, "lab", 7)
    with pytest.raises(EnvError, match="expected"):
        check_rewards("text", 2, spec, "lab", 7)


def test_random_actions_stay_in_their_space() -> None:
    rng = np.random.default_rng(0)
    for space in (
        spaces.Discrete(3, start=2),
        spaces.MultiDiscrete([2, 5]),
        spaces.Box(np.array([-1.0, -np.inf]), np.array([2.0, np.inf]), dtype=np.float32),
    ):
        for action in random_actions(space, 50, rng):
            assert space.contains(np.asarray(action, dtype=space.dtype)[()])


# ---- evaluation -----------------------------------------------------------------------------------------


def _evaluator(env: gym.Env, seed: int = 0) -> Evaluator:
    return Evaluator(Problem(env), np.random.SeedSequence(seed), 16)


def test_exact_and_sampled_evaluation_agree() -> None:
    env = problems.stochastic()
    evaluator = _evaluator(env)
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.array([[0] * len(index), [1] * len(index), [2] * len(index)]))
    exact = evaluator.evaluate(policies)
    assert exact.exact
    assert evaluator.steps == 0
    np.testing.assert_allclose(exact.mean, [[0, 0], [4, -2], [1.5, -0.5]], atol=1e-9)
    sampled = evaluator.evaluate(policies, 4000, exact=False)
    assert evaluator.steps == sampled.steps > 4000
    error = np.sqrt(np.einsum("mkk->mk", sampled.covariance))
    assert np.all(np.abs(sampled.mean - exact.mean) <= 4 * error + 1e-12)
    # The covariance of the mean: try once pays (3, -0.5) or (0, -0.5), so its variance is 9/4 over the episodes.
    assert sampled.covariance[2, 0, 0] == pytest.approx(2.25 / 4000, rel=0.05)


def test_discounted_and_undiscounted_means() -> None:
    model, spec = _walk()
    env = TabularEnv(model, spec)
    policies = TablePolicies(StateIndex(env.observation_space, env.observations), np.zeros((1, 4), dtype=np.int64))
    sampled = _evaluator(env).evaluate(policies, 3, exact=False)
    np.testing.assert_allclose(sampled.mean, [[1.75, 1.0]])
    np.testing.assert_allclose(sampled.undiscounted, [[3.0, 3.0]])
    np.testing.assert_allclose(_evaluator(env).evaluate(policies, discount=1.0).mean, [[3.0, 3.0]])


def test_evaluation_has_its_own_seeds_and_repeats_with_one() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.ones((1, len(index)), dtype=np.int64))
    first, second = _evaluator(env), _evaluator(env)
    a = first.evaluate(policies, 20, exact=False)
    assert np.array_equal(a.mean, second.evaluate(policies, 20, exact=False).mean)
    assert not np.array_equal(a.mean, first.evaluate(policies, 20, exact=False).mean)
    b = first.evaluate(policies, 20, exact=False, seed=9)
    assert np.array_equal(b.mean, first.evaluate(policies, 20, exact=False, seed=9).mean)


def test_a_policy_that_never_ends_is_worth_what_the_time_limit_leaves() -> None:
    model = MOMDP.from_arrays(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], [[[1.0, -1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]],
        discount=1.0, terminal=[False, True], objectives=["a", "b"],
    )  # fmt: skip
    env = TabularEnv(model, MOSpec(model.objectives), max_steps=7)
    index = StateIndex(env.observation_space, env.observations)
    value = _evaluator(env).evaluate(TablePolicies(index, np.array([[0, 0], [1, 0]]))).mean
    np.testing.assert_allclose(value, [[7.0, -7.0], [0.0, 0.0]])


def test_return_distribution_is_the_geometric_law() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.ones((1, len(index)), dtype=np.int64))
    found = return_distribution(policies, env.momdp(), env.observations)
    assert found is not None
    values, chances = found
    for value, chance in zip(values, chances, strict=True):
        assert value[0] == 4.0 or -value[1] > 20
        assert chance == pytest.approx(0.5 ** -value[1], abs=1e-8)


def test_mixtures_are_drawn_per_episode_and_evaluated_exactly() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    inner = TablePolicies(index, np.array([[0] * len(index), [1] * len(index)]))
    mixed = Mixtures(inner, np.array([[0.25, 0.75]]))
    np.testing.assert_allclose(_evaluator(env).evaluate(mixed).mean, [[3.0, -1.5]])
    sampled = _evaluator(env).evaluate(mixed, 3000, exact=False)
    assert np.all(np.abs(sampled.mean - [[3.0, -1.5]]) < 5 * np.sqrt(np.einsum("mkk->mk", sampled.covariance)))
    assert set(np.unique(sampled.distributions[0][0][:, 0])) <= {0.0, 4.0}


# ---- learning in general --------------------------------------------------------------------------------


def test_front_reports_fresh_episodes_and_counts_them() -> None:
    agent = MultiWeightQLearning(problems.Plain(problems.stochastic()), seed=0).learn(3000)
    front = agent.front(episodes=200)
    assert agent.eval_steps >= front.provenance["eval_steps"] > 0
    assert set(front.episodes.tolist()) == {100}
    best = {(0.0, 0.0): 0, (1.5, -0.5): 0, (4.0, -2.0): 0}
    for point, cov in zip(front.points, front.covariance, strict=True):
        assert any(np.all(np.abs(point - b) <= 5 * np.sqrt(np.diag(cov)) + 1e-9) for b in best)


def test_stop_at_hypervolume_and_logging() -> None:
    env = problems.deterministic()
    truth = MultiWeightQLearning(env, seed=0).learn(5000).front()
    stop = StopAtHypervolume(0.999, every=500, truth=truth)
    agent = MultiWeightQLearning(env, seed=1, chunk=500)
    agent.logger = memory = MemoryLogger()
    agent.learn(50_000, callback=stop, log_interval=500)
    assert stop.reached is not None
    assert agent.num_timesteps < 50_000
    assert {"seconds", "tried"} <= set().union(*(row.keys() for row in memory.rows))
    assert any("front/hypervolume_ratio" in row for row in memory.rows)


def test_jsonl_logger_writes_valid_lines(tmp_path) -> None:
    logger = JsonlLogger(tmp_path / "a" / "m.jsonl")
    logger.log({"x": np.float64(1.5), "y": float("nan"), "z": np.array([1, 2])}, 10)
    row = json.loads((tmp_path / "a" / "m.jsonl").read_text())
    assert row == {"step": 10, "x": 1.5, "y": None, "z": [1, 2]}


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


def test_predict_needs_accrued_where_the_policy_does() -> None:
    from morl.agents.esr_q import ESRQLearning

    agent = ESRQLearning(problems.lottery(), seed=0).learn(500)
    with pytest.raises(AgentError, match="accrued"):
        agent.predict(0)
    action, state = agent.predict(0, accrued=[0, 0])
    assert action in (0, 1, 2)
    assert state["time"].tolist() == [1]


# ---- small parts ----------------------------------------------------------------------------------------


def test_encoder() -> None:
    box = Encoder(spaces.Box(np.array([0, -np.inf]), np.array([10, np.inf]), dtype=np.float64))
    np.testing.assert_allclose(box(np.array([[10.0, 3.0], [0.0, -2.0]])), [[1.0, 3.0], [-1.0, -2.0]])
    several = Encoder(spaces.MultiDiscrete([2, 3]))
    assert several(np.array([[1, 2]])).tolist() == [[0, 1, 0, 0, 1]]
    both = Encoder(spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(-1, 1, (2,))))
    assert both({"a": np.array([1]), "b": np.zeros((1, 2))}).shape == (1, 4)
    with pytest.raises(AgentError, match="not supported"):
        Encoder(spaces.Text(4))


def test_state_index_merges_equal_observations() -> None:
    index = StateIndex(spaces.Box(0, 5, (2,), np.int32), np.array([[0, 1], [2, 3], [0, 1]]))
    assert len(index) == 2
    assert index.lookup(np.array([[2, 3], [9, 9]]), grow=False).tolist() == [1, -1]


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2), min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_running_scale_matches_numpy(rows) -> None:
    values = np.array(rows)
    scale = RunningScale(2)
    for part in np.array_split(values, 3):
        scale.update(part)
    np.testing.assert_allclose(scale.mean, values.mean(axis=0), atol=1e-8)
    std = values.std(axis=0)
    big = std > 1e-6 * np.maximum(1, np.abs(values).max())
    np.testing.assert_allclose(scale.std[big], std[big], rtol=1e-5)


@given(st.integers(2, 6), st.integers(1, 60), st.floats(0.05, 5))
@settings(max_examples=40, deadline=None)
def test_simplex_samples_and_grids(k, n, concentration) -> None:
    drawn = sample_simplex(n, k, np.random.default_rng(0), concentration)
    assert drawn.shape == (n, k)
    assert np.all(drawn >= 0)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    grid = simplex_grid(k, n)
    assert 1 <= len(grid) <= n
    np.testing.assert_allclose(grid.sum(axis=1), 1)
    np.testing.assert_allclose(to_raw(grid, np.arange(1.0, k + 1)).sum(axis=1), 1)


def test_linear_support_finds_the_whole_hull_of_known_values() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((60, 3))
    support = LinearSupport(3)
    for _ in range(200):
        w = support.next()
        if w is None:
            break
        support.add(w, points[(points @ w).argmax()])
    assert support.next() is None
    for w in sample_simplex(300, 3, rng):
        assert (np.array(support.values) @ w).max() == pytest.approx((points @ w).max(), abs=1e-5)


def test_replay_wraps_and_restores() -> None:
    buffer = ReplayBuffer(5, {"x": ((2,), np.float64)})
    for i in range(4):
        buffer.add(x=np.full((2, 2), i, dtype=float))
    assert sorted(buffer.arrays["x"][:, 0].tolist()) == [1, 2, 2, 3, 3]
    twin = ReplayBuffer(5, {"x": ((2,), np.float64)})
    twin.restore(buffer.state())
    for b in (buffer, twin):
        b.add(x=np.full((1, 2), 9.0))
    assert np.array_equal(buffer.arrays["x"], twin.arrays["x"])
    draws = [b.sample(8, np.random.default_rng(0))["x"] for b in (buffer, twin)]
    assert np.array_equal(*draws)
    with pytest.raises(AgentError, match="fields"):
        buffer.add(y=np.zeros((1, 2)))


def test_archive_drops_lucky_draws_on_reevaluation() -> None:
    archive = Archive(2, capacity=3)
    assert archive.add(np.array([9.0, 9.0]), "lucky")
    assert not archive.add(np.array([1.0, 2.0]), "honest")
    archive.reevaluate(lambda payloads: np.array([[0.0, 0.0]]))
    assert archive.add(np.array([1.0, 2.0]), "honest")
    assert [item.payload for item in archive.items] == ["honest"]
    for i, value in enumerate([(0.0, 3.0), (2.0, 1.0), (3.0, 0.0), (2.1, 0.9)]):
        archive.add(np.array(value), i)
    assert len(archive) == 3
    assert {0.0, 3.0} <= set(archive.values[:, 0])


def test_crowding_of_evenly_spread_points() -> None:
    values = np.array([[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]])
    assert crowding(values).tolist() == [np.inf, 1.0, 1.5, np.inf]


def test_a_config_declares_everything_once() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(AgentConfig):
        kind: str = option("a", "which", choices=("a", "b"))

    with pytest.raises(UnknownNameError, match="did you mean"):
        make_config(Mine, {"kind": "aa"})
    assert options(Mine)[0].choices == ("a", "b")


def test_ctrl_c_waits_for_a_clean_moment_and_keeps_what_was_learned() -> None:
    import os
    import signal

    from morl.agents import LearningInterrupted

    before = signal.getsignal(signal.SIGINT)
    agent = MultiWeightQLearning(problems.deterministic(), seed=0, chunk=100)

    def press(a: Agent) -> None:
        if a.num_timesteps >= 500:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(LearningInterrupted, match=r"interrupted after \d+ of 5,000 steps; what .* learned is kept"):
        agent.learn(5000, callback=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert agent.num_timesteps % 100 == 0
    assert len(agent.front()) >= 1
    agent.learn(100)
