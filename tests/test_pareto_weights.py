"""Weight sets: counts, the simplex, reproducibility; corner weights against brute force on every scale."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pareto_oracles import brute_force_corners
from strategies import point_sets

from morl.pareto import corner_weights, das_dennis, dirichlet_weights, nondominated, riesz, uniform_weights, weight_set
from morl.spec import FrontError, SpecError


def on_simplex(weights):
    return bool(np.all(weights >= 0) and np.allclose(weights.sum(axis=1), 1.0, atol=1e-12))


class TestSets:
    @pytest.mark.parametrize("k", range(1, 8))
    @pytest.mark.parametrize("partitions", [1, 2, 4])
    def test_lattice(self, k, partitions):
        weights = das_dennis(k, partitions)
        assert weights.shape == (math.comb(k + partitions - 1, k - 1), k)
        assert on_simplex(weights)
        assert np.allclose(weights * partitions, np.round(weights * partitions))
        assert {tuple(row) for row in np.eye(k)} <= {tuple(row) for row in weights}

    @given(st.integers(2, 6), st.integers(6, 300))
    def test_lattice_by_number_is_the_finest_that_fits(self, k, number):
        weights = das_dennis(k, number=number)
        partitions = round(1 / np.min(weights[weights > 0]))
        assert len(weights) <= number < math.comb(k + partitions, k - 1)

    @pytest.mark.parametrize(("k", "number"), [(1, 1), (2, 2), (3, 3), (4, 1), (6, 6), (3, 12)])
    def test_riesz_gives_the_exact_number_and_repeats(self, k, number):
        one, two = (riesz(k, number, np.random.default_rng(4)) for _ in range(2))
        assert one.shape == (number, k)
        assert on_simplex(one)
        assert np.array_equal(one, two)

    def test_riesz_spreads_better_than_chance_and_leaves_global_randomness_alone(self):
        def closest(w):
            gaps = np.linalg.norm(w[:, None] - w[None], axis=2)
            return gaps[~np.eye(len(w), dtype=bool)].min()

        before = np.random.get_state()[1].copy()  # noqa: NPY002
        rng = np.random.default_rng(0)
        spread = weight_set(3, 15, "riesz", rng)
        assert len(spread) == 15
        assert closest(spread) > 5 * np.median([closest(weight_set(3, 15, "uniform", rng)) for _ in range(20)])
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_uniform_has_the_moments_of_the_simplex(self):
        weights = uniform_weights(3, 40_000, np.random.default_rng(1))
        assert on_simplex(weights)
        assert weights.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.005)
        assert weights.var(axis=0) == pytest.approx([1 / 18] * 3, rel=0.03)  # (K − 1) / (K² (K + 1))

    def test_das_dennis_by_name(self):
        assert len(weight_set(3, 12)) == 10

    def test_dirichlet_concentration(self):
        rng = np.random.default_rng(2)
        skewed = dirichlet_weights(2, 20_000, rng, [3.0, 1.0])
        assert skewed.mean(axis=0) == pytest.approx([0.75, 0.25], abs=0.01)
        assert dirichlet_weights(4, 0, rng).shape == (0, 4)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: das_dennis(3), "expected exactly one"),
            (lambda: das_dennis(3, 2, number=5), "expected exactly one"),
            (lambda: das_dennis(3, number=2), "at least 3"),
            (lambda: das_dennis(3, 0), "partitions is 0"),
            (lambda: das_dennis(0, 1), "number of objectives is 0"),
            (lambda: riesz(4, 2, np.random.default_rng(0)), "number of weights is 2"),
            (lambda: uniform_weights(2, -1, np.random.default_rng(0)), "0 or more"),
            (lambda: dirichlet_weights(2, 3, np.random.default_rng(0), [1, 0]), "positive"),
            (lambda: dirichlet_weights(2, 3, np.random.default_rng(0), [1, 1, 1]), "alpha"),
            (lambda: weight_set(2, 5, "best"), "expected das-dennis, riesz or uniform"),
            (lambda: weight_set(2, 5, "riesz"), "give rng"),
        ],
    )
    def test_refusals(self, call, message):
        with pytest.raises(SpecError, match=message):
            call()


class TestCorners:
    def test_two_objectives_by_hand(self):
        # between (0, 4) and (3, 3) the weight solves 4(1 − w) = 3: w = 1/4; between (3, 3) and (4, 0): w = 3/4
        corners = corner_weights([[0, 4], [3, 3], [4, 0], [1, 1], [2, 2.5]])
        assert corners == pytest.approx(np.array([[0, 1], [0.25, 0.75], [0.75, 0.25], [1, 0]]), abs=1e-15)

    def test_an_uneven_front_by_hand(self):
        # (0, 4) and (1, 3.5) tie at 4(1 − w) = w + 3.5(1 − w): w = 1/3; then w + 3.5(1 − w) = 4w: w = 7/13
        corners = corner_weights([[0, 4], [1, 3.5], [4, 0]])
        assert corners[:, 0] == pytest.approx([0, 1 / 3, 7 / 13, 1], abs=1e-15)

    def test_three_unit_vectors_meet_in_the_middle(self):
        expected = [[0, 0, 1], [0, 0.5, 0.5], [0, 1, 0], [1 / 3] * 3, [0.5, 0, 0.5], [0.5, 0.5, 0], [1, 0, 0]]
        assert corner_weights(np.eye(3)) == pytest.approx(np.array(expected), abs=1e-14)

    def test_one_point_or_one_objective_leaves_the_simplex(self):
        assert corner_weights([[1, 2, 3]]).tolist() == np.eye(3)[::-1].tolist()
        assert corner_weights([[1], [2]]).tolist() == [[1.0]]

    @settings(deadline=None, max_examples=60)
    @given(point_sets(low=2, high=6))
    def test_brute_force_with_ties_and_duplicates(self, points):
        found, expected = corner_weights(points), brute_force_corners(nondominated(points))
        assert len(found) == len(expected)
        for w in expected:
            assert np.abs(found - w).max(axis=1).min() < 1e-9

    @pytest.mark.parametrize("k", [2, 3, 4])
    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_every_scale_gives_the_same_weights(self, k, scale):
        points = np.random.default_rng(k).random((12, k)) ** 0.5
        plain, scaled = corner_weights(points), corner_weights(points * scale - 3 * scale)
        assert scaled.shape == plain.shape
        assert scaled == pytest.approx(plain, abs=1e-9)

    @pytest.mark.parametrize("k", [2, 3, 4])
    def test_mixed_units(self, k):
        """Units of 1e-6 and 1e6 side by side: a corner weight transforms as w / unit, made to sum to one."""
        rng = np.random.default_rng(k)
        points, unit = rng.random((12, k)) ** 0.5, np.array([1e-6, 1e6, 1.0, 1e3])[:k]
        expected = corner_weights(points) / unit
        expected /= expected.sum(axis=1, keepdims=True)
        found = corner_weights(points * unit)
        assert len(found) == len(expected)
        back = found * unit / (found * unit).sum(axis=1, keepdims=True)
        for w in corner_weights(points):
            assert np.abs(back - w).max(axis=1).min() < 1e-8

    @settings(deadline=None, max_examples=40)
    @given(point_sets(low=2, high=8, grid=False))
    def test_a_convex_function_above_the_envelope_peaks_at_a_corner(self, points):
        """The theorem behind optimistic linear support, for u(w) = max over points moved by chance."""
        rng = np.random.default_rng(0)
        k = points.shape[1]
        truth = points + 0.1 * rng.random(points.shape)
        gap = lambda w: (w @ truth.T).max(axis=1) - (w @ points.T).max(axis=1)  # noqa: E731
        assert gap(dirichlet_weights(k, 500, rng)).max() <= gap(corner_weights(points)).max() + 1e-9

    def test_many_points_on_a_sphere(self):
        points = np.abs(np.random.default_rng(0).normal(size=(400, 3)))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        corners = corner_weights(points)
        assert on_simplex(corners)
        scores = np.sort(corners @ points.T, axis=1)
        inner = (corners > 1e-9).all(axis=1)
        assert inner.sum() > 400
        assert np.abs(scores[inner, -1] - scores[inner, -3]).max() < 1e-12  # three points tie at each inner corner

    def test_nothing(self):
        with pytest.raises(FrontError, match="no points"):
            corner_weights(np.zeros((0, 2)))
