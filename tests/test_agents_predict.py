"""What a preference means, and which policy plays for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl.agents import load, registry
from morl.agents.core.preferences import raw_weights, sample_simplex, to_raw, to_scaled, training_grid
from morl.envs.finite.tabular import TabularEnv
from morl.momdp import MOMDP
from morl.spec import AgentError, MOSpec, SpecError, UnknownNameError

SPAN = np.array([4.0, 40.0, 0.4])
SMALL: dict[str, dict[str, Any]] = {
    "GPILS": {"net_arch": (16, 16), "learning_starts": 100},
    "Envelope": {"net_arch": (16, 16)},
    "VectorQLambda": {"net_arch": (16, 16), "n_envs": 16},
    "PCN": {"net_arch": (16, 16), "n_envs": 16, "learning_starts": 200},
    "LinearScalarization": {"n_weights": 3, "sb3": {"n_steps": 16, "n_epochs": 1}},
}


def garden() -> TabularEnv:
    """Four layers of three states, three actions, three objectives of very different size; chance everywhere."""
    rng = np.random.default_rng(7)
    chances = rng.dirichlet(np.ones(3), size=(4, 3, 3))
    rewards = rng.uniform(0, 1, size=(4, 3, 3, 3)) * SPAN / 4

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, Any, bool]]:
        layer, s = state
        gain = tuple(rewards[layer, s, action])
        return [(float(p), (layer + 1, t), gain, layer == 3) for t, p in enumerate(chances[layer, s, action])]

    model, _ = MOMDP.from_simulator((0, 0), 3, outcomes, discount=0.9, objectives=["a", "b", "c"])
    spec = MOSpec(model.objectives, 0.9, None, (0.0, 0.0, 0.0), ((0.0, 0.0, 0.0), tuple(SPAN)))
    return TabularEnv(model, spec)


MULTI_POLICY = [name for name in registry.BUILT_IN if registry.get(name).info.multi_policy and name not in ("CAPQL",)]


@pytest.mark.parametrize("name", MULTI_POLICY)
def test_predict_plays_the_measured_policy_that_is_best_for_a_preference(name: str, tmp_path: Path) -> None:
    agent = registry.get(name)(garden(), SMALL.get(name, {}), seed=3).learn(1500)
    front = agent.front()
    weights = sample_simplex(60, 3, np.random.default_rng(0), 0.5)
    for raw in (False, True):
        units = weights if raw else to_raw(weights, SPAN)
        best = (units @ front.points.T).max(axis=1)
        for one in (agent, load(agent.save(tmp_path / f"{name}{raw}"), garden())):
            result = one.evaluate(weights, raw=raw)
            assert result.exact
            assert (units * result.mean).sum(axis=1) == pytest.approx(best, rel=1e-9)
    again = load(tmp_path / f"{name}True", garden())
    observation = again.problem.model_observations[[0] * len(weights)]
    acts = [
        x.predict(observation, deterministic=True, preference=weights, accrued=weights * 0)[0] for x in (agent, again)
    ]
    assert acts[0].tolist() == acts[1].tolist()


@pytest.mark.parametrize("name", ["MultiWeightQLearning", "VectorQLambda", "GPILS"])
def test_a_preference_reported_by_a_front_asks_for_its_point(name: str) -> None:
    agent = registry.get(name)(garden(), SMALL.get(name, {}), seed=3).learn(1500)
    front = agent.front()
    assert front.weights is not None
    assert front.weights.sum(axis=1) == pytest.approx(1.0)
    worth = (to_raw(front.weights, SPAN) * agent.evaluate(front.weights).mean).sum(axis=1)
    assert (worth >= (to_raw(front.weights, SPAN) * front.points).sum(axis=1) - 1e-9).all()


def test_learning_more_forgets_the_measured_front() -> None:
    agent = registry.get("MultiWeightQLearning")(garden(), seed=0).learn(500)
    agent.front(discount=0.5)
    assert agent.measured is None  # under another discount than the agent's own
    front = agent.front()
    assert agent.measured is front
    seen = []
    agent.learn(500, callback=lambda a: seen.append(a.front() is a.measured) or True)
    assert all(seen)
    agent.front()
    agent.learn(500)
    assert agent.measured is None


def test_a_preference_means_the_same_for_training_and_for_acting() -> None:
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    for name in ("MultiWeightQLearning", "LinearScalarization"):
        agent = registry.get(name)(garden(), weights=weights.tolist(), seed=0)
        known = np.array(agent.weights if name == "MultiWeightQLearning" else agent.plan.grid)
        assert known == pytest.approx(to_raw(weights, SPAN))
        plain = registry.get(name)(garden(), weights=weights.tolist(), scaled=False, seed=0)
        known = np.array(plain.weights if name == "MultiWeightQLearning" else plain.plan.grid)
        assert known == pytest.approx(weights)


def test_preferences_by_position_and_by_name() -> None:
    spec = garden().mo_spec
    assert raw_weights([0.2, 0.3, 0.5], spec, raw=True).tolist() == [[0.2, 0.3, 0.5]]
    assert raw_weights({"c": 1}, spec).tolist() == [[0.0, 0.0, 1.0]]
    by_name = raw_weights([{"a": 0.5, "c": 0.5}, {"b": 1.0}], spec)
    assert by_name == pytest.approx(raw_weights([[0.5, 0, 0.5], [0, 1, 0]], spec))
    assert to_scaled(by_name, SPAN) == pytest.approx(np.array([[0.5, 0, 0.5], [0, 1, 0]]))
    unscaled = MOSpec(("a", "b"))
    assert raw_weights([0.2, 0.8], unscaled).tolist() == [[0.2, 0.8]]
    assert len(training_grid(None, 6, spec, True)) == 6
    with pytest.raises(UnknownNameError, match=r"objective 'A'; did you mean a"):
        raw_weights({"A": 1.0}, spec)
    for wrong, message in [
        ({"a": 0.5}, "sum to 0.5"), ([1, 0], "expected 3"), ([[1, 0, 0], [1]], "expected 3"),
        ("b", "expected 3 numbers"), ([2, -1, 0], "no negative weight"), ([], "expected 3"), ({}, "sum to 0"),
    ]:  # fmt: skip
        with pytest.raises(SpecError, match=message):
            raw_weights(wrong, spec)


def test_one_policy_takes_no_preference() -> None:
    agent = registry.get("WorstCase")(garden(), seed=0).learn(200)
    with pytest.raises(AgentError, match="leave preference out"):
        agent.predict(0, preference={"a": 1.0})
