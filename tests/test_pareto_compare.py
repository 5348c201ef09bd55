"""Comparison with the exact front: numbers by hand, refusals, and impossible fronts found out."""

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

import morl
from morl.pareto import Front, compare, excesses, half_widths
from morl.spec import FrontError, Objective

NAMES = ["a", "b"]
EXACT = Front([[0, 4], [1.5, 1.5], [4, 0]], NAMES, ref_point=[-1, -1], discount=1)
SPAN = np.array([4.0, 4.0])


def front(points, **fields):
    return Front(points, NAMES, **{"discount": 1, **fields})


class TestNumbers:
    def test_the_exact_front_against_itself_is_perfect(self):
        row = compare(EXACT, EXACT)["front 1"]
        assert (row.points, row.supported, row.non_convex) == (3, 2, 1)
        assert (row.found, row.found_supported, row.found_non_convex) == (3, 2, 1)
        assert row.hypervolume == pytest.approx(5 + 5 + 2.5 * 2.5 - 2.5 - 2.5)  # minus the overlaps of the boxes
        assert row.hypervolume_ratio == 1.0
        assert (row.epsilon, row.igd_plus, row.utility_loss, row.above) == (0.0, 0.0, 0.0, ())

    def test_linear_front_misses_the_dent(self):
        row = compare(EXACT, front([[0, 4], [4, 0]]))["front 1"]
        assert (row.found, row.found_supported, row.found_non_convex) == (2, 2, 0)
        assert row.hypervolume == 5 + 5 - 1
        assert row.hypervolume_ratio == pytest.approx(9 / 11.25)
        assert row.epsilon == pytest.approx(1.5 / 4)  # scaled by the range of the exact front
        assert row.igd_plus == pytest.approx(1.5 / 4 / 3)
        assert row.utility_loss == 0.0  # no linear preference misses it

    def test_scales(self):
        worse = front([[0, 4]])
        assert compare(EXACT, worse, scale="raw")["front 1"].epsilon == 4.0
        assert compare(EXACT, worse, scale=([0, 0], [8, 8]))["front 1"].epsilon == 0.5
        scaled = compare(EXACT.replace(scale=(np.zeros(2), np.full(2, 16.0))), worse)
        assert scaled["front 1"].epsilon == 0.25
        assert scaled.scale_source == "the problem's return scale"

    def test_constant_objectives_and_single_points(self):
        row = compare(front([[2, 5]], ref_point=[0, 0]), front([[1, 5]]))["front 1"]
        assert row.epsilon == 1.0  # no range to scale by: raw
        assert row.hypervolume_ratio == 0.5

    def test_no_reference_point_no_hypervolume(self):
        result = compare(EXACT.replace(ref_point=None), front([[0, 4]]))
        assert math.isnan(result["front 1"].hypervolume)
        assert result.to_dict()["fronts"][0]["hypervolume"] is None
        assert "–" in result.table()

    def test_empty_front(self):
        row = compare(EXACT, front(np.zeros((0, 2))))["front 1"]
        assert (row.points, row.found, row.hypervolume_ratio) == (0, 0, 0.0)
        assert row.epsilon == math.inf

    def test_points_count_as_found_within_their_interval(self):
        near = front([[1.4, 1.5]], covariance=[np.diag([0.01, 0.01])], episodes=[100])
        assert compare(EXACT, near)["front 1"].found_non_convex == 1
        assert compare(EXACT, front([[1.4, 1.5]]))["front 1"].found_non_convex == 0


class TestPresentation:
    def test_table_has_one_line_per_front(self):
        result = compare(EXACT, front([[0, 4]]), front([[4, 0]]), names=["first", "second"])
        lines = result.table().splitlines()
        assert [line.split("  ")[0] for line in lines[2:5]] == ["exact front", "first", "second"]
        assert "γ = 1" in lines[5]
        assert str(result) == result.table()
        assert [row.name for row in result.rows()] == ["exact front", "first", "second"]
        assert result[1].name == "second"

    def test_rich_table_fits_into_eighty_columns(self):
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(compare(EXACT, front([[0, 4]], provenance={"algorithm": "ParetoQLearning"})))
        text = console.export_text()
        assert "…" not in text
        assert "Pareto" in text

    def test_json(self):
        data = json.loads(json.dumps(compare(EXACT, front([[5, 5]]), above="flag").to_dict(), allow_nan=False))
        assert data["fronts"][0]["above"][0]["point"] == [5, 5]
        assert data["reference"]["points"] == 3

    def test_names_come_from_provenance_and_are_distinct(self):
        same = [front([[0, 4]], provenance={"algorithm": "DQN"}) for _ in range(2)]
        assert [row.name for row in compare(EXACT, *same).fronts] == ["DQN 1", "DQN 2"]
        with pytest.raises(FrontError, match="expected 2 distinct names"):
            compare(EXACT, *same, names=["x", "x"])
        with pytest.raises(FrontError, match="no front is called 'y'"):
            compare(EXACT, same[0])["y"]

    def test_exported_at_the_top(self):
        assert morl.compare is compare


class TestRefusals:
    def test_numbers_of_objectives(self):
        with pytest.raises(FrontError, match="has 3 objectives"):
            compare(EXACT, Front([[1, 2, 3]], discount=1))

    def test_discounts(self):
        with pytest.raises(FrontError, match=r"γ = 0.9, the exact front at γ = 1; evaluate or solve again"):
            compare(EXACT, front([[0, 4]], discount=0.9))
        with pytest.warns(UserWarning, match="cannot tell"):
            compare(EXACT, front([[0, 4]], discount=None))

    def test_order_and_names_of_objectives(self):
        with pytest.raises(FrontError, match="reorder one"):
            compare(EXACT, Front([[0, 4]], ["b", "a"], discount=1))
        with pytest.warns(UserWarning, match="names its objectives"):
            compare(EXACT, Front([[0, 4]], discount=1))

    def test_criteria(self):
        other = EXACT.replace(provenance={"criterion": "SER"})
        with pytest.warns(UserWarning, match="optimised for ESR"):
            compare(other, front([[0, 4]], provenance={"criterion": "ESR"}))

    def test_empty_reference_and_unknown_options(self):
        with pytest.raises(FrontError, match="the reference front is empty"):
            compare(front(np.zeros((0, 2))), front([[0, 4]]))
        with pytest.raises(FrontError, match="expected 'error' or 'flag'"):
            compare(EXACT, above="ignore")
        with pytest.raises(FrontError, match="expected \\(low, high\\), 'raw' or None"):
            compare(EXACT, scale="unit")
        with pytest.raises(FrontError, match="low < high"):
            compare(EXACT, scale=([0, 0], [1, 0]))

    def test_points_outside_the_reference_warn(self):
        with pytest.warns(UserWarning, match="do not reach the reference point"):
            compare(EXACT, front([[-3, 4]]))


class TestAboveTheTruth:
    def test_beyond_the_hull_is_an_error_and_a_flag_on_request(self):
        impossible = front([[3, 3]])
        with pytest.raises(FrontError, match=r"1 point above the exact front .*\(3, 3\), by 0.25 of the range"):
            compare(EXACT, impossible)
        result = compare(EXACT, impossible, above="flag")
        assert result["front 1"].above[0].against == "hull"
        assert result["front 1"].above[0].amount == pytest.approx(0.25, abs=1e-5)  # the hull passes through (2, 2)
        assert "(!)" in result.table()

    def test_within_the_mixtures_is_possible_for_a_policy_of_another_class(self):
        mixed = front([[1.9, 1.9]], provenance={"policy_class": "mixture"})
        assert compare(EXACT.replace(provenance={"policy_class": "stationary deterministic"}), mixed)[0].above == ()

    def test_within_the_mixtures_is_impossible_for_the_same_deterministic_class(self):
        kind = {"policy_class": "stationary deterministic"}
        result = compare(EXACT.replace(provenance=kind), front([[1.9, 1.9]], provenance=kind), above="flag")
        assert result[0].above[0].against == "points"
        assert result[0].above[0].amount == pytest.approx(0.1, abs=1e-5)

    def test_the_interval_decides(self):
        def measured(deviation):
            return front([[2.2, 2.2]], covariance=[np.diag([deviation**2] * 2)], episodes=[1000])

        assert excesses(measured(0.2), EXACT, SPAN) == []
        assert len(excesses(measured(0.01), EXACT, SPAN)) == 1

    def test_a_certified_gap_of_the_exact_front_is_granted(self):
        assert excesses(front([[2.2, 2.2]]), EXACT.replace(epsilon=0.3), SPAN) == []
        assert len(excesses(front([[2.2, 2.2]]), EXACT.replace(epsilon=0.1), SPAN)) == 1

    def test_rounding_is_granted(self):
        assert excesses(front(EXACT.points + 1e-9), EXACT, SPAN) == []
        assert excesses(front(np.zeros((0, 2))), EXACT, SPAN) == []

    def test_an_honest_evaluator_is_hardly_ever_accused(self):
        """Means of 50 normal episodes around the exact front itself: at 99.9 % about one front in a thousand."""
        rng, accused = np.random.default_rng(0), 0
        for _ in range(300):
            samples = EXACT.points[:, None, :] + rng.normal(size=(3, 50, 2))
            covariance = np.array([np.cov(s.T) / 50 for s in samples])
            accused += bool(
                excesses(front(samples.mean(axis=1), covariance=covariance, episodes=[50] * 3), EXACT, SPAN)
            )
        assert accused <= 2


class TestHalfWidths:
    def test_student(self):
        sampled = front([[0.0, 0.0]], covariance=[[[0.04, 0], [0, 0.01]]], episodes=[10])
        assert half_widths(sampled)[0] == pytest.approx([2.262157 * 0.2, 2.262157 * 0.1])  # t(9) at 97.5 %

    def test_simultaneous_is_bonferroni(self):
        sampled = front([[0.0, 1.0], [1.0, 0.0]], covariance=[np.eye(2)] * 2, episodes=[10**9] * 2)
        assert half_widths(sampled, 0.95, simultaneous=True)[0, 0] == pytest.approx(2.497705, abs=1e-4)  # 1 − .05/8

    def test_exact_points_have_none(self):
        assert half_widths(front([[0.0, 1.0]])).tolist() == [[0, 0]]
        assert half_widths(front([[0.0, 1.0]], covariance=[np.eye(2)], episodes=[0])).tolist() == [[0, 0]]

    def test_levels(self):
        with pytest.raises(FrontError, match="confidence is 95"):
            half_widths(EXACT, 95)


def test_a_best_known_front_may_be_exceeded() -> None:
    record = Front([[0, 1], [1, 0]], ["a", "b"], ref_point=[-1, -1], discount=1.0, provenance={"status": "best known"})
    better = Front([[2, 2]], ["a", "b"], discount=1.0)
    row = compare(record, better)["front 1"]
    assert row.hypervolume_ratio == pytest.approx(3.0)
    assert not row.above
    with pytest.raises(FrontError, match="above the exact front"):
        compare(record.replace(provenance={}), better)


class TestWhatItIsComparedWith:
    SEEN = Front([[0, 4], [4, 0]], ["a", "b"], ref_point=[-1, -1], discount=1)

    @pytest.mark.parametrize(
        ("facts", "role"),
        [
            ({}, "exact front"),
            ({"status": "best known, not proved optimal"}, "best-known front"),
            ({"algorithm": "evolution, best known"}, "best-known front"),
            ({"status": "union of the fronts given"}, "union of the fronts"),
            ({"algorithm": "PCN", "seed": 0, "steps": 1000}, "reference front"),
            ({"altered": True}, "reference front"),
        ],
    )
    def test_it_is_called_what_it_is(self, facts, role):
        result = compare(EXACT.replace(provenance=facts), self.SEEN, self.SEEN, names=["x", "y"])
        assert result.reference.name == result.truth.name == role
        assert result.to_dict()["reference"]["kind"] == role
        text = result.table()
        assert role in text
        assert (f"the {role} is not the exact front: better points may exist" in text) == (role != "exact front")
        assert role == "exact front" or "exact front" not in text.replace("is not the exact front", "")

    def test_a_proved_front_is_exact_whoever_computed_it(self):
        assert EXACT.replace(complete=True, provenance={"seed": 0, "steps": 9}).role == "exact front"
        assert EXACT.replace(covariance=[np.eye(2)] * 3, episodes=[5] * 3).role == "reference front"

    def test_one_front_alone_has_no_ratio(self):
        union = self.SEEN.replace(provenance={"status": "union of the fronts given"})
        result = compare(union, self.SEEN)
        assert np.isnan(result[0].hypervolume_ratio)
        assert result[0].hypervolume == pytest.approx(9)
        assert result.to_dict()["reference"] is None
        assert result.to_dict()["fronts"][0]["hypervolume_ratio"] is None
        assert "nothing to compare with: no ratio" in result.table()
        assert "1.0000" not in result.table()
        assert "union" not in result.table()

    @pytest.mark.parametrize(
        ("mine", "theirs", "share"),
        [
            ("stationary deterministic", "stationary deterministic", True),
            ("stationary deterministic", "history-dependent deterministic", True),
            ("return-conditioned deterministic (depends on the accrued reward and the time)",
             "history-dependent deterministic", True),
            ("history-dependent deterministic", "stationary deterministic", False),
            ("stationary deterministic", "mixture", False),
            ("mixture", "history-dependent deterministic", False),
            ("stationary stochastic (its mean action when acting deterministically)", "mixture", True),
            ("", "mixture", True),
        ],
    )  # fmt: skip
    def test_shares_within_one_policy_class_only(self, mine, theirs, share):
        seen = self.SEEN.replace(provenance={"policy_class": mine})
        result = compare(EXACT.replace(provenance={"policy_class": theirs}), seen)
        assert np.isnan(result[0].hypervolume_ratio) != share
        assert ("no ratio for front 1: other policy class than the exact front" in result.table()) != share
        assert result.to_dict()["other_policy_class"] == ([] if share else ["front 1"])

    def test_costs_on_one_side_only(self):
        cost = EXACT.replace(objectives=(Objective("a"), Objective("b", minimise=True)))
        with pytest.raises(FrontError, match="'b' is minimised in one of front 1 and the exact front"):
            compare(cost, self.SEEN)
