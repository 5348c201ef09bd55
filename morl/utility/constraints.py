"""Constraints on an expected return, by objectives' names or by coefficients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.spec import FloatArray, MOSpec, Objective, SpecError, as_objectives, check_vector

Constraint = Any
"""``"cost>=-5"``, or ``(objective, ">=" | "<=" | "==", bound)`` with a name or number, or coefficients ``(K,)``."""


@dataclass(frozen=True)
class Bounds:
    """Constraints ``matrix @ x >= bound`` ``(m, K)``, with the text of each.

    ``below`` is true for those whose text bounds from above: what they speak of is ``−matrix @ x``.
    """

    matrix: FloatArray
    bound: FloatArray
    text: tuple[str, ...]
    below: tuple[bool, ...] = ()


_TEXT = re.compile(
    r"^\s*(?P<name>.+?)\s*(?P<op>>=|<=|==|=|≥|≤)"
    r"\s*(?P<bound>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[^\s\d].*?)?\s*$"
)


def parse_constraints(constraints: Iterable[Constraint] | str, objectives: Sequence[Objective | str]) -> Bounds:
    """Constraints on the expected return as ``matrix @ x >= bound``; an equality becomes two.

    A constraint by an objective's name, text or triple, speaks of its shown number: ``"cost<=120"`` for a minimised
    cost. A text may name the objective's unit. Coefficients and objectives by number speak of returns, maximised.

    Raises:
        SpecError: not a constraint, an unknown comparison, a bound that is not finite, or a unit
            that is not the objective's.
        UnknownNameError: an unknown objective.

    >>> parse_constraints(["cost <= 3 EUR"], ["speed", Objective("cost", "EUR", minimise=True)]).matrix.tolist()
    [[0.0, 1.0]]
    """
    spec = MOSpec(as_objectives(objectives))
    given = [constraints] if isinstance(constraints, str) else list(constraints)
    rows: list[FloatArray] = []
    bounds: list[float] = []
    texts: list[str] = []
    below: list[bool] = []
    for constraint in given:
        left, op, bound, text, unit = _parts(constraint)
        row = _left(left, spec)
        if isinstance(left, str):
            objective = spec.objectives[spec.index(left)]
            row = row * objective.sign
            if unit and unit != objective.unit:
                measured = f"in {objective.unit!r}" if objective.unit else "without a unit"
                raise SpecError(f"constraint {text!r} has the unit {unit!r}; {objective.name} is {measured}")
        value = float(check_vector([bound], 1, f"bound of {text!r}")[0])
        for sign, used in ((1.0, op in (">=", "==")), (-1.0, op in ("<=", "=="))):
            if used:
                rows.append(sign * row)
                bounds.append(sign * value)
                texts.append(text)
                below.append(sign < 0)
    return Bounds(np.array(rows).reshape(-1, spec.k), np.array(bounds), tuple(texts), tuple(below))


def _parts(constraint: Constraint) -> tuple[Any, str, Any, str, str | None]:
    alike = {"≥": ">=", "≤": "<=", "=": "=="}
    if isinstance(constraint, str):
        match = _TEXT.match(constraint)
        if match is None:
            raise SpecError(f'constraint {constraint!r} is not understood; expected e.g. "cost>=-5"')
        op = match["op"]
        return match["name"], alike.get(op, op), float(match["bound"]), constraint, match["unit"]
    if not isinstance(constraint, Sequence) or len(constraint) != 3:
        raise SpecError(f"constraint {constraint!r} is not understood; expected (objective, '>=', bound) or text")
    left, op, bound = constraint
    op = alike.get(op, op)
    if op not in (">=", "<=", "=="):
        raise SpecError(f"constraint {constraint!r} compares with {op!r}; expected '>=', '<=' or '=='")
    return left, op, bound, f"{left if isinstance(left, str) else np.asarray(left).tolist()}{op}{bound}", None


def _left(left: Any, spec: MOSpec) -> FloatArray:
    if isinstance(left, str | int | np.integer):
        return np.asarray(np.eye(spec.k)[spec.index(left if isinstance(left, str) else int(left))])
    return check_vector(left, spec.k, "coefficients of a constraint", spec.names)
