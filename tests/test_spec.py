"""Objectives, specifications and the errors: one clear line each, with the value, the expectation and the fix."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl import spec
from morl.spec import (
    EnvError,
    MissingExtraError,
    MOSpec,
    Objective,
    SpecError,
    UnknownNameError,
    as_objectives,
    check_vector,
    check_weights,
)

TREASURE, TIME = Objective("treasure", "points", 0, 124, "what is found"), Objective("time", "steps", high=0)
DST = MOSpec((TREASURE, TIME), 0.99, 50, (0, -25), ((0, -50), (124, 0)))


class TestObjective:
    def test_labels(self):
        assert (TREASURE.label, Objective("risk").label) == ("treasure (points)", "risk")
        assert TIME.low == -math.inf

    @pytest.mark.parametrize("objective", [TREASURE, TIME, Objective("x")])
    def test_round_trip_through_json(self, objective):
        assert Objective.from_dict(json.loads(json.dumps(objective.to_dict(), allow_nan=False))) == objective

    @pytest.mark.parametrize("name", ["", "  ", None, 3])
    def test_names(self, name):
        with pytest.raises(SpecError, match="expected a non-empty string"):
            Objective(name)

    def test_bounds(self):
        for low, high in ((1, 0), (math.nan, 1)):
            with pytest.raises(SpecError, match="expected low <= high"):
                Objective("x", low=low, high=high)

    @pytest.mark.parametrize("data", [{}, {"name": "x", "low": "deep"}, None, 3])
    def test_unreadable(self, data):
        with pytest.raises(SpecError, match="cannot be read"):
            Objective.from_dict(data)

    def test_names_become_objectives_and_must_differ(self):
        assert as_objectives(["a", TIME])[1] is TIME
        with pytest.raises(SpecError, match="'a' is given twice"):
            as_objectives(["a", "b", "a"])
        with pytest.raises(SpecError, match="no objectives"):
            as_objectives([])


class TestMOSpec:
    def test_what_it_knows(self):
        assert (DST.k, DST.names) == (2, ("treasure", "time"))
        assert DST.ref_point == (0.0, -25.0)
        assert DST.reward_low.tolist() == [0, -math.inf]
        assert DST.reward_high.tolist() == [124, 0]

    def test_index(self):
        assert DST.index("time") == DST.index(1) == 1
        with pytest.raises(UnknownNameError, match="unknown objective 'tome'; did you mean time"):
            DST.index("tome")
        for number in (2, -1):
            with pytest.raises(SpecError, match="expected 0 to 1"):
                DST.index(number)

    def test_normalise(self):
        assert DST.normalise([[62, -25], [0, -50]]).tolist() == [[0.5, 0.5], [0, 0]]
        with pytest.raises(SpecError, match="no return_scale"):
            MOSpec(("a",)).normalise([1.0])

    def test_round_trip_through_json(self):
        for one in (DST, MOSpec(("a", "b"))):
            assert MOSpec.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False))) == one

    @pytest.mark.parametrize(
        "data", [{}, None, {"objectives": 3}, {"objectives": [{"name": "a"}], "return_scale": [1]}]
    )
    def test_unreadable(self, data):
        with pytest.raises(SpecError, match=r"cannot be read.*expected at least objectives"):
            MOSpec.from_dict(data)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"discount": 1.1}, "discount is 1.1"),
            ({"discount": math.nan}, "discount is nan"),
            ({"horizon": 0}, "horizon is 0"),
            ({"ref_point": (1,)}, r"reference point has 1 number; expected 2, one per objective \(a, b\)"),
            ({"ref_point": (1, math.inf)}, "reference point has inf at position 1"),
            ({"return_scale": ((0, 1), (1, 1))}, r"return_scale of 'b' is \(1.0, 1.0\); expected low < high"),
            ({"return_scale": ((0,), (1, 1))}, "return_scale low has 1 number"),
        ],
    )
    def test_what_does_not_fit(self, fields, message):
        with pytest.raises(SpecError, match=message):
            MOSpec(("a", "b"), **fields)


class TestVectors:
    def test_copies(self):
        values = np.array([1.0, 2.0])
        check_vector(values, 2, "x")[0] = 9
        assert values[0] == 1.0

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([1], "x has 1 number; expected 2, one per objective"),
            ([1, 2, 3], "x has 3 numbers; expected 2"),
            ([[1, 2]], r"x has shape \(1, 2\); expected 2"),
            ([1, math.nan], "x has nan at position 1"),
            (["a", "b"], r"x is \['a', 'b'\]; expected 2 numbers"),
            (None, "x has"),
        ],
    )
    def test_refusals(self, values, message):
        with pytest.raises(SpecError, match=message):
            check_vector(values, 2, "x")

    @given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=6))
    def test_weights_come_out_on_the_simplex(self, values):
        weights = np.array(values) / np.sum(values)
        assert check_weights(weights, len(values)).sum() == pytest.approx(1, abs=1e-15)

    @pytest.mark.parametrize("others", [(0.3, 0.05, 0.65), (0.1, 0.2, 0.7), (0.6, 0.3, 0.1)])
    def test_what_rounding_leaves_below_zero_is_zero(self, others):
        least = min(1.0 - sum(others), -1e-17)
        weights = check_weights([least, *others], 4)
        assert weights[0] == 0.0
        assert weights[1:] == pytest.approx(others)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([1.0 + 1e-9, -1e-9], "expected no negative weight"),
            ([0.5, 0.6], r"sum to 1.1; expected a sum of 1; divide by 1.1 to get \[0.454545, 0.545455\]"),
            ([0, 0], "sum to 0; expected a sum of 1$"),
            ([1.5, -0.5], "has -0.5 at position 1; expected no negative weight"),
            ([1], "weights has 1 number"),
        ],
    )
    def test_weights_off_the_simplex(self, values, message):
        with pytest.raises(SpecError, match=message):
            check_weights(values, 2)


def test_every_error_has_a_common_root_and_a_familiar_one():
    roots = {
        spec.SpecError: ValueError,
        spec.FrontError: ValueError,
        spec.ModelError: ValueError,
        spec.EnvError: ValueError,
        spec.AgentError: ValueError,
        spec.RunError: RuntimeError,
        spec.UnknownNameError: LookupError,
        spec.MissingExtraError: ImportError,
    }
    for error, familiar in roots.items():
        assert issubclass(error, spec.MorlError)
        assert issubclass(error, familiar)


def test_hints():
    assert "known: a, b" in str(UnknownNameError("env", "zzz", ["b", "a"]))
    assert "pip install 'morl-suite[peers]'" in str(spec.MissingExtraError("comparison", "peers"))


@pytest.mark.parametrize(
    "error", [UnknownNameError("agent", "PNC", ["PCN"]), MissingExtraError("drawing", "plot"), EnvError("no reward")]
)
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(twin), str(twin)) == (type(error), str(error))
