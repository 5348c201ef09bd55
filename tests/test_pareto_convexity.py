"""Supported points and the mixtures that beat the others, each claim checked by its own certificate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pareto_oracles import slow_margin
from strategies import point_sets

from morl.pareto import Front, dirichlet_weights, dominating_mixture, mixture_margins, supported_mask
from morl.pareto.convexity import _unit
from morl.pareto.mixtures import best_mixtures
from morl.spec import FrontError

# Published returns of the fifteen Pareto-optimal stationary policies of the scientific-discovery problem.
DISCOVERY = np.array(
    [
        [0.3705, -7.7681, 0.0806],
        [0.3511, -6.5185, 0.0763],
        [0.3328, -5.5322, 0.0723],
        [0.2374, -7.1244, 0.4240],
        [0.2250, -5.8089, 0.4018],
        [0.2132, -4.7707, 0.3807],
        [0.1778, -3.8401, 0.0808],
        [0.1436, -4.1492, 0.4488],
        [0.1361, -2.9895, 0.4253],
        [0.1250, -6.4467, 0.8926],
        [0.1184, -5.0620, 0.8458],
        [0.1122, -3.9692, 0.8015],
        [0.0756, -3.3149, 0.9448],
        [0.0716, -2.0942, 0.8953],
        [0.0, 0.0, 1.0],
    ]
)


def test_by_hand():
    points = [[0, 4], [1, 1], [2, 2], [4, 0], [3, 1.5]]
    # the hull runs (0, 4), (3, 1.5), (4, 0): at (2, 2) its height along (1, 1) is above by 2/11
    assert supported_mask(points).tolist() == [True, False, False, True, True]
    assert mixture_margins(points)[2] == pytest.approx(2 / 11 / 4)


def test_a_point_on_a_face_counts_as_supported():
    assert supported_mask([[0, 2], [1, 1], [2, 0]]).all()
    assert supported_mask(np.vstack([np.eye(3), [[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]]])).all()


def test_discovery_has_seven_supported_points():
    mask = supported_mask(DISCOVERY)
    assert np.flatnonzero(mask).tolist() == [0, 1, 2, 9, 12, 13, 14]
    scaled = (DISCOVERY - [0, -12, 0]) / [0.5, 12, 1]  # the problem's own scale of returns
    margins = [slow_margin(scaled, scaled[i]) for i in np.flatnonzero(~mask)]
    assert [round(min(margins), 3), round(max(margins), 3)] == [0.005, 0.074]


def test_ends_of_every_axis_are_supported():
    assert supported_mask([[5.0, 1.0]]).tolist() == [True]
    assert supported_mask(np.zeros((0, 3))).tolist() == []
    assert supported_mask([[1.0], [3.0], [3.0]]).tolist() == [False, True, True]
    assert supported_mask([[1, 0, 0], [1, 0, 0]]).tolist() == [True, True]


@settings(deadline=None, max_examples=50)
@given(point_sets(low=2, high=8, grid=False), st.integers(0, 7))
def test_a_mixture_is_a_proof(points, index):
    index %= len(points)
    mixture = dominating_mixture(points, index)
    assert (mixture is None) == bool(supported_mask(points)[index])
    if mixture is not None:
        assert mixture.weights.min() >= 0
        assert mixture.weights.sum() == pytest.approx(1)
        assert mixture.weights[index] == 0
        assert mixture.weights @ points == pytest.approx(mixture.value)
        assert np.all(mixture.value > points[index])
        assert mixture.gains / np.ptp(points, axis=0) == pytest.approx(
            np.maximum(mixture.gains / np.ptp(points, axis=0), mixture.margin)
        )


@settings(deadline=None, max_examples=50)
@given(point_sets(low=2, high=9))
def test_whatever_random_weights_find_is_supported(points):
    best = np.argmax(dirichlet_weights(points.shape[1], 200, np.random.default_rng(0)) @ points.T, axis=1)
    assert supported_mask(points)[best].all()


@settings(deadline=None, max_examples=80)
@given(point_sets(low=1, high=9), st.booleans())
def test_margins_agree_with_a_plain_linear_program_for_each_point(points, twice):
    points = np.vstack([points, points]) if twice else points  # ties and duplicates; the grid brings planes
    unit = _unit(points)
    assert mixture_margins(points) == pytest.approx([slow_margin(unit, x) for x in unit], abs=1e-8)


class TestMixturesAtOnce:
    @pytest.mark.parametrize("k", [1, 2, 3, 4, 6, 9])
    @pytest.mark.parametrize("shape", ["sphere", "dent", "noisy", "grid", "plane", "line", "twins"])
    def test_each_answer_is_proved_and_agrees_with_a_plain_linear_program(self, k, shape):
        rng = np.random.default_rng(7 * k + len(shape))
        points = np.abs(rng.normal(size=(60, k)))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        if shape == "dent":
            points = points**3
        elif shape == "noisy":
            points = points * (1 + 0.1 * rng.normal(size=(60, 1)))
        elif shape == "grid":
            points = rng.integers(0, 3, size=(60, k)).astype(float)
        elif shape == "plane":
            points = rng.dirichlet(np.ones(k), 60)
        elif shape == "line":
            points = np.linspace(0, 1, 60)[:, None] * rng.normal(size=k)
        elif shape == "twins":
            points = np.repeat(points[:12], 5, axis=0)
        unit = _unit(points)
        found = best_mixtures(unit, unit)
        mixed = np.einsum("mj,mjk->mk", found.shares, unit[found.members])
        assert found.shares.min() >= 0
        assert found.shares.sum(axis=1) == pytest.approx(np.ones(60))
        assert found.weights.min() >= 0
        assert found.weights.sum(axis=1) == pytest.approx(np.ones(60))
        assert (mixed - unit).min(axis=1) == pytest.approx(found.margins, abs=1e-12)  # the mixture attains it
        upper = (found.weights @ unit.T).max(axis=1) - (found.weights * unit).sum(axis=1)
        assert upper == pytest.approx(found.margins, abs=1e-9)  # and no mixture does better under this weight
        for i in range(0, 60, 7):
            assert found.margins[i] == pytest.approx(slow_margin(unit, unit[i]), abs=1e-8)

    def test_what_does_not_converge_is_solved_by_highs(self, monkeypatch):
        monkeypatch.setattr("morl.pareto.mixtures.GAP", -1.0)  # nothing counts as proved
        points = np.random.default_rng(0).random((12, 3))
        assert best_mixtures(points, points).margins == pytest.approx([slow_margin(points, x) for x in points])

    @pytest.mark.parametrize(("n", "k"), [(1000, 6), (5000, 3)])
    def test_large_fronts_need_no_linear_program_per_point(self, n, k, monkeypatch):
        """Seconds are the machine's; that HiGHS is not called for any of the points is not."""

        def never(*_):
            raise AssertionError("a linear program of its own")

        monkeypatch.setattr("morl.pareto.mixtures.mixture_by_highs", never)
        points = np.abs(np.random.default_rng(0).normal(size=(n, k)))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        half = n // 2
        points[:half] *= 0.8
        mask = supported_mask(points)
        assert mask[half:].all()
        assert mask[:half].mean() < 0.2


@settings(deadline=None, max_examples=50)
@given(point_sets(low=2, high=8), st.lists(st.sampled_from([1e-6, 1.0, 1e6]), min_size=4, max_size=4))
def test_units_do_not_matter(points, units):
    unit = np.array(units)[: points.shape[1]]
    assert supported_mask(points * unit).tolist() == supported_mask(points).tolist()


def test_more_points_than_corner_weights_are_good_for():
    rng = np.random.default_rng(0)
    points = np.abs(rng.normal(size=(70, 7)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = np.vstack([points, 0.5 * points[:5] + 0.5 * points[5:10] - 1e-3])
    assert np.flatnonzero(~supported_mask(points)).tolist() == list(range(70, 75))


def test_front_is_classified():
    front = Front(DISCOVERY, ["accuracy", "money", "interpretability"])
    assert front.supported is None
    assert front.classified().supported.sum() == 7


def test_unknown_point():
    with pytest.raises(FrontError, match="point 3 does not exist"):
        dominating_mixture([[1, 2], [2, 1]], 3)
