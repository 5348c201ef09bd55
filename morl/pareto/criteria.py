"""What a person may wish for in a point: weights, levels, an order, a knee, any utility; each becomes one criterion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.decision import trade_offs
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray, MOSpec, SpecError, UnknownNameError, check_vector, check_weights, shown
from morl.utility import AugmentedChebyshev, Lexicographic, Linear, Utility, as_function, parse_utility
from morl.utility.text import FORMS

if TYPE_CHECKING:
    from morl.pareto.front import Front

KNEE = "knee"
RHO = 1e-3
"""Weight of the sum in an achievement function, which keeps weakly dominated points from winning."""

_NAMES = {"maximin": "worst"}


@dataclass(frozen=True)
class Criterion:
    """A preference over the points of one front.

    Args:
        name: for people.
        utility: of returns ``(..., K)``; ``None`` for the knee.
        front: whose knee it is.
    """

    name: str
    utility: Utility | Callable[[FloatArray], FloatArray] | None
    front: Front

    @property
    def is_order(self) -> bool:
        """Whether it is an order that no number represents."""
        return isinstance(self.utility, Lexicographic)

    def scores(self) -> FloatArray:
        """``(n,)`` how good each point is; NaN where it has no score: for an order, and for no knee."""
        front, utility = self.front, self.utility
        if utility is None:
            return knee_scores(front)
        if isinstance(utility, Lexicographic):
            return np.full(len(front), np.nan)
        values = np.asarray(utility(front.points), dtype=np.float64)
        if np.isnan(values).any():
            raise SpecError(f"utility {self.name} is not a number at {front.points[int(np.isnan(values).argmax())]}")
        return values

    def best(self, rows: IntArray, scores: FloatArray) -> int:
        """Which of some points is preferred; of equal ones, that with the largest sum on the criterion's scale."""
        if isinstance(self.utility, Lexicographic):
            return int(rows[self.utility.best(self.front.points[rows])])
        known = rows[~np.isnan(scores[rows])]
        if not len(known):
            raise SpecError(f"none of the {len(rows)} points is a knee: {KNEE} needs three points that trade off")
        top = scores[known].max()
        level = top - 1e-12 * max(1.0, abs(top)) if np.isfinite(top) else top
        ties = known[scores[known] >= level]
        low, width = spread(self.front)
        return int(ties[((self.front.points[ties] - low) / width).sum(axis=1).argmax()])


def criterion(
    front: Front,
    *,
    utility: Any = None,
    weights: Any = None,
    raw: bool = False,
    aspiration: Any = None,
    reservation: Any = None,
    order: Sequence[str | int] | str | None = None,
    slack: float | Sequence[float] = 0.0,
) -> Criterion:
    """One criterion from what a person wishes for; equal weights where nothing is said.

    Args:
        utility: ``"knee"`` (the largest trade-off against its neighbours; Rachmawati & Srinivasan, 2009),
            ``"maximin"``, ``"cvar:0.3"`` or any text of :func:`morl.utility.parse_utility`, a utility, or a function
            of a return vector. Texts compare objectives on the front's return scale, or where it has none on
            the range of its non-dominated points; thresholds and orders are in the objectives' own units.
        weights: ``(K,)`` on the simplex, or by name: as everywhere, they weigh objectives on their return scale.
        raw: weights are of raw returns.
        aspiration, reservation: levels wished for and levels barely acceptable, in shown numbers, in order or by
            name; the best and the worst of the front where left out. The point is chosen that gets least short of
            the way from reservation to aspiration (achievement scalarising function; Wierzbicki, 1980).
        order: objectives by name, most important first.
        slack: what may be given up of each of these for the next.

    Raises:
        SpecError: two criteria, or one that does not fit the front.
        UnknownNameError: an unknown utility or objective.
    """
    levels = aspiration is not None or reservation is not None
    given = {"utility": utility, "weights": weights, "aspiration or reservation": levels or None, "order": order}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise SpecError(f"{' and '.join(named)} are given; expected one criterion")
    if levels:
        return _achievement(front, aspiration, reservation)
    if order is not None:
        return _order(front, order, slack)
    if utility is not None:
        return _utility(front, utility, raw)
    equal = np.full(front.k, 1.0 / front.k) if weights is None else weights
    wanted = check_weights(by_name(front, equal, "weights", missing=0.0), front.k)
    scale = None if raw or front.scale is None else _pair(*front.scale)
    return Criterion(
        "weights " + _numbers(front, wanted) + (" of raw returns" if scale is None else ""),
        Linear(tuple(wanted), scale=scale),
        front,
    )


def spread(front: Front, raw: bool = False) -> tuple[FloatArray, FloatArray]:
    """Low end and width ``(K,)`` of the scale on which objectives are compared.

    The front's return scale; where it has none, the range of its non-dominated points.
    """
    if raw:
        return np.zeros(front.k), np.ones(front.k)
    if front.scale is not None:
        low, high = front.scale
    else:
        points = front.points[nondominated_mask(front.points)]
        low, high = points.min(axis=0), points.max(axis=0)
    return low, np.where(high > low, high - low, 1.0)


def by_name(front: Front, given: Any, what: str, missing: Any) -> FloatArray:
    """Numbers per objective ``(K,)``, given in order or as a mapping by name; ``missing`` for names left out."""
    if not isinstance(given, Mapping):
        return check_vector(given, front.k, what, front.names)
    for name in given:
        if name not in front.names:
            raise UnknownNameError("objective", str(name), front.names)
    rest = np.broadcast_to(np.asarray(missing, dtype=np.float64), (front.k,))
    return check_vector([given.get(name, rest[i]) for i, name in enumerate(front.names)], front.k, what, front.names)


def knee_scores(front: Front) -> FloatArray:
    """The trade-off of each non-dominated point, ``(n,)``; NaN for others and where there is none."""
    scores = np.full(len(front), np.nan)
    kept = np.flatnonzero(nondominated_mask(front.points))
    scores[kept] = trade_offs(front.points[kept])
    return scores


def _achievement(front: Front, aspiration: Any, reservation: Any) -> Criterion:
    points = front.points[nondominated_mask(front.points)]
    best, worst = (shown(x, front.objectives) for x in (points.max(axis=0), points.min(axis=0)))
    wished = shown(by_name(front, {} if aspiration is None else aspiration, "aspiration", best), front.objectives)
    least = shown(by_name(front, {} if reservation is None else reservation, "reservation", worst), front.objectives)
    flat = (wished <= least) & (points.max(axis=0) <= points.min(axis=0))  # an objective that is the same everywhere
    wished = np.where(flat, least + 1.0, wished)
    if np.any(wished <= least):
        i = int(np.argmax(wished <= least))
        high, low = shown(wished, front.objectives)[i], shown(least, front.objectives)[i]
        raise SpecError(
            f"aspiration of {front.names[i]!r} is {high:g} and its reservation {low:g}; expected an aspiration that is "
            "better"
        )
    equal = (1.0 / front.k,) * front.k
    utility = AugmentedChebyshev(equal, (1.0,) * front.k, RHO, scale=_pair(least, wished))
    levels = _numbers(front, shown(wished, front.objectives)), _numbers(front, shown(least, front.objectives))
    return Criterion(f"achievement (aspiration {levels[0]}; reservation {levels[1]})", utility, front)


def _order(front: Front, order: Sequence[str | int] | str, slack: float | Sequence[float]) -> Criterion:
    spec = MOSpec(front.objectives)
    names = [order] if isinstance(order, str) else list(order)
    numbers = tuple(spec.index(x) for x in names)
    try:
        slacks = tuple(np.broadcast_to(np.asarray(slack, dtype=np.float64), (len(numbers),)).tolist())
    except (TypeError, ValueError):
        raise SpecError(f"slack is {slack!r}; expected one number, or {len(numbers)}") from None
    used = f" (slack {', '.join(f'{x:g}' for x in slacks)})" if any(slacks) else ""
    name = "order " + ", ".join(front.names[i] for i in numbers) + used
    return Criterion(name, Lexicographic(numbers, slacks), front)


def _utility(front: Front, utility: Any, raw: bool) -> Criterion:
    if not isinstance(utility, str):
        name = utility.name if isinstance(utility, Utility) else getattr(utility, "__name__", "function")
        return Criterion(name, as_function(utility, front.k), front)
    if utility.strip() == KNEE:
        return Criterion(KNEE, None, front)
    text = _NAMES.get(utility.strip(), utility)
    kind = text.partition(":")[0].partition(";")[0].strip()
    if kind not in FORMS:
        raise UnknownNameError("criterion", kind, (KNEE, *_NAMES, *FORMS))
    scale = None
    if kind == "linear":
        scale = None if raw or front.scale is None else _pair(*front.scale)
    elif kind not in ("lex", "threshold") and not raw:  # these speak of shown numbers
        low, width = spread(front)
        scale = _pair(low, low + width)
    return Criterion(utility, parse_utility(text, front.k, front.objectives, scale), front)


def _pair(low: FloatArray, high: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(map(float, low)), tuple(map(float, high))


def _numbers(front: Front, values: FloatArray) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(front.names, values, strict=True))
