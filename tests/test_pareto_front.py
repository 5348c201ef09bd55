"""Fronts: what they refuse, what they keep sorted together, and what survives a file."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from strategies import point_sets

from morl.pareto import Front
from morl.spec import FrontError, MOSpec, Objective, SpecError

FULL = {
    "points": [[1.0, 3.0], [3.0, 1.0], [2.0, 2.0]],
    "objectives": [Objective("treasure", "points", 0, 124), Objective("time", "steps", high=0)],
    "ref_point": [0.0, -25.0],
    "discount": 0.99,
    "policies": ["low", "high", "middle"],
    "weights": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]],
    "supported": [True, True, False],
    "covariance": [np.eye(2) * i for i in (1.0, 2.0, 3.0)],
    "episodes": [10, 20, 30],
    "epsilon": 0.25,
    "complete": True,
    "outer": [[0.5, 0.5, 2.0]],
    "scale": ([0.0, -25.0], [124.0, 0.0]),
    "provenance": {"algorithm": "test", "seed": 1},
}


def assert_same(one, two):
    for name in ("points", "ref_point", "weights", "supported", "covariance", "episodes", "outer"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None), name
        assert a is None or (np.array_equal(a, b) and a.dtype == b.dtype), name
    assert (one.scale is None) == (two.scale is None)
    assert one.scale is None or np.array_equal(one.scale, two.scale)
    for name in ("objectives", "discount", "epsilon", "complete", "provenance"):
        assert getattr(one, name) == getattr(two, name), name


class TestBuilding:
    def test_everything_per_point_is_sorted_along(self):
        front = Front(**FULL)
        assert front.points.tolist() == [[3, 1], [2, 2], [1, 3]]
        assert front.policies == ("high", "middle", "low")
        assert front.weights[:, 0].tolist() == [0.9, 0.5, 0.1]
        assert front.supported.tolist() == [True, False, True]
        assert front.covariance[:, 0, 0].tolist() == [2, 3, 1]
        assert front.episodes.tolist() == [20, 30, 10]
        assert repr(front) == "Front(3 points, treasure / time, γ=0.99, test)"

    def test_dominated_points_go_with_their_company(self):
        best = Front(**{**FULL, "points": [[1.0, 3.0], [3.0, 1.0], [0.0, 0.0]]}).nondominated()
        assert best.policies == ("high", "low")
        assert best.episodes.tolist() == [20, 10]

    def test_subset_by_mask_and_by_number(self):
        front = Front(**FULL)
        for keep in ([True, False, True], [0, 2]):
            some = front.subset(keep)
            assert some.points.tolist() == [[3, 1], [1, 3]]
            assert some.policies == ("high", "low")
            assert some.covariance[:, 0, 0].tolist() == [2, 1]
            assert some.ref_point.tolist() == [0, -25]

    def test_inputs_are_copied_and_results_are_read_only(self):
        points, ref = np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2)
        front = Front(points, ref_point=ref)
        points[0, 0] = ref[0] = 99.0
        assert front.points.tolist() == [[2, 1], [1, 2]]
        assert front.ref_point.tolist() == [0, 0]
        for array in (front.points, front.ref_point, np.asarray(front)):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0

    def test_a_front_is_an_array_of_points(self):
        front = Front([[1, 2], [2, 1]])
        assert np.array_equal(np.asarray(front), front.points)
        assert np.array(front, dtype=np.float32).dtype == np.float32

    def test_empty(self):
        front = Front(np.zeros((0, 2)), ["a", "b"], ref_point=[0, 0])
        assert len(front) == len(front.nondominated()) == len(front.classified()) == 0
        assert front.hypervolume() == 0.0
        assert Front([], ["a", "b"]).points.shape == (0, 2)

    def test_spec_fills_what_is_missing_and_keeps_what_is_there(self):
        spec = MOSpec((Objective("x"), Objective("y")), ref_point=(-1, -1), return_scale=((0, 0), (4, 4)))
        front = Front([[1, 3]], ref_point=[0, 0]).with_spec(spec)
        assert front.names == ("x", "y")
        assert front.ref_point.tolist() == [0, 0]
        assert front.scale[1].tolist() == [4, 4]
        with pytest.raises(FrontError, match="front has 1 objectives; the problem has 2"):
            Front([[1.0]]).with_spec(spec)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_non_finite_values_are_named(self, bad):
        with pytest.raises(FrontError, match=rf"point 1 has {bad} in objective 'time'"):
            Front([[1, 2], [3, bad]], ["treasure", "time"])

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"points": [1.0, 2.0]}, FrontError, r"shape \(2,\)"),
            ({"points": [["a", "b"]]}, FrontError, "not a table of numbers"),
            ({"objectives": ["a"]}, FrontError, "points have 2 columns; expected 1"),
            ({"objectives": ["a", "a"]}, SpecError, "given twice"),
            ({"ref_point": [0.0]}, SpecError, "reference point has 1 number; expected 2"),
            ({"policies": ["one"]}, FrontError, "1 policies for 3 points"),
            ({"weights": [[1.0, 0.0]]}, FrontError, "weights has shape"),
            ({"episodes": [1, 2]}, FrontError, "episodes has shape"),
            ({"covariance": np.zeros((3, 2))}, FrontError, "covariance has shape"),
            ({"covariance": np.full((3, 2, 2), np.nan)}, FrontError, "is not finite; expected at least 2 episodes"),
            ({"discount": 1.5}, FrontError, "discount is 1.5"),
            ({"supported": [True]}, FrontError, "supported has shape"),
            ({"scale": ([0.0], [1.0])}, SpecError, "scale has 1 number; expected 2"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes, error, message):
        with pytest.raises(error, match=message):
            Front(**{**FULL, **changes})

    def test_no_points_and_no_names(self):
        with pytest.raises(FrontError, match="no objectives are named"):
            Front([])


class TestReference:
    def test_missing_reference_point_is_an_error_not_a_guess(self):
        with pytest.raises(FrontError, match="no reference point for a / b; give ref_point"):
            Front([[1, 2]], ["a", "b"]).hypervolume()

    def test_given_beats_own(self):
        front = Front([[1, 3], [3, 1]], ref_point=[0, 0])
        assert front.hypervolume() == 5
        assert front.hypervolume([-1, -1]) == 12

    def test_points_outside_warn_and_add_nothing(self):
        front = Front([[1, 3], [3, -1]], ref_point=[0, 0])
        with pytest.warns(UserWarning, match=r"1 of 2 points do not reach the reference point .*first: \[3.0, -1.0\]"):
            assert front.hypervolume() == 3

    def test_no_warning_where_all_is_well(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Front([[0, 0], [1, 1]], ref_point=[0, 0]).hypervolume()


class TestFiles:
    def test_json_keeps_everything_but_policies(self, tmp_path):
        front = Front(**FULL)
        loaded = Front.load(front.save(tmp_path / "front.json"))
        assert_same(front, loaded)
        assert loaded.policies is None
        assert [p.name for p in tmp_path.iterdir()] == ["front.json"]  # nothing temporary is left

    @given(point_sets(grid=False))
    def test_json_and_csv_keep_every_bit(self, points):
        front = Front(points * np.pi)
        assert_same(front, Front.from_dict(json.loads(json.dumps(front.to_dict()))))
        assert np.array_equal(Front.from_csv(front.to_csv()).points, front.points)

    def test_csv_from_a_spreadsheet(self, tmp_path):
        path = tmp_path / "front.csv"
        path.write_text("speed,comfort\n1,2.5\n\n3,0\n")
        front = Front.load(path)
        assert front.names == ("speed", "comfort")
        assert front.points.tolist() == [[3, 0], [1, 2.5]]
        assert len(Front.from_csv("a,b\n")) == 0

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("f.json", "{", "not JSON"),
            ("f.json", "[1, 2]", "front has format 'list'"),
            ("f.json", '{"format": "other"}', "front has format 'other'"),
            ("f.json", '{"format": "morl-front-1"}', "cannot be read"),
            ("f.csv", "", "is empty"),
            ("f.csv", "a,b\n1\n", "line 2 has 1 values; expected 2"),
            ("f.csv", "a,b\n1,x\n", "not a number"),
            ("f.csv", "a,b\n1,nan\n", "line 2 has nan for 'b'"),
        ],
    )
    def test_damaged_files(self, tmp_path, name, text, message):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(FrontError, match=message):
            Front.load(path)

    def test_missing_file_and_unknown_suffix(self, tmp_path):
        with pytest.raises(FrontError, match="cannot be read"):
            Front.load(tmp_path / "nothing.json")
        with pytest.raises(FrontError, match=r"expected \.json or \.csv"):
            Front([[1.0]]).save(tmp_path / "front.pickle")

    def test_a_failed_write_leaves_the_old_file(self, tmp_path):
        path = Front([[1.0]]).save(tmp_path / "front.json")
        with pytest.raises((TypeError, ValueError)):
            Front([[2.0]], provenance={"bad": object()}).save(path)
        assert Front.load(path).points.tolist() == [[1.0]]
        assert len(list(tmp_path.iterdir())) == 1
