"""Identities of policies: of their content, not of where and when they were measured."""

import numpy as np
import pytest

from morl.agents import registry
from morl.agents.core.identity import learned_digest
from morl.testing import problems


def test_the_same_table_has_the_same_identity_wherever_it_was_learned():
    make = registry.get("MultiWeightQLearning")
    fronts = [make(problems.stochastic(), seed=seed).learn(3000).front() for seed in (0, 1)]
    found = [
        {id: front.policies[i].policies.content(front.policies[i].number)[1].tolist() for i, id in enumerate(front.ids)}
        for front in fronts
    ]
    for id in found[0].keys() & found[1].keys():
        assert found[0][id] == found[1][id]
    assert found[0].keys() & found[1].keys()


def test_what_an_agent_learns_changes_the_identities_of_its_networks():
    pytest.importorskip("torch")
    agent = registry.get("Envelope")(problems.many(2), seed=0, net_arch=(8,), learning_starts=16, batch_size=8)
    agent.learn(64)
    before, again = agent.front(4, seed=0), agent.front(4, seed=1)
    assert set(before.ids) & set(again.ids)
    assert learned_digest(agent) == learned_digest(agent)
    preference = before.weights[0]
    assert agent.point(preference, 4).ids[0] in before.ids + again.ids
    agent.learn(64)
    assert not set(agent.front(4, seed=0).ids) & {*before.ids, *again.ids}


def test_experience_and_optimisers_do_not_count():
    agent = registry.get("Envelope")(problems.many(2), seed=0, net_arch=(8,), learning_starts=16, batch_size=8)
    agent.learn(64)
    before = learned_digest(agent)
    for array in agent.replay.fields.values():
        array[:] = 0
    assert learned_digest(agent) == before
    with np.errstate(all="ignore"):
        next(agent.net.parameters()).data.add_(1.0)
    assert learned_digest(agent) != before
