"""Registering environments: a class, a finite model, or a pure transition function, each checked there and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import Error as GymnasiumError

from morl.envs.catalog import EnvEntry
from morl.envs.core import reward_space
from morl.envs.costs import negate_costs
from morl.envs.registration import add
from morl.spec import EnvError, MOSpec, Objective, as_objectives, as_returns

Cls = TypeVar("Cls", bound=type)


def register(
    id: str,
    objectives: Sequence[Objective | str] | None = None,
    *,
    discount: float = 1.0,
    ref_point: Sequence[float] | None = None,
    return_scale: tuple[Sequence[float], Sequence[float]] | None = None,
    max_steps: int | None = None,
    summary: str = "",
    check: bool = True,
    **kwargs: Any,
) -> Callable[[Cls], Cls]:
    """Class decorator: register an environment with a vector reward, and check it there and then.

    The class returns a minimised objective (``Objective("cost", minimise=True)``) as a positive cost; the decorator
    makes its ``step`` negate it, so that wrappers, agents and solvers see rewards to maximise. Points that its
    ``pareto_front`` returns as an array are its own numbers too; a ``Front`` or ``MOMDP`` of its is maximised.

    Args:
        id: the Gymnasium id, ``namespace/Name-v0``.
        objectives: one per reward component, with the bounds of the class's ``reward_space`` where they are mere
            names; ``None`` where the class sets ``mo_spec`` itself.
        discount, ref_point, return_scale: see :class:`morl.MOSpec`; numbers of a minimised objective as the
            environment pays them, positive.
        max_steps: time limit, kept by Gymnasium's ``TimeLimit``.
        summary: one line for lists; the first line of the docstring by default.
        check: make one and take a few steps, so that faults surface here.
        kwargs: arguments for the class.

    Raises:
        EnvError: the id is malformed, the class is no ``gymnasium.Env``, or the check fails.
    """
    _check_id(id)

    def decorate(cls: Cls) -> Cls:
        if not (isinstance(cls, type) and issubclass(cls, gym.Env)):
            raise EnvError(f"{cls!r} is registered as {id!r}; expected a class derived from gymnasium.Env")
        if objectives is not None:
            paid = vars(cls).get("_paid_space", vars(cls).get("reward_space"))
            named = _bounded(as_objectives(objectives), paid)
            spec = MOSpec(
                named,
                discount,
                max_steps,
                None if ref_point is None else tuple(as_returns(ref_point, named)),
                None if return_scale is None else _scale(return_scale, named),
            )
            cls.mo_spec = spec  # type: ignore[attr-defined]
            if paid is None or any(o.minimise for o in named):
                cls._paid_space = paid  # type: ignore[attr-defined]
                cls.reward_space = reward_space(spec)  # type: ignore[attr-defined]
            if not hasattr(cls, "reward_dim"):
                cls.reward_dim = spec.k  # type: ignore[attr-defined]
        declared = getattr(cls, "mo_spec", None)
        if isinstance(declared, MOSpec) and any(o.minimise for o in declared.objectives):
            negate_costs(cls)
        if check:
            from morl.envs.quick_check import quick_check

            try:
                made = cls(**kwargs)
            except TypeError as error:
                raise EnvError(f"{id!r}: {cls.__name__} cannot be made with {kwargs} ({error})") from error
            quick_check(made, id)
        text = summary or _first_line(cls)
        caller = sys._getframe(1)
        at_top = caller.f_code.co_name == "<module>" and caller.f_globals.get("__name__") == cls.__module__
        point = _pointer(cls, soon=at_top)
        add(EnvEntry(id, point, None, max_steps, kwargs, "custom", text), time_limit_wrapper=True)
        return cls

    return decorate


def register_momdp(id: str, build: Any, *, summary: str = "", check: bool = True, **options: Any) -> None:
    """Register a finite problem: single environment, vector environment and exact front all come from its model.

    Args:
        id: the Gymnasium id.
        build: a function returning a :class:`morl.MOMDP` or a :class:`morl.envs.FiniteProblem`, or a MOMDP itself.
        summary: one line for lists.
        check: build it once, so that faults surface here.
        options: arguments for ``build``, which ``make(id, **options)`` can replace.
    """
    from morl.envs.finite import FiniteEnv, entry_points, problem_of
    from morl.envs.quick_check import quick_check
    from morl.momdp import MOMDP

    _check_id(id)
    model = build
    function = (lambda: model) if isinstance(build, MOMDP) else build
    if not callable(function):
        raise EnvError(f"{id!r} is registered with {build!r}; expected a function that returns a MOMDP")
    point = _pointer(function)
    if check:
        problem_of(point, options)
        quick_check(FiniteEnv(point, **options), id)
    text = summary or _first_line(function)
    add(EnvEntry(id, *entry_points(point), None, options, "custom", text, build=point))


def register_dynamics(id: str, dynamics: Any, *, summary: str = "", check: bool = True, **options: Any) -> None:
    """Register a pure transition function: the single and the vector environment both come from it.

    Args:
        id: the Gymnasium id.
        dynamics: a class derived from :class:`morl.envs.Dynamics`, or a function that returns such an object. Its
            ``max_steps`` is the time limit, its ``render`` the picture, and its ``front`` what ``pareto_front`` says.
        summary: one line for lists; the first line of the docstring by default.
        check: make one and take a few steps, so that faults surface here.
        options: arguments for ``dynamics``, which ``make(id, **options)`` can replace.

    Raises:
        EnvError: the id is malformed, ``dynamics`` makes something else, or the check fails.
    """
    from morl.envs.batched import BatchedEnv, entry_points
    from morl.envs.dynamics import Dynamics
    from morl.envs.quick_check import quick_check

    _check_id(id)
    wanted = "expected a class derived from morl.envs.Dynamics, or a function that returns such an object"
    if not callable(dynamics) or (isinstance(dynamics, type) and not issubclass(dynamics, Dynamics)):
        raise EnvError(f"{id!r} is registered with {dynamics!r}; {wanted}")
    point = _pointer(dynamics)
    if check:
        try:
            made = dynamics(**options)
        except TypeError as error:
            raise EnvError(f"{id!r}: {dynamics!r} cannot be made with {options} ({error})") from error
        if not isinstance(made, Dynamics):
            raise EnvError(f"{id!r}: {dynamics!r} returned {type(made).__name__}; {wanted}")
        quick_check(BatchedEnv(made), id)
    text = summary or _first_line(dynamics)
    add(EnvEntry(id, *entry_points(point), None, options, "custom", text, dynamics=point))


def _first_line(thing: Any) -> str:
    lines = (getattr(thing, "__doc__", None) or "").strip().splitlines()
    return lines[0] if lines else ""


def _bounded(objectives: tuple[Objective, ...], space: Any) -> tuple[Objective, ...]:
    """Objectives without bounds of their own get those of a reward space that fits them."""
    if not isinstance(space, spaces.Box) or space.shape != (len(objectives),):
        return objectives
    return tuple(
        replace(o, low=float(low), high=float(high)) if np.isinf([o.low, o.high]).all() else o
        for o, low, high in zip(objectives, space.low, space.high, strict=True)
    )


def _scale(given: tuple[Any, Any], objectives: tuple[Objective, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A return scale given in the environment's own numbers, worst to best once costs are negated."""
    one, other = (as_returns(end, objectives, "return_scale") for end in given)
    cost = np.array([o.minimise for o in objectives])
    low, high = np.where(cost, np.minimum(one, other), one), np.where(cost, np.maximum(one, other), other)
    return tuple(low.tolist()), tuple(high.tolist())


def _pointer(thing: Any, soon: bool = False) -> Any:
    """``"module:name"`` where that finds the thing again (so specs can be written as JSON), else the thing itself.

    Args:
        thing: a class or function.
        soon: the module is just being executed and will bind the name: true of a decorator at its top level.
    """
    module, name = getattr(thing, "__module__", "__main__"), getattr(thing, "__qualname__", "<locals>")
    if "<" in name or "." in name or module == "__main__" or module not in sys.modules:
        return thing
    found = getattr(sys.modules[module], name, None)
    return f"{module}:{name}" if found is thing or (soon and found is None) else thing


def _check_id(id: str) -> None:
    try:
        gym.envs.registration.parse_env_id(id)
    except (GymnasiumError, TypeError):
        raise EnvError(f"environment id is {id!r}; expected something like 'lab/MyProblem-v0'") from None
