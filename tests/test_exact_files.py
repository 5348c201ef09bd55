"""Model files and tables from elsewhere."""

import gymnasium as gym
import numpy as np
import pytest
from exact_models import random_momdp, same_front, scientific_discovery

from morl.exact import (
    enumerate_policies,
    evaluate,
    from_toy_text,
    pareto_deterministic,
    read_drn,
    read_prism,
    write_drn,
)
from morl.momdp import MOMDP
from morl.spec import ModelError

DRN = """// a comment
@type: MDP
@parameters

@reward_models
time gold
@nr_states
3
@nr_choices
4
@model
state 0 [1, 0] init
\taction go [0, 1/2]
\t\t1 : 1/3
\t\t2 : 2/3
\taction stay
\t\t0 : 1
state 1 [1, 0] "some label"
\taction 0 [0, 3e0]
\t\t2 : 1
state 2
\taction 0
\t\t2 : 1
"""


def test_drn_by_hand(tmp_path):
    file = tmp_path / "model.drn"
    file.write_text(DRN)
    m = read_drn(file, minimise=["time"])
    assert m.n_actions.tolist() == [2, 1, 1]
    assert [(o.name, o.minimise) for o in m.objectives] == [("time", True), ("gold", False)]
    assert evaluate(m, np.zeros(3, int)).start == pytest.approx([-4 / 3, 1.5])
    again = read_drn(write_drn(m, tmp_path / "again.drn"), minimise=["time"])
    assert again.objectives == m.objectives
    assert again.rewards.tolist() == m.rewards.tolist()
    assert pareto_deterministic(m).points == pytest.approx(np.array([[-4 / 3, 1.5]]))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("type: MDP", "type: CTMC", "CTMC"),
        ("time gold", "", "reward_models"),
        ("1/3", "1/0", "1/0"),
        ("1/3", "0.9", "sum to 1.5"),
        ("init", "", "initial"),
        ("state 1", "state 7", "expected state 1"),
        ("[0, 1/2]", "[0]", "1 rewards"),
        ("\t\t2 : 2/3", "\t\t9 : 2/3", "state 9"),
        ("action go", "acton go", "not understood"),
        ("@model", "", "no @model"),
    ],
)
def test_drn_errors_name_the_place(tmp_path, old, new, text):
    file = tmp_path / "model.drn"
    file.write_text(DRN.replace(old, new, 1))
    with pytest.raises(ModelError, match=text):
        read_drn(file)


def test_drn_round_trip(tmp_path):
    for m in (random_momdp(np.random.default_rng(0), 6, 2, 2), scientific_discovery()):
        again = read_drn(write_drn(m, tmp_path / "model.drn"))
        assert same_front(enumerate_policies(again).points, enumerate_policies(m).points)
    spread = MOMDP(m.transitions, m.rewards, m.row_ptr, 1.0, np.full(m.n_states, 1 / m.n_states))
    again = read_drn(write_drn(spread, tmp_path / "model.drn"))
    assert same_front(enumerate_policies(again).points, enumerate_policies(spread).points)
    with pytest.raises(ModelError, match="horizon"):
        write_drn(m.with_horizon(3), tmp_path / "model.drn")
    with pytest.raises(ModelError, match="cannot be read"):
        read_drn(tmp_path / "missing.drn")
    with pytest.raises(ModelError, match="minimise"):
        read_drn(tmp_path / "model.drn", minimise=["tme"])


def test_prism_files(tmp_path):
    (tmp_path / "m.tra").write_text("3 4 5\n0 0 1 0.333333333\n0 0 2 0.666666667\n0 1 0 1\n1 0 2 1\n2 0 2 1 end\n")
    (tmp_path / "m.lab").write_text('0="init" 1="deadlock"\n0: 0\n2: 1\n')
    (tmp_path / "m.time.srew").write_text("3 2\n0 1\n1 1\n")
    (tmp_path / "m.gold.trew").write_text("3 4 2\n0 0 1 6\n1 0 2 3\n")
    m = read_prism(tmp_path / "m.tra", minimise=["time"])
    assert [o.name for o in m.objectives] == ["gold", "time"]
    assert evaluate(m, np.zeros(3, int)).start == pytest.approx([3.0, -4 / 3], abs=1e-8)
    assert m.outcome_rewards is not None
    named = read_prism(tmp_path / "m.tra", {"g": tmp_path / "m.gold.trew"}, discount=0.5)
    assert evaluate(named, np.zeros(3, int)).start == pytest.approx([2.5], abs=1e-8)
    (tmp_path / "m.lab").write_text('0="init"\n1: 0\n')
    assert int(np.argmax(read_prism(tmp_path / "m.tra").start)) == 1
    with pytest.raises(ModelError, match="does not exist"):
        read_prism(tmp_path / "m.tra", labels=tmp_path / "none.lab")
    (tmp_path / "m.gold.trew").write_text("3 4 1\n0 0 0 6\n")
    with pytest.raises(ModelError, match="no transition"):
        read_prism(tmp_path / "m.tra")


def test_prism_chain(tmp_path):
    (tmp_path / "c.tra").write_text("2 2\n0 1 1.0\n1 1 1.0\n")
    (tmp_path / "c.rew").write_text("0 2.5\n")
    assert evaluate(read_prism(tmp_path / "c.tra"), np.zeros(2, int)).start == pytest.approx([2.5])
    (tmp_path / "c.rew").rename(tmp_path / "d.rew")
    with pytest.raises(ModelError, match="no reward files"):
        read_prism(tmp_path / "c.tra")


def test_toy_text():
    m = from_toy_text(
        gym.make("FrozenLake-v1"), lambda s, a, t, r: (r, -1.0), discount=0.95, objectives=("goal", "time")
    )
    single = from_toy_text(gym.make("FrozenLake-v1"), lambda s, a, t, r: (r,), discount=0.95)
    from morl.exact.oracle import best_policy

    assert best_policy(m, [1.0, 0.0])[1].start[0] == pytest.approx(best_policy(single, [1.0])[1].start[0])
    assert best_policy(single, [1.0])[1].start[0] == pytest.approx(0.180471578, abs=1e-6)
    with pytest.raises(ModelError, match="no table P"):
        from_toy_text(gym.make("CartPole-v1"), lambda s, a, t, r: (r,), discount=0.95)


@pytest.mark.peers
def test_storm_reads_what_we_write(tmp_path):
    storm = pytest.importorskip("stormpy")
    m = random_momdp(np.random.default_rng(1), 5, 2, 2)
    model = storm.build_model_from_drn(str(write_drn(m, tmp_path / "model.drn")))
    assert model.nr_states == m.n_states + 1
    assert model.nr_choices == m.n_rows + 1
