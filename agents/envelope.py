"""Envelope Q-learning: one network for all linear preferences, from a replay buffer.

Yang, Sun & Narasimhan (2019), "A generalized algorithm for multi-objective RL and policy adaptation". The target for
weight w may use what the network knows for any other weight of the batch::

    (a*, w*) = argmax_{a, w'} w · Q(s', a, w'),        y = r + γ Q⁻(s', a*, w*)
    L = (1 − β) ‖y − Q(s, a, w)‖² + β (w·y − w·Q(s, a, w))²

Each transition is paired with several weights. ``Q(s', ·, w')`` does not depend on which w asks, so it is computed once
per transition and weight and maximised over by every w: N·M network rows for N transitions and M weights, not N·M².
Both losses are taken in units of each objective's standard deviation (PopArt), so that no objective drowns another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.neural.conditioned import ConditionedQ, greedy, training_weights
from morl.agents.neural.networks import of_actions
from morl.agents.neural.off_policy import Batch, EpsilonConfig, OffPolicy
from morl.agents.neural.training import follow, gradient_step, target_of


@dataclass(frozen=True)
class EnvelopeConfig(EpsilonConfig):
    """Options of :class:`Envelope`."""

    train_freq: int = option(16, "environment steps (over all parallel environments) per update", low=1)
    batch_weights: int = option(4, "weights that each transition is paired with", low=1)
    homotopy: float = option(
        0.5, "β at the end of learning: share of the scalar loss; it begins at 0", low=0.0, high=1.0
    )
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    front_weights: int = option(100, "weights whose policies are reported", low=1)
    n_envs: int = option(16, "parallel environments", low=1)


class Envelope(OffPolicy, ConditionedQ):
    """Learns all convex trade-offs with one network; every transition teaches every weight."""

    info = AlgoInfo(
        name="Envelope",
        summary="one network for all linear preferences, from a replay buffer: sample-efficient",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Yang, Sun & Narasimhan 2019, A generalized algorithm for multi-objective RL and policy adaptation",
        formula="Q(s,a,w) → r + γ Q⁻(s', argmax_{a,w'} w·Q(s',a,w'))",
        avoid="non-convex regions of the front matter (use PCN), or steps are inexpensive (VectorQLambda is faster)",
    )
    Config = EnvelopeConfig

    def _setup(self) -> None:
        super()._setup()
        self.target = target_of(self.net)
        self._remember((), np.int64)
        self._keeps(target=self.target)

    # ---- the update ------------------------------------------------------------------------------------

    def loss(self, batch: Batch, weights: Tensor, beta: float) -> Tensor:
        """(1 − β) ‖y − Q(s, a, w)‖² + β (w·y − w·Q(s, a, w))², over n transitions and m weights ``(m, K)``."""
        target = self.envelope_target(batch, weights)
        self.net.head.update(target, [self.target.head])
        actions = batch.actions.repeat_interleave(len(weights))
        predicted = of_actions(self.net(*pairs(batch.obs, weights)), actions)
        error = self.net.head.normalise(target).flatten(0, 1) - predicted  # (n·m, K)
        # In normalised units the weight of an objective is w·σ; a unit vector, so that both losses have one size.
        scalar_weights = nn.functional.normalize(weights * self.net.head.std, dim=1).repeat(len(batch.obs), 1)
        return (1 - beta) * error.square().mean() + beta * (scalar_weights * error).sum(dim=1).square().mean()

    @torch.no_grad()
    def envelope_target(self, batch: Batch, weights: Tensor) -> Tensor:
        """y = r + γ Q⁻(s', a*, w*) with (a*, w*) = argmax w · Q(s', a, w'), ``(n, m, K)``."""
        n, m = len(batch.obs), len(weights)
        obs, asked = pairs(batch.next_obs, weights)
        q = self.net.values(obs, asked).view(n, m * self.n_actions, self.k)  # every w' and a, in this order
        best = (weights @ q.mT).argmax(dim=2)  # (n, m), of every w
        pair = best // self.n_actions + m * torch.arange(n, device=best.device)[:, None]
        # What Q⁻ says of other pairs is not wanted.
        needed, place = pair.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        chosen = self.target.values(obs[needed], asked[needed])[place, best % self.n_actions]
        return batch.rewards[:, None] + self.discount * batch.not_terminated[:, None] * chosen

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        weights = self._tensor(self._draw(self.config.batch_weights, rng))
        gradient_step(self.loss(batch, weights, self.config.homotopy * self.progress), self.optimizer)
        follow(self.target, self.net, self.config.tau)

    # ---- acting ----------------------------------------------------------------------------------------

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        best = greedy(self.values(obs, weights), weights)
        return exploration.step(best, self.config.epsilon_at(self.progress), rng)[0]

    def status(self) -> dict[str, float]:
        """Updates so far and the probability of beginning to explore."""
        return {"updates": self.updates, "epsilon": self.config.epsilon_at(self.progress)}


def pairs(obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Every observation ``(n, size)`` with every weight ``(m, K)``: row i·m + j is observation i under weight j."""
    n, m = len(obs), len(weights)
    return obs[:, None].expand(n, m, -1).reshape(n * m, -1), weights.expand(n, m, -1).reshape(n * m, -1)
