"""Policies by the identity of a point: from a run folder, or from a front file and the environment that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.files import SUFFIXES
from morl.pareto.identity import find_identity
from morl.spec import FloatArray, FrontError, RunError

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.acting import PolicyHandle
    from morl.pareto import Front
    from morl.runs.folder import RunFolder

_CLASSES = {
    "mixture": "mixture",
    "stationary deterministic": "stationary",
    "markov deterministic": "markov",
    "history-dependent deterministic": "history",
}
"""Policy classes that can be solved for again, as provenance names them."""


@dataclass(frozen=True)
class Step:
    """One step of an episode.

    Args:
        time: steps before it.
        observation: what the policy saw.
        action: what it did.
        reward: ``(K,)`` what it was paid, maximised.
        frame: the picture or text after the step, as the environment renders it; ``None`` where it does not.
        over: the episode ended, or its time was up.
    """

    time: int
    observation: Any
    action: Any
    reward: FloatArray
    frame: Any
    over: bool


class Opened:
    """The policies of one source, ready to act.

    Attributes:
        agent: owner of the policies.
        env: an environment of one's own to play in.
        front: the points and their identities.
    """

    def __init__(self, agent: Agent, env: Any, front: Front) -> None:
        self.agent, self.env, self.front = agent, env, front

    @cached_property
    def _handles(self) -> dict[str, PolicyHandle]:
        """Every policy that the agent would put on a front, by identity; those of the front itself come first."""
        from morl.agents.core.acting import PolicyHandle
        from morl.agents.core.identity import policy_identities

        measured = self.front if self.front.policies else self.agent.measured
        if measured is not None and measured.policies:
            found = dict(zip(measured.ids, measured.policies, strict=True))
            if set(self.front.ids) <= found.keys():
                return found
        else:
            found = {}
        policies = self.agent._policies(None)
        ids = policy_identities(self.agent, policies, np.arange(len(policies)))
        return {**{id: PolicyHandle(self.agent, policies, i) for i, id in enumerate(ids)}, **found}

    def policy(self, id: str) -> PolicyHandle:
        """The policy of a point.

        Raises:
            UnknownNameError: no point has that identity.
            RunError: a point of the front that the agent no longer plays.
        """
        known = list(dict.fromkeys([*self.front.ids, *self._handles]))
        wanted = known[find_identity(known, id)]
        if wanted not in self._handles:
            steps = self.front.provenance.get("steps")
            raise RunError(
                f"point {wanted} was measured at {steps:,} steps; the agent as saved has {self.agent.num_timesteps:,} "
                "and other policies: measure them with morl eval"
                if isinstance(steps, int)
                else f"point {wanted} is of no policy of the agent as saved; measure its policies with morl eval"
            )
        return self._handles[wanted]

    def identity(self, policy: PolicyHandle) -> str:
        """The identity of a policy."""
        from morl.agents.core.identity import policy_identities

        return policy_identities(self.agent, policy.policies, np.array([policy.number]))[0]

    def for_preference(self, preference: Any = None, *, raw: bool = False) -> PolicyHandle:
        """The policy that is played for a preference (see :meth:`morl.agents.Agent.predict`)."""
        from morl.agents.core.acting import PolicyHandle

        return PolicyHandle(self.agent, self.agent._for_preference(preference, raw), 0)

    def episode(self, policy: PolicyHandle, seed: int = 0, max_steps: int | None = None) -> Iterator[Step]:
        """Play one episode: the same for the same seed.

        Args:
            policy: of :meth:`policy` or :meth:`for_preference`.
            seed: of the environment and of what the policy draws.
            max_steps: stop after so many.
        """
        agent, env = self.agent, self.env
        agent._rng_predict = np.random.default_rng(seed)
        deterministic = agent._evaluates_deterministically
        observation, _ = env.reset(seed=seed)
        accrued, state, time, over = np.zeros(agent.k), None, 0, False
        while not over and (max_steps is None or time < max_steps):
            action, state = policy.predict(observation, state, deterministic=deterministic, accrued=accrued)
            seen = observation
            observation, reward, terminated, truncated, _ = env.step(action)
            reward = np.asarray(reward, dtype=np.float64)
            accrued = accrued + agent.discount**time * reward
            over = bool(terminated or truncated)
            frame = None if getattr(env, "render_mode", None) is None else env.render()
            yield Step(time, seen, action, reward, frame, over)
            time += 1


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
    """The policies of an exact front, acting in the environment whose finite model it was solved for."""
    from morl.agents import registry
    from morl.agents.core.acting import PolicyHandle

    agent: Any = registry.get("ExactPlanner")(env, seed=0, discount=front.discount)
    if agent.problem.model is None:
        raise FrontError(f"{agent.problem.id} has no finite model, so the front's policies cannot act in it")
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
    options = {**(facts.get("env_options") or {}), **({} if render_mode is None else {"render_mode": render_mode})}
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


def measure(agent: Agent, policy: PolicyHandle, episodes: int, seed: int | None) -> Front:
    """Measure one policy in fresh episodes (exactly, where that is possible), as a front of one point."""
    from morl.agents.core.fronts import as_front
    from morl.agents.core.policies import Subset

    spent, number = agent._evaluator.steps, np.array([policy.number])
    result = agent._evaluator.evaluate(
        Subset(policy.policies, number), episodes, seed=seed, deterministic=agent._evaluates_deterministically
    )
    return as_front(agent, result, np.zeros(1, np.int64), policy.policies, number, agent._evaluator.steps - spent)
