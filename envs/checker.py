"""Is this environment sound? Everything that has gone wrong in vector-reward environments before, as checks.

:func:`find_faults` lists what is wrong, :func:`check_env` raises it; ``morl.testing.EnvConformance`` makes one test of
each check. They are black-box: any Gymnasium environment with a vector reward can be examined, ours or another's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym

from morl.envs.checks import contract, isolation, lifecycle, models, vectors
from morl.envs.checks.case import Case, Check
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

_FUNDAMENTAL = ("objectives", "spaces", "reset")
"""Nothing else makes sense while one of these fails."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with an environment.

    Args:
        check: name of the check that found it.
        message: what is wrong.
        fix: what to do about it.
    """

    check: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.check}: {self.message}; fix: {self.fix}"

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
                faults.append(Fault(name, f"it raises {type(error).__name__}: {error}", "make this work first"))
        if name in _FUNDAMENTAL and len(faults) > before:
            break
    return faults


def check_env(target: Any, **options: Any) -> None:
    """Raise unless an environment is sound; arguments as for :func:`find_faults`.

    >>> check_env("morl/DeepSeaTreasure-v0", only=["reward", "seeding"])

    Raises:
        EnvError: naming every fault and its fix, one a line.
    """
    faults = find_faults(target, **options)
    if faults:
        name = target if isinstance(target, str) else as_case(target).name
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise EnvError(f"environment {name!r} has {len(faults)} fault{'s' * (len(faults) != 1)}:\n{lines}")
