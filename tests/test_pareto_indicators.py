"""Indicators: hand-computed values, brute-force oracles, and the invariances that each must have."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pareto_oracles import inclusion_exclusion_hypervolume, slow_epsilon, slow_igd_plus, slow_margin, slow_nondominated
from strategies import point_sets

from morl.pareto import (
    Front,
    additive_epsilon,
    cardinality,
    das_dennis,
    dirichlet_weights,
    expected_utility,
    hypervolume,
    hypervolume_contributions,
    igd_plus,
    maximum_utility_loss,
    nondominated,
    nondominated_mask,
    r2,
    spacing,
)
from morl.spec import FrontError, SpecError

STEPS = [[1.0, 3.0], [3.0, 1.0]]


class TestByHand:
    def test_hypervolume_of_two_overlapping_rectangles(self):
        assert hypervolume(STEPS, [0, 0]) == 3 + 3 - 1

    def test_hypervolume_of_one_cube_and_of_nothing(self):
        assert hypervolume([[2, 3, 4]], [1, 1, 1]) == 1 * 2 * 3
        assert hypervolume([[0, 0]], [1, 1]) == 0
        assert hypervolume(np.zeros((0, 2)), [0, 0]) == 0

    def test_contributions(self):
        assert hypervolume_contributions(STEPS, [0, 0]).tolist() == [2, 2]

    def test_epsilon_and_igd_plus(self):
        reference = [[1.0, 2.0], [3.0, 0.0]]
        assert additive_epsilon([[1, 1]], reference) == 2.0  # (3, 0) is missed by 2 in objective 0
        assert igd_plus([[1, 1]], reference) == (1.0 + 2.0) / 2
        assert additive_epsilon([[4, 3]], reference) == -1.0  # beyond the reference by 1 everywhere

    def test_nothing_is_infinitely_far(self):
        empty = np.zeros((0, 2))
        assert additive_epsilon(empty, STEPS) == igd_plus(empty, STEPS) == maximum_utility_loss(empty, STEPS) == np.inf

    def test_spacing_of_nearest_city_block_distances(self):
        # nearest distances: 2, 2, 4 (mean 8/3): deviations 2/3, 2/3, 4/3
        expected = np.sqrt((4 / 9 + 4 / 9 + 16 / 9) / 3)
        assert spacing([[0, 4], [1, 3], [3, 1]]) == pytest.approx(expected)
        assert spacing([[0, 4], [3, 1]]) == 0.0

    def test_cardinality_counts_distinct_undominated_points(self):
        assert cardinality([[1, 3], [3, 1], [1, 3], [0, 0]]) == 2

    def test_expected_utility_with_given_weights(self):
        assert expected_utility([[4, 0], [0, 2]], [[1, 0], [0, 1], [0.5, 0.5]]) == pytest.approx((4 + 2 + 2) / 3)

    def test_r2_is_the_integral_over_all_weights(self):
        # for one point with losses (2, 1) the integral of max(2w, 1 − w): 5/18 + 8/9 = 7/6
        assert r2([[0, 1]], [2, 2]) == pytest.approx(7 / 6)
        assert r2([[0, 1]], [2, 2], weights=[[0.5, 0.5]]) == 1.0
        assert r2([[1, 1, 1]], [1, 1, 1]) == 0.0

    def test_utility_loss_is_largest_where_the_hull_dips_furthest(self):
        assert maximum_utility_loss([[1, 0], [0, 1]], [[0.75, 0.75]]) == 0.25
        # for (2/3, 2/3, 0): the loss at w is 2/3(w0+w1) − max(w0, w1, w2), largest at (1/2, 1/2, 0): 1/6
        assert maximum_utility_loss(np.eye(3), [[2 / 3, 2 / 3, 0]]) == pytest.approx(1 / 6)
        assert maximum_utility_loss(STEPS, [[2, 2]]) == 0.0  # on the hull: no linear preference loses


class TestAgainstOracles:
    @given(point_sets())
    def test_nondominated(self, points):
        assert nondominated_mask(points).tolist() == slow_nondominated(points)

    @given(point_sets())
    def test_hypervolume(self, points):
        ref = np.full(points.shape[1], 0.5)
        assert hypervolume(points, ref) == pytest.approx(inclusion_exclusion_hypervolume(points, ref), abs=1e-9)

    @given(st.data(), st.integers(2, 4))
    def test_epsilon_and_igd_plus(self, data, k):
        points, reference = data.draw(point_sets(k=k)), data.draw(point_sets(k=k))
        assert additive_epsilon(points, reference) == pytest.approx(slow_epsilon(points, reference))
        assert igd_plus(points, reference) == pytest.approx(slow_igd_plus(points, reference))

    @settings(deadline=None, max_examples=40)
    @given(st.data(), st.integers(2, 4))
    def test_utility_loss_by_corner_weights_equals_linear_programs_and_bounds_every_weight(self, data, k):
        points, reference = data.draw(point_sets(k=k, grid=False)), data.draw(point_sets(k=k, grid=False))
        loss = maximum_utility_loss(points, reference)
        assert loss == pytest.approx(max(-slow_margin(points, t) for t in reference), abs=1e-7)
        grid = dirichlet_weights(k, 300, np.random.default_rng(0), 0.7)
        assert loss >= maximum_utility_loss(points, reference, grid) - 1e-9

    def test_expected_utility_is_the_integral(self):
        # quarter circle: u(w) = |w|, the integral of sqrt(w² + (1 − w)²) over [0, 1] in closed form
        angle = np.linspace(0, np.pi / 2, 2001)
        exact = 0.5 + np.arcsinh(1.0) / (2 * np.sqrt(2.0))
        assert expected_utility(np.column_stack([np.cos(angle), np.sin(angle)])) == pytest.approx(exact, abs=1e-6)

    @pytest.mark.parametrize("k", [3, 4, 5, 8])
    def test_expected_utility_of_unit_vectors_is_the_mean_of_the_largest_weight(self, k):
        # for a uniform point of the simplex the mean of the largest share is (1 + 1/2 + … + 1/K) / K
        exact = sum(1 / i for i in range(1, k + 1)) / k
        assert expected_utility(np.eye(k)) == pytest.approx(exact, rel=0.002)
        assert expected_utility(np.ones((1, k))) == pytest.approx(1.0)

    def test_r2_on_a_lattice_approaches_the_exact_integral(self):
        points = np.random.default_rng(3).random((6, 2))
        exact = r2(points, [1, 1])
        assert r2(points, [1, 1], das_dennis(2, 2000)) == pytest.approx(exact, abs=1e-3)


class TestInvariances:
    @given(point_sets(), st.randoms())
    def test_order_duplicates_and_dominated_points_do_not_matter(self, points, random):
        ref = np.full(points.shape[1], -1.0)
        shuffled = points[random.sample(range(len(points)), len(points))]
        worse = np.vstack([shuffled, points, points - 0.5])
        for measure in (lambda p: hypervolume(p, ref), expected_utility, cardinality):
            assert measure(worse) == pytest.approx(measure(points))

    @given(point_sets(grid=False), st.floats(0.01, 100), st.floats(-50, 50))
    def test_scale_and_shift(self, points, factor, shift):
        k, ref = points.shape[1], np.full(points.shape[1], -0.5)
        moved, reference = points * factor + shift, np.ones((1, k))
        assert hypervolume(moved, ref * factor + shift) == pytest.approx(hypervolume(points, ref) * factor**k, rel=1e-6)
        assert additive_epsilon(moved, reference * factor + shift) == pytest.approx(
            additive_epsilon(points, reference) * factor, rel=1e-6, abs=1e-6
        )

    @given(point_sets(grid=False))
    def test_a_set_is_perfect_against_itself(self, points):
        assert additive_epsilon(points, points) == igd_plus(points, points) == 0.0
        assert maximum_utility_loss(points, points) == pytest.approx(0.0, abs=1e-12)

    @given(st.data(), st.integers(2, 3))
    def test_more_points_are_never_worse(self, data, k):
        points, extra, reference = (data.draw(point_sets(k=k)) for _ in range(3))
        more, ref = np.vstack([points, extra]), np.zeros(k)
        assert hypervolume(more, ref) >= hypervolume(points, ref)
        assert additive_epsilon(more, reference) <= additive_epsilon(points, reference)
        assert igd_plus(more, reference) <= igd_plus(points, reference) + 1e-12
        assert expected_utility(more) >= expected_utility(points) - 1e-12

    def test_inputs_stay_as_they_were(self):
        points, ref = np.array(STEPS), np.array([0.0, 0.0])
        points.flags.writeable = ref.flags.writeable = False
        before = points.copy()
        hypervolume(points, ref)
        igd_plus(points, points)
        additive_epsilon(points, points)
        maximum_utility_loss(points, points)
        expected_utility(points)
        r2(points, [5, 5])
        spacing(points)
        nondominated(points)
        assert np.array_equal(points, before)

    def test_a_front_may_stand_for_its_points(self):
        assert hypervolume(Front(STEPS), [0, 0]) == 5.0
        assert igd_plus(Front([[0, 0]]), Front([[3, 4]])) == 5.0


class TestRefusals:
    def test_nan_names_point_and_objective(self):
        with pytest.raises(FrontError, match="point 1 has nan in objective 0"):
            hypervolume([[1, 2], [np.nan, 3]], [0, 0])

    def test_shapes(self):
        with pytest.raises(FrontError, match="have 3 objectives; expected 2"):
            igd_plus([[1, 2, 3]], STEPS)
        with pytest.raises(SpecError, match="reference point has 3 numbers; expected 2"):
            hypervolume(STEPS, [0, 0, 0])
        with pytest.raises(FrontError, match=r"shape \(2,\)"):
            nondominated([1.0, 2.0])
        with pytest.raises(FrontError, match="not a table"):
            nondominated([["a", "b"]])

    def test_nothing_to_measure(self):
        with pytest.raises(FrontError, match="the reference front is empty"):
            igd_plus(STEPS, np.zeros((0, 2)))
        for function in (expected_utility, lambda p: r2(p, [1, 1])):
            with pytest.raises(FrontError, match="no points"):
                function(np.zeros((0, 2)))

    def test_weights_off_the_simplex(self):
        with pytest.raises(FrontError, match="weights 1 are"):
            expected_utility(STEPS, [[0.5, 0.5], [0.7, 0.7]])

    def test_a_point_beyond_the_ideal(self):
        with pytest.raises(FrontError, match="exceeds the ideal"):
            r2([[2, 0]], [1, 1])

    def test_no_warning_on_the_way(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spacing([[0, 4], [1, 3], [3, 1]])
            maximum_utility_loss(np.random.default_rng(0).random((30, 3)), np.ones((1, 3)))


class TestContributions:
    @given(st.data(), st.integers(1, 4))
    def test_each_is_what_the_hypervolume_loses(self, data, k):
        points, ref = data.draw(point_sets(k=k)), np.full(k, 0.5)  # a grid: ties, dominated points, points outside
        whole = hypervolume(points, ref)
        lost = [whole - hypervolume(np.delete(points, i, axis=0), ref) for i in range(len(points))]
        assert hypervolume_contributions(points, ref) == pytest.approx(lost, abs=1e-9)

    def test_a_dominated_point_takes_some_of_the_loss(self):
        assert hypervolume_contributions([[1, 3], [3, 1], [2, 0.5]], [0, 0]).tolist() == [2.0, 1.5, 0.0]

    def test_one_objective(self):
        assert hypervolume_contributions([[1], [4], [2], [-3]], [0]).tolist() == [0, 2, 0, 0]
        assert hypervolume_contributions([[4], [4]], [0]).tolist() == [0, 0]
        assert hypervolume_contributions([[4]], [5]).tolist() == [0]


@pytest.mark.parametrize("measure", [hypervolume, hypervolume_contributions], ids=["all", "each"])
@pytest.mark.parametrize("form", [np.asfortranarray, lambda p: np.repeat(p, 2, axis=1)[:, ::2], np.ma.array, list])
def test_the_layout_in_memory_does_not_matter(measure, form):
    points = np.random.default_rng(1).random((7, 3))
    assert np.array_equal(measure(form(points), np.zeros(3)), measure(points, np.zeros(3)))
    grid = (8 * points).astype(np.int32)
    assert np.array_equal(measure(grid, np.zeros(3)), measure(grid.astype(float), np.zeros(3)))


class TestWhatIsNotATable:
    @pytest.mark.parametrize("build", [nondominated, lambda p: hypervolume(p, [0, 0]), spacing, Front])
    @pytest.mark.parametrize(
        ("points", "message"),
        [
            (np.ma.array([[1.0, 2], [3, 4]], mask=[[0, 0], [1, 0]]), r"masked at \[1, 0\]; drop the masked rows"),
            ([np.ma.array([1.0, 2.0], mask=[0, 1])], "masked"),
            ([[1 + 0j, 2]], "complex numbers"),
            ([["1", "2"]], "text"),
            ([[10**400, 1]], "not a table of numbers"),
            ([[1, 2], [3]], "not a table of numbers"),
        ],
    )
    def test_it_is_refused_by_name(self, build, points, message):
        with pytest.raises(FrontError, match=message):
            build(points)
