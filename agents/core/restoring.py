"""What a checkpoint says about an agent, and an agent made from a checkpoint. Nothing that does not fit gets in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from morl.agents.core import checkpoint
from morl.agents.core.config import option_names, to_dict
from morl.agents.core.errors import DeviceError, UtilityNeededError
from morl.agents.core.option_names import present_names
from morl.envs.recorded import check_words
from morl.spec import MorlError, RunError

if TYPE_CHECKING:
    from morl.agents.base import Agent

Array = np.ndarray[Any, Any]
A = TypeVar("A", bound="Agent")


def facts_of(agent: Agent) -> dict[str, Any]:
    """What a checkpoint says of an agent beside its state."""
    return {
        "algorithm": agent.info.name,
        "config": to_dict(agent.config),
        "given": sorted(agent.given),
        "seed": agent.seed,
        "env": agent.problem.id,
        "objectives": [o.to_dict() for o in agent.spec.objectives],
        "discount": agent.discount,
        "num_timesteps": agent.num_timesteps,
        "target_timesteps": agent.target_timesteps,
        "segment": agent._segment,
        "seconds": agent.seconds,
        "eval_steps": agent._evaluator.steps,
        "eval_calls": agent._evaluator._calls,
        "measured": agent._measured_facts(),
        "run": agent.run,
    }


def restored(cls: type[A], path: str | Path, env: Any, **own: Any) -> A:
    """An agent of that class as it was saved; what is not ``None`` of ``own`` goes to its constructor.

    Raises:
        RunError: no checkpoint there, damaged beyond the previous one, or of another algorithm or environment.
        UtilityNeededError: it maximised a function of its caller's.
        DeviceError: it is to compute on a device that is not here.
    """
    saved = checkpoint.load(path)
    meta, where = saved.meta, f"checkpoint {str(path)!r}"
    try:
        check_words(meta["config"], where)
        if meta["algorithm"] != cls.info.name:
            raise RunError(f"{where} is of {meta['algorithm']}; load it with morl.agents.load")
        config = present_names(cls.info.name, option_names(cls.Config), meta["config"])
        agent = cls(
            env, config, seed=meta["seed"], tuned=False, **{name: x for name, x in own.items() if x is not None}
        )
        names = tuple(o["name"] for o in meta["objectives"])
        if names != agent.spec.names or meta["env"] != agent.problem.id:
            raise RunError(
                f"{where} is of {meta['env']} ({', '.join(names)}); "
                f"given was {agent.problem.id} ({', '.join(agent.spec.names)})"
            )
        agent.num_timesteps, agent.target_timesteps = _count(meta, "num_timesteps"), _count(meta, "target_timesteps")
        agent._segment, agent._training.watch.seconds = _count(meta, "segment"), float(meta["seconds"])
        agent._evaluator.steps, agent._evaluator._calls = _count(meta, "eval_steps"), _count(meta, "eval_calls")
        agent.run = meta.get("run")
        # What the caller left to the agent, it goes on choosing by itself. Older checkpoints do not say what that was.
        chosen = present_names(cls.info.name, option_names(cls.Config), dict.fromkeys(meta.get("given", config)))
        agent.given = {name: value for name, value in agent.given.items() if name in chosen}
        admit(agent, saved)
        agent._saved_front = meta.get("measured")
    except (RunError, UtilityNeededError, DeviceError):
        raise
    except (MorlError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{where} does not fit {cls.info.name} in this environment ({what})") from None
    return agent


def admit(agent: Agent, saved: checkpoint.Checkpoint) -> None:
    """Restore what was saved, once it has the names, dtypes and shapes that an agent of this config has.

    What a fresh agent has says what is expected: the same dtypes and row shapes, and as many rows or more. After
    restoring, the agent's state must be what was given, array for array: whatever was left out, left over,
    converted or stretched on the way in shows here.

    Raises:
        RunError: an array that does not fit, by name.
    """
    checkpoint.require_finite(saved.arrays, agent._unset, "it is of no use")
    for name, expected in agent._state()[0].items():
        if name in saved.arrays:
            _require_like(name, saved.arrays[name], expected, agent._widening)
    agent._restore(saved.arrays, saved.meta["facts"])
    again = agent._state()[0]
    missing, surplus = sorted(again.keys() - saved.arrays.keys()), sorted(saved.arrays.keys() - again.keys())
    unfit = f"checkpoint does not fit {agent.info.name}"
    if surplus or (missing and saved.complete):
        raise RunError(f"{unfit}: " + (f"it lacks {missing[0]}" if missing else f"{surplus[0]} is none of its arrays"))
    for name, given in saved.arrays.items():
        kept = np.asarray(again[name])
        if kept.dtype != given.dtype or kept.shape != given.shape:
            raise RunError(f"{unfit}: {name} is {given.dtype} {given.shape}; expected {kept.dtype} {kept.shape}")


def _count(meta: Mapping[str, Any], name: str) -> int:
    value = meta[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise RunError(f"checkpoint has {name} = {value!r}; expected a non-negative integer")
    return value


def _require_like(name: str, given: Array, expected: Array, widening: Collection[str]) -> None:
    """Refuse an array that a fresh agent's array of that name cannot have become."""
    expected = np.asarray(expected)
    same = given.dtype == expected.dtype and given.ndim == expected.ndim
    if same and given.ndim and name not in widening:
        same = given.shape[1:] == expected.shape[1:] and given.shape[0] >= expected.shape[0]
    if not same:
        raise RunError(
            f"checkpoint does not fit: {name} is {given.dtype} {given.shape}; expected {expected.dtype} "
            f"{expected.shape} or more rows"
        )
