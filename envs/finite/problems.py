"""Finite environments made from a builder: a function that returns the model, its objectives and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from morl.envs.finite.fitting import fit_observations
from morl.envs.finite.tabular import StateRenderer, TabularEnv, TabularVectorEnv
from morl.envs.makers import entry_points as _entry_points
from morl.envs.makers import found, from_name
from morl.momdp import MOMDP
from morl.spec import EnvError, MOSpec

_NEVER_REBUILT = 16
"""Problems kept in memory: making the same environment again costs nothing (four-room's model takes seconds)."""


@dataclass(frozen=True, eq=False)
class FiniteProblem:
    """A finite environment as data.

    Args:
        momdp: the exact model.
        spec: objectives, discount, reference point and scale.
        observations: ``(S, ...)``, ``None`` for state numbers.
        observation_space: derived from the observations where ``None``.
        max_steps: time limit.
        renderer: draws one state.
        front_policies: policy class of ``pareto_front`` where the usual one is too large to be computed.
    """

    momdp: MOMDP
    spec: MOSpec
    observations: np.ndarray[Any, Any] | None = None
    observation_space: spaces.Space[Any] | None = None
    max_steps: int | None = None
    renderer: StateRenderer | None = None
    front_policies: str | None = None


Build = Callable[..., FiniteProblem | MOMDP]
"""A builder; one that returns a bare model gets its objectives, discount and horizon from the model."""


def problem_of(build: str | Build, options: dict[str, Any]) -> FiniteProblem:
    """Call a builder, given as itself or as ``"module:function"``, and remember what it made.

    Raises:
        EnvError: no such builder, or it returns something else than a model.
    """
    key = tuple(sorted((name, _hashable(value)) for name, value in options.items()))
    try:
        hash((build, key))
    except TypeError:
        return _call(build, options)
    return _remembered(build, key)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(v) for v in value) if isinstance(value, list | tuple) else value


@lru_cache(maxsize=_NEVER_REBUILT, typed=True)
def _remembered(build: str | Build, key: tuple[tuple[str, Any], ...]) -> FiniteProblem:
    return _call(build, dict(key))


def _call(build: str | Build, options: dict[str, Any]) -> FiniteProblem:
    made = found(build)(**options)
    if isinstance(made, MOMDP):
        spec = MOSpec(made.objectives or (), made.discount, made.horizon)
        made = FiniteProblem(made, spec, max_steps=made.horizon)
    if not isinstance(made, FiniteProblem):
        raise EnvError(f"builder {build!r} returned {type(made).__name__}; expected a MOMDP or a FiniteProblem")
    table, space = fit_observations(made.momdp, made.observations, made.observation_space)
    return replace(made, observations=table, observation_space=space)


class _Rebuilt:
    """Pickled as the builder's name and the episode: tables and drawings are made again on the other side."""

    build: str | Build
    options: dict[str, Any]

    @classmethod
    def of(cls, build: str | Build, /, **arguments: Any) -> Any:
        """The environment of a builder; arguments are its own and the builder's."""
        return cls(build, **arguments)  # type: ignore[call-arg]

    def __getstate__(self) -> dict[str, Any]:
        kept: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {key: value for key, value in kept.items() if key not in ("_model", "observations", "_renderer")}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        problem = problem_of(kept["build"], kept["options"])
        shared = {"_model": problem.momdp, "_renderer": problem.renderer, "observations": problem.observations}
        super().__setstate__(kept | shared)  # type: ignore[misc]


class FiniteEnv(_Rebuilt, TabularEnv):
    """The single environment of a builder.

    Args:
        build: the builder, or ``"module:function"``; by position only, so that no option of that name can replace it.
        max_steps: another time limit than the problem's own.
        render_mode: ``"rgb_array"`` or ``"ansi"``.
        options: the builder's arguments.
    """

    def __init__(
        self, build: str | Build, /, max_steps: int | None = None, render_mode: str | None = None, **options: Any
    ) -> None:
        problem = problem_of(build, options)
        self.build, self.options, self.front_policies = build, dict(options), problem.front_policies
        super().__init__(
            problem.momdp,
            problem.spec,
            observations=problem.observations,
            observation_space=problem.observation_space,
            max_steps=problem.max_steps if max_steps is None else max_steps,
            render_mode=render_mode,
            renderer=problem.renderer,
        )


class FiniteVectorEnv(_Rebuilt, TabularVectorEnv):
    """The vector environment of a builder; arguments as for :class:`FiniteEnv` and :class:`TabularVectorEnv`."""

    def __init__(
        self,
        build: str | Build,
        /,
        num_envs: int = 1,
        max_steps: int | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        problem = problem_of(build, options)
        self.build, self.options, self.front_policies = build, dict(options), problem.front_policies
        limit = max_steps if max_steps is not None else max_episode_steps
        super().__init__(
            problem.momdp,
            problem.spec,
            num_envs,
            observations=problem.observations,
            observation_space=problem.observation_space,
            max_steps=problem.max_steps if limit is None else limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            renderer=problem.renderer,
        )


_KINDS: Mapping[str, Any] = {"FiniteEnv": FiniteEnv, "FiniteVectorEnv": FiniteVectorEnv}


def entry_points(build: str | Build) -> tuple[Any, Any]:
    """Gymnasium's entry points of the single and of the vector environment of a builder."""
    return _entry_points(_KINDS, __name__, build)


def __getattr__(name: str) -> Any:
    """What the strings of :func:`entry_points` stand for."""
    return from_name(_KINDS, __name__, name)
