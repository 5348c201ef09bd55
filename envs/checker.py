"""Is this environment sound? Everything that has gone wrong in vector-reward environments before, as checks.

:func:`find_faults` lists what is wrong, :func:`check_env` raises it; ``morl.testing.EnvConformance`` makes one test of
each check. They are black-box: any Gymnasium environment with a vector reward can be examined, ours or another's.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym

from morl.envs.checks import advice, contract, isolation, lifecycle, models, vectors
from morl.envs.checks.case import Case, Check
from morl.envs.failures import described
from morl.envs.registration import find, make, recipe
from morl.spec import EnvError, MorlError

CHECKS: dict[str, Check] = {
    "objectives": contract.objectives,
    "spaces": contract.spaces_declared,
    "reset": contract.resets,
    "step": contract.steps,
    "reward": contract.rewards,
    "model-bounds": contract.model_bounds,
    "horizon": contract.horizon,
    "seeding": isolation.seeding,
    "global-generators": isolation.global_generators,
    "aliasing": isolation.aliasing,
    "buffers": isolation.buffers,
    "action-untouched": isolation.actions_untouched,
    "independence": isolation.twins,
    "copies": isolation.copies,
    "spec-json": isolation.spec_round_trip,
    "invalid-actions": lifecycle.invalid_actions,
    "before-reset": lifecycle.before_reset,
    "after-end": lifecycle.after_end,
    "rendering": lifecycle.rendering,
    "closing": lifecycle.closing,
    "model": models.model_matches,
    "front": models.front,
    "single-vector": vectors.single_and_vector,
    "vector": vectors.shapes,
}
"""All checks by name, in the order that they run."""

WARNINGS: dict[str, Check] = {
    "signs": advice.signs,
    "far-bounds": advice.far_bounds,
    "endless": advice.endless,
}
"""What is allowed and likely to be a mistake; these never fail a check."""

_FUNDAMENTAL = ("objectives", "spaces", "reset")
"""Nothing else makes sense while one of these fails."""


class EnvWarning(UserWarning):
    """Something about an environment that is allowed, and likely to be a mistake."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with an environment, or likely to be.

    Args:
        check: name of the check that found it.
        message: what is wrong.
        fix: what to do about it.
        level: ``"fault"`` breaks the contract; ``"warning"`` is likely to be a mistake.
    """

    check: str
    message: str
    fix: str
    level: str = "fault"

    def __str__(self) -> str:
        return f"{'warning: ' * (self.level == 'warning')}{self.check}: {self.message}; fix: {self.fix}"

    def to_dict(self) -> dict[str, str]:
        """A JSON-able description."""
        return asdict(self)


def as_case(target: Any, steps: int = 200, seed: int = 0) -> Case:
    """An environment to examine from an id, a class, a function that makes one, or an environment.

    Args:
        target: what to examine; an environment itself is made anew through its spec, or deep-copied.
        steps: length of the rollouts.
        seed: of resets and actions.

    Raises:
        UnknownNameError: no such id.
        EnvError: the target is none of these.
    """
    if isinstance(target, str):
        spec, _ = find(target)
        return Case(lambda **kw: _quietly(lambda: make(spec, **kw)), spec.id, spec, steps, seed)
    if isinstance(target, gym.Env):
        from copy import deepcopy

        again = recipe(target)
        if again is not None and again.id in gym.registry:
            return Case(lambda **kw: _quietly(lambda: make(again, **kw)), again.id, again, steps, seed)
        return Case(lambda **kw: deepcopy(target), type(target).__name__, None, steps, seed)
    if callable(target):
        return Case(target, getattr(target, "__name__", "environment"), None, steps, seed)
    raise EnvError(f"{target!r} cannot be checked; expected an id, an environment, or a function that makes one")


def _quietly(build: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build()


def find_faults(
    target: Any,
    *,
    steps: int = 200,
    seed: int = 0,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
) -> list[Fault]:
    """Run the checks, and list what they find.

    Args:
        target: an id, a function that makes an environment, a class, or an environment.
        steps: length of the rollouts; a few hundred see several episodes of most problems.
        seed: of resets and actions.
        only: names of the checks to run; all of :data:`CHECKS` by default.
        skip: names of checks to leave out.

    Raises:
        UnknownNameError: no such environment, or no such check.
    """
    return run_checks(as_case(target, steps, seed), choose(only, skip))


def find_warnings(target: Any, *, steps: int = 200, seed: int = 0) -> list[Fault]:
    """What is likely to be a mistake, though it breaks no rule: costs that are maximised, bounds of returns, and so on.

    Args:
        target: as for :func:`find_faults`.
        steps: length of the rollouts.
        seed: of resets and actions.
    """
    case = as_case(target, steps, seed)
    found: list[Fault] = []
    for name, check in WARNINGS.items():
        with warnings.catch_warnings(), contextlib.suppress(Exception):  # what fails is a fault, and reported as one
            warnings.simplefilter("ignore")
            found.extend(Fault(name, message, fix, "warning") for message, fix in check(case))
    return found


def choose(only: Iterable[str] | None, skip: Iterable[str]) -> list[str]:
    """Names of checks to run, in order.

    Raises:
        UnknownNameError: a name that is not in :data:`CHECKS`.
    """
    from morl.spec import UnknownNameError

    wanted = list(CHECKS) if only is None else list(only)
    left_out = set(skip)
    for name in [*wanted, *left_out]:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    return [name for name in CHECKS if name in wanted and name not in left_out]


def run_checks(case: Case, names: Iterable[str]) -> list[Fault]:
    """Run some checks on a case; a check that stumbles over an exception reports that as its fault."""
    faults: list[Fault] = []
    for name in names:
        before = len(faults)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                faults.extend(Fault(name, message, fix) for message, fix in CHECKS[name](case))
            except MorlError as error:
                faults.append(Fault(name, str(error), "see the message"))
            except Exception as error:
                faults.append(Fault(name, f"it raises {described(error)}", "make this work first"))
        if name in _FUNDAMENTAL and len(faults) > before:
            break
    return faults


def check_env(target: Any, **options: Any) -> None:
    """Raise unless an environment is sound; arguments as for :func:`find_faults`.

    What is merely likely to be a mistake (:func:`find_warnings`) is issued as a Python warning; not where ``only``
    names the checks to run.

    >>> check_env("morl/DeepSeaTreasure-v0", only=["reward", "seeding"])

    Warns:
        EnvWarning: a line for each.

    Raises:
        EnvError: naming every fault and its fix, one a line.
    """
    faults = find_faults(target, **options)
    if faults:
        name = target if isinstance(target, str) else as_case(target).name
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise EnvError(f"environment {name!r} has {len(faults)} fault{'s' * (len(faults) != 1)}:\n{lines}")
    if options.get("only") is None:
        given = {key: options[key] for key in ("steps", "seed") if key in options}
        for found in find_warnings(target, **given):
            warnings.warn(f"{found.check}: {found.message}; {found.fix}", EnvWarning, stacklevel=2)
