"""Which preferences are trained on, and which numbers of an observation are a task."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents import ConditionedPPO, Envelope, VectorQLambda
from morl.agents.core.preferences import raw_weights
from morl.spec import AgentError, SpecError

SEA = "morl/DeepSeaTreasure-v0"
GIVEN = ((0.8, 0.2), (0.3, 0.7))
SMALL = {"learning_starts": 20, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}


@pytest.mark.parametrize("algorithm", [Envelope, VectorQLambda])
def test_only_given_preferences_are_trained_on_and_reported(algorithm) -> None:
    agent = algorithm(SEA, seed=0, net_arch=(16, 16), weights=GIVEN)
    wanted = raw_weights(GIVEN, agent.spec)
    drawn = agent.training_weights(200, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    found = np.unique(drawn, axis=0)
    np.testing.assert_allclose(found, wanted[np.argsort(wanted[:, 0])], atol=1e-6)
    np.testing.assert_allclose(agent._policies(None).preferences, wanted)
    free = algorithm(SEA, seed=0, net_arch=(16, 16))
    assert len(np.unique(free.training_weights(200, np.random.default_rng(0)), axis=0)) > 150


def test_a_conditioned_actor_is_given_them_in_the_unit_of_the_returns() -> None:
    agent = ConditionedPPO(SEA, seed=0, n_envs=4, n_steps=8, weights=GIVEN).learn(64)
    wanted = agent.seen_preference(raw_weights(GIVEN, agent.spec))
    drawn = np.unique(agent._draw(np.arange(50), np.random.default_rng(0)), axis=0)
    np.testing.assert_allclose(drawn, wanted[np.argsort(wanted[:, 0])])
    np.testing.assert_allclose(agent.front_preferences(), raw_weights(GIVEN, agent.spec))
    with pytest.raises(AgentError, match="leave weights out"):
        ConditionedPPO(SEA, weights=GIVEN, utility="log:0.5,0.5")


@pytest.mark.parametrize("conditioning", ["film", "hypernetwork"])
def test_an_agent_with_a_task_goes_on_bit_for_bit(conditioning: str, tmp_path) -> None:
    agent = Envelope(SEA, seed=0, conditioning=conditioning, task_size=1, **SMALL).learn(60)
    again = Envelope.load(agent.save(tmp_path / "saved"), SEA)
    first, second = (one.learn(60)._state()[0] for one in (agent, again))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weights": ((0.8, 0.8),)}, SpecError, "0.8"),
        ({"weights": ((1.0, 0.0, 0.0),)}, SpecError, "preference"),
        ({"task_size": 1, "sharing": "private"}, AgentError, "task_size is 1 with sharing 'private'"),
        ({"task_size": 2, "conditioning": "film"}, AgentError, "a task is described by 2 of 2 features"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(options, error, words) -> None:
    with pytest.raises(error, match=words):
        Envelope(SEA, seed=0, **SMALL, **options)
