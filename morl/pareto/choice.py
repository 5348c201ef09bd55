"""Choosing one point of a front: constraints by name, and one criterion among what meets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from morl.pareto.criteria import Criterion, criterion, spread
from morl.pareto.intervals import standard_errors
from morl.pareto.mixing import Mixed, best_mixture
from morl.spec import BoolArray, FloatArray, FrontError, SpecError, shown
from morl.utility.constraints import Bounds, parse_constraints

if TYPE_CHECKING:
    from morl.pareto.front import Front


class InfeasibleError(FrontError):
    """No point meets the constraints; the message says which comes nearest, and what it misses by how much.

    Attributes:
        nearest: position of the point that comes nearest; ``None`` after pickling.
    """

    nearest: int | None = None


@dataclass(frozen=True)
class Choice:
    """A point chosen from a front, and why.

    Args:
        front: what was chosen from.
        criterion: what was wished for, in words.
        constraints: their texts.
        index: position of the best single point; ``None`` where only a mixture meets the constraints.
        mixture: a mixture of points that is better than the best single one; ``None`` where there is none.
        score: value of the criterion at :attr:`point`; NaN for an order of objectives.
        scores: ``(n,)`` value of the criterion at every point.
        feasible: ``(n,)`` which points meet the constraints.
        chances: ``(n, m)`` chance that each constraint holds for the true mean, from the standard errors: 0 or 1
            for points that were computed exactly.
    """

    front: Front
    criterion: str
    constraints: tuple[str, ...]
    index: int | None
    mixture: Mixed | None
    score: float
    scores: FloatArray = field(repr=False)
    feasible: BoolArray = field(repr=False)
    chances: FloatArray = field(repr=False)

    @property
    def members(self) -> tuple[tuple[str, float], ...]:
        """Identities and shares of what is to be played: one point, or the members of the mixture."""
        if self.mixture is None:
            return ((self.id or "", 1.0),)
        pairs = zip(self.mixture.members, self.mixture.shares, strict=True)
        return tuple((self.front.ids[i], float(share)) for i, share in pairs)

    @property
    def id(self) -> str | None:
        """Identity of the best single point."""
        return None if self.index is None else self.front.ids[self.index]

    @property
    def point(self) -> FloatArray:
        """``(K,)`` its returns, or those of the mixture where that is better."""
        if self.mixture is not None:
            return self.mixture.value
        assert self.index is not None
        return np.asarray(self.front.points[self.index])

    @property
    def shown(self) -> FloatArray:
        """:attr:`point` as people read it: costs positive."""
        return np.asarray(shown(self.point, self.front.objectives), dtype=np.float64)

    @property
    def policy(self) -> Any:
        """The policy behind the best single point.

        Raises:
            FrontError: the front knows values, not policies.
        """
        if self.front.policies is None:
            raise FrontError(
                "the front was made from a file: it knows values, not policies; choose from the run's folder"
            )
        return None if self.index is None else self.front.policies[self.index]

    @property
    def given_up(self) -> FloatArray:
        """``(K,)`` by how much the best feasible value of each objective is better, in the unit of the objective."""
        rows = self.feasible if self.feasible.any() else np.ones(len(self.front), dtype=bool)
        return np.asarray(np.maximum(self.front.points[rows].max(axis=0) - self.point, 0.0))

    def ranking(self) -> list[int]:
        """Feasible points, best first; for an order of objectives, and a knee, those that have a score come first."""
        rows = np.flatnonzero(self.feasible)
        order = np.argsort(-np.nan_to_num(self.scores[rows], nan=-np.inf), kind="stable")
        ranked = [int(i) for i in rows[order]]
        if self.index is not None:
            ranked.remove(self.index)
            ranked.insert(0, self.index)
        return ranked

    def lines(self) -> list[str]:
        """The decision in words: what was chosen and why, what it gives up, and how sure its constraints are."""
        objectives, found = self.front.objectives, self.mixture
        parts = " + ".join(f"{id} ({share:.1%})" if share < 1 else id for id, share in self.members)
        values = [f"{o.name} {v:.6g} {o.unit}".rstrip() for o, v in zip(objectives, self.shown, strict=True)]
        text = [f"{parts if found is None else f'the mixture {parts}, drawn once per episode'}: {', '.join(values)}"]
        met = f"; {self.feasible.sum()} of {len(self.front)} points meet the constraints" if self.constraints else ""
        text.append(f"best for {self.criterion}{met}")
        lost = [f"{loss:.6g} {o.unit}".rstrip() + f" of {o.name}"
                for o, loss in zip(objectives, self.given_up, strict=True) if loss > 0]  # fmt: skip
        text.append(f"it gives up {', '.join(lost)} against the best of each" if lost else "nothing is given up")
        if self.index is not None and found is None:
            chances = zip(self.constraints, self.chances[self.index], strict=True)
            unsure = [f"{one!r} holds with chance {chance:.1%}" for one, chance in chances if chance < 0.9995]
            text += ["; ".join(unsure)] if unsure else []
        if self.index is not None and found is not None and np.isfinite(self.score):
            alone = self.scores[self.index]
            text.append(f"the best single point is {self.id} (criterion {alone:.6g}, not {self.score:.6g})")
        return text


def choose(
    front: Front, *constraints: Any, confidence: float | None = None, mixture: bool | None = None, **wish: Any
) -> Choice:
    """The best point of a front under constraints, for one criterion: equal weights unless another is given.

    Args:
        constraints: on the expected returns, by name and in the numbers that people read: ``"service >= 0.95"``,
            ``"cost <= 120 EUR"`` (see :func:`morl.utility.constraints.parse_constraints`).
        confidence: every constraint must hold together with this chance at least (Bonferroni), by the standard errors
            of sampled means; without it the means must meet them.
        mixture: look for a mixture of points too, one of which is drawn at the start of each episode. By default
            on fronts that were computed exactly; it is offered where it is better.
        wish: the criterion, in the words of :func:`morl.pareto.criteria.criterion`: ``weights=[0.7, 0.3]``.

    Raises:
        InfeasibleError: nothing meets the constraints.
        FrontError: no points.
        SpecError: constraints or a criterion that do not fit.
        TypeError: a criterion of an unknown kind.
        UnknownNameError: an unknown objective or criterion.

    >>> from morl.pareto import Front
    >>> front = Front([[0.9, 5], [0.96, 3], [0.99, 1]], ["service", "profit"])
    >>> choose(front, "service >= 0.95", weights={"profit": 1.0}, mixture=False).shown.tolist()
    [0.96, 3.0]
    """
    if len(front) == 0:
        raise FrontError("the front has no points to choose from; expected at least one")
    if confidence is not None and not 0.0 < confidence < 1.0:
        raise SpecError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    wanted = criterion(front, **wish)
    bounds = parse_constraints(constraints, front.objectives)
    scores, chances = wanted.scores(), chances_of(front, bounds)
    feasible = _meets(front, bounds) if confidence is None else joint(chances) >= confidence
    mixed = best_mixture(wanted, bounds) if _mixes(front, mixture) else None
    index = wanted.best(np.flatnonzero(feasible), scores) if feasible.any() else None
    if mixed is not None and index is not None and not _better(mixed, wanted, index, scores):
        mixed = None
    if index is None and mixed is None:
        raise _infeasible(front, bounds, chances, confidence)
    score = mixed.score if mixed is not None else float(scores[index])
    return Choice(front, wanted.name, bounds.text, index, mixed, score, scores, feasible, chances)


def chances_of(front: Front, bounds: Bounds) -> FloatArray:
    """Chance ``(n, m)`` that each constraint holds for the true mean of each point: Student's t."""
    margins, errors = front.points @ bounds.matrix.T - bounds.bound, np.zeros((len(front), len(bounds.bound)))
    if front.covariance is not None:
        spread_of = np.einsum("mk,nkl,ml->nm", bounds.matrix, front.covariance, bounds.matrix)
        sampled = standard_errors(front).max(axis=1, keepdims=True) > 0
        errors = np.where(sampled, np.sqrt(np.maximum(spread_of, 0.0)), 0.0)
    freedom = np.full(len(front), np.inf) if front.episodes is None else np.maximum(front.episodes - 1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        chances = np.asarray(stdtr(freedom[:, None], margins / errors))
    rounding = 1e-9 * np.maximum(1.0, np.abs(bounds.bound))
    return np.where(errors > rounding, chances, np.where(margins >= -rounding, 1.0, 0.0))


def joint(chances: FloatArray) -> FloatArray:
    """A lower bound ``(n,)`` on the chance that all constraints hold together (Bonferroni)."""
    return np.asarray(1.0 - (1.0 - chances).sum(axis=1))


def _meets(front: Front, bounds: Bounds) -> BoolArray:
    short = bounds.bound - front.points @ bounds.matrix.T
    return np.asarray((short <= 1e-9 * np.maximum(1.0, np.abs(bounds.bound))).all(axis=1))


def _mixes(front: Front, wish: bool | None) -> bool:
    """Whether mixtures are looked for: where the criterion is of expected returns and the points are exact."""
    if wish is not None:
        return wish
    return not standard_errors(front).any() and front.provenance.get("criterion", "SER") == "SER"


def _better(mixed: Mixed, wanted: Criterion, index: int, scores: FloatArray) -> bool:
    if wanted.is_order:
        from morl.utility import Lexicographic

        assert isinstance(wanted.utility, Lexicographic)
        keys = wanted.utility.key(np.stack([mixed.value, wanted.front.points[index]]))
        gains = (keys[0] - keys[1]) / np.maximum(1.0, np.abs(keys[1]))
        first = gains[np.abs(gains) > 1e-7]
        return bool(len(first) and first[-1 if any(wanted.utility.slack or ()) else 0] > 0)
    return bool(mixed.score > scores[index] + 1e-7 * max(1.0, abs(scores[index])))


def _infeasible(front: Front, bounds: Bounds, chances: FloatArray, confidence: float | None) -> InfeasibleError:
    values = front.points @ bounds.matrix.T
    short = bounds.bound - values
    wanted = ", ".join(map(repr, bounds.text))
    if confidence is not None and _meets(front, bounds).any():
        best = int(joint(chances).argmax())
        found = f"likeliest is {front.ids[best]}, with {max(float(joint(chances)[best]), 0.0):.3g}"
        message = f"no point meets {wanted} with a chance of {confidence:g}; {found}"
    else:
        _, width = spread(front)
        best = int((np.maximum(short, 0.0) / (np.abs(bounds.matrix) @ width)).max(axis=1).argmin())
        below = bounds.below or (False,) * len(bounds.text)
        missed = [
            f"{text!r} by {lack:.6g} (it has {(-value if upper else value) + 0.0:.6g})"
            for text, lack, value, upper in zip(bounds.text, short[best], values[best], below, strict=True)
            if lack > 0
        ]
        message = f"no point meets {wanted}; nearest is {front.ids[best]}, which misses {' and '.join(missed)}"
    error = InfeasibleError(message)
    error.nearest = best
    return error
