"""What agents that optimise one utility share: the utility itself, from a text or from the caller."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.base import Agent, Array
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.errors import UtilityNeededError
from morl.agents.core.rows import Rows
from morl.spec import FloatArray, IntArray
from morl.utility import as_function, parse_utility
from morl.utility.functions import Function

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UtilityConfig(AgentConfig):
    """Options of agents that optimise one utility."""

    utility: str = option("worst", "what is maximised, such as worst, cvar:0.3, linear:0.7,0.3 (see morl.utility)")
    clip: bool = option(True, "keep returns within the return scale before the utility sees them")
    finite_horizon: bool | None = option(None, "the time limit is part of the problem; None asks its model")


class AccruedFeatures:
    """Observation, accrued reward and time as rows for a network.

    Accrued rewards are scaled to [−1, 1] over the return scale, or by ``spread`` where there is none.

    Args:
        agent: whose observation space, spec and horizon count.
        spread: ``(K,)`` typical accrued reward where the problem has no return scale.

    Attributes:
        rows: of observations, with K + 1 numbers more.
    """

    def __init__(self, agent: Agent, spread: FloatArray | None = None) -> None:
        self.rows = Rows(agent.observation_space, agent.problem.id, extra=agent.k + 1)
        scale = agent.spec.return_scale
        low: FloatArray = np.zeros(agent.k) if scale is None else np.array(scale[0])
        default = np.ones(agent.k) if spread is None else spread
        high = default if scale is None else np.array(scale[1])
        self._middle: FloatArray = (low + high) / 2
        self._half: FloatArray = np.maximum((high - low) / 2, 1e-12)
        self._horizon = float(agent.problem.horizon or 1000)

    def __call__(self, observations: Any, accrued: FloatArray, time: IntArray) -> Array:
        """Rows ``(n, rows.size)``."""
        rho = np.clip((accrued - self._middle) / self._half, -4.0, 4.0)
        return self.rows(observations, np.concatenate([rho, (time / self._horizon)[:, None]], axis=1))

    def network(self, act: Any, modules: Any) -> Any:
        """A policy that acts on such rows, ``act(rows) -> actions``, in tensors for export."""
        import torch

        from morl.agents.neural.deployed import Network, encoded_rows
        from morl.agents.neural.features import beside

        middle, half = torch.as_tensor(self._middle), torch.as_tensor(self._half)

        def on_rows(observation: Any, weights: Any, accrued: Any, time: Any) -> Any:
            rho = ((accrued - middle) / half).clamp(-4.0, 4.0)
            when = (time.double() / self._horizon)[:, None]
            return act(beside(observation, torch.cat([rho, when], dim=1).float()))

        return Network(on_rows, encoded_rows(self.rows), modules, timed=True)


def typical_accrued(agent: Agent) -> FloatArray:
    """A typical size of returns ``(K,)`` from the bounds of one step's rewards and the horizon."""
    bound = np.maximum(np.abs(agent.spec.reward_low), np.abs(agent.spec.reward_high))
    length = 1.0 / (1.0 - agent.discount) if agent.discount < 1 else float(agent.problem.horizon or 100)
    length = min(length, float(agent.problem.horizon or length))
    return np.where(np.isfinite(bound) & (bound > 0), bound * length, 1.0)


def text_of(utility: Callable[..., Any]) -> str:
    """What a config says of a utility that is a function of the caller's."""
    return f"custom:{getattr(utility, 'name', getattr(utility, '__name__', 'function'))}"


def function_of(agent: Agent, text: str, given: Callable[..., Any] | None) -> Function:
    """The utility of an agent: the caller's function, or what a text says.

    Raises:
        UtilityNeededError: the text says that there was a function, and it has not been given again.
    """
    if given is not None:
        return as_function(given, agent.k)
    if text.startswith("custom:"):
        raise UtilityNeededError(
            f"the utility {text[7:]!r} is a function of the caller's; give it again as utility=... "
            "(--utility module:function)"
        )
    return parse_utility(text, agent.k, agent.spec.objectives, agent.spec.return_scale)


class UtilityAgent(Agent):
    """An agent with one utility and one policy.

    Args:
        env, config, seed, options: as for :class:`morl.agents.Agent`. The option ``utility`` may also be a function
            of one return vector ``(K,)`` or of returns ``(..., K)``, such as any :class:`morl.utility.Utility`; it must
            then be given again to ``load``.

    Attributes:
        utility: the function that is maximised, returns ``(..., K)`` to ``(...)``; already clipped where asked for.
    """

    def __init__(
        self,
        env: Any,
        config: AgentConfig | Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        utility: str | Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        self._given: Callable[..., Any] | None = None
        if isinstance(config, Mapping) and callable(config.get("utility")):
            config = dict(config)
            utility = config.pop("utility")
        given = "utility" in config if isinstance(config, Mapping) else config is not None
        if utility is None and not given:
            _log.warning(
                "%s maximises the expected utility %r, its default; choose one with utility=... (--set utility=...)",
                self.info.name,
                self.Config.utility,  # type: ignore[attr-defined]
            )
        if callable(utility):
            self._given = utility
            options["utility"] = text_of(utility)
        elif utility is not None:
            options["utility"] = utility
        super().__init__(env, config, seed=seed, **options)

    @property
    def limited(self) -> bool:
        """True where the time limit belongs to the problem, so that an episode cut by it has really ended."""
        model = self.problem.model
        if self.config.finite_horizon is not None:
            return bool(self.config.finite_horizon)
        return model is not None and model.horizon is not None

    def _setup(self) -> None:
        inner = function_of(self, self.config.utility, self._given)
        scale = self.spec.return_scale
        if self.config.clip and scale is not None and self._given is None:
            low, high = np.array(scale[0]), np.array(scale[1])

            def clipped(returns: FloatArray) -> FloatArray:
                return np.asarray(inner(np.clip(returns, low, high)), dtype=np.float64)

            self.utility: Function = clipped
        else:
            self.utility = inner

    def expected_utility(self, episodes: int = 1000, *, seed: int | None = None) -> tuple[float, float]:
        """E u(R) of the policy and its standard error: exact (error 0) on a finite model, else from fresh episodes."""
        result = self.evaluate(episodes=episodes, seed=seed, distributions=True)
        if result.distributions is None:
            result = self.evaluate(episodes=episodes, seed=seed, exact=False)
        assert result.distributions is not None
        values, chances = result.distributions[0]
        utilities = self.utility(values)
        mean = float(chances @ utilities)
        if result.exact:
            return mean, 0.0
        variance = float(chances @ (utilities - mean) ** 2)
        return mean, float(np.sqrt(variance / max(len(utilities) - 1, 1)))

    def return_samples(self, episodes: int = 1000, *, seed: int | None = None) -> tuple[FloatArray, FloatArray]:
        """The distribution of u(R): values and probabilities, exact where the environment has a model."""
        result = self.evaluate(episodes=episodes, seed=seed, distributions=True)
        if result.distributions is None:
            result = self.evaluate(episodes=episodes, seed=seed, exact=False)
        assert result.distributions is not None
        values, chances = result.distributions[0]
        return self.utility(values), chances

    def _provenance(self) -> dict[str, Any]:
        return {"utility": self.config.utility}
