"""Statistics of repeated runs: interquartile means, bootstrap intervals, profiles, tests, attainment surfaces.

Scores are given as strata: one array ``(n_i,)`` of runs (seeds) for each environment. Resampling is stratified: within
an environment, runs stand for each other; across environments they do not (Agarwal et al., 2021, "Deep reinforcement
learning at the edge of the statistical precipice").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from morl.spec import FloatArray, SpecError

Strata = Sequence[ArrayLike]

QUARTER = 0.25
"""Share that an interquartile mean cuts off at each end."""

METHODS = ("t", "studentised", "percentile", "bca")
REPETITIONS = 2000
_EXACT = 20_000
"""So many assignments of labels are enumerated by :func:`permutation_test`; beyond, that many are drawn."""


def strata(scores: Strata | ArrayLike, least: int = 1) -> list[FloatArray]:
    """Scores as one finite array of at least ``least`` runs for each environment; a single array is one environment.

    Raises:
        SpecError: no environment, too few runs in one, or a score that is not finite.
    """
    given = [scores] if isinstance(scores, np.ndarray) and scores.ndim == 1 else list(scores)  # type: ignore[arg-type]
    arrays = [np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in given]
    if not arrays:
        raise SpecError("there are no scores; expected at least one environment")
    for i, array in enumerate(arrays):
        if array.ndim != 1 or len(array) < least:
            raise SpecError(f"scores of environment {i} have shape {array.shape}; expected (n,) with n >= {least} runs")
        if not np.isfinite(array).all():
            raise SpecError(f"scores of environment {i} hold {array[~np.isfinite(array)][0]}; expected finite numbers")
    return arrays


# ---- one number for many runs ------------------------------------------------------------------------------


def trimmed_mean(scores: Strata | ArrayLike, cut: float = QUARTER) -> float:
    """Mean of all scores together without the ``cut`` smallest and largest share of them, rounded down.

    With the default it is the interquartile mean; with 0 the mean.

    >>> trimmed_mean([np.array([0.0, 1.0, 2.0, 9.0])])
    1.5
    """
    return float(_trimmed(np.concatenate(strata(scores)), cut))


def _trimmed(pooled: FloatArray, cut: float) -> FloatArray:
    """Along the last axis, as :func:`scipy.stats.trim_mean`."""
    n = pooled.shape[-1]
    g = int(cut * n)
    return np.asarray(np.sort(pooled, axis=-1)[..., g : n - g].mean(axis=-1))


def _influence(groups: Sequence[FloatArray], cut: float) -> list[FloatArray]:
    """How much each score moves the trimmed mean of all ``(..., n_i)``: winsorised scores about their stratum's mean.

    The delta method's standard error is the root of the sum over strata of squares over n_i² (n_i (n_i − 1) here, which
    is the unbiased one of a mean); Tukey & McLaughlin (1963) for one stratum.
    """
    pooled = np.sort(np.concatenate(groups, axis=-1), axis=-1)
    n = pooled.shape[-1]
    g = int(cut * n)
    low, high = pooled[..., g, None], pooled[..., n - g - 1, None]
    parts = []
    for group in groups:
        inside = np.clip(group, low, high)
        parts.append((inside - inside.mean(axis=-1, keepdims=True)) * (group.shape[-1] / n / (1.0 - 2.0 * g / n)))
    return parts


def _standard_error(groups: Sequence[FloatArray], cut: float) -> FloatArray:
    total: FloatArray = np.zeros(groups[0].shape[:-1])
    for part in _influence(groups, cut):
        n = part.shape[-1]
        total = total + (part**2).sum(axis=-1) / (n * max(n - 1, 1))
    return np.sqrt(total)


# ---- intervals ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Args:
        value: the estimate.
        low, high: ends of the interval; −inf and inf where the runs say nothing about them.
    """

    value: float
    low: float
    high: float


def interval(
    scores: Strata | ArrayLike,
    cut: float = QUARTER,
    *,
    confidence: float = 0.95,
    method: str = "t",
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Interval:
    """Confidence interval of :func:`trimmed_mean`, where runs within an environment stand for each other.

    Args:
        scores: runs by environment.
        cut: share cut off at each end: 1/4 for the interquartile mean, 0 for the mean.
        confidence: level, in (0, 1).
        method: ``"t"`` (Student's t on the winsorised standard error within environments; Tukey & McLaughlin, 1963;
            degrees of freedom of Satterthwaite, 1946), or a stratified bootstrap: ``"studentised"`` (Efron, 1981),
            ``"percentile"`` (that of Agarwal et al.) or ``"bca"`` (Efron, 1987). With few seeds only the first holds
            what it promises: `benchmarks/study_coverage.py` measures all of them.
        repetitions: resampled studies.
        seed: of the resampling.

    Returns:
        The interval. It has no width where all runs are alike, and is infinite with one run in an environment.

    Raises:
        SpecError: an unknown method, a level outside (0, 1), or scores that are not finite.
    """
    if method not in METHODS:
        raise SpecError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if not 0.0 < confidence < 1.0:
        raise SpecError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    groups = strata(scores)
    value = trimmed_mean(groups, cut)
    if min(map(len, groups)) < 2:
        return Interval(value, -math.inf, math.inf)
    if max(float(np.ptp(group)) for group in groups) == 0.0:
        return Interval(value, value, value)
    tails = np.array([0.5 - confidence / 2, 0.5 + confidence / 2])
    if method == "t":
        low, high = value + student.ppf(tails, _freedom(groups, cut)) * float(_standard_error(groups, cut))
        return Interval(value, float(low), float(high))
    samples = _resampled(groups, repetitions, np.random.default_rng(seed))
    found = _trimmed(np.concatenate(samples, axis=-1), cut)
    if method == "studentised":
        low, high = _studentised(groups, samples, found, value, cut, tails)
    else:
        low, high = np.quantile(found, tails if method == "percentile" else _bca(groups, found, value, cut, tails))
    return Interval(value, float(low), float(high))


def _resampled(groups: Sequence[FloatArray], repetitions: int, rng: np.random.Generator) -> list[FloatArray]:
    """``(repetitions, n_i)`` runs drawn with replacement within each environment."""
    return [group[rng.integers(len(group), size=(repetitions, len(group)))] for group in groups]


def _studentised(
    groups: Sequence[FloatArray],
    samples: Sequence[FloatArray],
    found: FloatArray,
    value: float,
    cut: float,
    tails: FloatArray,
) -> tuple[float, float]:
    """Bootstrap-t. A resampled study without spread says nothing about a ratio to its spread: it is left out.

    With few runs its ratios have heavy tails, so neither end is farther than Student's t puts it with the degrees of
    freedom of :func:`_freedom`.
    """
    error = float(_standard_error(groups, cut))
    errors = _standard_error(samples, cut)
    some = errors > 1e-9 * max(error, 1e-300)
    ratios = (found[some] - value) / errors[some]
    upper, lower = np.quantile(ratios, tails) if some.any() else (-math.inf, math.inf)
    limit = float(student.ppf(tails[1], _freedom(groups, cut)))
    return value - min(lower, limit) * error, value - max(upper, -limit) * error


def _freedom(groups: Sequence[FloatArray], cut: float) -> float:
    """Degrees of freedom of the squared standard error (Satterthwaite, 1946), of what is kept of each stratum.

    For one stratum they are the number of scores kept less one (Tukey & McLaughlin, 1963).
    """
    pooled = np.sort(np.concatenate(groups))
    g = int(cut * len(pooled))
    order = np.searchsorted(pooled, np.concatenate(groups), side="left")
    owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    kept = np.bincount(owners[(order >= g) & (order < len(pooled) - g)], minlength=len(groups))
    parts = [float((part**2).sum()) / (len(part) * (len(part) - 1)) for part in _influence(groups, cut)]
    spread = sum(x * x / max(int(count) - 1, 1) for x, count in zip(parts, kept, strict=True))
    return sum(parts) ** 2 / spread if spread > 0 else math.inf


def _bca(groups: Sequence[FloatArray], found: FloatArray, value: float, cut: float, tails: FloatArray) -> FloatArray:
    """The percentiles that correct for bias and skewness: bias-corrected and accelerated (Efron, 1987)."""
    below = float((found < value).mean() + (found == value).mean() / 2)
    bias = float(norm.ppf(np.clip(below, 1e-6, 1 - 1e-6)))
    parts = _influence(groups, cut)
    third = sum(float((part**3).sum()) / len(part) ** 3 for part in parts)
    second = sum(float((part**2).sum()) / len(part) ** 2 for part in parts)
    skew = third / (6.0 * second**1.5) if second > 0 else 0.0
    z = bias + norm.ppf(tails)
    return np.asarray(norm.cdf(bias + z / (1.0 - skew * z)))


# ---- profiles and comparisons ------------------------------------------------------------------------------


def performance_profile(scores: Strata | ArrayLike, levels: ArrayLike) -> FloatArray:
    """Share of runs whose score exceeds each level, averaged over environments, ``(len(levels),)``.

    >>> performance_profile([np.array([0.1, 0.9])], [0.0, 0.5, 1.0]).tolist()
    [1.0, 0.5, 0.0]
    """
    at = np.asarray(levels, dtype=np.float64)
    return np.asarray(np.mean([(group[:, None] > at).mean(axis=0) for group in strata(scores)], axis=0))


def profile_band(
    scores: Strata | ArrayLike, levels: ArrayLike, *, confidence: float = 0.95, repetitions: int = 500, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Pointwise band of :func:`performance_profile` by the stratified percentile bootstrap, two ``(len(levels),)``."""
    at = np.asarray(levels, dtype=np.float64)
    samples = _resampled(strata(scores), repetitions, np.random.default_rng(seed))
    found = np.mean([(sample[:, :, None] > at).mean(axis=1) for sample in samples], axis=0)
    low, high = np.quantile(found, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return low, high


def probability_of_improvement(
    scores: Strata | ArrayLike,
    others: Strata | ArrayLike,
    *,
    confidence: float = 0.95,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Interval:
    """Probability that a run of one exceeds a run of the other in the same environment (ties count half).

    Averaged over environments (Mann & Whitney, 1947; Agarwal et al., 2021), with a stratified percentile interval.

    Raises:
        SpecError: other environments.

    >>> probability_of_improvement([np.array([1.0, 2.0])], [np.array([0.0, 1.0])]).value
    0.875
    """
    mine, theirs = strata(scores), strata(others)
    if len(mine) != len(theirs):
        raise SpecError(f"scores are of {len(mine)} and {len(theirs)} environments; expected the same ones")
    rng = np.random.default_rng(seed)

    def wins(a: Sequence[FloatArray], b: Sequence[FloatArray]) -> FloatArray:
        signs = (np.sign(x[..., :, None] - y[..., None, :]).mean(axis=(-2, -1)) for x, y in zip(a, b, strict=True))
        return np.asarray(0.5 + np.mean(list(signs), axis=0) / 2)

    found = wins(_resampled(mine, repetitions, rng), _resampled(theirs, repetitions, rng))
    low, high = np.quantile(found, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(wins(mine, theirs)), float(low), float(high))


def permutation_test(scores: Strata | ArrayLike, others: Strata | ArrayLike, *, seed: int = 0) -> float:
    """Two-sided p-value of equal means, permuting who made a run within each environment (Fisher, 1935).

    The statistic is the difference of means, averaged over environments. All assignments are enumerated where they
    are at most 20,000; beyond, that many are drawn, and the observed one counts among them (Phipson & Smyth, 2010).

    >>> permutation_test([np.array([4.0, 5.0, 6.0])], [np.array([1.0, 2.0, 3.0])])
    0.1
    """
    mine, theirs = strata(scores), strata(others)
    if len(mine) != len(theirs):
        raise SpecError(f"scores are of {len(mine)} and {len(theirs)} environments; expected the same ones")
    pairs = list(zip(mine, theirs, strict=True))
    observed = sum(float(a.mean() - b.mean()) for a, b in pairs)
    slack = 1e-9 * max(float(np.abs(np.concatenate([*mine, *theirs])).max()), 1e-300)
    if math.prod(math.comb(len(a) + len(b), len(a)) for a, b in pairs) <= _EXACT:
        found = np.zeros(1)
        for a, b in pairs:
            found = (found[:, None] + _all_differences(np.concatenate([a, b]), len(a))).ravel()
        return float((np.abs(found) >= abs(observed) - slack).mean())
    rng, found = np.random.default_rng(seed), np.zeros(_EXACT)
    for a, b in pairs:
        pooled = np.concatenate([a, b])
        shuffled = rng.permuted(np.broadcast_to(pooled, (_EXACT, len(pooled))), axis=1)
        found += shuffled[:, : len(a)].mean(axis=1) - shuffled[:, len(a) :].mean(axis=1)
    return float((1 + (np.abs(found) >= abs(observed) - slack).sum()) / (1 + _EXACT))


def _all_differences(pooled: FloatArray, n: int) -> FloatArray:
    """The difference of means under every choice of ``n`` of the pooled scores."""
    chosen = pooled[np.array(list(combinations(range(len(pooled)), n)))].sum(axis=1)
    return np.asarray(chosen / n - (pooled.sum() - chosen) / (len(pooled) - n))


def holm(p_values: ArrayLike) -> FloatArray:
    """p-values corrected for that many comparisons: the step-down procedure of Holm (1979), same order.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    result = np.empty_like(p)
    result[order] = adjusted
    return result


def normalise(value: ArrayLike, zero: float, one: float) -> FloatArray:
    """Scores on the scale where ``zero`` (doing nothing) is 0 and ``one`` (the exact or best-known front) is 1.

    Raises:
        SpecError: the two are the same, so that there is no scale.
    """
    if not abs(one - zero) > 1e-12 * max(abs(one), abs(zero)):
        raise SpecError(f"scores cannot be normalised: 0 and 1 would both be at {one:g}")
    return np.asarray((np.asarray(value, dtype=np.float64) - zero) / (one - zero))


# ---- attainment surfaces -----------------------------------------------------------------------------------


def attainment_surfaces(fronts: Sequence[ArrayLike], shares: Iterable[float]) -> Mapping[float, FloatArray]:
    """Minimal points attained by at least a share of the fronts: the empirical attainment function (Fonseca, 2011).

    A front attains a point when one of its points is at least as good in every objective. moocore computes it.

    Args:
        fronts: ``(n_i, K)`` points of each run, K = 2 or 3, maximised.
        shares: in (0, 1]: 1/n is the best seed's surface, 0.5 the median one, 1 what every seed attains.

    Returns:
        ``(m, K)`` points of the surface by share.

    Raises:
        SpecError: no fronts, another K, an empty front, or a share outside (0, 1].
    """
    import moocore

    sets = [np.asarray(front, dtype=np.float64) for front in fronts]
    if not sets or any(one.ndim != 2 or one.shape[1] not in (2, 3) or not len(one) for one in sets):
        shapes = ", ".join(str(one.shape) for one in sets) or "none"
        raise SpecError(f"fronts have shapes {shapes}; expected at least one, each (n, 2) or (n, 3) with n >= 1")
    wanted = list(shares)
    bad = next((x for x in wanted if not 0.0 < x <= 1.0), None)
    if bad is not None:
        raise SpecError(f"share is {bad}; expected a number in (0, 1]")
    owners = np.repeat(np.arange(1, len(sets) + 1), [len(one) for one in sets])
    found = {}
    for share in wanted:
        at_least = math.ceil(share * len(sets) - 1e-9) * 100.0 / len(sets)
        points = moocore.eaf(-np.concatenate(sets), owners, percentiles=[at_least])
        found[share] = -np.asarray(points, dtype=np.float64)[:, :-1]
    return found
