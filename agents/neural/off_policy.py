"""What agents share that learn a conditioned network from a replay buffer: collecting, remembering, updating."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Agent, Array
from morl.agents.core.config import AgentConfig, Annealed, option
from morl.agents.core.exploration import Persistent
from morl.agents.core.observations import Encoder
from morl.agents.neural.replay import ReplayBuffer

TRANSITION = ("obs", "action", "reward", "after", "going")
"""What is remembered of a step, in the order in which updates take it apart."""


@dataclass(frozen=True)
class OffPolicyConfig(AgentConfig):
    """Options of agents that learn from a replay buffer."""

    hidden: tuple[int, ...] = option((128, 128), "width of each layer")
    mix: str = option("concat", "how the weight enters the networks", choices=("concat", "film"))
    layer_norm: bool = option(True, "normalise each layer of the networks that say values")
    lr: float = option(5e-4, "Adam's step size", low=0.0)
    batch: int = option(128, "transitions per update", low=1)
    buffer: int = option(200_000, "transitions remembered", low=1)
    start: int = option(1000, "steps before the first update", low=0)
    train_every: int = option(8, "environment steps (over all copies) per update", low=1)
    tau: float = option(0.005, "share by which target networks follow after each update", low=0.0, high=1.0)
    front_weights: int = option(60, "weights whose policies are reported", low=1)
    n_envs: int = option(8, "copies of the environment stepped together", low=1)


@dataclass(frozen=True)
class EpsilonConfig(OffPolicyConfig, Annealed):
    """The same for agents that explore by ε-greedy runs of one action."""

    persistence: int = option(8, "longest run of one exploratory action; 1 draws every step anew", low=1)


class OffPolicy(Agent):
    """Acts for a weight per copy and episode, remembers each transition, and updates every few steps.

    A subclass says how it draws weights, explores and updates, and allocates the buffer in its ``_setup``.
    """

    encoder: Encoder
    updates: int

    def _remember(self, action_shape: tuple[int, ...], action_type: Any) -> None:
        """Allocate the buffer, for actions of this shape and type."""
        size = self.encoder.size
        self.updates = 0
        self.buffer = ReplayBuffer(
            self.config.buffer,
            {
                "obs": ((size,), np.float32),
                "action": (action_shape, action_type),
                "reward": ((self.k,), np.float32),
                "after": ((size,), np.float32),
                "going": ((), np.float32),
            },
        )

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """Weights ``(n, K)``, float32, to act or to learn for."""

    @abstractmethod
    def _explorer(self, n: int) -> Persistent:
        """Exploration of n copies."""

    @abstractmethod
    def _explore(
        self, explorer: Persistent, encoded: Array, weights: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Actions for the environment, and the same as they are remembered."""

    @abstractmethod
    def _update(self, batch: dict[str, Tensor], rng: np.random.Generator) -> None:
        """One update from remembered rows ``(n, ...)``."""

    def _reconsider(self, total: int, rng: np.random.Generator) -> None:  # most never do
        """Called after each round of steps and updates, ``total`` steps in all."""

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        env = self.problem.training(c.n_envs)
        collector = self.problem.collector(env)
        encoded = self.encoder(collector.reset(self.segment_seed()))
        explorer, weights = self._explorer(collector.n), self._draw(collector.n, rng)
        while self.num_timesteps < until:
            actions, kept = self._explore(explorer, encoded, weights, rng)
            out = collector.step(actions)
            after = self.encoder(out.next_obs)
            self.buffer.add(
                obs=encoded if len(out) == collector.n else encoded[out.env],
                action=kept[out.env],
                reward=out.rewards,
                after=after,
                going=~out.terminated,  # a truncated episode would have gone on
            )
            encoded = after if out.next_obs is collector.obs else self.encoder(collector.obs)
            ended = out.terminated | out.truncated
            if ended.any():
                rows = out.env[ended]
                explorer.stop(rows)
                weights[rows] = self._draw(len(rows), rng)
            total = self.num_timesteps + len(out)
            if total >= c.start:
                for _ in range(total // c.train_every - self.num_timesteps // c.train_every):
                    batch = self.buffer.sample(c.batch, rng)
                    self._update({name: torch.from_numpy(values) for name, values in batch.items()}, rng)
                    self.updates += 1
            self._reconsider(total, rng)
            self.advance(len(out))
        if not self.problem.is_vector:
            env.close()

    def status(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": self.updates}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        return {**arrays, **self.buffer.state()}, {**facts, "updates": self.updates}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        self.buffer.restore(arrays)
        self.updates = int(facts["updates"])
