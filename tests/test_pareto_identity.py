"""Identities of points: the same through files, subsets, sorting and signs; one for one content."""

import warnings

import numpy as np
import pytest

from morl.pareto import Front
from morl.pareto.identity import digest, identity, is_identity
from morl.spec import FrontError, Objective, SpecError, UnknownNameError

RNG = np.random.default_rng(0)
POINTS = RNG.random((20, 3)) * [1, 100, 1e-3]
COSTS = ["a", Objective("b", minimise=True), Objective("c", "kg")]
KNOWN = Front(POINTS, ["a", "b", "c"], identities=[identity("policy", i) for i in range(20)])


def by_point(front):
    return {tuple(x): id for x, id in zip(front.points.tolist(), front.ids, strict=True)}


@pytest.mark.parametrize("front", [Front(POINTS, COSTS), KNOWN], ids=["of values", "of policies"])
class TestStability:
    def test_sorting_and_subsets(self, front):
        order = RNG.permutation(20)
        shuffled = Front(
            front.points[order],
            front.objectives,
            identities=None if front.identities is None else [front.ids[i] for i in order],
        )
        assert by_point(shuffled) == by_point(front)
        part = front.subset([3, 11, 7])
        assert set(part.ids) == {front.ids[3], front.ids[7], front.ids[11]}
        assert by_point(part).items() <= by_point(front).items()
        assert len(set(front.ids)) == 20
        assert all(map(is_identity, front.ids))

    @pytest.mark.parametrize("suffix", ["json", "csv"])
    def test_files(self, front, suffix, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = Front.load(front.save(tmp_path / f"front.{suffix}"))
        assert loaded.ids == front.ids
        assert np.array_equal(loaded.points, front.points)

    def test_finding(self, front):
        assert front.find(front.ids[5]) == 5
        assert front.find(front.ids[5][:5].upper()) == 5
        with pytest.raises(UnknownNameError, match=f"did you mean .*{front.ids[5]}"):
            front.find(front.ids[5][:-1] + "!")
        with pytest.raises(UnknownNameError, match="unknown point ''"):
            front.find("")


def test_what_is_measured_again_keeps_the_identity_of_its_policy():
    again = KNOWN.replace(points=KNOWN.points + 0.01)
    assert again.ids == KNOWN.ids
    assert Front(POINTS + 0.01).ids != Front(POINTS).ids


def test_costs_and_names_do_not_matter():
    """A table of which somebody says later that a column is a cost has the points that it had."""
    assert set(Front(POINTS * [1, -1, 1], COSTS).ids) == set(Front(POINTS).ids)
    assert Front([[0.0, 1.0]]).ids == Front([[-0.0, 1.0]]).ids


def test_prefixes_of_several():
    front = Front([[1.0], [2.0]], identities=["k3v9x2mt", "k3v9zzzz"])
    assert front.find("k3v9x") == front.ids.index("k3v9x2mt")
    with pytest.raises(SpecError, match="k3v9zzzz, k3v9x2mt"):
        front.find("k3v9")


@pytest.mark.parametrize("ids", [["k3v9x2mt"], ["k3v9x2mt", "12345678"], ["k3v9x2mt", 3], ["k3v9x2mt", "kaaaaaaa"]])
def test_refused(ids):
    with pytest.raises(FrontError, match=r"identit(y is|ies for)"):
        Front([[1.0], [2.0]], identities=ids)


def test_contents_are_told_apart():
    contents = [(1,), (1.0,), ("1",), (np.array([1]),), (1, 1), (np.array([[1, 1]]),), (np.array([1, 1]),), ("1", "1")]
    assert len({digest(*content) for content in contents}) == len(contents)
    assert digest(np.array([1.0, 2.0], dtype=">f8")) == digest(np.array([1.0, 2.0]))


def test_no_two_of_many_collide():
    assert len({identity(i) for i in range(20_000)}) == 20_000


def test_a_column_called_id_that_holds_none_is_an_objective(tmp_path):
    front = Front([[1.0, 2.0]], ["speed", "id"], identities=["k3v9x2mt"])
    loaded = Front.load(front.save(tmp_path / "f.csv"))
    assert loaded.names == ("speed", "id")
    assert loaded.points.tolist() == [[1, 2]]


def test_tables_of_policies_come_back_with_a_file(tmp_path):
    tables = [np.array([0, 1, 2]), np.array([[0.5, 0.5], [1.0, 0.0]])]
    front = Front([[1.0, 2.0], [2.0, 1.0]], policies=tables)
    loaded = Front.load(front.save(tmp_path / "f.json"))
    for here, there in zip(front.policies, loaded.policies, strict=True):
        assert here.dtype == there.dtype
        assert np.array_equal(here, there)
    assert Front.load(front.replace(policies=("a", "b")).save(tmp_path / "g.json")).policies is None
