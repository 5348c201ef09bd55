"""The handful of checks that registering an environment runs: cheap, and enough to catch a broken contract."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.core import mo_spec
from morl.envs.failures import described, short
from morl.spec import EnvError, MorlError

_STEPS = 8


def check_reward(reward: Any, k: int, what: str) -> None:
    """Raise :class:`EnvError` unless a reward is a finite float array of shape ``(k,)``."""
    if not isinstance(reward, np.ndarray):
        raise EnvError(
            f"{what} returned the reward {short(reward)} of type {type(reward).__name__}; "
            f"expected a numpy float array of shape ({k},)"
        )
    if reward.shape != (k,):
        raise EnvError(f"{what} returned a reward of shape {reward.shape}; expected ({k},), one entry per objective")
    if not np.issubdtype(reward.dtype, np.floating):
        raise EnvError(f"{what} returned a reward of dtype {reward.dtype}; expected a float dtype")
    if not np.isfinite(reward).all():
        i = int(np.argmin(np.isfinite(reward)))
        raise EnvError(f"{what} returned {reward[i]} for objective {i}; expected finite numbers")


def quick_check(env: Any, name: str) -> None:
    """Make sure that an environment declares its objectives, resets, and pays vectors that fit.

    Raises:
        EnvError: the first thing that is wrong, with the fix.
    """
    what = f"environment {name!r}"
    spec = mo_spec(env)
    for attribute in ("observation_space", "action_space"):
        if getattr(env, attribute, None) is None:
            raise EnvError(f"{what} has no {attribute}; set it in __init__")
    try:
        result = env.reset(seed=0)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise EnvError(f"{what}: reset returned {type(result).__name__}; expected (observation, info)")
        if not env.observation_space.contains(result[0]):
            raise EnvError(f"{what}: reset returned {result[0]!r}, which is not in {env.observation_space}")
        env.action_space.seed(0)
        info = result[1]
        for _ in range(_STEPS):
            mask = info.get("action_mask")
            action = env.action_space.sample() if mask is None else env.action_space.sample(mask)
            moved = env.step(action)
            if not (isinstance(moved, tuple) and len(moved) == 5):
                raise EnvError(f"{what}: step returned {type(moved).__name__}; expected five values")
            check_reward(moved[1], spec.k, what)
            info = moved[4]
            if moved[2] or moved[3]:
                _, info = env.reset()
    except MorlError:
        raise
    except Exception as error:
        raise EnvError(f"{what} failed in its first steps: {described(error)}") from error
