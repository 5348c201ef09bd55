"""Rewards scalarised, clipped, selected, permuted or negated: maps without memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike

from morl.envs.failures import described
from morl.envs.wrappers.arguments import numbers, plain_list, plain_numbers, positions
from morl.envs.wrappers.base import Transform, TransformReward, VectorTransformReward, scalar_space
from morl.spec import EnvError, FloatArray, MorlError, MOSpec, Objective, check_weights

UtilityFunction = Callable[[FloatArray], Any]
"""A utility of :mod:`morl.utility`, or any function of returns ``(..., K)`` that gives ``(...)``."""

VECTOR_REWARD = "vector_reward"
"""Info key of the reward vector behind a scalar reward."""


class LinearTransform(Transform):
    """``w · r`` for simplex weights ``(K,)``."""

    kept_as = VECTOR_REWARD

    def __init__(self, weights: ArrayLike) -> None:
        self.weights: Any = weights

    def spec(self, spec: MOSpec) -> None:
        """Rewards become scalar; the weights must be a point of the simplex."""
        self.weights = check_weights(plain_numbers(self.weights), spec.k)

    def space(self, spec: MOSpec) -> spaces.Box:
        """From the smallest to the largest weighted sum."""
        self.spec(spec)
        used = self.weights > 0
        low, high = self.weights[used] @ spec.reward_low[used], self.weights[used] @ spec.reward_high[used]
        return scalar_space(float(low), float(high))

    def apply(self, rewards: FloatArray) -> FloatArray:
        """The weighted sum over the last axis."""
        return np.asarray(rewards @ self.weights)


class UtilityTransform(Transform):
    """``u(r)`` of every single reward."""

    kept_as = VECTOR_REWARD

    def __init__(self, utility: UtilityFunction) -> None:
        if not callable(utility):
            raise EnvError(f"utility is {utility!r}; expected one of morl.utility or a function of returns (..., K)")
        self.utility = utility

    def spec(self, spec: MOSpec) -> None:
        """Rewards become scalar; the utility must accept K numbers."""
        try:
            tried = np.asarray(self.utility(np.zeros((2, spec.k))))
        except MorlError:
            raise
        except Exception as error:
            raise EnvError(
                f"utility fails on returns of shape (2, {spec.k}): {described(error)}; expected a function of (..., K)"
            ) from error
        if tried.shape != (2,):
            raise EnvError(f"utility turned returns of shape (2, {spec.k}) into shape {tried.shape}; expected (2,)")

    def apply(self, rewards: FloatArray) -> FloatArray:
        """The utility over the last axis."""
        return np.asarray(self.utility(rewards), dtype=np.float64)


class ClipTransform(Transform):
    """Each objective's reward limited to ``[low, high]``; scalars or one bound per objective."""

    kept_as = "unclipped_reward"

    def __init__(self, low: ArrayLike, high: ArrayLike) -> None:
        self.low: Any = low
        self.high: Any = high

    def spec(self, spec: MOSpec) -> MOSpec:
        """Bounds shrink; a reference point and scale made for unclipped returns no longer apply."""
        self.low, self.high = (numbers(bound, spec.k, "clip bound") for bound in (self.low, self.high))
        low, high = np.broadcast_to(self.low, (spec.k,)), np.broadcast_to(self.high, (spec.k,))
        if (low > high).any():
            raise EnvError(f"clip bounds are {low.tolist()} and {high.tolist()}; expected low <= high")
        clipped = (
            replace(o, low=float(np.clip(o.low, a, b)), high=float(np.clip(o.high, a, b)))
            for o, a, b in zip(spec.objectives, low, high, strict=True)
        )
        return replace(spec, objectives=tuple(clipped), ref_point=None, return_scale=None)

    def apply(self, rewards: FloatArray) -> FloatArray:
        """Clip a fresh array."""
        return np.asarray(np.clip(rewards, self.low, self.high))


class SelectTransform(Transform):
    """Some objectives, in a given order: a selection or a permutation."""

    def __init__(self, objectives: Sequence[str | int]) -> None:
        self.wanted = objectives
        self.index = np.zeros(0, dtype=np.int64)

    def spec(self, spec: MOSpec) -> MOSpec:
        """Everything with one entry per objective follows."""
        self.index = positions(spec, self.wanted)

        def pick(values: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(values[i] for i in self.index)

        scale = spec.return_scale
        return replace(
            spec,
            objectives=tuple(spec.objectives[i] for i in self.index),
            ref_point=None if spec.ref_point is None else pick(spec.ref_point),
            return_scale=None if scale is None else (pick(scale[0]), pick(scale[1])),
        )

    def apply(self, rewards: FloatArray) -> FloatArray:
        """Pick columns into a fresh array."""
        return np.asarray(rewards[..., self.index])


class NegateTransform(Transform):
    """The sign of some objectives turned round, for environments that report costs as positive numbers."""

    def __init__(self, objectives: Sequence[str | int]) -> None:
        self.wanted = objectives
        self.sign = np.ones(0)

    def spec(self, spec: MOSpec) -> MOSpec:
        """Bounds and scales turn round; the reference point of a negated objective is unknown, so it is dropped."""
        self.sign = np.ones(spec.k)
        self.sign[positions(spec, self.wanted)] = -1.0

        def flip(o: Objective, sign: float) -> Objective:
            return o if sign > 0 else replace(o, low=-o.high, high=-o.low)

        objectives = tuple(flip(o, s) for o, s in zip(spec.objectives, self.sign, strict=True))
        scale = spec.return_scale
        if scale is not None:
            low, high = np.array(scale[0]), np.array(scale[1])
            turned = np.where(self.sign > 0, low, -high), np.where(self.sign > 0, high, -low)
            scale = (tuple(turned[0].tolist()), tuple(turned[1].tolist()))
        return replace(spec, objectives=objectives, ref_point=None, return_scale=scale)

    def apply(self, rewards: FloatArray) -> FloatArray:
        """Multiply by ±1 (adding 0 so that no −0.0 is left)."""
        return np.asarray(rewards * self.sign + 0.0)


class LinearReward(TransformReward):
    """Scalar reward ``w · r``; the vector stays in ``info["vector_reward"]``.

    Args:
        env: an environment with vector rewards.
        weights: ``(K,)`` on the simplex.

    >>> import morl
    >>> env = LinearReward(morl.make("morl/DeepSeaTreasure-v0"), [0.5, 0.5])
    >>> _ = env.reset(seed=0)
    >>> env.step(1)[1]
    -0.15000000000000002
    """

    def __init__(self, env: gym.Env[Any, Any], weights: ArrayLike) -> None:
        super().__init__(env, LinearTransform(weights), weights=plain_numbers(weights))


class VectorLinearReward(VectorTransformReward):
    """Scalar rewards ``(n,)``; the vectors ``(n, K)`` stay in ``info["vector_reward"]``."""

    def __init__(self, env: VectorEnv[Any, Any, Any], weights: ArrayLike) -> None:
        super().__init__(env, LinearTransform(weights))


class UtilityReward(TransformReward):
    """Scalar reward ``u(r)`` of each step by itself.

    For a utility that is not linear the sum of these is *not* the utility of the return; where that is wanted, use
    :class:`morl.envs.wrappers.ESRReward`.
    """

    def __init__(self, env: gym.Env[Any, Any], utility: UtilityFunction) -> None:
        super().__init__(env, UtilityTransform(utility), utility=utility)


class VectorUtilityReward(VectorTransformReward):
    """The vector form of :class:`UtilityReward`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], utility: UtilityFunction) -> None:
        super().__init__(env, UtilityTransform(utility))


class ClipReward(TransformReward):
    """Rewards limited per objective; the original is in ``info["unclipped_reward"]``."""

    def __init__(self, env: gym.Env[Any, Any], low: ArrayLike, high: ArrayLike) -> None:
        super().__init__(env, ClipTransform(low, high), low=plain_numbers(low), high=plain_numbers(high))


class VectorClipReward(VectorTransformReward):
    """The vector form of :class:`ClipReward`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], low: ArrayLike, high: ArrayLike) -> None:
        super().__init__(env, ClipTransform(low, high))


class SelectObjectives(TransformReward):
    """Only some objectives, in the order given: a selection or a permutation, by name or number."""

    def __init__(self, env: gym.Env[Any, Any], objectives: Sequence[str | int]) -> None:
        super().__init__(env, SelectTransform(objectives), objectives=plain_list(objectives))


class VectorSelectObjectives(VectorTransformReward):
    """The vector form of :class:`SelectObjectives`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], objectives: Sequence[str | int]) -> None:
        super().__init__(env, SelectTransform(objectives))


class NegateObjectives(TransformReward):
    """Some objectives with their sign turned round, by name or number."""

    def __init__(self, env: gym.Env[Any, Any], objectives: Sequence[str | int]) -> None:
        super().__init__(env, NegateTransform(objectives), objectives=plain_list(objectives))


class VectorNegateObjectives(VectorTransformReward):
    """The vector form of :class:`NegateObjectives`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], objectives: Sequence[str | int]) -> None:
        super().__init__(env, NegateTransform(objectives))


__all__ = [
    "ClipReward",
    "LinearReward",
    "NegateObjectives",
    "SelectObjectives",
    "UtilityReward",
    "VectorClipReward",
    "VectorLinearReward",
    "VectorNegateObjectives",
    "VectorSelectObjectives",
    "VectorUtilityReward",
]
