"""Choosing one point: knees, pseudo-weights and aspirations, on fronts where the answer is plain."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from strategies import point_sets

from morl.pareto import Front, choose_by_asf, choose_by_weights, knee_points, pseudo_weights
from morl.spec import FrontError, SpecError

DENT = [[0, 4], [1.5, 1.5], [4, 0]]


def test_knee_is_where_the_front_bends():
    steep, flat = np.linspace(0, 0.9, 10), np.linspace(0.9, 0.0, 10)
    points = np.vstack(
        [np.column_stack([steep * 0.9 / 0.9, 1 - 0.1 * steep]), np.column_stack([0.9 + 0.1 * (1 - flat), flat])]
    )
    knees = knee_points(points)
    assert len(knees) >= 1
    assert np.linalg.norm(points[knees] - [0.9, 0.9], axis=1).min() < 0.1


def test_no_knee_where_there_is_no_choice():
    assert knee_points([[1, 2], [2, 1]]).tolist() == []
    assert knee_points([[1.0], [2.0], [3.0]]).tolist() == []
    assert knee_points([[1, 1]] * 5).tolist() == []
    assert knee_points(np.column_stack([np.arange(9.0), -np.arange(9.0)])).tolist() == []  # a straight line


def test_knees_leave_warnings_as_they_were():
    before = list(warnings.filters)
    knee_points([[0, 10], [1, 9.9], [8, 9], [9, 2], [10, 0]])
    assert warnings.filters == before


def test_pseudo_weights_by_hand():
    # ranges 4 and 4: (1, 3) stands 1/4 and 3/4 above the worst
    assert pseudo_weights([[0, 4], [1, 3], [4, 0]]).tolist() == [[0, 1], [0.25, 0.75], [1, 0]]
    assert pseudo_weights([[2, 5]]).tolist() == [[0.5, 0.5]]


def test_preference_picks_the_nearest_pseudo_weight():
    points = [[0, 4], [1, 3], [3, 1], [4, 0]]
    assert [choose_by_weights(points, [w, 1 - w]) for w in (0.0, 0.3, 0.7, 1.0)] == [0, 1, 2, 3]
    assert choose_by_weights(Front(points), [1, 0]) == 0  # a front lists its points from the best in objective 0
    assert choose_by_weights([[1, 2], [1, 3]], [0.5, 0.5]) in (0, 1)  # a constant objective divides nothing by zero


def test_aspirations_reach_the_dent_that_no_weighted_sum_reaches():
    assert choose_by_asf(DENT, [0.5, 0.5]) == 1
    assert choose_by_asf(DENT, [0.95, 0.05]) == 2
    assert choose_by_asf(DENT, [0.05, 0.95]) == 0
    assert choose_by_asf(DENT, [0.5, 0.5], aspiration=[4, 0]) == 2


@given(point_sets(grid=False))
def test_units_and_duplicates_do_not_change_the_choice(points):
    k = points.shape[1]
    spread = np.ptp(points, axis=0)
    if np.any(spread < 1e-3):
        return
    wanted, unit = np.full(k, 1.0 / k), np.array([1e-3, 1e3, 1.0, 7.0])[:k]
    chosen = choose_by_asf(points, wanted)
    loss = ((points.max(axis=0) - points) / spread).max(axis=1)
    assert loss[chosen] == pytest.approx(loss.min(), abs=1e-9)
    assert loss[choose_by_asf(points * unit, wanted)] == pytest.approx(loss.min(), abs=1e-9)


def test_refusals():
    with pytest.raises(SpecError, match="sum to 2"):
        choose_by_weights(DENT, [1, 1])
    with pytest.raises(SpecError, match="aspiration has 3"):
        choose_by_asf(DENT, [0.5, 0.5], aspiration=[1, 2, 3])
    for function in (pseudo_weights, knee_points):
        with pytest.raises(FrontError, match="no points"):
            function(np.zeros((0, 2)))
