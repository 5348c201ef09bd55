"""Does it say what it pays, and pay what it says: objectives, spaces, types, shapes and bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.checks.case import Case, Finding, Stage
from morl.envs.core import mo_spec
from morl.envs.failures import short
from morl.spec import EnvError

_SLACK = 1e-6


def objectives(case: Case) -> Iterator[Finding]:
    """The environment declares its objectives, and its reward space agrees with them."""
    env = case.make()
    spec = mo_spec(env)
    layer: Any = env
    while not hasattr(layer, "reward_space") and hasattr(layer, "env"):
        layer = layer.env
    space = getattr(layer, "reward_space", None)
    if space is None:
        yield "it has no reward_space", f"set self.reward_space = Box(low, high, ({spec.k},), np.float64)"
    elif not isinstance(space, spaces.Box) or space.shape != (spec.k,):
        yield f"reward_space is {space} for {spec.k} objectives", f"make it a Box of shape ({spec.k},)"
    elif not np.allclose(space.low, spec.reward_low) or not np.allclose(space.high, spec.reward_high):
        yield (
            f"reward_space {short(space)} and the objectives' bounds {spec.reward_low.tolist()} to "
            f"{spec.reward_high.tolist()} disagree",
            "derive one from the other (morl.envs.core.reward_space)",
        )
    env.close()


def spaces_declared(case: Case) -> Iterator[Finding]:
    """Observation and action space exist, and stay as they are from one reset to the next."""
    env = case.make()
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name, None), spaces.Space):
            yield f"{name} is {getattr(env, name, None)!r}", f"set self.{name} to a gymnasium space in __init__"
            return
    before = env.observation_space, env.action_space
    env.reset(seed=case.seed)
    if before != (env.observation_space, env.action_space):
        yield "reset changes its spaces", "build observation_space and action_space once, in __init__"
    modes = env.metadata.get("render_modes") if isinstance(env.metadata, dict) else None
    if not isinstance(modes, list | tuple):
        yield f'metadata["render_modes"] is {modes!r}', "list the render modes, or give an empty list"
    env.close()


def resets(case: Case) -> Iterator[Finding]:
    """``reset`` takes a seed and options, and returns an observation of the space and an info dictionary."""
    env = case.make()
    result = env.reset(seed=case.seed, options=None)
    if not (isinstance(result, tuple) and len(result) == 2):
        yield f"reset returns {short(result)}", "return (observation, info)"
        return
    observation, info = result
    if not isinstance(info, dict):
        yield f"reset returns info of type {type(info).__name__}", "return a dictionary"
    if not env.observation_space.contains(observation):
        yield (
            f"reset returns {short(observation)}, which is not in {env.observation_space}",
            "match dtype, shape and bounds",
        )
    env.close()


def steps(case: Case) -> Iterator[Finding]:
    """Every observation lies in its space; flags are booleans; info is a dictionary; never both flags."""
    env = case.make()
    space = env.observation_space
    told: set[str] = set()
    for stage in case.rollout(env):
        for key, wrong, fix in _about(stage, space):
            if key not in told:
                told.add(key)
                yield wrong, fix
    env.close()


def _about(stage: Stage, space: spaces.Space[Any]) -> Iterator[tuple[str, str, str]]:
    if not space.contains(stage.observation):
        where = "reset" if stage.reward is None else "step"
        yield (
            "observation",
            f"{where} returns {short(stage.observation)}, which is not in {space}",
            "widen the space or fix dtype, shape and bounds",
        )
    if stage.reward is None:
        return
    for name in ("terminated", "truncated"):
        flag = getattr(stage, name)
        if not isinstance(flag, bool | np.bool_):
            yield name, f"{name} is {flag!r} of type {type(flag).__name__}", "return a bool"
    if stage.terminated and stage.truncated:
        yield (
            "both",
            "one step sets both terminated and truncated",
            "set truncated alone at a time limit: agents bootstrap from it",
        )
    if not isinstance(stage.info, dict):
        yield "info", f"step returns info of type {type(stage.info).__name__}", "return a dictionary"


def rewards(case: Case) -> Iterator[Finding]:
    """Every reward is a finite float array of shape (K,) within its bounds."""
    spec = case.spec
    told: set[str] = set()

    def fault(key: str) -> bool:
        fresh = key not in told
        told.add(key)
        return fresh

    seen: list[Any] = []
    env = case.make()
    case.rollout(env, between=lambda stage: seen.append(stage.reward))
    env.close()
    for reward in (r for r in seen if r is not None):
        if not isinstance(reward, np.ndarray):
            if fault("type"):
                yield (
                    f"reward is {short(reward)} of type {type(reward).__name__}",
                    f"return np.array([...], dtype=np.float64) of shape ({spec.k},)",
                )
            reward = np.asarray(reward)
        if reward.shape != (spec.k,):
            if fault("shape"):
                yield f"reward has shape {reward.shape}", f"return shape ({spec.k},), one entry per objective"
            continue
        if not np.issubdtype(reward.dtype, np.floating):
            if fault("dtype"):
                yield f"reward has dtype {reward.dtype}", "return floats: wrappers truncate integer rewards"
            if reward.dtype == object:
                continue
        yield from (finding for key, finding in _values(reward, spec) if fault(key))


def _values(reward: Any, spec: Any) -> Iterator[tuple[str, Finding]]:
    if not np.isfinite(reward).all():
        i = int(np.argmin(np.isfinite(reward)))
        yield "finite", (f"reward of {spec.names[i]!r} is {reward[i]}", "pay finite numbers only")
        return
    slack = _SLACK * np.maximum(1.0, np.abs(reward))
    outside = (reward < spec.reward_low - slack) | (reward > spec.reward_high + slack)
    for i in np.flatnonzero(outside).tolist():
        o = spec.objectives[i]
        yield (
            f"bounds{i}",
            (
                f"reward of {o.name!r} is {reward[i]:g}, outside its bounds {o.reward_low:g} to {o.reward_high:g}",
                "widen the bounds of the objective (terminal and goal rewards count too)",
            ),
        )


def model_bounds(case: Case) -> Iterator[Finding]:
    """No reward in the whole model lies outside its bounds, wherever a rollout might not have come."""
    env = case.make()
    base = env.unwrapped
    if hasattr(base, "momdp"):
        model = base.momdp()
        spec = case.spec
        pay = model.rewards if model.outcome_rewards is None else model.outcome_rewards
        if pay.shape[1] != spec.k:
            yield f"the model has {pay.shape[1]} objectives and the environment {spec.k}", "build both from one list"
        elif len(pay):
            for bound in (pay.min(axis=0), pay.max(axis=0)):
                yield from (finding for _, finding in _values(bound, spec))
    env.close()


def horizon(case: Case) -> Iterator[Finding]:
    """No episode is longer than the time limit that the spec announces."""
    limit = case.spec.horizon
    if limit is None:
        return
    env = case.make()
    length = 0
    for stage in case.rollout(env, steps=min(case.steps, limit + 1) if limit < 2000 else case.steps):
        length = 0 if stage.reward is None else length + 1
        if length > limit:
            yield (
                f"an episode goes on after step {limit}, its time limit",
                "truncate it, or declare another horizon (max_steps)",
            )
            break
    env.close()


def declares(case: Case) -> Iterator[Finding]:
    """Something can be made at all; errors of the environment's own are passed on."""
    try:
        env = case.make()
    except EnvError as error:
        yield str(error), "see the message"
        return
    if not hasattr(env, "step") or not hasattr(env, "reset"):
        yield f"{type(env).__name__} has no reset or step", "derive from gymnasium.Env"
    env.close()
