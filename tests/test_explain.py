"""Explanations: the sums add up, minimal sets equal brute force, exact values obey the Bellman equations."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import morl
from morl.agents import PCN, Envelope, ParetoQLearning
from morl.cli import main
from morl.exact import evaluate
from morl.explain import action_values, conflicts, explain, minimal_negative, minimal_positive
from morl.explain.conflict import plot_conflicts
from morl.spec import AgentError, SpecError

gains = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=6)


def smallest(items: list[int], amounts: np.ndarray, need: float) -> int | None:
    """Size of the smallest subset whose amounts exceed ``need``, by trying all."""
    for size in range(1, len(items) + 1):
        if any(amounts[list(some)].sum() > need for some in itertools.combinations(items, size)):
            return size
    return None


@given(gains)
def test_minimal_sets_are_as_small_as_any(d):
    d = np.array(d)
    positive = minimal_positive(d)
    size = smallest([k for k in range(len(d)) if d[k] > 0], d, -d[d < 0].sum())
    assert len(positive) == (size or 0)
    assert d[list(positive)].sum() > -d[d < 0].sum() or not positive
    if positive:
        need = d[list(positive)].sum() - d[list(positive)].min()
        size = smallest([k for k in range(len(d)) if d[k] < 0], -d, need)
        assert len(minimal_negative(d, positive)) == (size or 0)


@given(st.integers(2, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_gains_add_up_to_the_difference_of_utilities(actions, k, seed):
    rng = np.random.default_rng(seed)
    q, w = rng.standard_normal((actions, k)), rng.dirichlet(np.ones(k))
    found = explain(q, w)
    order = np.argsort(-(q @ w))
    assert (found.action, found.other) == tuple(order[:2])
    assert found.total == pytest.approx((q[order[0]] - q[order[1]]) @ w, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "more", "words"),
    [
        ([[1.0, 2.0]], {}, "1 action has a value"),
        ([[1.0, 2.0], [0.0, 1.0]], {"action": 2}, "action is 2; expected one of 0, 1"),
        ([[1.0, 2.0], [0.0, 1.0]], {"action": 0, "other": 0}, "compared with itself"),
        ([[1.0], [2.0]], {}, r"expected \(A, K\) and \(K,\)"),
        ([[1.0, 2.0], [np.nan, np.nan], [0.0, 0.0]], {"other": 1}, "other is 1; expected one of 0, 2"),
    ],
)
def test_what_cannot_be_explained_is_refused(values, more, words):
    with pytest.raises(SpecError, match=words):
        explain(values, [0.5, 0.5], **more)


def test_exact_values_of_actions_obey_the_bellman_equations():
    agent = Envelope("morl/ScientificDiscovery-v0", seed=0, n_envs=2, learning_starts=20)
    agent.learn(64)
    model = agent.problem.model
    live = np.flatnonzero(~model.terminal)
    seen = agent.problem.model_observations
    found = action_values(agent, seen[live], [0.2, 0.3, 0.5])
    assert found.exact
    actions = np.zeros(model.n_states, dtype=int)
    actions[live] = found.chosen
    states = evaluate(model, actions).states
    np.testing.assert_allclose(found.values[np.arange(len(live)), found.chosen], states[live], atol=1e-9)
    for i, s in enumerate(live):
        for a in range(model.n_actions[s]):
            row = model.row_ptr[s] + a
            expected = model.rewards[row] + model.discount * (model.transitions[[row]] @ states)[0]
            np.testing.assert_allclose(found.values[i, a], expected, atol=1e-9)


def test_learned_values_are_those_that_the_policy_is_greedy_for():
    agent = Envelope("morl/MinecartDeterministic-v0", seed=0, n_envs=2, learning_starts=20)
    agent.learn(64)
    obs = np.stack([agent.observation_space.sample() for _ in range(5)])
    found = action_values(agent, obs, [0.2, 0.3, 0.5], raw=True)
    assert not found.exact
    assert found.values.shape == (5, 6, 3)
    assert found.chosen.tolist() == (found.values @ found.weights).argmax(axis=1).tolist()
    assert found.chosen.tolist() == agent.predict(obs, preference=[0.2, 0.3, 0.5], raw=True)[0].tolist()


def test_agents_without_values_of_actions_are_refused_by_name():
    agent = PCN("morl/MinecartDeterministic-v0", seed=0)
    with pytest.raises(AgentError, match=r"PCN on morl/MinecartDeterministic-v0 has no values.*Envelope"):
        action_values(agent, agent.observation_space.sample())


def test_an_observation_that_is_no_state_is_refused():
    agent = Envelope("morl/DeepSeaTreasure-v0", seed=0)
    with pytest.raises((AgentError, SpecError)):
        action_values(agent, np.array([50, 50]))


def test_conflicts_of_closed_forms():
    same, opposite = [[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]], [[1.0, -1.0], [3.0, -3.0], [2.0, -2.0]]
    indifferent = [[1.0, 5.0], [2.0, 5.0], [np.nan, np.nan]]
    found = conflicts([same, opposite, indifferent])
    np.testing.assert_allclose(found.correlation[:2, 0, 1], [1, -1])
    assert np.isnan(found.correlation[2, 0, 1])
    assert found.differ[:, 0, 1].tolist() == [False, True, False]
    np.testing.assert_allclose(found.loss[0], 0)
    assert found.loss[2, 0] == 0
    assert found.strongest(0, 1) == [1, 0]


def test_a_map_of_conflicts_is_drawn(tmp_path):
    found = conflicts(np.random.default_rng(0).standard_normal((6, 3, 2)))
    assert plot_conflicts(found, 0, 1, tmp_path / "map.png", (2, 3)).stat().st_size > 1000
    with pytest.raises(SpecError, match="2 × 2 does not hold 6"):
        plot_conflicts(found, 0, 1, tmp_path / "no.png", (2, 2))


def test_a_run_is_explained_from_the_command_line(tmp_path, capsys):
    run = str(tmp_path / "run")
    train = ["train", "--algo", "Envelope", "--env", "morl/DeepSeaTreasure-v0", "-n", "200", "--out", run, "--quiet"]
    if main(train) != 0:
        pytest.fail(capsys.readouterr().err)
    folder = str(next(tmp_path.rglob("config.json")).parent)
    capsys.readouterr()
    assert main(["explain", folder, "--state", "[0, 0]", "--preference", "0.6", "0.4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["exact"]
    assert sum(said["gains"].values()) == pytest.approx(said["total"], abs=1e-6)
    assert main(["explain", folder, "--state", "[0, 0]"]) == 0
    assert "weighted gain" in capsys.readouterr().out
    for wrong, words in (("[0, 99]", "is no observation"), ("north", "cannot be read"), ("[0]", "is no observation")):
        assert main(["explain", folder, "--state", wrong]) == 2
        assert words in capsys.readouterr().err


def test_pareto_q_policies_with_plans_are_refused():
    agent = ParetoQLearning("morl/DeepSeaTreasure-v0", seed=0)
    agent.learn(500)
    with pytest.raises(AgentError, match="ParetoQLearning"):
        action_values(agent, morl.make("morl/DeepSeaTreasure-v0").reset(seed=0)[0])
