"""What the conformance suite for agents asks of: one algorithm with its options, and how its answers are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from morl.agents.base import Agent
from morl.spec import FloatArray, MorlError
from morl.testing import problems

Errors = type[MorlError] | tuple[type[MorlError], ...]
"""What :meth:`Case.refuses` expects."""


class ConformanceError(AssertionError):
    """An agent broke the contract; the message says which part, and how."""


@dataclass(frozen=True)
class Case:
    """What is checked.

    Args:
        agent: the class.
        options: options given to every instance.
        steps: environment steps for checks of mechanics.
        optimum_steps: environment steps within which the optimum of a tiny problem is to be found.
        optimum_options: options for those, over ``options``.
        tolerance: how far from the optimum is near enough, as a fraction of the return scale.
        actions: ``"discrete"`` or ``"continuous"`` problems; discrete ones by default, where the agent can.
        seed: the first that learning the optimum is tried with.
    """

    agent: type[Agent]
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 600
    optimum_steps: int = 20_000
    optimum_options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.03
    actions: str | None = None
    seed: int = 0

    @property
    def name(self) -> str:
        """The algorithm's name."""
        return self.agent.info.name

    @property
    def discrete(self) -> bool:
        """Whether the tiny problems have discrete actions."""
        return (self.actions or self.agent.info.actions[0]) == "discrete"

    def problem(self) -> Any:
        """The problem for checks of mechanics."""
        return problems.deterministic() if self.discrete else problems.Target()

    def make(self, env: Any = None, *, seed: int | None = 0, **more: Any) -> Agent:
        """An instance."""
        return self.agent(self.problem() if env is None else env, seed=seed, **{**self.options, **more})

    def trained(self, env: Any = None, *, seed: int = 0) -> Agent:
        """An instance that has learned a little."""
        return self.make(env, seed=seed).learn(self.steps)

    def require(self, condition: bool, message: str) -> None:
        """Raise :class:`ConformanceError` where ``condition`` is false."""
        if not condition:
            raise ConformanceError(f"{self.name}: {message}")

    def refuses(self, errors: Errors, call: Callable[[], Any], what: str) -> None:
        """Require that ``call`` raises one of ``errors`` with a message of one line."""
        try:
            call()
        except errors as error:
            text = str(error)
            self.require(bool(text) and "\n" not in text, f"{what}: the message is {text!r}; expected one clear line")
            return
        except Exception as error:
            raise ConformanceError(
                f"{self.name}: {what} raised {type(error).__name__} ({error}); expected {errors}"
            ) from error
        raise ConformanceError(f"{self.name}: {what} was accepted; expected {errors}")


Check = Callable[[Case], str | None]


def digest(agent: Agent) -> str:
    """SHA-256 of everything that an agent has learned."""
    arrays, facts = agent._state()
    seal = hashlib.sha256(repr(sorted(facts.items())).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        seal.update(f"{name}{array.dtype}{array.shape}".encode())
        seal.update(array.tobytes())
    return seal.hexdigest()


def some_observations(agent: Agent, n: int = 6) -> Any:
    """``n`` observations of the agent's environment."""
    if agent.problem.model is not None:
        live = agent.problem.model_observations[~agent.problem.model.terminal]
        return live[np.arange(n) % len(live)]
    rng = np.random.default_rng(0)
    agent.observation_space.seed(int(rng.integers(1000)))
    return np.stack([agent.observation_space.sample() for _ in range(n)])


def actions_of(agent: Agent, observations: Any, preference: Any = None) -> np.ndarray[Any, Any]:
    """Actions for observations of first steps."""
    extra: dict[str, Any] = {"accrued": np.zeros((len(observations), agent.k))}
    if agent.info.multi_policy:
        extra["preference"] = preference
    return np.asarray(agent.predict(observations, deterministic=True, **extra)[0])


def some_preferences(k: int) -> FloatArray:
    """Each corner of the simplex, and four preferences inside it."""
    return np.concatenate([np.eye(k), np.random.default_rng(7).dirichlet(np.ones(k), 4)])
