"""Comparing fronts: learned ones measured against the exact, the best-known or another reference front."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto import indicators
from morl.pareto.comparison import Comparison, Row, numbers
from morl.pareto.front import Front
from morl.pareto.intervals import Excess, excesses, half_widths
from morl.pareto.kinds import NON_CONVEX, SUPPORTED, WITHIN_NOISE
from morl.pareto.roles import UNION, has_share
from morl.spec import BoolArray, FloatArray, FrontError, check_vector


def compare(
    reference: Front,
    *fronts: Front,
    names: Sequence[str] | None = None,
    ref_point: ArrayLike | None = None,
    scale: tuple[ArrayLike, ArrayLike] | str | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.999,
    above: str = "error",
    any_protocol: bool = False,
) -> Comparison:
    """Measure fronts against a reference front: hypervolume ratio, ε, IGD+, EUM, MUL and which points were found.

    Args:
        reference: the exact front, or the best-known one.
        fronts: learned fronts.
        names: a name for each; by default the algorithm in its provenance.
        ref_point: ``(K,)`` for hypervolume; by default the reference front's, then the fronts'. Without any,
            hypervolume is not reported.
        scale: ``(low, high)`` returns that normalise ε, IGD+, EUM and MUL, or ``"raw"`` for none; by default the
            problem's ``scale``, else the range of the reference front.
        weights: ``(m, K)`` preferences for EUM and MUL; by default the whole simplex.
        confidence: level of the simultaneous confidence intervals by which a point may exceed the exact front.
        above: ``"error"`` or ``"flag"``: what to do with a point above the exact front by more than that.
        any_protocol: compare fronts although they were measured under different protocols (``"protocol"`` in their
            provenance, see :mod:`morl.bench.protocols`).

    A best-known front (:attr:`Front.best_known`) may be exceeded: that is a new record.

    Raises:
        FrontError: fronts with different objectives, discounts or protocols, an empty reference front, a point above
            the exact front.

    >>> exact = Front([[0, 4], [1.5, 1.5], [4, 0]], ["a", "b"], ref_point=[-1, -1], discount=1)
    >>> linear = Front([[0, 4], [4, 0]], ["a", "b"], discount=1)
    >>> row = compare(exact, linear)["front 1"]
    >>> row.found_supported, row.found_non_convex, round(row.hypervolume_ratio, 4)
    (2, 0, 0.8)
    """
    if above not in ("error", "flag"):
        raise FrontError(f"above is {above!r}; expected 'error' or 'flag'")
    if len(reference) == 0:
        raise FrontError("the reference front is empty; expected at least one point to compare with")
    labels = _labels(fronts, names)
    for label, front in zip(labels, fronts, strict=True):
        _check_comparable(reference, front, label)
    if not any_protocol:
        check_protocols({reference.role: reference, **dict(zip(labels, fronts, strict=True))})
    low, high, source = _scale(reference, scale)
    owners = [reference, *fronts]
    ref = next((f.ref_point for f in owners if f.ref_point is not None), None) if ref_point is None else ref_point
    ref = None if ref is None else check_vector(ref, reference.k, "reference point", reference.names)
    idle = next((f.provenance["baselines"]["do_nothing"] for f in owners if _knows_nothing(f)), None)
    measure = _Measure(reference.nondominated(), low, high - low, ref, weights, confidence, idle)
    rows = [measure(front, label) for label, front in zip(labels, fronts, strict=True)]
    other = [label for label, front in zip(labels, fronts, strict=True) if not has_share(front, reference)]
    if reference.role == UNION and len(fronts) == 1:  # a front is all of its own union: that says nothing
        source = source.replace(f"the {UNION}", "its own points")
        nothing: dict[str, Any] = dict.fromkeys(
            ("hypervolume_ratio", "gain", "epsilon", "igd_plus", "utility_loss"), math.nan
        )
        rows = [replace(rows[0], **nothing, found_supported=rows[0].supported, found_non_convex=rows[0].non_convex)]
    rows = [replace(row, hypervolume_ratio=math.nan, gain=math.nan) if row.name in other else row for row in rows]
    own = measure(reference, reference.role, exact=True)
    result = Comparison(
        own,
        tuple(rows),
        reference.names,
        reference.discount,
        ref,
        (low, high),
        source,
        tuple(other),
        tuple(o.sign for o in reference.objectives),
        measure.nothing,
    )
    if above == "error" and any(row.above for row in rows):
        raise FrontError("; ".join(result.impossible()) + "; check discount and evaluation, or pass above='flag'")
    return result


class _Measure:
    """Indicators of one front after another against the same reference."""

    def __init__(
        self,
        reference: Front,
        low: FloatArray,
        span: FloatArray,
        ref: FloatArray | None,
        weights: ArrayLike | None,
        confidence: float,
        idle: Sequence[float] | None,
    ) -> None:
        self.reference, self.low, self.span, self.ref = reference, low, span, ref
        self.weights, self.confidence = weights, confidence
        self.target = (reference.points - low) / span
        kinds = reference.kinds
        self.is_supported: BoolArray = np.array([kind != NON_CONVEX for kind in kinds], dtype=bool)
        self.volume = math.nan if ref is None else indicators.hypervolume(reference.points, ref)
        self.nothing = math.nan if ref is None or idle is None else indicators.hypervolume([idle], ref)

    def __call__(self, front: Front, name: str, exact: bool = False) -> Row:
        best = front.nondominated()
        unit = (best.points - self.low) / self.span
        kinds = best.kinds
        reached = np.ones(len(self.reference), dtype=bool) if exact else self._reached(best)
        volume = math.nan if self.ref is None else indicators.hypervolume(best.points, self.ref)
        if self.ref is not None:
            indicators.warn_outside(best.points, self.ref, stacklevel=4)
        some = len(best) > 0
        return Row(
            name,
            len(best),
            kinds.count(SUPPORTED),
            kinds.count(NON_CONVEX),
            int(reached.sum()),
            int((reached & self.is_supported).sum()),
            int((reached & ~self.is_supported).sum()),
            volume,
            volume / self.volume if self.volume > 0 else math.nan,
            indicators.additive_epsilon(unit, self.target),
            indicators.igd_plus(unit, self.target),
            indicators.expected_utility(unit, self.weights) if some else math.nan,
            indicators.maximum_utility_loss(unit, self.target, self.weights),
            indicators.spacing(unit),
            self._above(front, exact),
            kinds.count(WITHIN_NOISE),
            (volume - self.nothing) / (self.volume - self.nothing) if self.volume > self.nothing else math.nan,
        )

    def _above(self, front: Front, exact: bool) -> tuple[Excess, ...]:
        """Points above the exact front; none where the reference front is only the best known."""
        if exact or self.reference.best_known:
            return ()
        return tuple(excesses(front, self.reference, self.span, self.confidence))

    def _reached(self, front: Front) -> BoolArray:
        """Which points of the reference front the front attains, up to its 95 % interval and rounding: ``(n,)``."""
        if len(front) == 0:
            return np.zeros(len(self.reference), dtype=bool)
        reach = front.points + half_widths(front) + 1e-6 * self.span
        return np.asarray((reach[:, None, :] >= self.reference.points[None]).all(axis=2).any(axis=0))


def _knows_nothing(front: Front) -> bool:
    """Whether a front's provenance has the returns of doing nothing, as a run measures them."""
    known = front.provenance.get("baselines")
    idle = known.get("do_nothing") if isinstance(known, Mapping) else None
    if not isinstance(idle, Sequence) or len(idle) != front.k:
        return False
    return all(isinstance(x, int | float) and math.isfinite(x) for x in idle)


def _labels(fronts: Sequence[Front], names: Sequence[str] | None) -> list[str]:
    if names is None:
        given = [str(f.provenance.get("algorithm", f"front {i}")) for i, f in enumerate(fronts, 1)]
        return [f"{n} {given[: i + 1].count(n)}" if given.count(n) > 1 else n for i, n in enumerate(given)]
    if len(names) != len(fronts) or len(set(names)) != len(names):
        raise FrontError(f"names are {list(names)}; expected {len(fronts)} distinct names, one per front")
    return list(names)


def _check_comparable(reference: Front, front: Front, label: str) -> None:
    """Refuse what would give numbers without meaning; warn of what may."""
    given = f"the {reference.role}"
    if front.k != reference.k:
        raise FrontError(f"{label} has {front.k} objectives {front.names}; {given} has {reference.k} {reference.names}")
    if front.names != reference.names:
        if sorted(front.names) == sorted(reference.names):
            raise FrontError(f"{label} orders its objectives {front.names}, {given} {reference.names}; reorder one")
        warnings.warn(f"{label} names its objectives {front.names}, {given} {reference.names}", stacklevel=3)
    pairs = zip(reference.objectives, front.objectives, strict=True)
    mixed = [mine.name for mine, other in pairs if mine.sign != other.sign]
    if mixed:
        raise FrontError(
            f"{mixed[0]!r} is minimised in one of {label} and {given}, maximised in the other; mark it in "
            "both (minimise=True, or a CSV column 'NAME (minimise)')"
        )
    if reference.discount is None or front.discount is None:
        if reference.discount is not front.discount:
            warnings.warn(
                f"discount of {label} is {front.discount}, of {given} {reference.discount}: "
                "cannot tell whether they are returns of the same kind",
                stacklevel=3,
            )
    elif abs(reference.discount - front.discount) > 1e-12:
        raise FrontError(
            f"{label} holds returns at γ = {front.discount:g}, {given} at γ = {reference.discount:g}; "
            f"evaluate or solve again with the same discount"
        )
    mine, theirs = front.provenance.get("criterion"), reference.provenance.get("criterion")
    if mine and theirs and mine != theirs:
        warnings.warn(f"{label} is optimised for {mine}, {given} for {theirs}", stacklevel=3)


def check_protocols(fronts: Mapping[str, Front]) -> None:
    """Refuse fronts that say that they were measured under different protocols; others are taken at their word.

    Raises:
        FrontError: two protocols are named.
    """
    named = {label: front.provenance["protocol"] for label, front in fronts.items() if "protocol" in front.provenance}
    if len(set(map(str, named.values()))) > 1:
        (first, one), (second, two) = next(
            (pair, other) for pair in named.items() for other in named.items() if pair[1] != other[1]
        )
        raise FrontError(
            f"{first} was measured under protocol {one}, {second} under {two}: their numbers do not compare; measure "
            "both under one, or compare all the same with any_protocol=True (--any-protocol)"
        )


def _scale(reference: Front, scale: tuple[ArrayLike, ArrayLike] | str | None) -> tuple[FloatArray, FloatArray, str]:
    if isinstance(scale, str):
        if scale != "raw":
            raise FrontError(f"scale is {scale!r}; expected (low, high), 'raw' or None")
        return np.zeros(reference.k), np.ones(reference.k), "nothing (raw returns)"
    if scale is not None or reference.scale is not None:
        pair: Any = reference.scale if scale is None else scale
        low, high = (check_vector(x, reference.k, "scale", reference.names) for x in pair)
        if np.any(low >= high):
            raise FrontError(f"scale is ({numbers(low)}, {numbers(high)}); expected low < high everywhere")
        return low, high, "the problem's return scale" if scale is None else "the scale given"
    best = reference.nondominated().points
    low, high = best.min(axis=0), best.max(axis=0)
    return low, np.where(high > low, high, low + 1.0), f"the range of the {reference.role}"


def union(fronts: Mapping[str, Front]) -> Front:
    """The best of several fronts together, for where no reference front is known; its role says so.

    Raises:
        FrontError: no fronts, or fronts with different objectives.

    >>> union({"a": Front([[1, 3]]), "b": Front([[3, 1], [1, 2]])}).points.tolist()
    [[3.0, 1.0], [1.0, 3.0]]
    """
    if not fronts:
        raise FrontError("there are no fronts to unite; expected at least one")
    given = list(fronts.values())
    first = given[0]
    for name, front in fronts.items():
        if front.names != first.names:
            raise FrontError(f"{name!r} has objectives {', '.join(front.names)}; expected {', '.join(first.names)}")
    noise: dict[str, Any] = {}
    if any(front.covariance is not None for front in given):  # so that noise is not taken for shape
        k = first.k
        noise["covariance"] = np.concatenate(
            [np.zeros((len(f), k, k)) if f.covariance is None else f.covariance for f in given]
        )
        noise["episodes"] = np.concatenate(
            [np.full(len(f), 0 if f.covariance is None else 2) if f.episodes is None else f.episodes for f in given]
        )
    return Front(
        np.concatenate([front.points for front in given]),
        first.objectives,
        first.ref_point,
        first.discount,
        scale=first.scale,
        provenance={"status": f"{UNION} given"},
        **noise,
    ).nondominated()
