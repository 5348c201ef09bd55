"""Statistics of repeated runs against closed forms, brute force and scipy."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from morl.spec import SpecError
from morl.studies import statistics
from morl.studies.statistics import (
    METHODS,
    attainment_surfaces,
    holm,
    interval,
    normalise,
    performance_profile,
    permutation_test,
    probability_of_improvement,
    profile_band,
    trimmed_mean,
)

numbers = st.floats(-1e3, 1e3, allow_nan=False)
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
runs = arrays(np.float64, st.integers(1, 12), elements=numbers)


# ---- means and intervals ----------------------------------------------------------------------------------


@relaxed
@given(st.lists(runs, min_size=1, max_size=4), st.sampled_from([0.0, 0.1, 0.25]))
def test_a_trimmed_mean_is_that_of_scipy(scores: list[Any], cut: float) -> None:
    assert trimmed_mean(scores, cut) == pytest.approx(stats.trim_mean(np.concatenate(scores), cut), abs=1e-9)


def test_standard_errors_of_means_are_the_textbook_s() -> None:
    groups = [np.array([1.0, 2.0, 4.0]), np.array([0.0, 10.0])]
    expected = math.sqrt((3 / 5) ** 2 * np.var(groups[0], ddof=1) / 3 + (2 / 5) ** 2 * np.var(groups[1], ddof=1) / 2)
    assert statistics._standard_error(groups, 0.0) == pytest.approx(expected)
    one = np.random.default_rng(0).normal(size=12)  # Tukey & McLaughlin: winsorised deviation / ((1 − 2γ) √n)
    inside = np.clip(one, *np.sort(one)[[3, 8]])
    expected = inside.std(ddof=1) / (0.5 * math.sqrt(12))
    assert statistics._standard_error([one], 0.25) == pytest.approx(expected)


def test_student_s_interval_of_a_mean_is_scipy_s() -> None:
    values = np.random.default_rng(1).normal(size=7)
    found = interval([values], 0.0, method="t")
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_resampled_intervals_are_those_of_scipy() -> None:
    values = np.random.default_rng(2).gamma(2.0, size=25)
    for method, theirs in (("percentile", "percentile"), ("bca", "BCa")):
        found = interval([values], 0.0, method=method, repetitions=20_000)
        other = stats.bootstrap((values,), np.mean, n_resamples=20_000, method=theirs, random_state=5)
        expected = other.confidence_interval
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02 * np.ptp(values))


@relaxed
@given(st.lists(arrays(np.float64, st.integers(2, 8), elements=numbers), min_size=1, max_size=3), st.integers(0, 5))
def test_intervals_stretch_with_the_scores(scores: list[Any], seed: int) -> None:
    for method in METHODS:
        one = interval(scores, method=method, repetitions=50, seed=seed)
        other = interval([4.0 * x for x in scores], method=method, repetitions=50, seed=seed)
        assert one.low <= one.high
        # Exact but for sums in which the smallest numbers are lost.
        stretched = [4.0 * one.value, 4.0 * one.low, 4.0 * one.high]
        assert [other.value, other.low, other.high] == pytest.approx(stretched, rel=1e-6, abs=1e-60)


def test_intervals_say_what_they_cannot_know() -> None:
    one = interval([np.array([3.0])])
    assert (one.value, one.low, one.high) == (3.0, -math.inf, math.inf)
    alike = interval([np.full(5, 2.0), np.full(5, 7.0)])
    assert alike.low == alike.value == alike.high == 4.5
    for bad in ({"method": "guess"}, {"confidence": 1.0}):
        with pytest.raises(SpecError, match="expected"):
            interval([np.arange(5.0)], **bad)  # type: ignore[arg-type]
    for scores in ([], [np.array([])], [np.array([1.0, math.nan])]):
        with pytest.raises(SpecError, match="expected"):
            trimmed_mean(scores)


def test_strata_are_resampled_by_themselves() -> None:
    """Two environments of constant scores have no uncertainty, however far they lie apart; pooled they would."""
    found = interval([np.zeros(5), np.array([1.0, 1.0, 1.0, 1.0, 1.1])], 0.0, method="percentile")
    assert 0.5 <= found.low <= found.high <= 0.55


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    """300 studies of ten seeds of a skewed distribution of known mean; the benchmark runs thousands."""
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(300):
        found = interval([1.0 - rng.gamma(2.0, 0.05, size=10)], 0.0, repetitions=400, seed=seed)
        hits += found.low <= 0.9 <= found.high
    assert hits / 300 > 0.90


# ---- profiles and comparisons -----------------------------------------------------------------------------


@relaxed
@given(st.lists(runs, min_size=1, max_size=3), st.lists(numbers, min_size=1, max_size=5))
def test_a_profile_counts_runs_above_each_level(scores: list[Any], levels: list[float]) -> None:
    expected = [np.mean([np.mean([x > level for x in group]) for group in scores]) for level in levels]
    assert performance_profile(scores, levels) == pytest.approx(expected)
    low, high = profile_band(scores, levels, repetitions=20)
    assert (low <= high).all()


@relaxed
@given(runs, runs)
def test_improvement_is_mann_and_whitney_s(mine: Any, theirs: Any) -> None:
    found = probability_of_improvement([mine], [theirs], repetitions=20)
    expected = stats.mannwhitneyu(mine, theirs).statistic / (len(mine) * len(theirs))
    assert found.value == pytest.approx(expected)
    back = probability_of_improvement([theirs], [mine], repetitions=20)
    assert found.value + back.value == pytest.approx(1.0)


def test_exact_permutations_of_one_environment_are_scipy_s() -> None:
    rng = np.random.default_rng(4)
    for n, m in ((3, 3), (4, 4), (5, 4), (6, 2)):
        a, b = rng.normal(size=n), rng.normal(0.8, size=m)
        assert permutation_test([a], [b]) == pytest.approx(_brute_force([a], [b]))
        if n == m:  # scipy doubles the smaller tail, which is the same where both are alike
            expected = stats.permutation_test(
                (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="independent", n_resamples=np.inf
            ).pvalue
            assert permutation_test([a], [b]) == pytest.approx(expected)


def _brute_force(mine: list[Any], theirs: list[Any]) -> float:
    """Every assignment of labels within environments, one by one."""
    observed = sum(a.mean() - b.mean() for a, b in zip(mine, theirs, strict=True))
    hits = total = 0
    ways = [itertools.combinations(range(len(a) + len(b)), len(a)) for a, b in zip(mine, theirs, strict=True)]
    for chosen in itertools.product(*map(list, ways)):
        value = 0.0
        for a, b, which in zip(mine, theirs, chosen, strict=True):
            pooled = np.concatenate([a, b])
            mask = np.isin(np.arange(len(pooled)), which)
            value += pooled[mask].mean() - pooled[~mask].mean()
        hits += abs(value) >= abs(observed) - 1e-9
        total += 1
    return hits / total


def test_permutations_stay_within_environments() -> None:
    rng = np.random.default_rng(5)
    mine = [rng.normal(size=3), rng.normal(5.0, size=3)]
    theirs = [rng.normal(size=3), rng.normal(5.5, size=3)]
    assert permutation_test(mine, theirs) == pytest.approx(_brute_force(mine, theirs))
    with pytest.raises(SpecError, match="expected the same ones"):
        permutation_test(mine, theirs[:1])


def test_drawn_permutations_come_near_the_enumerated_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    mine, theirs = [rng.normal(size=6)], [rng.normal(1.0, size=6)]
    exact = permutation_test(mine, theirs)
    monkeypatch.setattr(statistics, "_EXACT", 900)  # below the 924 ways
    assert permutation_test(mine, theirs) == pytest.approx(exact, abs=4 * math.sqrt(exact / 900) + 2e-3)
    assert permutation_test([np.full(20, 9.0)], [np.zeros(20)]) == pytest.approx(1 / 901)


@relaxed
@given(st.lists(st.floats(0.0, 1.0), max_size=8))
def test_holm_s_correction_is_its_definition(p_values: list[float]) -> None:
    found = holm(p_values)
    assert found.shape == (len(p_values),)
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for i in range(len(p_values)):
        before = ranked[: ranked.index(i) + 1]
        expected = max(min(1.0, p_values[j] * (len(p_values) - rank)) for rank, j in enumerate(before))
        assert found[i] == pytest.approx(expected)


def test_normalised_scores_are_between_nothing_and_the_front() -> None:
    assert normalise([2.0, 3.0, 6.0], 2.0, 4.0).tolist() == [0.0, 0.5, 2.0]
    assert normalise([0.5, 0.0], 1.0, 0.0).tolist() == [0.5, 1.0]  # less is better
    with pytest.raises(SpecError, match="cannot be normalised"):
        normalise([1.0], 3.0, 3.0)


# ---- attainment surfaces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3])
def test_surfaces_are_attained_by_their_share_of_fronts(k: int) -> None:
    rng = np.random.default_rng(7)
    fronts = [rng.integers(0, 5, size=(rng.integers(1, 6), k)).astype(float) for _ in range(5)]
    probes = np.array(list(itertools.product(np.arange(-0.5, 6.0, 1.0), repeat=k)))

    def attains(points: Any) -> Any:
        return (points[None] >= probes[:, None]).all(axis=2).any(axis=1)

    counted = np.sum([attains(front) for front in fronts], axis=0)
    for share, surface in attainment_surfaces(fronts, [0.2, 0.5, 0.6, 1.0]).items():
        assert (attains(surface) == (counted >= share * 5 - 1e-9)).all()


def test_surfaces_of_what_has_none_are_refused() -> None:
    for fronts in ([], [np.zeros((0, 2))], [np.zeros((2, 4))]):
        with pytest.raises(SpecError, match="expected at least one"):
            attainment_surfaces(fronts, [0.5])
    with pytest.raises(SpecError, match=r"in \(0, 1\]"):
        attainment_surfaces([np.zeros((1, 2))], [0.0])
