"""``morl.solve``: one question about any finite problem, asked in Python and on the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morl.envs import make
from morl.exact.best import Best, find_best
from morl.exact.dispatch import adapted
from morl.exact.dispatch import solve as solve_model
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import FloatArray, ModelError, MOSpec
from morl.utility import Utility, as_function, parse_utility

Problem = Any
"""A :class:`~morl.momdp.MOMDP`, an environment with ``unwrapped.momdp(discount)``, an id, or a model file."""

Preference = Utility | str | Callable[..., Any]
"""A utility, its text (``"worst"``, on the scale of the problem's returns), or a function of a return vector."""

FILES = (".npz", ".drn", ".tra")
"""Suffixes of model files."""


def solve(
    problem: Problem,
    policies: str = "mixture",
    discount: float | None = None,
    epsilon: float | None = None,
    time_limit: float | None = None,
    horizon: int | None = None,
    utility: Preference | None = None,
    constraints: Iterable[Any] | str = (),
    criterion: str = "ser",
    risk: str | None = None,
    minimise: Iterable[str] = (),
) -> Front:
    """The exact front of a finite problem, or with a utility its best point.

    Args:
        problem: a :class:`~morl.momdp.MOMDP`; an env with ``unwrapped.momdp(discount)``; the id of one; or the path
            of a model file (``.npz``, ``.drn``, ``.tra``).
        policies: ``"mixture"`` (stochastic policies: the convex coverage set), ``"stationary"``, ``"markov"``
            or ``"history"`` (deterministic ones).
        discount: γ in place of the problem's own.
        epsilon: additive precision; ``None`` is exact for deterministic policies and, for mixtures, 1e-6 of the
            largest reward times 1 / (1 − γ), or times 100 where that is less.
        time_limit: seconds; then the certified answer so far.
        horizon: number of decisions in place of the problem's own.
        utility: the front then holds one point, the best of the policy class. A text such as ``"worst"`` is read on
            the environment's scale of returns; a function of a return vector must not fall when an objective rises.
        constraints: on the expected return, such as ``"cost>=-5"``; they need a utility.
        criterion: ``"ser"``, utility of the expected return, or ``"esr"``, of the return of each episode.
        risk: with ``"esr"``, ``"cvar:ALPHA"`` or ``"quantile:Q"`` of the utility instead of its expectation.
        minimise: objectives of a model or a model file that are costs.

    Raises:
        ModelError: the problem has no exact model, or the question no answer.
        SpecError: options that do not go together.
        UnknownNameError: no such environment, policy class, criterion, utility or objective.

    >>> solve("morl/DeepSeaTreasureConcave-v0", "history", discount=1.0, utility="linear:0,1").points.tolist()
    [[1.0, -1.0]]
    """
    found = load(problem, discount, minimise)
    if utility is not None:
        best = found.best(utility, policies, constraints, criterion, risk, epsilon, time_limit, horizon)
        return best.front
    front = solve_model(found.model, policies, None, epsilon, time_limit, horizon, None, constraints, criterion, risk)
    return found.named(front)


@dataclass(frozen=True)
class Loaded:
    """A finite model, with the environment's specification and id where it has them."""

    model: MOMDP
    spec: MOSpec | None = None
    name: str | None = None

    def best(
        self,
        utility: Preference,
        policies: str = "mixture",
        constraints: Iterable[Any] | str = (),
        criterion: str = "ser",
        risk: str | None = None,
        epsilon: float | None = None,
        time_limit: float | None = None,
        horizon: int | None = None,
    ) -> Best:
        """The best policy for a utility, with all that is known of it; arguments as for :func:`solve`."""
        model = adapted(self.model, None, horizon)
        wanted = as_utility(utility, model, self.spec)
        best = find_best(model, wanted, policies, constraints, criterion, risk, epsilon, time_limit)
        return Best(self.named(best.front), best.utility, best.facts, best.policy)

    def named(self, front: Front) -> Front:
        """A front of the model with the environment's objectives, scale and id."""
        if self.spec is not None and self.spec.k == front.k:
            front = front.with_spec(self.spec)
        return front if self.name is None else front.replace(provenance={**front.provenance, "env": self.name})


def load(problem: Problem, discount: float | None = None, minimise: Iterable[str] = ()) -> Loaded:
    """The model of anything that has one.

    Args:
        minimise: objectives of a model or a model file that are costs.

    Raises:
        ModelError: there is no exact model, or no objective of a name in ``minimise``.
        UnknownNameError: no such environment.
    """
    if isinstance(problem, MOMDP):
        return Loaded(adapted(problem, discount, None).minimised(minimise))
    if isinstance(problem, str | Path):
        path = Path(problem)
        if path.suffix in FILES:
            return Loaded(adapted(_read(path, discount), discount, None).minimised(minimise), name=str(problem))
        problem = make(str(problem))
    for objective in minimise:
        raise ModelError(f"minimise names {objective!r}; expected it for a model file, environments say what is a cost")
    unwrapped = getattr(problem, "unwrapped", problem)
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
    return Loaded(adapted(model, discount, None), getattr(unwrapped, "mo_spec", None), name)


def _read(path: Path, discount: float | None) -> MOMDP:
    if path.suffix == ".npz":
        return MOMDP.load(path)
    from morl.exact.files import read_drn, read_prism

    return (read_drn if path.suffix == ".drn" else read_prism)(path, discount=1.0 if discount is None else discount)


def as_utility(utility: Preference, model: MOMDP, spec: MOSpec | None = None) -> Utility:
    """A utility of the model's returns from a utility, a text or a function.

    Raises:
        SpecError: none of these, or it does not fit the objectives.
    """
    if isinstance(utility, Utility):
        return utility
    if isinstance(utility, str):
        return parse_utility(utility, model.k, model.objectives, None if spec is None else spec.return_scale)
    return _Function(as_function(utility, model.k), getattr(utility, "__name__", "function"))


@dataclass(frozen=True)
class _Function(Utility):
    """A person's function as a utility: taken to be monotone, of no known shape."""

    function: Callable[[FloatArray], FloatArray]
    title: str

    @property
    def name(self) -> str:
        return self.title

    @property
    def concave(self) -> bool:
        return False

    def _value(self, f: FloatArray) -> FloatArray:
        return self.function(f)
