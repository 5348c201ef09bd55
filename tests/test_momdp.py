"""Finite models: every way to build one, what is refused and how it is named, and files."""

import io
import json
import os
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from morl.momdp import MOMDP
from morl.spec import ModelError, Objective

# two states, two actions: stay or move with probability 3/4; a third, terminal state
STEP = np.zeros((3, 2, 3))
STEP[0, 0, 0] = STEP[1, 0, 1] = STEP[2, :, 2] = 1.0
STEP[0, 1] = [0.25, 0.75, 0.0]
STEP[1, 1] = [0.0, 0.25, 0.75]
REWARD = np.arange(12, dtype=float).reshape(3, 2, 2)
END = [False, False, True]


def small(**fields):
    return MOMDP.from_arrays(STEP, REWARD, **{"discount": 0.9, "terminal": END, **fields})


def raw(**changes):
    """A valid one-state model by its fields, with changes."""
    fields = {
        "transitions": sparse.csr_array(np.array([[0.5, 0.5], [0.0, 1.0]])),
        "rewards": [[1.0, 0.0], [0.0, 1.0]],
        "row_ptr": [0, 2, 2],
        "discount": 0.9,
        "start": [1.0, 0.0],
    }
    return MOMDP(**{**fields, **changes})


def assert_same(one, two):
    assert np.array_equal(one.transitions.toarray(), two.transitions.toarray())
    for name in ("rewards", "row_ptr", "start"):
        a, b = getattr(one, name), getattr(two, name)
        assert np.array_equal(a, b), name
        assert a.dtype == b.dtype, name
    assert (one.outcome_rewards is None) == (two.outcome_rewards is None)
    if one.outcome_rewards is not None:
        assert np.array_equal(one.outcome_rewards, two.outcome_rewards)
    for name in ("discount", "horizon", "objectives", "state_names", "action_names"):
        assert getattr(one, name) == getattr(two, name), name


class TestBuilding:
    def test_arrays(self):
        model = small(objectives=["a", "b"])
        assert (model.n_states, model.n_rows, model.k) == (3, 4, 2)
        assert model.n_actions.tolist() == [2, 2, 0]
        assert model.terminal.tolist() == END
        assert model.row_state.tolist() == [0, 0, 1, 1]
        assert model.rewards.tolist() == REWARD[:2].reshape(4, 2).tolist()
        assert model.transitions.toarray()[3].tolist() == [0, 0.25, 0.75]
        assert model.n_policies == 4
        assert model.start.tolist() == [1, 0, 0]

    def test_dense_and_sparse_agree(self):
        flat = sparse.csr_array(STEP.reshape(6, 3))
        assert_same(small(), MOMDP.from_arrays(flat, REWARD, discount=0.9, terminal=END))

    def test_rewards_by_successor_are_averaged_and_kept(self):
        by_next = np.zeros((3, 2, 3, 1))
        by_next[0, 1, 0], by_next[0, 1, 1] = 8.0, 4.0
        model = MOMDP.from_arrays(STEP, by_next, discount=1, terminal=END)
        assert model.rewards.ravel().tolist() == [0, 0.25 * 8 + 0.75 * 4, 0, 0]
        row = slice(model.transitions.indptr[1], model.transitions.indptr[2])
        assert sorted(model.outcome_rewards[row].ravel().tolist()) == [4, 8]

    def test_dictionary_of_transitions(self):
        table = {
            0: {0: [(1.0, 0, 1.0, False)], 1: [(0.5, 1, 2.0, True), (0.5, 0, 0.0, False)]},
            1: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 1, 0.0, True)]},
        }
        model = MOMDP.from_dict(table, reward=lambda s, a, t, r: [r, -1.0], discount=0.5)
        assert model.n_actions.tolist() == [2, 0]  # state 1 is reached only as the end of an episode
        assert model.rewards.tolist() == [[1, -1], [1, -1]]
        assert model.outcome_rewards is not None

    def test_gymnasium_toy_text(self):
        import gymnasium

        table = gymnasium.make("FrozenLake-v1").unwrapped.P
        model = MOMDP.from_dict(table, reward=lambda s, a, t, r: [r, -1.0], discount=0.99)
        assert model.k == 2
        assert model.n_actions.max() == 4
        assert np.allclose(model.transitions.sum(axis=1), 1)

    def test_simulator_is_expanded_breadth_first(self):
        def outcomes(state, action):
            target = min(state + 1 + action, 4)
            return [(1.0, target, [float(target), -1.0], target == 4)]

        model, states = MOMDP.from_simulator(0, 2, outcomes, discount=1.0, objectives=["gain", "time"])
        assert states == [0, 1, 2, 3, 4]
        assert model.terminal.tolist() == [False] * 4 + [True]
        assert model.outcome_rewards is None  # the reward says it all
        with pytest.raises(ModelError, match="more than 3 states"):
            MOMDP.from_simulator(0, 2, outcomes, discount=1.0, max_states=3)

    def test_a_state_may_be_passed_through_and_end_an_episode(self):
        def outcomes(state, action):
            return (
                [(0.5, "goal", [1.0], True), (0.5, "goal", [0.0], False)]
                if state == "start"
                else [(1.0, "start", [0.0], False)]
            )

        model, states = MOMDP.from_simulator("start", 1, outcomes, discount=0.9)
        assert states == ["start", "goal", "goal"]
        assert sorted(model.terminal.tolist()) == [False, False, True]
        assert model.outcome_rewards.ravel().tolist()[:2] == [1.0, 0.0]

    def test_several_start_states(self):
        model, _ = MOMDP.from_simulator([(0.25, 0), (0.75, 1)], 1, lambda s, a: [(1.0, s, [1.0], True)], discount=1.0)
        assert model.start.tolist()[:2] == [0.25, 0.75]

    def test_variants(self):
        model = small(horizon=5)
        assert model.with_discount(0.9) is model
        assert model.with_discount(0.5).discount == 0.5
        assert model.with_horizon(None).horizon is None
        assert [o.name for o in model.objectives] == ["r0", "r1"]

    def test_policy_count_does_not_overflow(self):
        model = MOMDP.from_arrays(np.full((400, 9, 400), 1 / 400), np.zeros((400, 9, 1)), discount=0.9)
        assert model.n_policies == float("inf")


class TestRows:
    def test_rows_of_a_policy(self):
        assert small().rows([1, 0, 0]).tolist() == [1, 2]
        assert small().rows([0, 1, 99]).tolist() == [0, 3]  # terminal entries are ignored

    @pytest.mark.parametrize(
        ("policy", "message"),
        [
            ([0, 0], r"shape \(2,\); expected \(3,\)"),
            ([0.0, 1.0, 0.0], "expected integers"),
            ([0, 2, 0], "takes action 2 in state 1; expected 0 to 1"),
            ([-1, 0, 0], "takes action -1 in state 0"),
        ],
    )
    def test_refusals(self, policy, message):
        with pytest.raises(ModelError, match=message):
            small().rows(policy)

    def test_names_of_states_appear(self):
        with pytest.raises(ModelError, match=r"in state 1 \(work\)"):
            small(state_names=["home", "work", "end"]).rows([0, 7, 0])


class TestValidation:
    def test_the_base_case_is_valid(self):
        assert raw().n_rows == 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"transitions": np.array([[0.5, 0.4], [0.0, 1.0]])},
                "state 0, action 0: probabilities sum to 0.9; expected 1",
            ),
            ({"transitions": np.array([[0.5, 0.5], [-0.5, 1.5]])}, "state 0, action 1: probability -0.5 of state 0"),
            ({"transitions": np.array([[0.5, np.nan], [0.0, 1.0]])}, "state 0, action 0: probability nan of state 1"),
            ({"transitions": np.ones((3, 2)) / 2}, r"transitions have shape \(3, 2\); row_ptr promises \(2, 2\)"),
            ({"rewards": [[1.0, 0.0], [np.nan, 1.0]]}, "state 0, action 1: reward of objective 0 is nan"),
            ({"rewards": [[1.0, np.inf], [0.0, 1.0]]}, "state 0, action 0: reward of objective 1 is inf"),
            ({"rewards": [[1.0, 0.0], [-1e300, 1.0]]}, r"objective 0 is -1e\+300; expected .*, at most 1e\+100"),
            ({"rewards": [[1.0, 0.0]]}, r"rewards have shape \(1, 2\); expected \(2, K\)"),
            ({"rewards": np.zeros((2, 0))}, "with K >= 1"),
            ({"row_ptr": [0, 3, 2]}, "never decrease"),
            ({"row_ptr": [1, 2, 2]}, "must start at 0"),
            ({"discount": 1.5}, "discount is 1.5"),
            ({"discount": float("nan")}, "discount is nan"),
            ({"horizon": 0}, "horizon is 0"),
            ({"start": [0.5, 0.4]}, "sum 0.9"),
            ({"start": [1.5, -0.5]}, "minimum -0.5"),
            ({"start": [np.nan, 1.0]}, "minimum nan"),
            ({"start": [1.0]}, r"start has shape \(1,\); expected \(2,\)"),
            ({"objectives": (Objective("a"),)}, "1 objectives are named but rewards have 2 columns"),
            ({"state_names": ("only",)}, "1 state names for 2 states"),
            ({"action_names": ("stay",)}, "1 action names; expected one for each of 2 actions"),
            ({"outcome_rewards": np.zeros((2, 2))}, "outcome_rewards have shape"),
            ({"outcome_rewards": np.zeros((3, 2))}, "not the expectation of outcome_rewards"),
            ({"discount": "0.9"}, "discount is '0.9'; expected a number"),
            ({"discount": True}, "discount is True; expected a number"),
            ({"discount": None}, "discount is None; expected a number"),
            ({"discount": 10**400}, "discount is 1000000"),
            ({"horizon": 2.5}, "horizon is 2.5; expected a positive number of decisions"),
            ({"horizon": "3"}, "horizon is '3'; expected a positive number of decisions"),
            ({"horizon": True}, "horizon is True"),
            ({"horizon": 10**30}, "horizon is 1000000000000000000000000000000"),
            ({"rewards": [["1.0", "0.0"], ["0.0", "1.0"]]}, "rewards: dtype is <U3; expected real numbers"),
            ({"rewards": np.zeros((2, 2), dtype=complex)}, "rewards: dtype is complex128"),
            ({"rewards": [[1.0, 0.0], [0.0]]}, "rewards cannot be made an array"),
            ({"rewards": np.ma.masked_greater(np.eye(2), 0.5)}, "rewards: some entries are masked"),
            ({"row_ptr": [0.0, 2.0, 2.0]}, "row_ptr: dtype is float64; expected whole numbers"),
            ({"row_ptr": np.array([0, 2**63 + 2, 2], dtype=np.uint64)}, "never decrease"),
            ({"row_ptr": [[0, 2, 2]]}, "one entry per state and one more"),
            ({"row_ptr": [0, 2**40, 2**40]}, r"row_ptr promises \(1099511627776, 2\)"),
            ({"start": [[1.0, 0.0]]}, r"start has shape \(1, 2\)"),
            ({"start": [1.0 + 0j, 0.0]}, "start: dtype is complex128"),
            ({"transitions": np.array([["0.5", "0.5"], ["0", "1"]])}, "transitions: dtype is <U3"),
            ({"transitions": np.ones(2)}, r"transitions have shape \(2,\); expected a matrix"),
            ({"transitions": sparse.csr_array(np.eye(2) + 0j)}, "transitions: dtype is complex128"),
            ({"transitions": np.array([[0.5, np.inf], [0.0, 1.0]])}, "probabilities sum to inf; expected 1"),
            ({"state_names": "ab"}, "state_names are 'ab'; expected a sequence of strings"),
            ({"state_names": (1, 2)}, "state_names hold 1; expected strings"),
            ({"action_names": 3}, "action_names are 3"),
        ],
    )
    def test_first_fault_is_named(self, changes, message):
        with pytest.raises(ModelError, match=message):
            raw(**changes)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"rewards": np.zeros((3, 2))}, "expected \\(S, A, K\\) or"),
            ({"transitions": np.zeros((3, 3))}, "expected \\(S, A, S\\) = \\(3, 2, 3\\)"),
            ({"transitions": sparse.eye_array(3)}, "expected \\(S·A, S\\) = \\(6, 3\\)"),
            ({"start": 3}, "start state is 3; expected 0 to 2"),
            ({"terminal": [True]}, "terminal has shape"),
        ],
    )
    def test_arrays_that_do_not_fit(self, arguments, message):
        fields = {"transitions": STEP, "rewards": REWARD, "discount": 0.9, **arguments}
        with pytest.raises(ModelError, match=message):
            MOMDP.from_arrays(fields.pop("transitions"), fields.pop("rewards"), **fields)

    @pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr"])
    @pytest.mark.parametrize("column", [2, -1, 2**31 - 1, -(2**31)])
    def test_positions_outside_the_matrix(self, kind, column):
        matrix = sparse.csr_array(np.array([[0.5, 0.5], [0.0, 1.0]])).asformat(kind)
        held = matrix.coords[1] if kind == "coo" else matrix.indices
        held.flags.writeable = True
        held[0] = column
        with pytest.raises(ModelError, match="expected"):
            raw(transitions=matrix)
        with pytest.raises(ModelError, match="expected"):
            MOMDP.from_arrays(matrix, np.zeros((2, 1, 1)), discount=0.9)

    @pytest.mark.parametrize("offsets", [[0, 5, 3], [0, 2, 9], [1, 2, 3], [0, -1, 3], [0, 2], [0, 3, 3, 3]])
    def test_offsets_out_of_order(self, offsets):
        matrix = sparse.csr_array(np.array([[0.5, 0.5], [0.0, 1.0]]))
        matrix.indptr = np.array(offsets, dtype=np.int32)
        with pytest.raises(ModelError, match="expected indices inside it"):
            raw(transitions=matrix)

    def test_replacing_a_field_is_checked_too(self):
        for changes in ({"horizon": 0}, {"row_ptr": [0, 1, 1]}, {"start": [2.0, -1.0]}, {"rewards": np.ones((1, 2))}):
            with pytest.raises(ModelError):
                replace(raw(), **changes)

    def test_simulator_without_vectors(self):
        with pytest.raises(ModelError, match="expected one vector per outcome"):
            MOMDP.from_simulator(0, 1, lambda s, a: [(1.0, 0, 1.0, True)], discount=1.0)

    @pytest.mark.parametrize(
        ("outcome", "text"),
        [
            ((1.0, 0, [1.0]), "expected (probability, next state, reward vector, terminated)"),
            (1.0, "expected (probability, next state, reward vector, terminated)"),
            ((1.0, 0, [1.0], "no"), "terminated is 'no'"),
            ((1.0, [0], [1.0], False), "state [0] cannot be looked up"),
            (("1", 0, [1.0], False), "probabilities: dtype is"),
            ((1.0, 0, ["1"], False), "rewards: dtype is"),
            ((0.5, 0, [1.0], False), "probabilities sum to 0.5"),
        ],
    )
    def test_simulators_that_say_something_else(self, outcome, text):
        with pytest.raises(ModelError, match=re.escape(text)):
            MOMDP.from_simulator(0, 1, lambda s, a: [outcome], discount=1.0)

    @pytest.mark.parametrize("count", [-1, 1.5, "2", None])
    def test_numbers_of_actions_that_are_none(self, count):
        with pytest.raises(ModelError, match="actions; expected a whole number"):
            MOMDP.from_simulator(0, lambda s: count, lambda s, a: [(1.0, 0, [1.0], True)], discount=1.0)

    @pytest.mark.parametrize(
        ("table", "text"),
        [
            ({}, "the table is empty"),
            ({0: {0: [(1.0, 7, 1.0, False)]}}, "state 7: it is not in the table"),
            ({0: {0: [(1.0, -1, 1.0, False)]}}, "state -1: it is not in the table"),
            ({0: {1: [(1.0, 0, 1.0, False)]}}, "state 0: its actions are [1]"),
            ({0: {0: [(1.0, 0, "1.0", False)]}}, "reward: dtype is"),
            ({0: {0: [(1.0, 0, 1.0)]}}, "expected (probability, next state"),
        ],
    )
    def test_tables_with_holes(self, table, text):
        with pytest.raises(ModelError, match=re.escape(text)):
            MOMDP.from_dict(table, discount=0.9)

    @given(st.integers(0, 3), st.integers(0, 2))
    def test_the_state_and_action_named_are_the_ones_at_fault(self, state, action):
        step = np.full((4, 3, 4), 0.25)
        step[state, action, 0] += 0.1
        with pytest.raises(ModelError, match=f"state {state}, action {action}: probabilities sum to 1.1"):
            MOMDP.from_arrays(step, np.zeros((4, 3, 2)), discount=0.9)

    def test_a_model_shares_nothing_with_its_inputs_and_cannot_be_written_to(self):
        matrix, rewards, start = sparse.csr_array(np.eye(2)), np.ones((2, 1)), np.array([1.0, 0.0])
        row_ptr = np.arange(3)
        model = MOMDP(matrix, rewards, row_ptr, 0.9, start, outcome_rewards=np.ones((2, 1)))
        matrix.indices[0], matrix.indptr[1], matrix.data[:] = 99, 99, 7.0
        rewards[:], row_ptr[:], start[:] = 7.0, 99, 7.0
        assert model.transitions.toarray().tolist() == [[1, 0], [0, 1]]
        assert (model.rewards == 1).all()
        assert model.row_ptr.tolist() == [0, 1, 2]
        assert model.start.tolist() == [1, 0]
        held = (model.transitions.data, model.transitions.indices, model.transitions.indptr)
        for array in (*held, model.rewards, model.row_ptr, model.start, model.outcome_rewards):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1

    def test_a_view_of_something_writable_is_copied(self):
        rewards = np.ones((2, 1))
        view = rewards[:]
        view.flags.writeable = False
        model = raw(rewards=view)
        rewards[:] = 7.0
        assert (model.rewards == 1).all()

    def test_variants_share_their_arrays(self):
        model = small()
        other = model.with_discount(0.5).with_horizon(3)
        assert np.shares_memory(other.rewards, model.rewards)
        assert np.shares_memory(other.transitions.indices, model.transitions.indices)


class TestFiles:
    def test_round_trip(self, tmp_path):
        model = small(
            horizon=7,
            objectives=[Objective("a", "EUR", -1, 9), Objective("b")],
            state_names=["x", "y", "z"],
            action_names=["stay", "go"],
        )
        assert_same(model, MOMDP.load(model.save(tmp_path / "model.npz")))

    def test_random_rewards_survive(self, tmp_path):
        model, _ = MOMDP.from_simulator(
            0, 1, lambda s, a: [(0.5, 1, [0.0, 1.0], True), (0.5, 1, [2.0, 1.0], True)], discount=1.0
        )
        path = model.save(tmp_path / "model")
        assert path.name == "model.npz"
        assert_same(model, MOMDP.load(path))
        assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]

    def test_what_is_not_a_model(self, tmp_path):
        with pytest.raises(ModelError, match="does not exist"):
            MOMDP.load(tmp_path / "none.npz")
        path = tmp_path / "bad.npz"
        path.write_bytes(b"not a zip")
        with pytest.raises(ModelError, match="cannot be read"):
            MOMDP.load(path)
        np.savez(path, data=np.zeros(1))
        with pytest.raises(ModelError, match="cannot be read"):
            MOMDP.load(path)
        np.savez(path, meta=np.frombuffer(b'{"format": "other"}', dtype=np.uint8))
        with pytest.raises(ModelError, match="has format 'other'"):
            MOMDP.load(path)

    def test_truncated_files(self, tmp_path):
        path = small().save(tmp_path / "model.npz")
        whole = path.read_bytes()
        for length in (0, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(ModelError, match="cannot be read"):
                MOMDP.load(path)

    def test_no_pickle_is_ever_read(self, tmp_path):
        path = small().save(tmp_path / "model.npz")
        objects = io.BytesIO()
        np.save(objects, np.array([{"code": 1}], dtype=object), allow_pickle=True)
        with zipfile.ZipFile(path) as old:
            content = {name: old.read(name) for name in old.namelist()}
        content["rewards.npy"] = objects.getvalue()
        with zipfile.ZipFile(path, "w") as new:
            for name, data in content.items():
                new.writestr(name, data)
        with pytest.raises(ModelError, match="cannot be read"):
            MOMDP.load(path)


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), **options)
    return buffer.getvalue()


class TestFilesOfStrangers:
    """Whatever a file says about positions, sizes and order is checked before anything reads where it points."""

    @pytest.fixture
    def path(self, tmp_path):
        model, _ = MOMDP.from_simulator(
            0, 2, lambda s, a: [(0.5, 0, [0.0, 1.0], a == 1), (0.5, 1, [2.0, 1.0], True)], discount=0.9
        )
        return model.save(tmp_path / "model.npz")

    @staticmethod
    def alter(path, remove=(), **arrays):
        content = contents(path)
        for name, array in arrays.items():
            content[f"{name}.npy"] = array if isinstance(array, bytes) else packed(array)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in content.items():
                if name not in remove:
                    file.writestr(name, data)
        return path

    @staticmethod
    def meta(path, **changes):
        held = json.loads(bytes(np.load(path)["meta"]).decode()) | changes
        return np.frombuffer(json.dumps(held).encode(), np.uint8)

    def test_the_base_case_is_read(self, path):
        model = MOMDP.load(self.alter(path))
        assert model.outcome_rewards is not None
        assert (model.n_states, model.n_rows, model.transitions.nnz) == (3, 2, 4)

    @pytest.mark.parametrize(
        ("name", "change", "text"),
        [
            (
                "indices",
                lambda a: np.where(np.arange(len(a)) == 1, 3, a),
                r"column index 3 \(entry 1\); expected 0 to 2",
            ),
            ("indices", lambda a: np.where(np.arange(len(a)) == 1, -1, a), "column index -1"),
            ("indices", lambda a: np.full(len(a), 2**40), "column index 1099511627776"),
            ("indices", lambda a: a[:-1], "do not belong together"),
            ("indices", lambda a: a.astype(float), "dtype float64"),
            ("indptr", lambda a: a[::-1].copy(), "do not belong together"),
            ("indptr", lambda a: np.array([0, 9, 4]), "sparse matrix"),
            ("indptr", lambda a: np.array([0, -9, 4]), "sparse matrix"),
            ("indptr", lambda a: np.array([2, 2, 4]), "should start with 0"),
            ("indptr", lambda a: a.reshape(1, -1), "expected 1 dimensions"),
            ("row_ptr", lambda a: a + 1, "do not belong together|must start at 0"),
            ("row_ptr", lambda a: np.array([0, 9, 2, 2]), "never decrease"),
            ("row_ptr", lambda a: np.array([0, 2]), "column index"),
            ("row_ptr", lambda a: np.zeros(0, np.int64), "one dimension each"),
            ("row_ptr", lambda a: np.array([0, 2, 2, 2**62]), "do not belong together"),
            ("data", lambda a: -a, "probability -0.5"),
            ("data", lambda a: a * np.nan, "probability nan"),
            ("data", lambda a: a * 2, "sum to 2"),
            ("data", lambda a: a.astype(complex), "dtype complex128"),
            ("data", lambda a: a.astype(str), "dtype <U32"),
            ("rewards", lambda a: a[:, :0], "K >= 1"),
            ("rewards", lambda a: a[:1], "rewards have shape"),
            ("rewards", lambda a: a * np.inf, "reward of objective"),
            ("rewards", lambda a: a + 1, "not the expectation"),
            ("outcome_rewards", lambda a: a[:-1], "outcome_rewards have shape"),
            ("start", lambda a: a * 2, "sum 2"),
            ("start", lambda a: a[:-1], "start has shape"),
        ],
    )
    def test_one_array_altered(self, path, name, change, text):
        self.alter(path, **{name: change(np.load(path)[name])})
        with pytest.raises(ModelError, match=text) as caught:
            MOMDP.load(path)
        assert "model.npz" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"discount": 2}, "discount is 2"),
            ({"discount": "0.9"}, "discount is '0.9'"),
            ({"discount": float("nan")}, "NaN is not a number"),
            ({"horizon": -1}, "horizon is -1"),
            ({"horizon": 10**40}, "horizon is 1"),
            ({"horizon": [3]}, r"horizon is \[3\]"),
            ({"objectives": [{"name": "a"}]}, "1 objectives are named"),
            ({"objectives": [{"name": "a"}, {"name": "a"}]}, "given twice"),
            ({"objectives": "ab"}, "cannot be read"),
            ({"objectives": None}, "cannot be read"),
            ({"state_names": "abc"}, "expected a sequence of strings"),
            ({"state_names": {"a": 1}}, "1 state names"),
            ({"action_names": [1, 2]}, "expected strings"),
            ({"format": ["morl-momdp-1"]}, "has format"),
        ],
    )
    def test_the_note_altered(self, path, changes, text):
        with pytest.raises(ModelError, match=text):
            MOMDP.load(self.alter(path, meta=self.meta(path, **changes)))

    @pytest.mark.parametrize(
        "note", [b"[" * 100_000, b"[1]", b"null", b"{}", b"\xff\xfe", b'{"format": ' + b"1" * 6000 + b"}"]
    )
    def test_a_note_that_is_none(self, path, note):
        with pytest.raises(ModelError, match="cannot be read"):
            MOMDP.load(self.alter(path, meta=np.frombuffer(note, np.uint8)))

    @pytest.mark.parametrize("name", ["data", "indices", "indptr", "rewards", "row_ptr", "start", "meta"])
    def test_a_missing_array(self, path, name):
        with pytest.raises(ModelError, match=f"array '{name}' is missing"):
            MOMDP.load(self.alter(path, remove=[f"{name}.npy"]))

    def test_objects_are_never_unpickled(self, path):
        class Trap:
            def __reduce__(self):
                return (open, (str(path.with_name("sprung")), "w"))

        for name in ("rewards", "meta", "start"):
            with pytest.raises(ModelError, match="dtype object"):
                MOMDP.load(self.alter(path, **{name: packed(np.array([Trap()], object), allow_pickle=True)}))
        assert not path.with_name("sprung").exists()

    def test_sizes_are_compared_before_anything_is_allocated(self, path):
        claim = io.BytesIO()
        np.lib.format.write_array_header_1_0(claim, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)})
        with pytest.raises(ModelError, match="does not fit its"):
            MOMDP.load(self.alter(path, data=claim.getvalue() + bytes(32)))

    def test_a_file_that_unpacks_to_far_more_than_it_holds(self, path):
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file, file.open("more.npy", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
        with pytest.raises(ModelError, match="bytes unpack to"):
            MOMDP.load(path)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_two_arrays_of_one_name(self, path):
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("data.npy", packed(np.ones(4)))
        with pytest.raises(ModelError, match="same name"):
            MOMDP.load(path)

    def test_a_pipe_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.npz")
        with pytest.raises(ModelError, match="expected a regular file"):
            MOMDP.load(tmp_path / "pipe.npz")

    def test_other_byte_orders_and_widths_are_read(self, path):
        held = np.load(path)
        model = MOMDP.load(
            self.alter(
                path,
                data=held["data"].astype(">f8"),
                indices=held["indices"].astype(">i2"),
                row_ptr=held["row_ptr"].astype(np.uint8),
                rewards=np.asfortranarray(held["rewards"]),
            )
        )
        assert model.transitions.data.dtype == np.float64
        assert model.rewards.tolist() == held["rewards"].tolist()
