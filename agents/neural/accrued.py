"""What networks see of an episode so far: the observation, the accrued reward and the time. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Agent, Array
from morl.agents.core.rows import Rows
from morl.agents.neural.deployed import Network, encoded_rows
from morl.agents.neural.features import beside
from morl.spec import FloatArray, IntArray


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

    def network(
        self, act: Callable[..., Tensor], modules: Sequence[nn.Module], noise: tuple[str, int] | None = None
    ) -> Network:
        """A policy that acts on such rows, ``act(rows) -> actions``, in tensors for export; with noise, on both."""
        middle, half = torch.as_tensor(self._middle), torch.as_tensor(self._half)

        def on_rows(observation: Any, weights: Tensor, accrued: Tensor, time: Tensor, *drawn: Tensor) -> Tensor:
            rho = ((accrued - middle) / half).clamp(-4.0, 4.0)
            when = (time.double() / self._horizon)[:, None]
            return act(beside(observation, torch.cat([rho, when], dim=1).float()), *drawn)

        return Network(on_rows, encoded_rows(self.rows), modules, timed=True, noise=noise)


def typical_accrued(agent: Agent) -> FloatArray:
    """A typical size of returns ``(K,)`` from the bounds of one step's rewards and the horizon."""
    bound = np.maximum(np.abs(agent.spec.reward_low), np.abs(agent.spec.reward_high))
    length = 1.0 / (1.0 - agent.discount) if agent.discount < 1 else float(agent.problem.horizon or 100)
    length = min(length, float(agent.problem.horizon or length))
    return np.where(np.isfinite(bound) & (bound > 0), bound * length, 1.0)
