"""Clients that learn elsewhere: the same results bit for bit, whoever dies; and what goes through an engine."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import federated_programs
import numpy as np
import pytest
from federated_programs import MARKS, Broken, Mortal, Recorded

import morl
from morl.agents import Envelope
from morl.agents.federated import Federated
from morl.agents.neural.parts import shared_arrays
from morl.engines import Engine, Processes, RayEngine
from morl.spec import AgentError

OPTIONS = {"learning_starts": 50, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}
SEA = "morl/DeepSeaTreasure-v0"


def state(agent):
    arrays, facts = agent._state()
    return {**arrays, **{key: np.asarray(value) for key, value in facts.items()}}


def assert_same(some, others):
    for first, second in zip(some, others, strict=True):
        first, second = state(first), state(second)
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=key)


@pytest.fixture(params=["processes", "ray"])
def engine(request, monkeypatch) -> Engine:
    """Two clients at a time. Processes find this folder by themselves, Ray's workers by the variable."""
    if request.param == "processes":
        return Processes(2)
    pytest.importorskip("ray")
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    return RayEngine(cores=0.5)


@pytest.mark.slow
def test_clients_elsewhere_give_the_same_results(engine, tmp_path) -> None:
    how = {"share": "all", "secure": True, "proximal": 0.1}  # the clients below share the trunk alone
    shallow = morl.make(SEA, max_steps=50)  # an environment that an id alone does not make
    here, there = (Federated(Envelope, [SEA, shallow], seed=1, round_steps=100, **how, **OPTIONS) for _ in range(2))
    assert_same(here.learn(200).agents, there.learn(200, engine=engine, folder=tmp_path / "clients").agents)
    assert here.rounds == there.rounds == 2
    assert not list((tmp_path / "clients").iterdir())
    again = Federated(Envelope, [SEA, shallow], seed=1, round_steps=100, **how, **OPTIONS)
    again.restore(there.save(tmp_path / "saved"))
    assert_same(here.learn(150).agents, again.learn(150, engine=engine).agents)


@pytest.mark.slow
def test_a_client_whose_process_is_killed_begins_its_round_again(engine, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(MARKS, f"{tmp_path}:{os.getpid()}")
    here, there = (Federated(Mortal, [SEA, SEA], seed=2, round_steps=100, **OPTIONS) for _ in range(2))
    here.learn(300)
    assert not list(tmp_path.iterdir())
    there.learn(300, engine=engine)
    assert {mark.name for mark in tmp_path.iterdir()} == {"in the middle", "when saved"}
    assert_same(here.agents, there.agents)


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True])
def test_what_goes_through_an_engine_is_the_trunk_alone(engine, secure) -> None:
    through = Recorded(engine)
    federated = Federated(Envelope, [SEA, SEA], seed=0, round_steps=100, secure=secure, **OPTIONS)
    trunk = shared_arrays(federated.agents[0], "trunk")
    updates = []
    federated.learn(200, engine=through, on_update=lambda number, update: updates.append(update))
    assert len(through.tasks) == len(through.outcomes) == len(updates) == 4
    for task, outcome, update in zip(through.tasks, through.outcomes, updates, strict=True):
        assert outcome.result is update
        assert outcome.result.arrays.keys() == trunk.keys()
        assert {array.dtype.name for array in outcome.result.arrays.values()} == {"uint64" if secure else "float32"}
        assert (task.common or trunk).keys() == trunk.keys()
        assert not [x for x in vars(task.order).values() if isinstance(x, np.ndarray | Mapping)]
    # Nothing else hides: what is private would not fit into the bytes beside the trunk.
    size, beside = sum(array.nbytes for array in trunk.values()) * (2 if secure else 1), 4000
    private = [array for name, array in state(federated.agents[0]).items() if name not in trunk]
    assert sum(array.nbytes for array in private) > 3 * beside
    assert max(len(pickle.dumps(parcel)) for parcel in (*through.tasks, *through.outcomes)) < size + beside


@pytest.mark.slow
def test_a_client_that_fails_leaves_all_as_they_were_after_the_round_before() -> None:
    there = Federated(Broken, [SEA, SEA], seed=0, round_steps=100, **OPTIONS)
    with pytest.raises(AgentError, match=r"^client 0 failed: ValueError: a broken$"):
        there.learn(300, jobs=2)
    assert there.rounds == 1
    assert [agent.num_timesteps for agent in there.agents] == [100, 100]
    first, second = (shared_arrays(agent, "trunk") for agent in there.agents)
    for name in first:  # the mean of both, although the checkpoints were written before it was known
        np.testing.assert_array_equal(first[name], second[name])


def test_a_client_that_cannot_be_made_again_is_refused() -> None:
    lonely = morl.make(SEA).unwrapped
    lonely.spec = None
    federated = Federated(Envelope, [lonely], seed=0, **OPTIONS)
    with pytest.raises(AgentError, match="client 0 cannot be made again in another process; expected an id"):
        federated.learn(100, jobs=2)


def test_programs_of_clients_die_where_they_are_told_to(tmp_path, monkeypatch) -> None:
    """In the main process they must not; so the marks say who it is."""
    monkeypatch.setenv(MARKS, f"{tmp_path}:{os.getpid()}")
    federated_programs.die_once("in the middle")
    assert not list(tmp_path.iterdir())
