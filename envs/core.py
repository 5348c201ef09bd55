"""The vector-reward contract: what an environment of this package is, and how to read it off any other one."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.spec import EnvError, FloatArray, MOSpec, Objective, SpecError, shown

if TYPE_CHECKING:
    from morl.pareto.front import Front

Obs = TypeVar("Obs")
Act = TypeVar("Act")
Info = dict[str, Any]
StepResult = tuple[Obs, FloatArray, bool, bool, Info]


class UnknownFrontError(EnvError, AttributeError):
    """An environment of which no front is known; being an ``AttributeError``, it makes ``hasattr`` say so."""


def reward_space(spec: MOSpec) -> spaces.Box:
    """The float64 box ``(K,)`` of one step's rewards, from the objectives' bounds."""
    return spaces.Box(spec.reward_low, spec.reward_high, (spec.k,), np.float64)


def discounted_steps(discount: float, horizon: int | None) -> float:
    """Return of an episode that earns 1 in every step, Σ γᵗ: what bounds per step become bounds of returns by.

    Args:
        discount: γ.
        horizon: steps of an episode; ``None`` for one without a limit.

    >>> round(discounted_steps(0.99, 1000), 3), discounted_steps(0.99, None), discounted_steps(1.0, 50)
    (99.996, 100.0, 50.0)
    """
    if discount == 1:
        return math.inf if horizon is None else float(horizon)
    return round((1 - (0.0 if horizon is None else discount**horizon)) / (1 - discount), 12)


def real_array(value: Any, shape: tuple[int, ...]) -> FloatArray | None:
    """A fresh float64 array of that shape, or ``None`` where the value is something else: text, complex, ragged.

    >>> real_array([1, 2], (2,)), real_array(["1", "2"], (2,)), real_array(1.0, (2,))
    (array([1., 2.]), None, None)
    """
    try:
        array = np.array(value)
    except (TypeError, ValueError):
        return None
    if array.shape != shape or array.dtype.kind not in "biuf":
        return None
    return array.astype(np.float64, copy=False)


class MOEnv(gym.Env[Obs, Act]):
    """A Gymnasium environment whose ``step`` returns a float64 vector of K rewards, all maximised.

    Subclasses set :attr:`mo_spec`, :attr:`reward_space`, ``observation_space`` and ``action_space``.
    """

    mo_spec: MOSpec
    reward_space: spaces.Box

    @property
    def reward_dim(self) -> int:
        """The number of objectives, K, by the name that MO-Gymnasium's users know."""
        return self.mo_spec.k

    def step(self, action: Act) -> StepResult[Obs]:
        """Take one action: ``(observation, rewards (K,), terminated, truncated, info)``."""
        return super().step(action)  # type: ignore[return-value]


class MOVectorEnv(VectorEnv[Any, Any, Any]):
    """A Gymnasium vector environment with rewards ``(num_envs, K)`` of float64."""

    mo_spec: MOSpec
    reward_space: spaces.Box
    autoreset_mode: AutoresetMode

    def __init__(self) -> None:
        """Give the instance its own ``metadata``, so that no class-level dictionary is shared."""
        self.metadata = dict(self.metadata)

    @property
    def reward_dim(self) -> int:
        """The number of objectives, K, by the name that MO-Gymnasium's users know."""
        return self.mo_spec.k


def mo_spec(env: Any) -> MOSpec:
    """The objectives of any vector-reward environment: single or vector, wrapped or from another library.

    The outermost layer that says something wins: a ``mo_spec``, or else a ``reward_space`` of shape ``(K,)``, whose
    objectives are named r0, r1, … (or by a ``reward_names`` attribute beside it).

    Args:
        env: a ``gymnasium.Env``, a ``gymnasium.vector.VectorEnv``, or a wrapper around one.

    Raises:
        EnvError: the environment declares no vector reward.
    """
    layer, horizon = env, None
    while layer is not None:
        limit = getattr(layer, "_max_episode_steps", None)
        if horizon is None and isinstance(limit, int):
            horizon = limit
        found = _own(layer, "mo_spec")
        if isinstance(found, MOSpec):
            return found
        space = _own(layer, "reward_space")
        if space is not None:
            return _spec_from_space(env, layer, space, horizon)
        layer = layer.__dict__.get("env")
    raise EnvError(
        f"{_name(env)} declares no vector reward; set `self.reward_space = Box(low, high, (K,))` in the environment, "
        "or register it with `objectives=[...]`"
    )


def published_front(env: Any, discount: float | None = None) -> Front:
    """The front that an environment publishes through ``pareto_front(discount)``.

    Ours return a :class:`~morl.pareto.Front`. Points that another library returns become one whose provenance says
    that the library published them: best known, not proved exact.

    Args:
        env: a single environment.
        discount: γ of the returns; the environment's own by default.

    Raises:
        EnvError: it publishes none, or something that is not points ``(n, K)``.
    """
    from morl.pareto.front import Front

    compute = getattr(env.unwrapped, "pareto_front", None)
    if compute is None:
        raise EnvError(f"{_name(env)} publishes no front; expected a method pareto_front(discount)")
    spec = mo_spec(env)
    gamma = spec.discount if discount is None else discount
    found = compute(gamma)
    if isinstance(found, Front):
        return found
    try:
        points = np.array(found, dtype=np.float64).reshape(-1, spec.k)
        if getattr(type(env.unwrapped).step, "negates_costs", False):  # its own numbers, like its rewards
            points = shown(points, spec.objectives)
    except (TypeError, ValueError):
        raise EnvError(f"{_name(env)}.pareto_front({gamma:g}) is {found!r}; expected points (n, {spec.k})") from None
    source = {"algorithm": "published by the environment: best known", "env": _name(env)}
    return Front(points, spec.objectives, discount=gamma, scale=spec.return_scale, provenance=source).nondominated()


def accepts_gamma(front: Callable[..., Front]) -> Callable[..., Front]:
    """A front function that takes its discount as ``gamma`` as well, which is what MO-Gymnasium's clients write.

    >>> accepts_gamma(lambda discount=None: discount)(gamma=0.5)
    0.5
    """

    @functools.wraps(front)
    def called(*args: Any, **kwargs: Any) -> Front:
        if "gamma" in kwargs:
            given = inspect.signature(front).bind_partial(*args).arguments | kwargs
            if given.get("discount") is not None:
                raise EnvError("both discount and gamma are given; expected one of them, they are the same")
            kwargs["discount"] = kwargs.pop("gamma")
        return front(*args, **kwargs)

    return called


def _own(layer: Any, name: str) -> Any:
    """An attribute that this layer itself defines: never one forwarded from inside a wrapper."""
    if name in vars(layer):
        return vars(layer)[name]
    for cls in type(layer).__mro__:
        if name in vars(cls):
            return getattr(layer, name, None)
    return None


def _spec_from_space(env: Any, layer: Any, space: Any, horizon: int | None) -> MOSpec:
    shape = getattr(space, "shape", None)
    if not isinstance(space, spaces.Box) or shape is None or len(shape) != 1 or shape[0] < 1:
        raise EnvError(
            f"{_name(env)} has reward_space {space}; expected a Box of shape (K,), one entry per objective"
            + (" (its rewards are scalar: measure it before the wrapper that sums them)" if shape in ((), None) else "")
        )
    names = _own(layer, "reward_names") or [f"r{i}" for i in range(shape[0])]
    gamma = _own(layer, "discount")
    try:
        return MOSpec(
            tuple(
                Objective(str(n), "", float(a), float(b)) for n, a, b in zip(names, space.low, space.high, strict=True)
            ),
            discount=float(gamma) if isinstance(gamma, int | float) else 1.0,
            horizon=horizon,
        )
    except (SpecError, ValueError) as error:
        raise EnvError(f"{_name(env)} has objectives that do not fit its reward_space {space}: {error}") from None


def _name(env: Any) -> str:
    spec = getattr(env, "spec", None)
    return f"environment {spec.id!r}" if spec is not None else f"environment {type(env).__name__}"


def check_options(options: Mapping[str, Any] | None, known: tuple[str, ...], what: str) -> Mapping[str, Any]:
    """Reset options as a mapping, every key of which the environment understands.

    Raises:
        EnvError: not a mapping, or an unknown key.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise EnvError(f"reset options of {what} are {options!r}; expected a dictionary")
    for key in options:
        if key not in known:
            expected = f"one of {', '.join(map(repr, known))}" if known else "none"
            raise EnvError(f"{what} has no reset option {key!r}; expected {expected}")
    return options
