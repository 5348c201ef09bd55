"""What agents share that learn from a replay buffer: acting, remembering, updating. Needs torch.

An algorithm says what it conditions on (:meth:`OffPolicy._draw`), how it explores (:meth:`OffPolicy._explore`) and what
one update is (:meth:`OffPolicy._update`); everything else is here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.collector import Transitions
from morl.agents.core.config import Annealed, option
from morl.agents.core.exploration import Persistent
from morl.agents.core.rows import Rows
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.networks import TwinCritics
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.agents.neural.replay import ReplayBuffer
from morl.agents.neural.training import resolve_device, seeded
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class OffPolicyConfig(NetworkConfig):
    """Options of agents that learn from a replay buffer."""

    net_arch: tuple[int, ...] = option((128, 128), "width of each layer")
    conditioning: str = option("concat", "how the weight enters the networks", choices=CONDITIONING)
    layer_norm: bool = option(True, "normalise each layer of the networks that say values")
    learning_rate: float | tuple[float, ...] = option(5e-4, "Adam's step size, or first and last", low=0.0)
    batch_size: int = option(128, "transitions per update", low=1)
    buffer_size: int = option(200_000, "transitions remembered", low=1)
    learning_starts: int = option(1000, "steps before the first update", low=0)
    train_freq: int = option(8, "environment steps (over all parallel environments) per update", low=1)
    tau: float = option(0.005, "share by which target networks follow after each update", low=0.0, high=1.0)
    front_weights: int = option(60, "weights whose policies are reported", low=1)
    n_envs: int = option(8, "parallel environments", low=1)


@dataclass(frozen=True)
class EpsilonConfig(OffPolicyConfig, Annealed):
    """The same for agents that explore by ε-greedy runs of one action."""

    persistence: int = option(8, "longest run of one exploratory action; 1 draws every step anew", low=1)


class Batch(NamedTuple):
    """Remembered transitions, as tensors of one device."""

    obs: Tensor
    """Rows ``(n, size)`` before the step."""
    actions: Tensor
    """``(n, ...)``."""
    rewards: Tensor
    """``(n, K)``."""
    next_obs: Tensor
    """Rows ``(n, size)`` after the step."""
    not_terminated: Tensor
    """``(n, 1)``: 0 where nothing follows, else 1; a truncated episode would have gone on."""


class OffPolicy(OwnNetworks):
    """Acts for a weight per environment and episode, remembers each transition, and updates every few steps."""

    rows: Rows
    updates: int

    def _remember(self, action_shape: tuple[int, ...], action_type: Any, rewards: int | None = None) -> None:
        """Allocate the buffer, for :attr:`rows`, actions of this shape and type and so many rewards a step."""
        obs: tuple[tuple[int, ...], Any] = (self.rows.size,), self.rows.dtype
        self.device = resolve_device(self.config.device)
        self.updates = 0
        self.replay = ReplayBuffer(
            self.config.buffer_size,
            {
                "obs": obs,
                "actions": (action_shape, action_type),
                "rewards": ((self.k if rewards is None else rewards,), np.float32),
                "next_obs": obs,
                "not_terminated": ((1,), np.float32),
            },
        )
        self._keeps("updates", replay=self.replay)

    def twin_critics(self, outputs: int, *, more: int = 0, layer_norm: bool) -> TwinCritics:
        """A pair of critics, on the agent's device.

        Args:
            outputs: values per objective.
            more: further inputs, such as the size of an action.
            layer_norm: normalise each hidden layer.
        """
        options, how = self.network_options(), {"conditioning": self.config.conditioning, "layer_norm": layer_norm}
        with seeded(self.integer_seed("network", 0)):
            seen = options.features(self.rows)
            critics = TwinCritics(seen, self.k, outputs, options.vf, activation=options.activation, more=more, **how)
        return critics.to(self.device)

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """What n environments act for in their next episodes: weights ``(n, K)``, float32."""

    @abstractmethod
    def _exploration(self, n: int) -> Persistent:
        """Exploration of n environments."""

    @abstractmethod
    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        """Actions ``(n, ...)`` for rows ``(n, size)`` and weights ``(n, K)``."""

    @abstractmethod
    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        """One update from remembered transitions."""

    def _after_step(self, total: int, rng: np.random.Generator) -> None:  # most do nothing
        """Called after each round of steps and updates, ``total`` steps in all."""

    def _features(self, observations: Any, accrued: FloatArray, time: IntArray) -> Array:
        """Rows ``(n, size)`` of observations ``(n, ...)``, accrued rewards ``(n, K)`` and times ``(n,)``."""
        return self.rows(observations)

    def _row(self, out: Transitions, obs: Array, next_obs: Array) -> dict[str, Array]:
        """What is remembered of a step, by field."""
        return {
            "obs": obs,
            "actions": out.actions,
            "rewards": out.rewards,
            "next_obs": next_obs,
            "not_terminated": ~out.terminated[:, None],
        }

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        with self.problem.collecting(c.n_envs, self.segment_seed()) as collector:
            exploration, weights = self._exploration(collector.n), self._draw(collector.n, rng)
            while self.num_timesteps < until:
                obs = self._features(collector.obs, collector.accrued, collector.time)
                out = collector.step(self._explore(exploration, obs, weights, rng))
                after = out.accrued + (self.discount**out.time)[:, None] * out.rewards
                next_obs = self._features(out.next_obs, after, out.time + 1)
                self.replay.add(**self._row(out, obs[out.env], next_obs))
                ended = out.env[out.terminated | out.truncated]
                if len(ended):
                    exploration.stop(ended)
                    weights[ended] = self._draw(len(ended), rng)
                total = self.num_timesteps + len(out)
                if total >= c.learning_starts:
                    self._follow_schedules()
                    for _ in range(total // self.train_freq - self.num_timesteps // self.train_freq):
                        self._update(self._sample(rng), rng)
                        self.updates += 1
                self._after_step(total, rng)
                self.advance(len(out))

    @property
    def train_freq(self) -> int:
        """Environment steps per update."""
        return int(self.config.train_freq)

    def _sample(self, rng: np.random.Generator) -> Batch:
        rows = self.replay.sample(self.config.batch_size, rng)
        return Batch(**{name: self._tensor(rows[name]) for name in Batch._fields})

    def _tensor(self, values: Array) -> Tensor:
        """An array on the agent's device."""
        return torch.from_numpy(values).to(self.device)

    def status(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": self.updates}
