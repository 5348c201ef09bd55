"""Nothing leaks: not the seed, not the global generators, not internal arrays, not one copy into another."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from morl.envs.checks.case import Case, Chooser, Finding, Stage, difference, same, snapshot, spoil
from morl.envs.failures import described, short

_SHORT = 60


def seeding(case: Case) -> Iterator[Finding]:
    """The same seed gives the same episodes, in two environments and in one that is seeded again."""
    first, second = case.make(), case.make()
    one = case.rollout(first)
    two = case.rollout(second)
    parted = difference(one, two)
    if parted:
        yield f"the same seed gives different episodes: {parted}", "draw random numbers from self.np_random only"
    else:
        again = difference(one, case.rollout(first))
        if again:
            yield (
                f"seeding again does not start over: {again}",
                "call super().reset(seed=seed) first, and reset all state",
            )
    first.close()
    second.close()


def global_generators(case: Case) -> Iterator[Finding]:
    """Python's and numpy's global generators are neither read nor moved."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002  # the point is to watch the global generator
    try:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        before = random.getstate(), np.random.get_state()  # noqa: NPY002
        env = case.make()
        case.rollout(env, steps=_SHORT)
        env.close()
        moved = []
        if random.getstate() != before[0]:
            moved.append("random")
        if not same(list(np.random.get_state()), list(before[1])):  # noqa: NPY002
            moved.append("numpy.random")
        for module in moved:
            yield f"it draws from the global generator of {module}", "use self.np_random, which reset(seed=...) seeds"
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002


def aliasing(case: Case) -> Iterator[Finding]:
    """Whatever a caller does to an observation, reward or info, the environment goes on as if it had not."""
    clean_env = case.make()
    clean = case.rollout(clean_env)
    clean_env.close()
    for part in ("observation", "reward", "info"):
        env = case.make()

        def overwrite(stage: Stage, part: str = part) -> None:
            spoil(getattr(stage, part))

        try:
            spoiled = case.rollout(env, between=overwrite)
            parted = difference(clean, spoiled, infos=True)
        except Exception as error:
            parted = f"it then raises {described(error)}"
        if parted:
            yield (
                f"overwriting a returned {part} changes what comes next: {parted}",
                f"return a copy of the {part}, never an internal array",
            )
        env.close()


def buffers(case: Case) -> Iterator[Finding]:
    """What was returned stays as it was: no array is written to after it has been handed out."""
    env = case.make()
    handed: list[tuple[Stage, Stage]] = []
    case.rollout(env, between=lambda stage: handed.append((stage, snapshot(stage))))
    env.close()
    for part in ("observation", "reward", "info"):
        for live, then in handed:
            if not same(getattr(live, part), getattr(then, part)):
                yield (
                    f"a returned {part} is written to later: {short(getattr(then, part))} "
                    f"has become {short(getattr(live, part))}",
                    f"make a fresh {part} every step",
                )
                break


def actions_untouched(case: Case) -> Iterator[Finding]:
    """The action that was passed in is not written to."""
    env = case.make()
    env.reset(seed=case.seed)
    chooser = Chooser(env.action_space, case.seed)
    info: Any = {}
    for _ in range(10):
        action = chooser(info.get("action_mask"))
        given = snapshot(action)
        _, _, terminated, truncated, info = env.step(action)
        if not same(action, given):
            yield f"step changes its argument from {short(given)} to {short(action)}", "copy the action first"
            break
        if terminated or truncated:
            _, info = env.reset()
    env.close()


def twins(case: Case) -> Iterator[Finding]:
    """Two environments do not share state, and an episode leaves nothing behind for the next one."""
    alone = case.make()
    expected = case.rollout(alone, steps=_SHORT)
    alone.close()
    first, second = case.make(), case.make()
    second.reset(seed=case.seed + 1)
    disturb = Chooser(second.action_space, case.seed + 1)
    over = [False]
    mask: list[Any] = [None]

    def meddle(_: Stage) -> None:
        if over[0]:
            _, info = second.reset()
        else:
            *_, terminated, truncated, info = second.step(disturb(mask[0]))
            over[0] = bool(terminated or truncated)
            mask[0] = info.get("action_mask")
            return
        over[0], mask[0] = False, info.get("action_mask")

    second.reset(seed=case.seed + 1)
    parted = difference(expected, case.rollout(first, steps=_SHORT, between=meddle))
    if parted:
        yield f"stepping another environment changes this one: {parted}", "keep state on the instance, not the class"
    first.close()
    second.close()


def copies(case: Case) -> Iterator[Finding]:
    """A deep copy and a pickled one go on exactly as the original does, or ask for a reset and then behave as new."""
    for how in ("deepcopy", "pickle"):
        env = case.make()
        case.rollout(env, steps=7)
        try:
            twin = copy.deepcopy(env) if how == "deepcopy" else pickle.loads(pickle.dumps(env))  # noqa: S301
        except Exception as error:
            yield (
                f"{how} fails: {described(error)}",
                "keep only picklable state, or define __getstate__ and __setstate__",
            )
            env.close()
            continue
        parted = _goes_on(case, env, twin)
        if parted:
            yield (
                f"after {how} the copy does not go on as the original: {parted}",
                "copy all of the state, the generator included, or refuse to step before a reset",
            )
        expected = case.rollout(env, steps=_SHORT)
        try:
            parted = difference(expected, case.rollout(twin, steps=_SHORT))
        except Exception as error:
            parted = f"it raises {described(error)}"
        if parted:
            yield f"after {how} and a reset the copy is not as the original: {parted}", "copy all parameters"
        env.close()
        twin.close()


def _goes_on(case: Case, env: Any, twin: Any) -> str | None:
    """Where a copy made in the middle of an episode parts from its original, in words."""
    chooser = Chooser(env.action_space, case.seed + 2)
    mask: Any = None
    for t in range(20):
        action = chooser(mask)
        try:
            one = env.step(snapshot(action))
        except Exception:
            return None  # an action mask that is not known yet: nothing to compare
        try:
            two = twin.step(snapshot(action))
        except Exception:
            return None if t == 0 else f"step {t} raises only in the copy"
        if not same(one[:4], two[:4]):
            return f"step {t} gives {short(one[:4])} and {short(two[:4])}"
        mask = one[4].get("action_mask")
        if one[2] or one[3]:
            return None
    return None


def spec_round_trip(case: Case) -> Iterator[Finding]:
    """The Gymnasium spec survives JSON and makes the same environment again."""
    env = case.make()
    spec = env.spec
    env.close()
    if case.registered is None or spec is None or callable(spec.entry_point):
        return  # a class of a script or notebook: a warning of its own says so
    try:
        text = spec.to_json()
        back = EnvSpec.from_json(text)
        made = gym.make(back)
    except Exception as error:
        yield (
            f"its spec cannot be written as JSON and made again: {described(error)}",
            "register it by an import path ('module:Class') with arguments that JSON can hold",
        )
        return
    if json.loads(back.to_json()) != json.loads(text):
        yield "its spec changes on the way through JSON", "give arguments that JSON can hold (lists, not arrays)"
    if made.observation_space != env.observation_space or made.action_space != env.action_space:
        yield "the environment made from its spec has other spaces", "register every argument that matters"
    made.close()
