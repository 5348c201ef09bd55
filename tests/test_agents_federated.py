"""Federated training: what leaves a client, what one client is, and what clients have in common."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents import CAPQL, GPILS, ConditionedPPO, Envelope, ParetoQLearning, VectorQLambda
from morl.agents.core.callbacks import Callback
from morl.agents.federated import Federated
from morl.agents.neural.exchange import Update
from morl.agents.neural.parts import load_shared, shared_arrays, shared_parameters
from morl.spec import AgentError, UnknownNameError

OPTIONS = {"learning_starts": 50, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}
SEA = "morl/DeepSeaTreasure-v0"


class Boundaries(Callback):
    def __init__(self, every):
        self.segment_every = every


def state(agent):
    arrays, facts = agent._state()
    return {**arrays, **{key: np.asarray(value) for key, value in facts.items()}}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)


def test_one_client_is_centralised_training_bit_for_bit():
    alone = Envelope(SEA, seed=3, **OPTIONS)
    alone.learn(400, Boundaries(100))
    for secure, proximal in ((False, 0.0), (False, 0.5)):
        federated = Federated(Envelope, [SEA], seed=3, round_steps=100, secure=secure, proximal=proximal, **OPTIONS)
        federated.learn(400)
        assert federated.rounds == 4
        same = [
            np.array_equal(a, b)
            for a, b in zip(state(alone).values(), state(federated.agents[0]).values(), strict=True)
        ]
        assert all(same) == (proximal == 0.0)


@pytest.mark.parametrize("algorithm", [Envelope, GPILS, VectorQLambda, ConditionedPPO])
def test_what_leaves_a_client_is_its_trunk_alone(algorithm):
    options = {} if algorithm is ConditionedPPO else {"net_arch": (16, 16)}
    seen: list[Update] = []
    federated = Federated(algorithm, [SEA, SEA], seed=0, round_steps=128, **options, n_envs=2)
    before = [state(agent) for agent in federated.agents]
    federated.learn(128, on_update=lambda number, update: seen.append(update))
    assert len(seen) == 2
    names = set(seen[0].arrays)
    assert names
    heads = ("head", "values", "choice", "std", "mean", "log_std", "obs", "replay", "adam", "target")
    assert not [name for name in names if any(part in name.split(".") for part in heads)]
    trunk = set(shared_parameters(federated.agents[0]))
    assert names == trunk
    # Nothing else is the same in both clients afterwards that was not before.
    first, second = (state(agent) for agent in federated.agents)
    for name in trunk:
        np.testing.assert_array_equal(first[name], second[name])
    private = [n for n in first if n.split(".")[0] in ("net", "critics") and n not in trunk and "count" not in n]
    moved = [n for n in private if not np.array_equal(first[n], before[0].get(n))]
    assert all(not np.array_equal(first[n], second[n]) for n in moved if first[n].size > 8)


def test_clients_begin_with_one_trunk_and_heads_of_their_own():
    federated = Federated(Envelope, [SEA] * 3, seed=0, **OPTIONS)
    first, second, third = (state(agent) for agent in federated.agents)
    for name in shared_parameters(federated.agents[0]):
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], third[name])
    assert not np.array_equal(first["net.head.linear.weight"], second["net.head.linear.weight"])


def test_a_strong_pull_keeps_clients_near_the_common_trunk():
    drift = {}
    for proximal in (0.0, 100.0):
        federated = Federated(Envelope, [SEA, SEA], seed=0, round_steps=400, proximal=proximal, **OPTIONS)
        start = shared_arrays(federated.agents[0], "trunk")
        ends: list[Update] = []
        federated.learn(400, on_update=lambda number, update, ends=ends: ends.append(update))
        drift[proximal] = sum(float(np.abs(ends[0].arrays[n] - start[n]).sum()) for n in start)
    assert drift[100.0] < 0.7 * drift[0.0]


def test_sharing_all_averages_what_heads_say():
    """Heads of clients with other units average in the unit of the returns, and keep their own units."""
    federated = Federated(Envelope, [SEA, SEA], seed=0, round_steps=100, share="all", **OPTIONS)
    federated.learn(100)
    first, second = federated.agents
    obs = first.rows(np.stack([first.observation_space.sample() for _ in range(20)]))
    weights = np.tile(np.float32([0.3, 0.7]), (20, 1))
    np.testing.assert_allclose(first.values(obs, weights), second.values(obs, weights), rtol=1e-3, atol=1e-3)
    assert "net.head.linear.weight" in shared_arrays(first, "all")


def test_continuous_agents_share_too():
    federated = Federated(CAPQL, ["morl/CarFollowingLQ-v0"] * 2, seed=0, round_steps=64, **OPTIONS)
    federated.learn(64)
    for name in shared_parameters(federated.agents[0]):
        np.testing.assert_array_equal(state(federated.agents[0])[name], state(federated.agents[1])[name])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Federated(Envelope, []), AgentError, "no clients"),
        (lambda: Federated(Envelope, [SEA], share="trunks"), UnknownNameError, "trunk"),
        (lambda: Federated(Envelope, [SEA], proximal=-1.0), AgentError, "μ is -1.0"),
        (lambda: Federated(Envelope, [SEA, "morl/FruitTree-v0"]), AgentError, "client 1 has objectives"),
        (lambda: Federated(ParetoQLearning, [SEA]), AgentError, "no network with a trunk"),
        (lambda: Federated(Envelope, [SEA], **OPTIONS).learn(100, engine="rays"), UnknownNameError, "ray"),
    ],
)
def test_wrong_input_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_parameters_that_do_not_fit_are_refused():
    agent = Envelope(SEA, seed=0, **OPTIONS)
    arrays = shared_arrays(agent, "trunk")
    name = next(iter(arrays))
    with pytest.raises(AgentError, match=f"{name} has shape"):
        load_shared(agent, {**arrays, name: np.zeros(3)}, "trunk")
    with pytest.raises(AgentError, match="is missing"):
        load_shared(agent, {key: value for key, value in arrays.items() if key != name}, "trunk")
