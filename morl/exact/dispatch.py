"""``morl.solve``: one call for any finite problem, by policy class."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from morl.exact.deterministic import CLASSES, pareto_deterministic
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import ModelError, SpecError, UnknownNameError
from morl.utility import Lexicographic, Utility


def solve(
    env: Any,
    policies: str = "mixture",
    discount: float | None = None,
    epsilon: float | None = None,
    time_limit: float | None = None,
    horizon: int | None = None,
    utility: Utility | None = None,
    constraints: Iterable[Any] | str = (),
) -> Front:
    """The exact front of a finite problem, or with a utility its best point.

    Args:
        env: a :class:`~morl.momdp.MOMDP`; an env with ``unwrapped.momdp(discount)``; the id of one; or the path
            of a model file (``.npz``, ``.drn``, ``.tra``).
        policies: ``"mixture"`` (stochastic policies: the convex coverage set), ``"stationary"``, ``"markov"``
            or ``"history"`` (deterministic ones).
        discount: γ in place of the problem's own.
        epsilon: additive precision; ``None`` is exact for deterministic policies and, for mixtures, 1e-6 of the
            largest reward times 1 / (1 − γ), or times 100 where that is less.
        time_limit: seconds; then the certified answer so far.
        horizon: number of decisions in place of the problem's own.
        utility: of the expected return (SER): the front then holds one point, the best of the policy class.
        constraints: on the expected return, such as ``"cost>=-5"``; they need a utility.

    Raises:
        ModelError: the env has no exact model, or the question no answer.
        SpecError: constraints without a utility.
        UnknownNameError: no such policy class.
    """
    if policies not in ("mixture", *CLASSES):
        raise UnknownNameError("policy class", policies, ("mixture", *CLASSES))
    momdp, unwrapped, name = as_momdp(env, discount)
    if horizon is not None:
        momdp = momdp.with_horizon(horizon)
    if utility is None and constraints:
        raise SpecError(f"constraints {constraints!r} need a utility; give e.g. utility=WorstCase()")
    if utility is not None and policies == "mixture":
        front = _best_mixture(momdp, utility, constraints, time_limit)
    elif policies == "mixture":
        front = _mixture(momdp, epsilon, time_limit)
    else:
        front = pareto_deterministic(momdp, policies, 0.0 if epsilon is None else epsilon, None, time_limit)
        if utility is not None:
            front = _best_point(momdp, front, utility, constraints)
    spec = getattr(unwrapped, "mo_spec", None)
    if spec is not None and spec.k == front.k:
        front = front.with_spec(spec)
    return front if name is None else front.replace(provenance={**front.provenance, "env": name})


def _best_mixture(momdp: MOMDP, utility: Utility, constraints: Iterable[Any] | str, time_limit: float | None) -> Front:
    """The best mixture as a front of one point."""
    from morl.exact.columns import maximise
    from morl.exact.lexical import lexicographic

    if isinstance(utility, Lexicographic):
        width = np.ones(momdp.k) if utility.scale is None else np.subtract(utility.scale[1], utility.scale[0])
        slack = [float(s * width[i]) for i, s in zip(utility.order, utility.slack or [0.0] * momdp.k, strict=False)]
        best = lexicographic(
            momdp, utility.order, slack, constraints if isinstance(constraints, str) else list(constraints), time_limit
        )
    else:
        best = maximise(momdp, utility, constraints, time_limit)
    facts = {"algorithm": "column generation", "policy_class": "mixture", "criterion": "SER"}
    return Front(
        best.value[None],
        momdp.objectives,
        discount=momdp.discount,
        policies=[best.mixture],
        provenance={**facts, "utility": utility.name, "value": best.utility, "gap": best.gap},
    )


def _best_point(momdp: MOMDP, front: Front, utility: Utility, constraints: Iterable[Any] | str) -> Front:
    """The point of a deterministic front that the utility prefers, among those that meet the constraints."""
    from morl.exact.programs import parse_constraints

    bounds = parse_constraints(constraints, momdp)
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
    chosen = front.subset(met[[utility.best(front.points[met])]])
    value = float(utility(chosen.points)[0]) if utility.scalar else None
    return chosen.replace(provenance={**front.provenance, "utility": utility.name, "value": value})


def _mixture(momdp: MOMDP, epsilon: float | None, time_limit: float | None) -> Front:
    from morl.exact.ccs import convex_coverage_set

    if epsilon is None:
        epsilon = 1e-6 * max(float(abs(momdp.rewards).max(initial=0.0)), 1e-12) / max(1.0 - momdp.discount, 1e-2)
    return convex_coverage_set(momdp, epsilon, time_limit=time_limit)


def as_momdp(env: Any, discount: float | None = None, minimise: Iterable[str] = ()) -> tuple[MOMDP, Any, str | None]:
    """The model of anything that has one: ``(model, unwrapped env or None, name or None)``.

    Args:
        minimise: objectives of a model or a model file that are costs.

    Raises:
        ModelError: there is no exact model, or no objective of a name in ``minimise``.
    """
    if isinstance(env, MOMDP):
        return (env if discount is None else env.with_discount(discount)).minimised(minimise), None, None
    if isinstance(env, str | Path):
        if Path(env).suffix in (".npz", ".drn", ".tra"):
            model = _read(Path(env), discount)
            return (model if discount is None else model.with_discount(discount)).minimised(minimise), None, str(env)
        env = _make(str(env))
    for objective in minimise:
        raise ModelError(f"minimise names {objective!r}; expected it for a model file, environments say what is a cost")
    unwrapped = getattr(env, "unwrapped", env)
    build = getattr(unwrapped, "momdp", None)
    name = getattr(getattr(unwrapped, "spec", None), "id", None)
    if build is None:
        what = name or type(unwrapped).__name__
        raise ModelError(
            f"{what} has no exact model (no momdp() method); expected a finite env, a MOMDP or a model file"
        )
    model = build(discount) if callable(build) else build
    if not isinstance(model, MOMDP):
        raise ModelError(f"{type(unwrapped).__name__}.momdp() returned {type(model).__name__}; expected a MOMDP")
    return (model if discount is None else model.with_discount(discount)), unwrapped, name


def _make(name: str) -> Any:
    """An env by id; the package's own ids are registered by importing its envs, by name, upwards of this layer."""
    envs = importlib.import_module("morl.envs")
    return envs.make(name)


def _read(path: Path, discount: float | None) -> MOMDP:
    if path.suffix == ".npz":
        return MOMDP.load(path)
    from morl.exact.files import read_drn, read_prism

    return (read_drn if path.suffix == ".drn" else read_prism)(path, discount=1.0 if discount is None else discount)
