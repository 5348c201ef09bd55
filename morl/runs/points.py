"""Policies by the identity of a point: from a run folder, or from a front file and the environment that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.exact.policy import require_table
from morl.pareto.files import SUFFIXES
from morl.runs.playing import Opened, Step
from morl.spec import FrontError, ModelError

if TYPE_CHECKING:
    from morl.pareto import Front
    from morl.runs.folder import RunFolder

__all__ = ["Opened", "Step", "open_source", "planned", "point_policy"]

_CLASSES = {
    "mixture": "mixture",
    "stationary deterministic": "stationary",
    "markov deterministic": "markov",
    "history-dependent deterministic": "history",
}
"""Policy classes that can be solved for again, as provenance names them."""


def open_source(
    source: str | Path,
    *,
    render_mode: str | None = None,
    trust: bool = False,
    imports: Sequence[str] = (),
    utility: Callable[..., Any] | None = None,
) -> Opened:
    """The policies of a run folder, or of a front file: its run's, the tables in it, or those solved again for it.

    Args:
        source: a run folder, a front file inside of one, or a front file that names its environment.
        render_mode: how the environment to play in is drawn.
        trust, imports, utility: as for :func:`morl.runs.load_agent`.

    Raises:
        RunError: the run has no agent.
        FrontError: a file that knows values and no policies.
    """
    from morl.pareto import Front
    from morl.runs.loading import load_agent
    from morl.runs.trust import open_env

    path = Path(source)
    run = _run_of(path)
    if run is None:
        return _of_file(path, render_mode, trust, imports)
    agent = load_agent(run, trust=trust, imports=imports, utility=utility)
    env = open_env(run, trust=trust, imports=imports, render_mode=render_mode)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return Opened(agent, env, Front.load(path))
    measured = agent.measured
    return Opened(agent, env, measured if measured is not None else run.front())


def point_policy(env: Any, front: Front, index: int) -> Any:
    """The policy behind a point of a front in memory, with ``predict``, whatever kind of policy it is.

    Raises:
        FrontError: the front knows values, not policies.
    """
    if front.policies is None:
        raise FrontError("the front was made from a file: it knows values, not policies")
    if hasattr(front.policies[index], "predict"):
        return front.policies[index]
    return planned(env, front).policy(front.ids[index])


def planned(env: Any, front: Front) -> Opened:
    """The policies of an exact front, acting in the environment whose finite model it was solved for.

    Raises:
        FrontError: the environment has no finite model, or a policy is none of it.
    """
    from morl.agents import registry
    from morl.agents.core.acting import PolicyHandle

    agent: Any = registry.get("ExactPlanner")(env, seed=0, discount=front.discount)
    if agent.problem.model is None:
        raise FrontError(f"{agent.problem.id} has no finite model, so the front's policies cannot act in it")
    for id, policy in zip(front.ids, front.policies or (), strict=False):
        if isinstance(policy, np.ndarray):
            try:
                require_table(agent.problem.model, policy)
            except ModelError as error:
                raise FrontError(f"point {id} does not fit {agent.problem.id}: {error}") from None
    agent._front = front
    policies = agent._policies(None)
    handles = tuple(PolicyHandle(agent, policies, i) for i in range(len(front)))
    return Opened(agent, env, front.replace(policies=handles))


def _run_of(path: Path) -> RunFolder | None:
    """The run that a folder is, or that a front file lies in."""
    from morl.runs.folder import RunFolder

    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        return RunFolder.open(path)
    for folder in (path.parent, path.parent.parent):
        if path.is_file() and os.path.lexists(folder / "config.json"):
            return RunFolder.open(folder)
    return None


def _of_file(path: Path, render_mode: str | None, trust: bool, imports: Sequence[str]) -> Opened:
    """The policies of a front file that belongs to no run."""
    from morl.envs import import_package, make
    from morl.envs.recorded import make_recorded
    from morl.pareto import Front

    front = Front.load(path)
    facts = front.provenance
    id, kind = facts.get("env"), _CLASSES.get(str(facts.get("policy_class")))
    if id is None or (front.policies is None and (kind is None or facts.get("seed") is not None)):
        raise FrontError(
            f"front {str(path)!r} was made from a file: it knows values, not policies; give the folder of its run"
        )
    for name in imports:
        import_package(name)
    options = facts.get("env_options") or {}
    if not isinstance(options, Mapping):
        raise FrontError(f"front {str(path)!r} gives {id} the arguments {options!r}; expected a table of names")
    options = {**options, **({} if render_mode is None else {"render_mode": render_mode})}
    env = make(id, **options) if trust else make_recorded(id, options, where="the front")
    if front.policies is None:
        from morl.solving import solve

        solved = solve(env, kind or "mixture", front.discount, front.epsilon or None, horizon=facts.get("horizon"))
        known = dict(zip(solved.ids, solved.policies or (), strict=True))
        if not set(front.ids) <= known.keys():
            raise FrontError(
                f"front {str(path)!r} has values that solving {id} again does not give; it knows no policies of its own"
            )
        front = front.replace(policies=tuple(known[one] for one in front.ids))
    return planned(env, front)
