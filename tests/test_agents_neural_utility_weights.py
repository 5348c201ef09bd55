"""Weights from a smooth utility: gradients against differences, what is refused, and policies that have to mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_agents_conditioned_ppo import SMALL, Bandit

from morl.agents import ConditionedPPO
from morl.agents.core.errors import UtilityNeededError
from morl.agents.neural.utility_weights import UtilityWeights, trouble
from morl.spec import AgentError
from morl.testing.agents import digest
from morl.utility import Linear, Logarithm, SmoothChebyshev, parse_utility

SMOOTH = [Linear((0.3, 0.7)), Logarithm((0.3, 0.7)), SmoothChebyshev((0.3, 0.7), (1.0, 0.8), 12.0)]


@pytest.mark.parametrize("utility", SMOOTH, ids=str)
def test_exact_gradients_are_those_of_differences(utility: Any) -> None:
    exact, rng = UtilityWeights(utility, 2), np.random.default_rng(0)
    differences = UtilityWeights(lambda r: utility(r), 2, (np.full(2, 0.02), np.ones(2)))
    for returns in rng.uniform(0.05, 1.0, (20, 2)):
        np.testing.assert_allclose(exact.gradient(returns), differences.gradient(returns), rtol=1e-4)


def test_the_estimate_is_a_mean_that_forgets() -> None:
    weights = UtilityWeights(Logarithm((0.5, 0.5)), 2, beta=0.25)
    assert weights.weights().tolist() == [0.5, 0.5]
    weights.record(np.zeros((0, 2)))
    weights.record(np.array([[0.2, 0.4], [0.4, 0.4]]))
    assert weights.expected.tolist() == pytest.approx([0.3, 0.4])
    assert weights.weights() == pytest.approx(np.array([4, 3]) / 7)
    for _ in range(60):
        weights.record(np.array([[0.8, 0.1]]))
    assert weights.expected == pytest.approx([0.8, 0.1], abs=1e-5)
    weights.record(np.tile([0.3, 0.9], (2000, 1)))  # many episodes say where the policy is now
    assert weights.expected == pytest.approx([0.3, 0.9], abs=0.05)
    twin = UtilityWeights(Logarithm((0.5, 0.5)), 2)
    twin.restore(weights.arrays())
    assert twin.weights().tolist() == weights.weights().tolist()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda r: r.min(axis=-1), "has a kink"),
        (lambda r: np.minimum(r[..., 0], 0.5) + r[..., 1], "has a kink"),
        (lambda r: (r**2).sum(axis=-1), "is not concave"),
        (lambda r: np.sqrt(r - 0.5).sum(axis=-1), "is not finite"),
        (lambda r: np.where(r[..., 0] > 0.5, 1.0, 0.0), "is not concave"),
        (lambda r: np.tanh(2 * r).sum(axis=-1), None),
        (lambda r: r @ np.array([0.2, 0.8]), None),
    ],
)
def test_what_cannot_be_followed_is_noticed(function: Any, says: str | None) -> None:
    found = trouble(function, np.zeros(2), np.ones(2))
    assert found is None if says is None else found is not None and found.startswith(says)


@pytest.mark.parametrize("text", ["worst", "cvar:0.3", "threshold:0.5,0.5", "chebyshev:0.5,0.5;ideal=1,1", "lex"])
def test_utilities_without_a_gradient_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(AgentError, match=r"utility needs a gradient: .* smooth ones are linear, log") as error:
        ConditionedPPO(Bandit(), seed=0, utility=text, **SMALL)
    assert "\n" not in str(error.value)


def test_a_utility_that_falls_is_refused_where_it_does() -> None:
    weights = UtilityWeights(lambda r: r[..., 0] - r[..., 1], 2)
    weights.record(np.array([[0.5, 0.5]]))
    with pytest.raises(AgentError, match=r"gradient of the utility at expected returns \[0.5, 0.5\] is"):
        weights.weights()


class TwoArms(Bandit):
    """One choice between (1, 0) and (0, 1): a policy that draws the first with probability p earns (p, 1 − p)."""

    ARMS = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])


def optimum(utility: Any) -> float:
    """The probability p that is best, on a fine grid."""
    p = np.linspace(0, 1, 10_001)
    return float(p[np.argmax(utility(np.stack([p, 1 - p], axis=1)))])


def test_closed_forms_of_the_two_arms() -> None:
    """Nash welfare mixes by its weights; a sharp Chebyshev utility balances the weighted shortfalls."""
    assert optimum(Logarithm((0.3, 0.7))) == pytest.approx(0.3, abs=1e-3)
    assert optimum(SmoothChebyshev((0.2, 0.8), (1.0, 1.0), 500.0)) == pytest.approx(0.2, abs=0.01)
    assert optimum(Linear((0.3, 0.7))) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "log:0.3,0.7",
        "smooth-chebyshev:0.2,0.8;ideal=1,1;sharpness=30",
    ],
)
def test_the_best_policy_mixes(text: str) -> None:
    """Any linear preference would earn (1, 0) or (0, 1)."""
    utility, found = parse_utility(text, 2), []
    for seed in range(2):
        agent = ConditionedPPO(TwoArms(), seed=seed, utility=text, device="cpu").learn(16_000)
        found.append(agent.evaluate(episodes=4000, seed=seed).mean[0])
        assert len(agent.front(episodes=20)) == 1
    best = optimum(utility)
    reached = utility(np.array(found))
    assert np.allclose(np.median(found, axis=0), [best, 1 - best], atol=0.08), found
    assert reached.max() > float(utility([best, 1 - best])) - 0.02


def test_resume_and_functions_of_the_callers(tmp_path: Any) -> None:
    def mine(returns: Any) -> Any:
        return np.log(0.1 + returns).sum(axis=-1)

    agent = ConditionedPPO(TwoArms(), seed=0, utility=mine, **SMALL).learn(96)
    path = agent.save(tmp_path / "agent")
    with pytest.raises(UtilityNeededError, match="'mine' is a function of the caller's"):
        ConditionedPPO.load(path, TwoArms())
    twin = ConditionedPPO.load(path, TwoArms(), utility=mine)
    assert digest(twin) == digest(agent)
    assert digest(twin.learn(64)) == digest(agent.learn(64))
    with pytest.raises(AgentError, match="leave preference out"):
        agent.predict(np.zeros(2, np.float32), preference=[0.5, 0.5])
