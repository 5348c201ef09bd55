"""The archive keeps exactly the non-dominated points, whatever the order, each with its payload."""

import numpy as np
import pytest
from hypothesis import given
from pareto_oracles import point_sets, slow_nondominated

from morl.pareto import ParetoArchive
from morl.spec import FrontError, SpecError


@given(point_sets(high=30))
def test_one_by_one_equals_all_at_once_equals_the_filter(points):
    one, many = ParetoArchive(points.shape[1]), ParetoArchive(points.shape[1])
    for i, p in enumerate(points):
        one.add(p, i)
    many.extend(points, list(range(len(points))))
    expected = np.flatnonzero(slow_nondominated(points)).tolist()
    assert sorted(one.payloads) == sorted(many.payloads) == expected
    for archive in (one, many):
        assert all(np.array_equal(points[i], p) for p, i in archive)


def test_growth_beyond_the_first_block():
    archive = ParetoArchive(2)
    for i in range(100):
        assert archive.add([i, -i], f"policy {i}")
    assert len(archive) == 100
    assert archive.add([200, 0], "all but nothing")
    assert archive.payloads == ["all but nothing"]


def test_tolerance_asks_for_progress():
    archive = ParetoArchive(2, tolerance=[0.1, 0.0])
    assert archive.add([1.0, 1.0], "a")
    assert not archive.add([1.05, 1.0], "too close")
    assert archive.add([1.2, 1.0], "b")
    assert archive.payloads == ["b"]
    assert archive.covers([1.25, 1.0])
    assert not archive.covers([1.25, 1.1])


def test_front_carries_payloads_sorted_along():
    archive = ParetoArchive(2)
    archive.extend([[1, 3], [3, 1], [0, 0]], ["a", "b", "c"])
    front = archive.front(["x", "y"], discount=0.9)
    assert front.points.tolist() == [[3, 1], [1, 3]]
    assert front.policies == ("b", "a")
    assert front.discount == 0.9
    assert len(ParetoArchive(3).front()) == 0


def test_points_are_copies_and_inputs_stay():
    archive, point = ParetoArchive(2), np.array([1.0, 2.0])
    archive.add(point, None)
    point[0] = 9.0
    archive.points[0, 0] = 7.0
    assert archive.points.tolist() == [[1.0, 2.0]]


def test_refusals():
    archive = ParetoArchive(2)
    with pytest.raises(FrontError, match="point has nan at position 1"):
        archive.add([1, np.nan], None)
    with pytest.raises(FrontError, match="point has 3 numbers"):
        archive.add([1, 2, 3], None)
    with pytest.raises(FrontError, match="1 payloads for 2 points"):
        archive.extend([[1, 2], [2, 1]], ["a"])
    with pytest.raises(SpecError, match="number of objectives is 0"):
        ParetoArchive(0)
    with pytest.raises(SpecError, match="tolerance"):
        ParetoArchive(2, tolerance=-1)
