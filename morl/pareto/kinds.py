"""Kinds of points: supported, non-convex, dominated, or within noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moocore
import numpy as np

from morl.pareto.convexity import mixture_margins, supported_mask
from morl.pareto.intervals import half_widths
from morl.spec import BoolArray

if TYPE_CHECKING:
    from morl.pareto.front import Front

SUPPORTED, NON_CONVEX, WITHIN_NOISE, DOMINATED = KINDS = ("supported", "non-convex", "within noise", "dominated")

CONFIDENCE = 0.95
"""Level at which all intervals of a front hold together."""


def supported_by_intervals(front: Front) -> BoolArray:
    """False for points that a mixture of others beats, by more than the noise of their averages; shape ``(n,)``.

    Exact fronts: by their points. Sampled ones: by Student intervals of every coordinate of every point, widened
    (Bonferroni) to hold together at 95 %. Where they hold, a point that is truly optimal for some weight has no
    mixture whose lower ends exceed its upper ends. So in at most 5 of 100 fronts is any supported point called
    not supported, however many mixtures were searched. The price is power: a non-convex region shows once it is deeper
    than the two half-widths, six to seven standard errors for ten points of two objectives.
    """
    noise = half_widths(front, CONFIDENCE, simultaneous=True)
    return supported_mask(front.points, noise=noise if noise.any() else None)


def kinds_of(front: Front) -> tuple[str, ...]:
    """One of :data:`KINDS` for each point.

    * ``supported``: some weight makes it the best of the points as they were measured.
    * ``non-convex``: no point is better everywhere, but a mixture is, beyond noise (:func:`supported_by_intervals`).
    * ``dominated``: a single point is better, beyond noise.
    * ``within noise``: a point or mixture is better by less than the intervals allow, so it may be any of these.

    Points of exact fronts are never within noise. Equal points are of one kind.
    """
    n = len(front)
    if n == 0:
        return ()
    values, noise = front.points, half_widths(front, CONFIDENCE, simultaneous=True)
    noisy = bool(noise.any())
    supported = front.found_by_weights if front.supported is None else front.supported
    behind = ~np.asarray(moocore.is_nondominated(values, maximise=True, keep_weakly=True), dtype=bool)
    if not noisy:
        kinds = np.where(behind, DOMINATED, np.where(supported, SUPPORTED, NON_CONVEX))
        return tuple(kinds.tolist())
    surely, lower = np.zeros(n, dtype=bool), values - noise
    lower = lower[moocore.is_nondominated(lower, maximise=True)]  # what beats a point, one of these does
    for i in np.flatnonzero(behind):
        surely[i] = bool(np.all(lower >= values[i] + noise[i], axis=1).any())
    first = mixture_margins(values) <= 1e-9
    kinds = np.where(behind, WITHIN_NOISE, np.where(first, SUPPORTED, WITHIN_NOISE))
    kinds = np.where(~supported & ~behind, NON_CONVEX, kinds)
    return tuple(np.where(surely, DOMINATED, kinds).tolist())


def count_kinds(kinds: tuple[str, ...]) -> str:
    """``"7 supported, 3 non-convex"``, with the others where there are any; for one line of text.

    >>> count_kinds(("supported", "within noise"))
    '1 supported, 0 non-convex, 1 within noise'
    """
    shown = [(kind, kinds.count(kind)) for kind in KINDS]
    return ", ".join(f"{count} {kind}" for i, (kind, count) in enumerate(shown) if count or i < 2)
