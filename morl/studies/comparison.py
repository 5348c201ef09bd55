"""Which algorithm is better, over seeds and environments, and how sure that is."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from morl.pareto.compare import compare
from morl.pareto.front import Front
from morl.spec import FloatArray, FrontError, UnknownNameError
from morl.studies import statistics
from morl.studies.statistics import Interval

Fronts = Mapping[str, Mapping[str, Mapping[int, Front]]]
"""Fronts by environment, algorithm and seed."""


@dataclass(frozen=True)
class Indicator:
    """A number that says how good a front is.

    Args:
        label: what tables call it.
        better: 1 where more is better, −1 where less is.
    """

    label: str
    better: int


INDICATORS: dict[str, Indicator] = {
    "hypervolume": Indicator("hypervolume", 1),
    "expected_utility": Indicator("expected utility", 1),
    "igd_plus": Indicator("IGD+", -1),
    "epsilon": Indicator("ε", -1),
    "utility_loss": Indicator("max. utility loss", -1),
    "worst_objective": Indicator("worst objective", 1),
}
"""Of each front against its environment's reference front, as :func:`morl.pareto.compare` defines them;
``worst_objective`` is the best policy's return in its worst objective, on the return scale."""


@dataclass(frozen=True)
class Score:
    """One front, measured.

    Args:
        environment, algorithm, seed: whose it is.
        values: its indicators, by name; those that are not defined are left out.
        above: points above the exact front by more than their confidence interval.
    """

    environment: str
    algorithm: str
    seed: int
    values: Mapping[str, float]
    above: int = 0


@dataclass(frozen=True)
class Summary:
    """One algorithm's scores in one environment, or in all of them.

    Args:
        mean: interquartile mean over seeds (and environments) with its 95 % interval.
        median, worst, best: seeds.
        runs: how many.
    """

    mean: Interval
    median: float
    worst: float
    best: float
    runs: int


@dataclass(frozen=True)
class Test:
    """One algorithm against another.

    Args:
        environment: where; ``None`` over all environments.
        algorithms: the two.
        improvement: probability that a run of the first is better than one of the second.
        p_value: of equal means (permutation test).
        corrected: the p-value, corrected for all comparisons of the table (Holm).
    """

    environment: str | None
    algorithms: tuple[str, str]
    improvement: Interval
    p_value: float
    corrected: float


def compare_fronts(fronts: Fronts, references: Mapping[str, Front], nothing: Mapping[str, Front]) -> StudyComparison:
    """Measure every front of a study.

    Args:
        fronts: by environment, algorithm and seed.
        references: the exact, best-known or union front of each environment.
        nothing: doing nothing, in each environment.

    Raises:
        FrontError: an environment without a reference front, or fronts that cannot be compared with it.
    """
    scores: list[Score] = []
    bounds: dict[tuple[str, str], tuple[float, float]] = {}
    for environment, of_environment in fronts.items():
        reference = references.get(environment)
        if reference is None:
            raise FrontError(f"there is no reference front of {environment!r} to compare with")
        found = _measured(reference, {(a, s): f for a, seeds in of_environment.items() for s, f in seeds.items()})
        scores += [Score(environment, *whose, values, above) for whose, (values, above) in found.items()]
        both = {("1", 0): reference}
        if environment in nothing:
            both["0", 0] = nothing[environment]
        ends = _measured(reference, both)
        for name in INDICATORS:
            pair = [ends[key][0].get(name, math.nan) if key in ends else math.nan for key in (("0", 0), ("1", 0))]
            bounds[environment, name] = (pair[0], pair[1])
    roles = {environment: references[environment].role for environment in fronts}
    return StudyComparison(tuple(scores), bounds, roles)


def _measured(
    reference: Front, fronts: Mapping[tuple[str, int], Front]
) -> dict[tuple[str, int], tuple[dict[str, float], int]]:
    names = [f"{name} {seed}" for name, seed in fronts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # points outside the reference point, of every single seed
        result = compare(reference, *fronts.values(), names=names, ref_point=reference.ref_point, above="flag")
    low, high = result.scale
    found = {}
    for whose, row, front in zip(fronts, result.fronts, fronts.values(), strict=True):
        unit = (front.points - low) / (high - low)
        values = {name: getattr(row, name) for name in INDICATORS if name != "worst_objective"}
        values["worst_objective"] = float(unit.min(axis=1).max()) if len(unit) else math.nan
        found[whose] = ({name: float(x) for name, x in values.items() if math.isfinite(x)}, len(row.above))
    return found


@dataclass(frozen=True)
class StudyComparison:
    """The scores of a study, and what follows from them.

    Args:
        scores: one for each front.
        bounds: doing nothing's and the reference front's indicators, by environment and indicator.
        roles: what each environment's reference front is: exact, best known, or the union of the study's fronts.
    """

    scores: tuple[Score, ...]
    bounds: Mapping[tuple[str, str], tuple[float, float]]
    roles: Mapping[str, str]

    @cached_property
    def algorithms(self) -> tuple[str, ...]:
        """Names, in the order of the study."""
        return tuple(dict.fromkeys(score.algorithm for score in self.scores))

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """Names, in the order of the study."""
        return tuple(dict.fromkeys(score.environment for score in self.scores))

    def values(self, indicator: str, algorithm: str, environment: str) -> FloatArray:
        """The indicator of each seed ``(n,)``, in the order of the seeds."""
        _check(indicator)
        return np.array(
            [
                score.values[indicator]
                for score in self.scores
                if (score.algorithm, score.environment) == (algorithm, environment) and indicator in score.values
            ]
        )

    def indicators(self) -> list[str]:
        """Those that every front has."""
        return [name for name in INDICATORS if all(name in score.values for score in self.scores)]

    # ---- one environment -------------------------------------------------------------------------------

    def summary(self, indicator: str, algorithm: str, environment: str) -> Summary | None:
        """An algorithm's scores in one environment, as they are; ``None`` where there are none."""
        values = self.values(indicator, algorithm, environment)
        return _summary([values], INDICATORS[indicator].better) if len(values) else None

    # ---- all environments ------------------------------------------------------------------------------

    def comparable_environments(self, indicator: str) -> list[str]:
        """Environments where every algorithm has scores and doing nothing differs from the reference front."""
        _check(indicator)
        found = []
        for environment in self.environments:
            zero, one = self.bounds[environment, indicator]
            differ = math.isfinite(zero) and math.isfinite(one) and abs(one - zero) > 1e-12 * max(abs(one), abs(zero))
            if differ and all(len(self.values(indicator, a, environment)) for a in self.algorithms):
                found.append(environment)
        return found

    def normalised(self, indicator: str, algorithm: str) -> list[FloatArray]:
        """Scores by environment where doing nothing is 0 and the reference front 1, ``(n_i,)`` each; more is better."""
        return [
            statistics.normalise(self.values(indicator, algorithm, e), *self.bounds[e, indicator])
            for e in self.comparable_environments(indicator)
        ]

    def overall(self, indicator: str, algorithm: str) -> Summary | None:
        """An algorithm's normalised scores over all comparable environments; ``None`` where there are none."""
        groups = self.normalised(indicator, algorithm)
        return _summary(groups, 1) if groups else None

    def profile(self, indicator: str, algorithm: str, levels: FloatArray) -> FloatArray:
        """Share of runs whose normalised score exceeds each level, see :func:`statistics.performance_profile`."""
        return statistics.performance_profile(self.normalised(indicator, algorithm), levels)

    # ---- tests -----------------------------------------------------------------------------------------

    def tests(self, indicator: str) -> list[Test]:
        """Every pair of algorithms, in each environment and over all of them, corrected together."""
        better = INDICATORS[_check(indicator)].better
        found: list[tuple[str | None, tuple[str, str], Interval, float]] = []
        for pair in itertools.combinations(self.algorithms, 2):
            for environment in self.environments:
                both = [[better * self.values(indicator, algorithm, environment)] for algorithm in pair]
                if all(len(one[0]) for one in both):
                    found.append((environment, pair, *_against(*both)))
            if len(self.comparable_environments(indicator)) > 1:
                found.append((None, pair, *_against(*(self.normalised(indicator, a) for a in pair))))
        corrected = statistics.holm([p for *_, p in found])
        return [Test(e, pair, win, p, float(q)) for (e, pair, win, p), q in zip(found, corrected, strict=True)]

    def impossible(self) -> list[str]:
        """A line for each front that claims more than the exact front allows."""
        return [
            f"(!) {s.algorithm} in {s.environment}, seed {s.seed}: {s.above} point{'s' * (s.above != 1)} above the "
            "exact front by more than the confidence interval"
            for s in self.scores
            if s.above
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: scores, summaries and tests of every indicator."""
        return {
            "reference": dict(self.roles),
            "scores": [
                {"environment": s.environment, "algorithm": s.algorithm, "seed": s.seed, "above": s.above, **s.values}
                for s in self.scores
            ],
            "overall": {
                name: {a: _plain(self.overall(name, a)) for a in self.algorithms} for name in self.indicators()
            },
            "tests": {
                name: [
                    {
                        "environment": t.environment,
                        "algorithms": list(t.algorithms),
                        "probability_of_improvement": t.improvement.value,
                        "p_value": t.p_value,
                        "p_value_corrected": t.corrected,
                    }
                    for t in self.tests(name)
                ]
                for name in self.indicators()
            },
            "impossible": self.impossible(),
        }


def _check(indicator: str) -> str:
    if indicator not in INDICATORS:
        raise UnknownNameError("indicator", indicator, INDICATORS)
    return indicator


def _against(mine: Sequence[FloatArray], theirs: Sequence[FloatArray]) -> tuple[Interval, float]:
    """Probability of improvement, and the p-value."""
    return statistics.probability_of_improvement(mine, theirs), statistics.permutation_test(mine, theirs)


def _summary(groups: Sequence[FloatArray], better: int) -> Summary:
    pooled = np.concatenate(groups)
    ends = float(pooled.min()), float(pooled.max())
    worst, best = ends if better > 0 else ends[::-1]
    return Summary(statistics.interval(groups), float(np.median(pooled)), worst, best, len(pooled))


def _plain(summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    mean = summary.mean
    ends = [x if math.isfinite(x) else None for x in (mean.low, mean.high)]
    numbers = {"median": summary.median, "worst": summary.worst, "best": summary.best, "runs": summary.runs}
    return {"interquartile_mean": mean.value, "interval": ends, **numbers}
