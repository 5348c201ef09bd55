"""What the page of :func:`morl.explore` is given: fronts as JSON, with arrays as base64 of their bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.convexity import supported_mask
from morl.pareto.criteria import spread
from morl.pareto.indicators import nondominated_mask
from morl.pareto.kinds import KINDS
from morl.spec import FloatArray, FrontError, Objective

if TYPE_CHECKING:
    from morl.pareto import Front

MANY = 256
"""Fronts that one page holds: their numbers are bytes."""


def page_data(
    fronts: Mapping[str, Front],
    reference: Front | None = None,
    *,
    title: str | None = None,
    commands: Mapping[str, str] | None = None,
    media: Mapping[int, Any] | None = None,
) -> dict[str, Any]:
    """JSON-able data of a page.

    Args:
        fronts: by the name in the legend; all with the same objectives.
        reference: the exact or best-known front, drawn beneath.
        title: heading of the page.
        commands: by front, the command that plays a point once ``--point ID`` is added to it.
        media: recordings, by the number of the point over all fronts.

    Raises:
        FrontError: no fronts, one without points, or fronts that do not share their objectives.
    """
    _check(fronts, reference)
    first = next(iter(fronts.values()))
    every = list(fronts.values())
    points = np.concatenate([front.points for front in every])
    scale = next((front.scale for front in every if front.scale is not None), None)
    ranges = _ranges(points if reference is None else np.concatenate([points, reference.points]))
    low, width = spread(type(first)(points, first.objectives, scale=scale))
    commands = commands or {}
    kinds = [KINDS.index(kind) for front in every for kind in front.kinds]
    options = np.flatnonzero(nondominated_mask(points))
    rivals = options[supported_mask(points[options])]
    return {
        "title": title or " · ".join(fronts),
        "summary": _summary(fronts),
        "objectives": [{"name": o.name, "label": o.label, "sign": o.sign} for o in first.objectives],
        "scale": {"low": low.tolist(), "high": (low + width).tolist(), "stated": scale is not None},
        "ranges": ranges.tolist(),
        "fronts": [
            {"name": name, "count": len(front), "command": commands.get(name)} for name, front in fronts.items()
        ],
        "points": _packed(points, "<f8"),
        "front": _packed(np.repeat(np.arange(len(every)), [len(front) for front in every]), "u1"),
        "kind": _packed(np.array(kinds), "u1"),
        "kinds": list(KINDS),
        "ids": [id for front in every for id in front.ids],
        "options": options.tolist(),
        "rivals": rivals.tolist(),
        "covariance": _covariances(every),
        "episodes": _episodes(every),
        "reference": None
        if reference is None
        else {"name": reference.role, "points": _packed(reference.points, "<f8")},
        "media": {str(index): one for index, one in (media or {}).items()},
    }


def _check(fronts: Mapping[str, Front], reference: Front | None) -> None:
    if not fronts:
        raise FrontError("nothing to explore; expected at least one front")
    if len(fronts) > MANY:
        raise FrontError(f"{len(fronts)} fronts for one page; expected at most {MANY}")
    name, first = next(iter(fronts.items()))
    others = [*fronts.items(), *([] if reference is None else [(reference.role, reference)])]
    for other, front in others:
        if not len(front):
            raise FrontError(f"front {other!r} has no points; there is nothing to explore in it")
        if [_meaning(o) for o in front.objectives] != [_meaning(o) for o in first.objectives]:
            raise FrontError(
                f"{other!r} has the objectives {', '.join(map(_words, front.objectives))}; {name!r} has "
                f"{', '.join(map(_words, first.objectives))}; explore them apart"
            )


def _meaning(objective: Objective) -> tuple[str, bool]:
    return objective.name, objective.minimise


def _words(objective: Objective) -> str:
    return f"{objective.name} (minimise)" if objective.minimise else objective.name


def _ranges(points: FloatArray) -> FloatArray:
    """``(K, 2)`` least and largest of each objective, apart from each other."""
    low, high = points.min(axis=0), points.max(axis=0)
    pad = np.where(high > low, 0.0, np.maximum(np.abs(low) * 0.05, 0.5))
    return np.column_stack([low - pad, high + pad])


def _summary(fronts: Mapping[str, Front]) -> str:
    first = next(iter(fronts.values()))
    count = sum(map(len, fronts.values()))
    discounts = {front.discount for front in fronts.values()} - {None}
    gamma = f", discounted by γ = {next(iter(discounts)):g}" if len(discounts) == 1 and discounts != {1.0} else ""
    many = f"{count:,} policies" if len(fronts) == 1 else f"{count:,} policies of {len(fronts)} fronts"
    return f"{many}; {first.k} objectives{gamma}"


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _covariances(fronts: Sequence[Front]) -> str | None:
    """Covariances of the means as float32; zeros where points are exact; ``None`` where all are."""
    parts = []
    for front in fronts:
        exact = np.zeros(len(front), bool) if front.episodes is None else front.episodes == 0
        covariance = np.zeros((len(front), front.k, front.k)) if front.covariance is None else front.covariance
        parts.append(np.where(exact[:, None, None], 0.0, covariance))
    every = np.concatenate(parts)
    return _packed(every, "<f4") if every.any() else None


def _episodes(fronts: Sequence[Front]) -> list[int] | None:
    if all(front.episodes is None for front in fronts):
        return None
    return [int(n) for f in fronts for n in (np.zeros(len(f)) if f.episodes is None else f.episodes)]
