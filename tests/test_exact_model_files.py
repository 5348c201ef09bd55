"""Explicit model files of PRISM and Storm, written after the documented formats: read right, or refused by name."""

import gzip
import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from morl.cli import main
from morl.exact import evaluate, read_drn, read_prism
from morl.exact.oracle import best_policy
from morl.momdp import MOMDP
from morl.spec import ModelError

DATA = Path(__file__).parent / "data" / "models"


def read(name: str, **options) -> MOMDP:
    path = DATA / name
    return (read_drn if path.suffix == ".drn" else read_prism)(path, **options)


READ = {
    # file: states, choices, objectives
    "prism/dice.tra": (13, 13, ["coin_flips"]),
    "prism/dice2.tra": (3, 3, ["tries"]),
    "prism/robot[N=3].tra": (3, 5, ["time", "energy", "falls"]),
    "prism/rows.tra": (3, 5, ["reward"]),
    "prism/rows-chain.tra": (13, 13, ["r"]),
    "prism/exact.tra": (2, 2, ["reward"]),
    "prism/typed.tra": (4, 4, ["tolls"]),
    "prism/deadlocks.tra": (6, 3, ["reward"]),
    "prism/consensus.tra": (5, 8, ["steps", "first_works"]),
    "storm/die.tra": (13, 13, ["coin_flips", "tries"]),
    "storm/plain.tra": (2, 3, ["reward"]),
    "storm/spaces.tra": (3, 2, ["reward"]),
    "drn/die.drn": (13, 13, ["coin_flips"]),
    "drn/scheduler.drn": (4, 5, ["waiting", "switches"]),
    "drn/rational.drn": (2, 3, ["gold"]),
    "drn/unnamed.drn": (2, 2, ["reward"]),
    "drn/stuck.drn": (3, 2, ["time", "gold"]),
    "drn/actions-left-out.drn": (2, 2, ["time"]),
}

REFUSED = {
    "prism/refused/ctmc.tra": "CTMC are not supported",
    "prism/refused/ctmc-header.tra": r"\(CTMC\) is not supported",
    "prism/refused/imdp.tra": "intervals are not supported",
    "prism/refused/pomdp.tra": "POMDP",
    "prism/refused/lts.tra": "LTS",
    "prism/refused/lts-plain.tra": "LTS",
    "prism/refused/smg.tra": r"game \(SMG\)",
    "prism/refused/mrmc.tra": "MRMC",
    "prism/refused/matlab.tra": "Matlab",
    "prism/refused/dot.tra": "Dot",
    "prism/refused/parametric.tra": "parameters are not supported",
    "prism/refused/short.tra": "3 choices; the first line says 5",
    "prism/refused/short-rewards.tra": "2 rewards; its head says 3",
    "prism/refused/other-rewards.tra": "13 states; other-rewards.tra has 3",
    "prism/refused/minus-one.tra": "minus-one.tra:2: '-1'",
    "prism/refused/beyond.tra": "beyond.tra:2: state 2; the first line says that there are 2",
    "prism/refused/combined.tra": "expected transitions only",
    "prism/two-starts.tra": r"2 initial states \(0, 1\); expected one",
    "storm/refused/ma.tra": "Markov automaton",
    "storm/refused/ctmc.tra": "CTMC",
    "storm/refused/undeclared.tra": "undeclared.lab:5: label 'goal' is not declared",
    "storm/refused/no-init.tra": "0 initial states; expected one",
    "drn/refused/ctmc.drn": "CTMC",
    "drn/refused/ma.drn": "Markov automaton",
    "drn/refused/pomdp.drn": "POMDP",
    "drn/refused/smg.drn": r"game \(SMG\)",
    "drn/refused/interval.drn": "intervals of probabilities",
    "drn/refused/interval-untyped.drn": "intervals are not supported",
    "drn/refused/parametric.drn": r"parameters \(p q\) are not supported",
    "drn/refused/more-states.drn": "2 states; @nr_states says 3",
    "drn/refused/more-choices.drn": "2 actions; @nr_choices says 3",
    "drn/refused/two-starts.drn": "2 initial states",
    "drn/refused/cut-short.drn": "ends early: the action before has no transitions",
    "drn/refused/no-rewards.drn": "no @reward_models",
}


def test_every_file_is_expected_to_do_something():
    there = {str(f.relative_to(DATA)) for f in DATA.rglob("*") if f.suffix in (".tra", ".drn")}
    assert there == set(READ) | set(REFUSED)


@pytest.mark.parametrize("name", READ)
def test_read(name):
    m = read(name)
    assert (m.n_states, m.n_rows, [o.name for o in m.objectives]) == READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name_in_one_line(name):
    with pytest.raises(ModelError, match=REFUSED[name]) as caught:
        read(name)
    assert "\n" not in str(caught.value)
    assert Path(name).stem in str(caught.value)


@pytest.mark.parametrize("name", ["prism/dice.tra", "prism/rows-chain.tra", "storm/die.tra", "drn/die.drn"])
def test_the_die_takes_eleven_thirds_of_a_flip(name):
    m = read(name)
    assert evaluate(m, np.zeros(13, int)).start[0] == pytest.approx(11 / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prism/dice2.tra", [4.0]),
        ("prism/exact.tra", [22 / 7 * 1.5]),
        ("prism/typed.tra", [6.0]),
        ("prism/deadlocks.tra", [1.5]),
        ("prism/consensus.tra", [4.0, 4.0]),  # always the first process
        ("storm/die.tra", [11 / 3, 1.0]),
        ("storm/plain.tra", [2.0]),
        ("storm/spaces.tra", [4.0]),
        ("drn/rational.drn", [0.75]),
        ("drn/unnamed.drn", [4.5]),
        ("drn/stuck.drn", [1.0, 3.5]),
        ("drn/actions-left-out.drn", [4.0]),
    ],
)
def test_value_of_always_taking_the_first_action(name, value):
    m = read(name)
    assert evaluate(m, np.zeros(m.n_states, int)).start == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "objective", "best"),
    [
        ("prism/robot[N=3].tra", "time", 2.5),
        ("prism/robot[N=3].tra", "energy", 4.0),
        ("prism/rows.tra", "reward", 4.0),
        ("prism/consensus.tra", "first_works", 0.0),
        ("storm/plain.tra", "reward", 2.0),
        ("drn/scheduler.drn", "waiting", 8.0),
    ],
)
def test_least_cost(name, objective, best):
    m = read(name, minimise=[objective])
    weight = np.array([float(o.name == objective) for o in m.objectives])
    assert best_policy(m, weight)[1].start @ weight == pytest.approx(-best, abs=1e-9)


def test_rewards_of_transitions_are_kept_apart():
    m = read("prism/robot[N=3].tra")
    assert m.outcome_rewards is not None  # a run falls only where it stays
    assert m.rewards[1].tolist() == pytest.approx([1.0, 3.0, 0.2])


def test_rationals_are_rounded_once():
    assert read("prism/exact.tra").rewards[0, 0] == float(Fraction(22, 7))


def test_start_may_be_given():
    assert read("prism/two-starts.tra", start=1).start.tolist() == [0, 1]
    assert read("prism/two-starts.tra", start=[0.5, 0.5]).start.tolist() == [0.5, 0.5]
    assert read("drn/refused/two-starts.drn", start=0).start.tolist() == [1, 0]
    with pytest.raises(ModelError, match="start state is 2; expected 0 to 1"):
        read("prism/two-starts.tra", start=2)
    with pytest.raises(ModelError, match="start has"):
        read("prism/two-starts.tra", start=[0.5, 0.4])


def test_minimise_lists_the_names_it_knows():
    with pytest.raises(ModelError, match="minimise names 'cost'; expected some of waiting, switches"):
        read("drn/scheduler.drn", minimise=["cost"])


class TestWhichRewardFiles:
    """``dice.tra`` takes its own files, and nobody else's."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "dice.tra").write_text("2 2\n0 1 1\n1 1 1\n")
        return tmp_path

    @staticmethod
    def names(folder, name="dice.tra"):
        return [o.name for o in read_prism(folder / name).objectives]

    def put(self, folder, *names, text="2 1\n0 1\n"):
        for name in names:
            (folder / name).write_text(text)

    @pytest.mark.parametrize("other", ["dice2.srew", "dicey.srew", "dice_more.srew", "di.srew", "xdice.srew"])
    def test_other_stems(self, folder, other):
        self.put(folder, other)
        with pytest.raises(ModelError, match="no reward files"):
            read_prism(folder / "dice.tra")
        self.put(folder, "dice.srew")
        assert self.names(folder) == ["reward"]

    def test_files_of_another_model(self, folder):
        self.put(folder, "dice.v2.srew", "dice1.srew", "dice.gold.srew")
        self.put(folder, "dice.v2.tra", "dice1.tra", text="2 2\n0 1 1\n1 1 1\n")
        assert self.names(folder) == ["gold"]

    def test_numbered_structures(self, folder):
        self.put(folder, *(f"dice{k}.srew" for k in range(1, 12)))
        assert self.names(folder) == [f"reward{k}" for k in range(1, 12)]

    def test_named_structures(self, folder):
        self.put(folder, "dice.time.srew", "dice.gold.state.rew", "dice.tra.rew")
        assert sorted(self.names(folder)) == ["gold", "reward", "time"]

    def test_stems_with_characters_of_patterns(self, folder):
        for stem in ("a[N=3]", "b*", "c?", "[!x]"):
            self.put(folder, f"{stem}.tra", text="2 2\n0 1 1\n1 1 1\n")
            self.put(folder, f"{stem}.srew")
            assert self.names(folder, f"{stem}.tra") == ["reward"]

    def test_state_and_transition_rewards_add_up(self, folder):
        self.put(folder, "dice.srew")
        self.put(folder, "dice.trew", text="2 1\n0 1 2\n")
        assert read_prism(folder / "dice.tra").rewards.ravel().tolist() == [3.0, 0.0]

    def test_two_names_for_one_structure(self, folder):
        self.put(folder, "dice.srew", text='# Reward structure "a"\n2 0\n')
        self.put(folder, "dice.trew", text='# Reward structure "b"\n2 0\n')
        with pytest.raises(ModelError, match="name it a and b"):
            read_prism(folder / "dice.tra")

    def test_one_name_for_two_structures(self, folder):
        self.put(folder, "dice1.srew", "dice2.srew", text='# Reward structure "a"\n2 0\n')
        with pytest.raises(ModelError, match="named a, a; expected distinct names"):
            read_prism(folder / "dice.tra")


TRA = "3 4 6\n0 0 0 0.5\n0 0 1 0.5\n0 1 2 1\n1 0 1 0.25\n1 0 2 0.75\n2 0 2 1\n"
LAB = '0="init" 1="deadlock"\n0: 0\n'
SREW = "3 2\n0 1\n1 2\n"
TREW = "3 4 2\n0 0 1 1\n0 1 2 1\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "text"),
    [
        ("m.tra", "3 4 6", "3 4 7", "6 transitions; the first line says 7"),
        ("m.tra", "3 4 6", "3 5 6", "4 choices; the first line says 5"),
        ("m.tra", "3 4 6", "2 4 6", "m.tra:4: state 2; the first line says that there are 2"),
        ("m.tra", "3 4 6", "999999999 4 6", "999999999 states, but the file mentions at most"),
        ("m.tra", "3 4 6", "99999999999999999999 4 6", "expected a whole number"),
        ("m.tra", "3 4 6\n", "", "m.tra:1: '0 0 0 0.5'; expected 'states choices transitions'"),
        ("m.tra", "0 0 1 0.5", "0 0 1 0.4", "state 0, action 0: probabilities sum to 0.9"),
        ("m.tra", "0 0 1 0.5", "0 0 -1 0.5", "'-1'; expected a whole number"),
        ("m.tra", "0 0 1 0.5", "0 0 1 nan", "'nan' is not a number"),
        ("m.tra", "0 0 1 0.5", "0 0 1 -0.5", "-0.5 of state 1; expected >= 0"),
        ("m.tra", "0 0 1 0.5", "0 0 1 1e999", "not a finite number"),
        ("m.tra", "0 0 1 0.5", "0 0 1 0.5 a b", "expected 4 numbers and perhaps an action"),
        ("m.tra", "0 0 1 0.5", "0 0 1 0_5", "'0_5' is not a number"),
        ("m.tra", "0 0 1 0.5", "0 0 ١ 0.5", "expected a whole number"),
        ("m.lab", "0: 0", "0: 1", "0 initial states"),
        ("m.lab", "0: 0", "3: 0", "m.lab:2: state 3; the model has 3"),
        ("m.lab", "0: 0", "0: 2", "label '2' is not declared"),
        ("m.lab", '0="init" 1="deadlock"\n', "", "expected PRISM's"),
        ("m.lab", "0: 0", "0 0", "expected 'state: label label'"),
        ("m.srew", "3 2", "3 3", "2 rewards; its head says 3"),
        ("m.srew", "3 2", "4 2", "4 states; m.tra has 3"),
        ("m.srew", "3 2\n", "", "2 rewards|expected 2 numbers|1 states|0 states"),
        ("m.srew", "1 2", "3 2", "m.srew:3: state 3; the model has 3"),
        ("m.srew", "1 2", "0 2", "a second reward for state 0"),
        ("m.srew", "1 2", "1 x", "'x' is not a number"),
        ("m.trew", "3 4 2", "3 5 2", "3 states and 5 choices"),
        ("m.trew", "3 4 2", "3 4 3", "2 rewards; its head says 3"),
        ("m.trew", "0 1 2 1", "0 1 1 1", "'0 1 1 1' is a reward for no transition"),
        ("m.trew", "0 1 2 1", "0 7 2 1", r"reward for no transition \(state 0, choice 7\)"),
        ("m.trew", "0 1 2 1", "0 0 1 1", "a second reward for that transition"),
        ("m.trew", "0 1 2 1", "0 1 2", "expected 'state choice successor value'"),
        ("m.trew", "3 4 2", "# State rewards\n3 4 2", "the file's name says transition rewards"),
    ],
)
def test_faults_name_file_line_and_expectation(tmp_path, file, old, new, text):
    content = {"m.tra": TRA, "m.lab": LAB, "m.srew": SREW, "m.trew": TREW}
    assert old in content[file]
    content[file] = content[file].replace(old, new, 1)
    for name, lines in content.items():
        (tmp_path / name).write_text(lines)
    with pytest.raises(ModelError, match=text):
        read_prism(tmp_path / "m.tra")


@pytest.mark.parametrize("name", [n for n in READ if n.startswith("prism") or "@nr_choices" in (DATA / n).read_text()])
def test_a_file_that_was_cut_short_is_never_taken_for_a_whole_one(tmp_path, name):
    path = DATA / name
    for file in path.parent.glob("*"):
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    text = path.read_text()
    for length in range(text.rstrip().rindex("\n") + 1):
        (tmp_path / path.name).write_text(text[:length])
        with pytest.raises(ModelError):
            (read_drn if path.suffix == ".drn" else read_prism)(tmp_path / path.name)


def test_special_files_and_compressed_ones_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.drn")
    with pytest.raises(ModelError, match="expected a regular file"):
        read_drn(tmp_path / "pipe.drn")
    (tmp_path / "packed.drn").write_bytes(gzip.compress((DATA / "drn/die.drn").read_bytes()))
    with pytest.raises(ModelError, match=r"compressed \(gzip\)"):
        read_drn(tmp_path / "packed.drn")
    (tmp_path / "mark.drn").write_bytes(b"\xef\xbb\xbf" + (DATA / "drn/die.drn").read_bytes().replace(b"\n", b"\r\n"))
    assert read_drn(tmp_path / "mark.drn").n_states == 13


class TestCommandLine:
    """``morl solve FILE --minimise COST``."""

    def test_a_cost_is_minimised(self, capsys):
        words = ["solve", str(DATA / "prism/robot[N=3].tra"), "--minimise", "time", "--minimise", "energy"]
        assert main([*words, "--minimise", "falls", "--json"]) == 0
        points = np.array(json.loads(capsys.readouterr().out)["points"])
        assert points == pytest.approx(np.array([[2.5, 7.5, 0.5], [4.0, 4.0, 0.0]]), abs=1e-5)

    def test_a_model_saved_as_arrays(self, capsys, tmp_path):
        path = read("drn/scheduler.drn").save(tmp_path / "scheduler.npz")
        assert main(["solve", str(path), "--minimise", "waiting", "--utility", "linear:1,0", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["value"][0] == pytest.approx(8.0, abs=1e-6)

    def test_constraints_and_tables_show_the_cost(self, capsys):
        words = ["solve", str(DATA / "drn/scheduler.drn"), "--minimise", "waiting", "--minimise", "switches"]
        assert main([*words, "--utility", "linear:1,0", "--constraint", "switches<=5", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["value"] == pytest.approx([8.0, 4.0], abs=1e-6)
        assert main([*words, "--utility", "linear:1,0", "--constraint", "switches<=3"]) == 1
        assert "the best any policy reaches is 4" in capsys.readouterr().err
        assert main([*words, "--ref-point", "20", "20", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ref_point"] == [20, 20]
        assert [o["minimise"] for o in told["objectives"]] == [True, True]

    def test_a_cost_is_named_once(self, capsys, tmp_path):
        path = read("drn/scheduler.drn").minimised("waiting").save(tmp_path / "scheduler.npz")
        assert main(["solve", str(path), "--minimise", "waiting"]) == 1
        assert "'waiting', which the model minimises already" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["drn/scheduler.drn", "--minimise", "cost"], "'cost'; expected some of waiting, switches"),
            (["drn/refused/ctmc.drn"], "CTMC"),
            (["prism/nothing.tra"], "does not exist"),
        ],
    )
    def test_one_line_says_what_is_wrong(self, capsys, words, text):
        assert main(["solve", str(DATA / words[0]), *words[1:]]) == 1
        said = capsys.readouterr().err.strip()
        assert text in said
        assert "\n" not in said

    def test_environments_say_themselves_what_is_a_cost(self, capsys):
        assert main(["solve", "morl/DeepSeaTreasureConcave-v0", "--minimise", "time"]) == 1
        assert "expected it for a model file" in capsys.readouterr().err
