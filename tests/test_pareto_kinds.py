"""Supported, non-convex, dominated or within noise: sampled fronts of known shape, many times over."""

import numpy as np
import pytest
from hypothesis import given
from pareto_oracles import slow_nondominated
from strategies import point_sets

from morl.pareto import Front, compare, supported_mask
from morl.spec import FrontError


def sampled(truth, deviation, episodes, rng):
    """A front as an evaluator makes it: means of normal episodes around the truth, with their covariances."""
    draws = truth[:, None, :] + deviation * rng.normal(size=(len(truth), episodes, truth.shape[1]))
    covariance = [np.cov(x.T).reshape(truth.shape[1], -1) / episodes for x in draws]
    return Front(draws.mean(axis=1), covariance=covariance, episodes=[episodes] * len(truth))


def arc(n):
    angle = np.linspace(0, np.pi / 2, n)
    return np.column_stack([np.cos(angle), np.sin(angle)])


SHAPES = {
    "a convex arc": arc(12),
    "a straight line, where every point is on the edge": np.column_stack(
        [np.linspace(0, 1, 15), np.linspace(1, 0, 15)]
    ),
    "a flat triangle": np.random.default_rng(5).dirichlet(np.ones(3), 15),
}


class TestSampledFronts:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("episodes", [5, 50])
    def test_a_convex_front_is_rarely_called_non_convex(self, shape, episodes):
        """At most one front in twenty (none to two of 200 when measured; the line is the hardest case)."""
        rng = np.random.default_rng(1)
        wrong = sum("non-convex" in sampled(SHAPES[shape], 0.3, episodes, rng).kinds for _ in range(200))
        assert wrong <= 10

    @pytest.mark.parametrize("episodes", [5, 50])
    def test_its_plain_classification_would_be(self, episodes):
        rng = np.random.default_rng(1)
        fronts = [sampled(arc(12), 0.3, episodes, rng) for _ in range(20)]
        assert sum((~supported_mask(f.nondominated().points)).any() for f in fronts) >= 15
        assert all(f.classified().supported.all() for f in fronts)

    def test_a_dent_deeper_than_the_noise_is_found(self):
        """The dent is 0.2 deep in both objectives, 40 standard errors of a mean."""
        truth, rng = np.array([[0, 1], [0.3, 0.3], [1, 0], [0.1, 0.1]]), np.random.default_rng(2)
        for _ in range(20):
            front = sampled(truth, 0.05, 100, rng)
            assert sorted(front.kinds) == ["dominated", "non-convex", "supported", "supported"]
            assert front.classified().supported.tolist() == [k == "supported" for k in front.kinds]

    def test_more_episodes_decide_what_few_leave_open(self):
        truth, rng = np.array([[0, 1], [0.42, 0.42], [1, 0.0]]), np.random.default_rng(3)
        few = [sampled(truth, 0.3, 20, rng).kinds for _ in range(10)]
        many = [sampled(truth, 0.3, 20_000, rng).kinds[1] for _ in range(10)]
        assert not any("non-convex" in kinds for kinds in few)
        assert many == ["non-convex"] * 10

    def test_a_point_dominated_by_less_than_the_noise(self):
        front = Front([[1, 0], [0.5, 0.5], [0.49, 0.49], [0, 1]], covariance=[np.eye(2) * 0.01] * 4, episodes=[30] * 4)
        assert front.kinds == ("supported", "supported", "within noise", "supported")

    def test_exact_points_of_a_sampled_front_have_no_noise(self):
        covariance = np.zeros((3, 2, 2))
        assert Front([[0, 4], [1.9, 1.9], [4, 0]], covariance=covariance, episodes=[0] * 3).kinds[1] == "non-convex"

    def test_tables_count_them_apart(self):
        noisy = Front([[0, 4], [1.9, 1.9], [4, 0]], covariance=[np.eye(2)] * 3, episodes=[9] * 3, discount=1.0)
        truth = Front([[0, 4], [1.9, 1.9], [4, 0]], discount=1.0)
        row = compare(truth, noisy)[0]
        assert (row.supported, row.non_convex, row.within_noise) == (2, 0, 1)
        assert "within noise: points of front 1 1" in str(compare(truth, noisy))


class TestExactFronts:
    @given(point_sets(low=1, high=8))
    def test_by_definition(self, points):
        front = Front(points)
        best = slow_nondominated(np.unique(front.points, axis=0))
        undominated = {tuple(p) for p, keep in zip(np.unique(front.points, axis=0), best, strict=True) if keep}
        for point, kind, found in zip(front.points, front.kinds, supported_mask(front.points), strict=True):
            assert (kind == "dominated") == (tuple(point) not in undominated)
            assert kind == "dominated" or (kind == "supported") == found
        assert "within noise" not in front.kinds

    def test_equal_points_are_of_one_kind(self):
        assert Front([[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]).kinds == (*["supported"] * 4, "dominated")

    def test_what_a_solver_says_is_kept(self):
        front = Front([[0, 2], [1, 1], [2, 0]], supported=[True, False, True])  # on the edge: ties are its to break
        assert front.kinds == ("supported", "non-convex", "supported")

    def test_none_and_one(self):
        assert Front(np.zeros((0, 2)), ["a", "b"]).kinds == ()
        assert Front([[1.0]]).kinds == ("supported",)

    def test_computed_once(self, monkeypatch):
        front = Front(np.random.default_rng(0).random((5, 3)))
        first = front.kinds
        monkeypatch.setattr("morl.pareto.kinds.kinds_of", None)
        assert front.kinds is first


def test_noise_of_another_shape():
    with pytest.raises(FrontError, match=r"noise has shape \(1, 2\); expected \(2, 2\)"):
        supported_mask([[1, 2], [2, 1]], noise=[[0.1, 0.1]])
