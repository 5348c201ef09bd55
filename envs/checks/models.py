"""Where there is an exact model: does the environment do what it says, and is the front a front?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from morl.envs.checks.case import Array, Case, Finding, same
from morl.envs.failures import described, short
from morl.momdp import MOMDP

_LARGE = 20_000
"""Models with more states than this are not solved here: the front of each is a test of its own."""

_TOLERANCE = 1e-6


def model_matches(case: Case) -> Iterator[Finding]:
    """Every observed step has a positive probability in the model: observation, reward and end alike."""
    env = case.make()
    base = env.unwrapped
    if not hasattr(base, "momdp") or not hasattr(base, "observations"):
        env.close()
        return
    model: MOMDP = base.momdp()
    seen = np.asarray(base.observations)
    if len(seen) != model.n_states:
        yield f"observations has {len(seen)} entries for {model.n_states} states", "give one per state of momdp()"
        env.close()
        return
    if model.discount != case.spec.discount:
        yield (
            f"momdp() has discount {model.discount} and the spec {case.spec.discount}",
            "momdp(None) uses the spec's discount",
        )
    belief = np.zeros(0, dtype=np.int64)
    for stage in case.rollout(env):
        if stage.reward is None:
            belief = _matching(np.flatnonzero(model.start > 0), seen, stage.observation)
            where = f"reset shows {short(stage.observation)}"
        else:
            belief = _follow(model, belief, seen, stage)
            where = f"action {short(stage.action)} leads to {short(stage.observation)} with {short(stage.reward)}"
        if len(belief) == 0:
            yield f"{where}, which the model rules out", "build model and environment from one description"
            break
    env.close()


def _matching(states: Array, seen: Array, observation: Any) -> Array:
    return np.array([s for s in states if same(seen[s], np.asarray(observation))], dtype=np.int64)


def _follow(model: MOMDP, belief: Array, seen: Array, stage: Any) -> Array:
    """States that the last step may have led to."""
    matrix, found = model.transitions, set()
    action = int(np.asarray(stage.action))
    for s in belief:
        if action >= model.n_actions[s]:
            continue
        row = int(model.row_ptr[s]) + action
        for j in range(matrix.indptr[row], matrix.indptr[row + 1]):
            target = int(matrix.indices[j])
            pay = model.rewards[row] if model.outcome_rewards is None else model.outcome_rewards[j]
            ends = bool(model.terminal[target])
            if (
                matrix.data[j] > 0
                and ends == bool(stage.terminated)
                and same(seen[target], np.asarray(stage.observation))
                and np.allclose(pay, stage.reward, rtol=1e-5, atol=1e-6)
            ):
                found.add(target)
    return np.array(sorted(found), dtype=np.int64)


def front(case: Case) -> Iterator[Finding]:
    """No point of ``pareto_front`` is dominated, and its policies earn what it claims."""
    env = case.make()
    base = env.unwrapped
    if not hasattr(base, "pareto_front"):
        env.close()
        return
    model: MOMDP | None = base.momdp() if hasattr(base, "momdp") else None
    if model is not None and model.n_states > _LARGE:
        env.close()
        return
    for discount in dict.fromkeys((case.spec.discount, 0.9)):
        try:
            result = base.pareto_front(discount)
        except Exception as error:
            yield f"pareto_front({discount:g}) raises {described(error)}", "see the message"
            continue
        points = np.asarray(getattr(result, "points", result), dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != case.spec.k:
            yield f"pareto_front({discount:g}) has shape {points.shape}", f"return points of shape (n, {case.spec.k})"
            continue
        yield from _undominated(points, discount)
        policies = getattr(result, "policies", None)
        if model is not None and policies is not None:
            yield from _earned(model.with_discount(discount), points, policies)
    env.close()


def _undominated(points: Array, discount: float) -> Iterator[Finding]:
    for point in points:
        better = (points >= point - 1e-12).all(axis=1) & (points > point + 1e-9).any(axis=1)
        if better.any():
            j = int(np.argmax(better))
            yield (
                f"pareto_front({discount:g}) holds {point.tolist()}, which {points[j].tolist()} dominates",
                "compute the front from the model instead of typing it in",
            )
            return


def _earned(model: MOMDP, points: Array, policies: Any) -> Iterator[Finding]:
    from morl.exact import evaluate

    for point, policy in zip(points, policies, strict=True):
        if not isinstance(policy, np.ndarray):
            continue  # plans over histories are replayed by the exact solver's own tests
        earned = evaluate(model, policy).start
        if not np.allclose(earned, point, rtol=_TOLERANCE, atol=_TOLERANCE):
            yield (
                f"a policy of the front earns {np.asarray(earned).tolist()}, and its point says {point.tolist()}",
                "return the policy that belongs to the point (the first reward counts with γ⁰ = 1)",
            )
            return
