"""``morl solve --utility``: the best policy for one utility, by policy class and criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from morl.spec import SpecError

if TYPE_CHECKING:
    from morl.cli.solve import Solve
    from morl.momdp import MOMDP
    from morl.spec import MOSpec
    from morl.utility import Utility


def solve_best(model: MOMDP, spec: MOSpec | None, asked: Solve) -> dict[str, Any]:
    """What ``morl solve`` prints for a utility or an order: JSON-able, the expected return under ``value``."""
    if asked.horizon is not None:
        model = model.with_horizon(asked.horizon)
    if asked.lexicographic:
        return _lexicographic(model, asked)
    utility = _utility(model, spec, asked)
    if asked.criterion == "esr":
        return _per_episode(model, utility, asked)
    if asked.risk:
        raise SpecError(f"--risk {asked.risk!r} needs --criterion esr: risk is a property of the return of an episode")
    if asked.policies == "mixture":
        return _mixture(model, utility, asked)
    return _deterministic(model, utility, asked)


def _utility(model: MOMDP, spec: MOSpec | None, asked: Solve) -> Utility:
    from morl.utility import parse_utility

    names = model.objectives
    scale = None if spec is None else spec.return_scale
    return parse_utility(str(asked.utility), model.k, names, scale)


def _lexicographic(model: MOMDP, asked: Solve) -> dict[str, Any]:
    from morl.exact import lexicographic

    order = [int(x) if x.isdigit() else x for x in asked.lexicographic]
    found = lexicographic(model, order, asked.slack, list(asked.constraint), asked.time_limit)
    return {"policy class": "mixture", "criterion": "SER", **_maximum(found)}


def _mixture(model: MOMDP, utility: Utility, asked: Solve) -> dict[str, Any]:
    from morl.exact import maximise

    found = maximise(model, utility, list(asked.constraint), asked.time_limit)
    return {"policy class": "mixture", "criterion": "SER", "utility": utility.name, **_maximum(found)}


def _maximum(found: Any) -> dict[str, Any]:
    return {
        "value": found.value,
        "utility value": found.utility,
        "gap": found.gap,
        "policies mixed": len(found.mixture.policies),
        "mixture": {"probabilities": found.mixture.probabilities, "policies": found.mixture.policies},
        "policy": found.policy,
    }


def _deterministic(model: MOMDP, utility: Utility, asked: Solve) -> dict[str, Any]:
    """The best point of a deterministic front: for a monotone utility no dominated policy is better."""
    from morl.exact import solve

    if asked.constraint:
        raise SpecError("--constraint is for --policies mixture; deterministic fronts can be filtered from --csv")
    if not utility.monotone:
        raise SpecError(f"utility {utility.name!r} is not monotone, so its optimum may lie behind the front")
    front = solve(model, policies=asked.policies, epsilon=asked.epsilon, time_limit=asked.time_limit)
    values = np.asarray(utility(front.points))
    best = int(values.argmax())
    return {
        "policy class": front.provenance.get("policy_class", asked.policies),
        "criterion": "SER",
        "utility": utility.name,
        "value": front.points[best],
        "utility value": float(values[best]),
        "complete": front.complete,
        "policy": _plain_policy(front.policies[best]) if front.policies else None,
    }


def _plain_policy(policy: Any) -> Any:
    return policy.tolist() if isinstance(policy, np.ndarray) else None


def _per_episode(model: MOMDP, utility: Utility, asked: Solve) -> dict[str, Any]:
    from morl.exact import cvar, expected_utility, quantile

    if asked.constraint:
        raise SpecError("--constraint bounds expected returns; leave it out with --criterion esr")
    options: dict[str, Any] = {"time_limit": asked.time_limit}
    if utility.scale is not None:
        options["clip"] = utility.scale
    if asked.risk is None:
        found, measure = expected_utility(model, utility, **options), "expectation"
    else:
        kind, _, level = asked.risk.partition(":")
        try:
            share = float(level)
        except ValueError:
            raise SpecError(f"--risk is {asked.risk!r}; expected cvar:ALPHA or quantile:Q") from None
        if kind not in ("cvar", "quantile"):
            raise SpecError(f"--risk is {asked.risk!r}; expected cvar:ALPHA or quantile:Q")
        found = (cvar if kind == "cvar" else quantile)(model, share, utility, **options)
        measure = asked.risk
    return {
        "policy class": "history-dependent deterministic (state, accrued reward)",
        "criterion": "ESR",
        "utility": utility.name,
        "measure": measure,
        "returns clipped to": "" if utility.scale is None else f"{utility.scale[0]} … {utility.scale[1]}",
        "value": found.probabilities @ found.returns,
        "utility value": found.value,
        "no policy exceeds": found.upper,
        "rounding of returns": found.error.max(),
    }
