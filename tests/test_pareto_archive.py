"""The archive keeps exactly the non-dominated candidates, whatever the order, and the least crowded of too many."""

import numpy as np
import pytest
from hypothesis import given
from pareto_oracles import slow_nondominated
from strategies import point_sets

from morl.pareto import ParetoArchive
from morl.pareto.archive import crowding
from morl.spec import FrontError, SpecError


@given(point_sets(high=30))
def test_it_keeps_what_the_filter_keeps_in_any_order(points):
    forward, backward = ParetoArchive(points.shape[1]), ParetoArchive(points.shape[1])
    for i, p in enumerate(points):
        forward.add(p, i)
    for i in reversed(range(len(points))):
        backward.add(points[i], i)
    assert sorted(forward.payloads) == np.flatnonzero(slow_nondominated(points)).tolist()
    assert sorted(map(tuple, backward.values.tolist())) == sorted(map(tuple, forward.values.tolist()))
    assert all(np.array_equal(points[item.payload], item.value) for item in forward.items)


@given(point_sets(high=30))
def test_a_full_archive_keeps_extremes_and_nothing_dominated(points):
    k = points.shape[1]
    archive = ParetoArchive(k, capacity=2 * k + 1)
    for i, p in enumerate(points):
        archive.add(p, i)
    assert len(archive) <= 2 * k + 1
    assert all(slow_nondominated(archive.values))
    if k == 2 and len(points):  # with more objectives equal extremes may push each other out
        assert np.array_equal(archive.values.max(axis=0), points.max(axis=0))


def test_a_better_point_ends_many():
    archive = ParetoArchive(2)
    for i in range(100):
        assert archive.add([i, -i], f"policy {i}")
    assert len(archive) == 100
    assert archive.add([200, 0], "all but nothing")
    assert archive.payloads == ["all but nothing"]


def test_capacity_drops_the_most_crowded():
    archive = ParetoArchive(2, capacity=3)
    for i, value in enumerate([[0.0, 3.0], [3.0, 0.0], [1.0, 2.5], [1.1, 2.4]]):
        archive.add(value, i)
    assert len(archive) == 3
    assert {0.0, 3.0} <= set(archive.values[:, 0])


def test_crowding_of_evenly_spread_points() -> None:
    values = np.array([[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]])
    assert crowding(values).tolist() == [np.inf, 1.0, 1.5, np.inf]


def test_front_carries_payloads_sorted_along():
    archive = ParetoArchive(2)
    for value, name in zip([[1, 3], [3, 1], [0, 0]], "abc", strict=True):
        archive.add(value, name)
    front = archive.front(["x", "y"], discount=0.9)
    assert front.points.tolist() == [[3, 1], [1, 3]]
    assert front.policies == ("b", "a")
    assert front.discount == 0.9
    assert len(ParetoArchive(3).front()) == 0


def test_values_are_copies_and_inputs_stay():
    archive, point = ParetoArchive(2), np.array([1.0, 2.0])
    archive.add(point, None)
    point[0] = 9.0
    archive.values[0, 0] = 7.0
    assert archive.values.tolist() == [[1.0, 2.0]]


def test_refusals():
    archive = ParetoArchive(2)
    with pytest.raises(FrontError, match="value has nan at position 1"):
        archive.add([1, np.nan], None)
    with pytest.raises(FrontError, match="value has 3 numbers"):
        archive.add([1, 2, 3], None)
    with pytest.raises(SpecError, match="number of objectives is 0"):
        ParetoArchive(0)
    with pytest.raises(SpecError, match="capacity is 0; expected at least 1"):
        ParetoArchive(2, capacity=0)
