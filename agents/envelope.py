"""Envelope Q-learning: one network for all linear preferences, from a replay buffer.

Yang, Sun & Narasimhan (2019), "A generalized algorithm for multi-objective RL and policy adaptation". The target for
weight w may use what the network knows for any other weight of the batch::

    (a*, w*) = argmax_{a, w'} w · Q(s', a, w'),        y = r + γ Q⁻(s', a*, w*)
    L = (1 − β) ‖y − Q(s, a, w)‖² + β (w·y − w·Q(s, a, w))²

Each transition is paired with several weights. ``Q(s', ·, w')`` does not depend on which w asks, so it is computed once
per transition and weight and maximised over by every w: N·M network rows for N transitions and M weights, not N·M².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.conditioned import ConditionedQ, greedy, training_weights
from morl.agents.config import option
from morl.agents.exploration import Persistent
from morl.agents.flat import Target
from morl.agents.info import AlgoInfo
from morl.agents.networks import load_module, module_arrays
from morl.agents.off_policy import EpsilonConfig, OffPolicy


@dataclass(frozen=True)
class EnvelopeConfig(EpsilonConfig):
    """Options of :class:`Envelope`."""

    train_every: int = option(16, "environment steps (over all copies) per update", low=1)
    batch_weights: int = option(4, "weights that each transition is paired with", low=1)
    homotopy: float = option(
        0.5, "β at the end of learning: pull of the scalar loss; it begins at 0", low=0.0, high=1.0
    )
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    front_weights: int = option(100, "weights whose policies are reported", low=1)
    n_envs: int = option(16, "copies of the environment stepped together", low=1)


class Envelope(OffPolicy, ConditionedQ):
    """Learns all convex trade-offs with one network; every transition teaches every weight."""

    info = AlgoInfo(
        name="Envelope",
        summary="one network for all linear preferences, from a replay buffer: sparing with environment steps",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Yang, Sun & Narasimhan 2019, A generalized algorithm for multi-objective RL and policy adaptation",
        formula="Q(s,a,w) → r + γ Q⁻(s', argmax_{a,w'} w·Q(s',a,w'))",
        avoid="trade-offs in dents of the front matter (use PCN), or steps cost nothing (VectorQLambda is faster)",
    )
    Config = EnvelopeConfig

    def _setup(self) -> None:
        super()._setup()
        self.target = Target(self.net, self.optimizer.values)
        self._remember((), np.int64)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _explorer(self, n: int) -> Persistent:
        return Persistent(self.action_space, n, longest=self.config.persistence)

    def _explore(
        self, explorer: Persistent, encoded: Array, weights: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        best = greedy(self.values(encoded, weights), weights) + self.offset
        actions, _ = explorer.step(best, self.config.epsilon_at(self.progress), rng)
        return actions, actions - self.offset

    def _update(self, batch: dict[str, Tensor], rng: np.random.Generator) -> None:
        c, head = self.config, self.net.head
        weights = torch.from_numpy(self._draw(c.batch_weights, rng))
        n, m = c.batch, c.batch_weights
        repeated = weights.repeat(n, 1)  # row i·m + j: transition i, weight j
        with torch.no_grad():
            values = self._envelope(batch["after"].repeat_interleave(m, dim=0), repeated, weights)
            ahead = batch["reward"][:, None] + self.discount * batch["going"][:, None, None] * values
            head.update(ahead, [self.target.net.head])
            target = head.normalise(ahead).view(n * m, self.k)
            # In normalised units the weight of an objective is w·σ, rescaled so that both losses have one size.
            scalar = nn.functional.normalize(repeated * head.std, dim=1, eps=1e-8)
        out = self.net(batch["obs"].repeat_interleave(m, dim=0), repeated)
        error = target - out[torch.arange(n * m), batch["action"].repeat_interleave(m)]
        beta = c.homotopy * self.progress
        loss = (1 - beta) * (error**2).mean() + beta * ((scalar * error).sum(dim=1) ** 2).mean()
        self.optimizer.step(loss)
        self.target.follow(c.tau)

    def _envelope(self, after: Tensor, repeated: Tensor, weights: Tensor) -> Tensor:
        """Values ``(n, m, K)`` of the successors for each of the m weights, maximised over actions and weights."""
        m = len(weights)
        n = len(after) // m
        online = self.net.values(after, repeated).view(n, m * self.n_actions, self.k)
        frozen = self.target.net.values(after, repeated).view(n, m * self.n_actions, self.k)
        best = torch.matmul(online, weights.T).argmax(dim=1)  # (n, m) entries of the joint (weight, action) axis
        return frozen.gather(1, best[:, :, None].expand(n, m, self.k))

    def status(self) -> dict[str, float]:
        """Updates so far and the probability of beginning to explore."""
        return {"updates": self.updates, "epsilon": self.config.epsilon_at(self.progress)}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        return {**arrays, **module_arrays(self.target.net, "target")}, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        load_module(self.target.net, arrays, "target")
