"""One call for any finite model, by policy class; ``morl.solve`` takes environments and files too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from morl.exact.best import check_class, find_best
from morl.exact.deterministic.pareto import pareto_deterministic
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import ModelError, SpecError
from morl.utility import Utility


def solve(
    model: MOMDP,
    policies: str = "mixture",
    discount: float | None = None,
    epsilon: float | None = None,
    time_limit: float | None = None,
    horizon: int | None = None,
    utility: Utility | None = None,
    constraints: Iterable[Any] | str = (),
    criterion: str = "ser",
    risk: str | None = None,
) -> Front:
    """The exact front of a finite model, or with a utility its best point.

    Args:
        model: a :class:`~morl.momdp.MOMDP`; :func:`morl.solve` takes environments, their ids and files.
        policies: one of :data:`~morl.exact.best.POLICY_CLASSES`.
        utility: a :class:`~morl.utility.Utility`; its other forms, and all other arguments: see :func:`morl.solve`.

    Raises:
        ModelError: no model, or the question has no answer.
        SpecError: constraints, a criterion or a risk without a utility.
        UnknownNameError: no such policy class or criterion.
    """
    if not isinstance(model, MOMDP):
        raise ModelError(f"model is {model!r}; expected a MOMDP (morl.solve takes environments, ids and files)")
    check_class(policies)
    model = adapted(model, discount, horizon)
    if utility is not None:
        return find_best(model, utility, policies, constraints, criterion, risk, epsilon, time_limit).front
    for name, given in (("constraints", constraints), ("risk", risk), ("criterion", criterion != "ser" and criterion)):
        if given:
            raise SpecError(f"{name} {given!r} need a utility; give e.g. utility=WorstCase()")
    if policies == "mixture":
        return _mixture(model, epsilon, time_limit)
    return pareto_deterministic(model, policies, 0.0 if epsilon is None else epsilon, None, time_limit)


def adapted(model: MOMDP, discount: float | None, horizon: int | None) -> MOMDP:
    """The model with another discount or horizon, where one is given."""
    if discount is not None:
        model = model.with_discount(discount)
    return model if horizon is None else model.with_horizon(horizon)


def _mixture(momdp: MOMDP, epsilon: float | None, time_limit: float | None) -> Front:
    from morl.exact.coverage.ccs import convex_coverage_set

    if epsilon is None:
        epsilon = 1e-6 * max(float(abs(momdp.rewards).max(initial=0.0)), 1e-12) / max(1.0 - momdp.discount, 1e-2)
    return convex_coverage_set(momdp, epsilon, time_limit=time_limit)
