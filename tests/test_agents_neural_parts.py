"""Parts of networks that go from one agent to another: warm starts, and trunks that stay as they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from morl.agents import CAPQL, GPILS, Envelope, VectorQLambda
from morl.agents.neural.parts import pulled_to, shared_arrays, warm_start
from morl.spec import AgentError

SEA = "morl/DeepSeaTreasure-v0"
SMALL = {"learning_starts": 20, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}


def test_a_warm_start_knows_what_its_source_knows_and_so_does_its_target():
    source = Envelope(SEA, seed=0, **SMALL).learn(200)
    agent = Envelope(SEA, seed=1, **SMALL)
    warm_start(agent, source, "all")
    obs = source.rows(np.array([[0, 0], [3, 2], [5, 7]]))
    weights = np.float32([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    np.testing.assert_allclose(agent.values(obs, weights), source.values(obs, weights), rtol=1e-3, atol=1e-3)
    arrays = agent._state()[0]
    for name in (name for name in arrays if name.startswith("net.")):
        np.testing.assert_array_equal(arrays[name], arrays[name.replace("net.", "target.", 1)], err_msg=name)


def test_every_target_network_begins_with_the_network_that_it_follows():
    """Critics and actor of one agent have a follower each."""
    source = CAPQL("morl/CarFollowingLQ-v0", seed=0, **SMALL).learn(40)
    agent = CAPQL("morl/CarFollowingLQ-v0", seed=1, **SMALL)
    warm_start(agent, source)
    arrays = agent._state()[0]
    for net, follower in (("critics", "critic_targets"), ("actor", "actor_average")):
        for name in (name for name in arrays if name.startswith(f"{net}.")):
            np.testing.assert_array_equal(arrays[name], arrays[f"{follower}{name[len(net) :]}"], err_msg=name)


def test_a_trunk_that_is_held_does_not_move_and_the_heads_do():
    agent = GPILS(SEA, seed=0, **SMALL)
    before = agent._state()[0]
    with pulled_to(agent, "trunk", math.inf):
        agent.learn(100)
    held, after = set(shared_arrays(agent, "trunk")), agent._state()[0]
    for name in (name for name in after if name.startswith("critics.") and "count" not in name):
        assert np.array_equal(before[name], after[name]) == (name in held), name


@pytest.mark.parametrize(
    ("source", "env", "words"),
    [
        (VectorQLambda, SEA, "Envelope cannot begin as VectorQLambda"),
        (Envelope, "morl/FruitTree-v0", "agent 1 has objectives"),
    ],
)
def test_agents_that_differ_share_nothing(source, env, words):
    with pytest.raises(AgentError, match=words):
        warm_start(Envelope(SEA, seed=0, **SMALL), source(env, seed=0, net_arch=(16, 16)))


def test_only_a_fresh_agent_is_warm_started():
    agent = Envelope(SEA, seed=0, **SMALL).learn(30)
    with pytest.raises(AgentError, match=r"has learned from \d+ steps"):
        warm_start(agent, agent)
