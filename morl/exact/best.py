"""The best policy for one utility, by policy class and criterion, as a front of one point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.exact.deterministic.pareto import CLASSES, pareto_deterministic
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import ModelError, SpecError, UnknownNameError
from morl.utility import Lexicographic, Utility

Constraints = Iterable[Any] | str

POLICY_CLASSES = ("mixture", *CLASSES)
"""What ``policies=`` may be: stochastic policies, then the classes of deterministic ones."""

_EPISODIC = "history-dependent deterministic (state, accrued reward)"


@dataclass(frozen=True)
class Best:
    """The best policy for a utility.

    Args:
        front: its expected return, with the policy.
        utility: utility of the expected return (SER) or the measure of the episode's (ESR); ``None`` for an order.
        facts: what is known of it, by the words in which it is printed.
        policy: one array, where the policy or a stochastic equivalent of it is one.
    """

    front: Front
    utility: float | None
    facts: dict[str, Any]
    policy: Any = None


def check_class(policies: str) -> None:
    """Raise :class:`~morl.spec.UnknownNameError` where there is no such policy class."""
    if policies not in POLICY_CLASSES:
        raise UnknownNameError("policy class", policies, POLICY_CLASSES)


def find_best(
    momdp: MOMDP,
    utility: Utility,
    policies: str = "mixture",
    constraints: Constraints = (),
    criterion: str = "ser",
    risk: str | None = None,
    epsilon: float | None = None,
    time_limit: float | None = None,
) -> Best:
    """The best policy for a utility; see :func:`morl.solve` for what the arguments mean.

    Raises:
        UnknownNameError: no such criterion or policy class.
        SpecError: options that do not go together.
        ModelError: constraints that cannot be met, or a question without an answer.
    """
    constraints = constraints if isinstance(constraints, str) else list(constraints)
    check_class(policies)
    if criterion not in ("ser", "esr"):
        raise UnknownNameError("criterion", criterion, ("ser", "esr"))
    if criterion == "esr":
        return _per_episode(momdp, utility, policies, constraints, risk, time_limit)
    if risk:
        raise SpecError(f"risk {risk!r} needs criterion esr: risk is a property of the return of an episode")
    if policies == "mixture":
        return _mixture(momdp, utility, constraints, time_limit)
    return _deterministic(momdp, utility, policies, constraints, epsilon, time_limit)


def _mixture(momdp: MOMDP, utility: Utility, constraints: Constraints, time_limit: float | None) -> Best:
    from morl.exact.columns import lexicographic, maximise

    if isinstance(utility, Lexicographic):
        width = np.ones(momdp.k) if utility.scale is None else np.subtract(utility.scale[1], utility.scale[0])
        slack = [float(s * width[i]) for i, s in zip(utility.order, utility.slack or [0.0] * momdp.k, strict=False)]
        found = lexicographic(momdp, utility.order, slack, constraints, time_limit)  # type: ignore[arg-type]
    else:
        found = maximise(momdp, utility, constraints, time_limit)
    provenance = {"algorithm": "column generation", "policy_class": "mixture", "criterion": "SER"}
    front = Front(
        found.value[None],
        momdp.objectives,
        discount=momdp.discount,
        policies=[found.mixture],
        provenance={**provenance, "utility": utility.name, "value": found.utility, "gap": found.gap},
    )
    facts = {
        "policy class": "mixture",
        "criterion": "SER",
        "utility": utility.name,
        "utility value": found.utility,
        "gap": found.gap,
        "policies mixed": len(found.mixture.policies),
    }
    return Best(front, found.utility, facts, found.policy)


def _deterministic(
    momdp: MOMDP,
    utility: Utility,
    policies: str,
    constraints: Constraints,
    epsilon: float | None,
    time_limit: float | None,
) -> Best:
    """The point of a front that the utility prefers: for a monotone one no dominated policy is better."""
    if not utility.monotone:
        raise SpecError(f"utility {utility.name!r} is not monotone, so its optimum may lie behind the front")
    front = pareto_deterministic(momdp, policies, 0.0 if epsilon is None else epsilon, None, time_limit)
    met = _meet(front, momdp, constraints)
    chosen = met.subset([utility.best(met.points)])
    value = float(utility(chosen.points)[0]) if utility.scalar else None
    chosen = chosen.replace(
        provenance={**front.provenance, "criterion": "SER", "utility": utility.name, "value": value}
    )
    facts = {
        "policy class": front.provenance.get("policy_class", policies),
        "criterion": "SER",
        "utility": utility.name,
        "utility value": value,
        "complete": front.complete,
    }
    policy = chosen.policies[0] if chosen.policies else None
    return Best(chosen, value, facts, policy if isinstance(policy, np.ndarray) else None)


def _meet(front: Front, momdp: MOMDP, constraints: Constraints) -> Front:
    """The points of a deterministic front that meet the constraints."""
    from morl.utility.constraints import parse_constraints

    bounds = parse_constraints(constraints, momdp.objectives or ())
    if (bounds.matrix < 0).any():
        raise SpecError(
            f"constraint {bounds.text[0]!r} bounds from above, which dominated policies may meet better; "
            "use policies='mixture'"
        )
    size = 1e-9 * np.maximum(1.0, np.abs(bounds.bound))
    short = bounds.bound - front.points @ bounds.matrix.T
    met = np.flatnonzero((short <= size).all(axis=1))
    if not len(met):
        nearest = short[int(np.argmin(short.max(axis=1)))]
        which = int(np.argmax(nearest))
        raise ModelError(
            f"constraint {bounds.text[which]!r} is missed by {nearest[which]:.6g} at the nearest point of the front; "
            "relax it, or use policies='mixture'"
        )
    return front.subset(met)


def _per_episode(
    momdp: MOMDP,
    utility: Utility,
    policies: str,
    constraints: Constraints,
    risk: str | None,
    time_limit: float | None,
) -> Best:
    """The policy with the best expected utility, or risk, of the return of an episode."""
    from morl.exact.risk import cvar, expected_utility, quantile

    if constraints:
        raise SpecError(f"constraints {constraints!r} bound expected returns; leave them out with criterion esr")
    if policies in ("stationary", "markov"):
        raise SpecError(
            f"policies {policies!r} with criterion esr; expected 'history' or none: it looks back at rewards"
        )
    if not utility.scalar:
        raise SpecError(f"{utility.name} is an order, not a number; criterion esr needs a utility with a value")
    options: dict[str, Any] = {"time_limit": time_limit}
    if utility.scale is not None:
        options["clip"] = utility.scale
    if risk is None:
        found = expected_utility(momdp, utility, **options)
    else:
        kind, level = _read_risk(risk)
        found = (cvar if kind == "cvar" else quantile)(momdp, level, utility, **options)
    facts = {
        "policy class": _EPISODIC,
        "criterion": "ESR",
        "utility": utility.name,
        "measure": risk or "expectation",
        "returns clipped to": "" if utility.scale is None else f"{utility.scale[0]} … {utility.scale[1]}",
        "utility value": found.value,
        "no policy exceeds": found.upper,
        "rounding of returns": float(found.error.max()),
    }
    provenance = {"algorithm": "accrued rewards", "policy_class": _EPISODIC, "criterion": "ESR"}
    front = Front(
        found.mean[None],
        momdp.objectives,
        discount=momdp.discount,
        policies=[found.policy],
        provenance={
            **provenance,
            "utility": utility.name,
            "measure": facts["measure"],
            "value": found.value,
            "gap": found.upper - found.value,
        },
    )
    return Best(front, found.value, facts)


def _read_risk(text: str) -> tuple[str, float]:
    kind, _, level = text.partition(":")
    try:
        if kind in ("cvar", "quantile"):
            return kind, float(level)
    except ValueError:
        pass
    raise SpecError(f"risk is {text!r}; expected cvar:ALPHA or quantile:Q")
