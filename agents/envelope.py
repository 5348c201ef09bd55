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
from morl.agents.neural.auxiliary import AUXILIARIES, Auxiliaries, Step
from morl.agents.neural.conditioned import ConditionedQ, TaskOptions, WeightOptions, greedy
from morl.agents.neural.networks import VectorNet, of_actions
from morl.agents.neural.off_policy import Batch, EpsilonConfig, OffPolicy
from morl.agents.neural.sharing import SharingOptions
from morl.agents.neural.training import follow, target_of


@dataclass(frozen=True)
class EnvelopeConfig(EpsilonConfig, WeightOptions, TaskOptions, SharingOptions):
    """Options of :class:`Envelope`."""

    train_freq: int = option(16, "environment steps (over all parallel environments) per update", low=1)
    batch_weights: int = option(4, "weights that each transition is paired with", low=1)
    homotopy: float = option(
        0.5, "β at the end of learning: share of the scalar loss; it begins at 0", low=0.0, high=1.0
    )
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    auxiliary: tuple[str, ...] = option((), f"heads beside the values: {', '.join(AUXILIARIES)}")
    auxiliary_coef: float = option(0.1, "weight of what these predict wrong", low=0.0)
    auxiliary_window: int = option(0, "side of the square window that observations begin with, for rotation", low=0)
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
        self.auxiliary: Auxiliaries | None = None
        if self.config.auxiliary:
            c = self.config
            self.auxiliary = self._with_heads(c.auxiliary, c.auxiliary_coef, c.auxiliary_window)
            self._keeps(auxiliary=self.auxiliary)

    # ---- the update ------------------------------------------------------------------------------------

    def losses(self, batch: Batch, weights: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """(1 − β) (y_k − Q_k(s, a, w))² of each objective ``(K,)`` and β (w·y − w·Q(s, a, w))².

        Args:
            batch: n transitions.
            weights: ``(m, K)``; every transition is paired with every weight.
            beta: β.
        """
        target = self.envelope_target(batch, weights)
        self.net.update_units(target, self.target)
        actions = batch.actions[:, None].expand(target.shape[:2]).flatten()
        predicted = of_actions(self.net.of_pairs(batch.obs, weights), actions).view_as(target)  # (n, m, K)
        wanted = self.net.head.normalise(target)
        # In normalised units the weight of an objective is w·σ; a unit vector, so that both losses have one size.
        unit = nn.functional.normalize(weights * self.net.head.std, dim=1)
        scalar = nn.functional.mse_loss((unit * predicted).sum(dim=2), (unit * wanted).sum(dim=2))
        return (1 - beta) / self.k * (wanted - predicted).square().mean(dim=(0, 1)), beta * scalar

    def _seen(self, batch: Batch, weights: Tensor) -> Step:
        """What auxiliary heads see of transitions, under weights ``(n, K)``."""
        assert isinstance(self.net, VectorNet)
        trunk = self.net.trunk
        features, following = (trunk(rows, weights) for rows in (batch.obs, batch.next_obs))
        seen = batch.actions, batch.obs, batch.next_obs, batch.rewards
        return Step(features, following, *seen, lambda rows: trunk(rows, weights))

    @torch.no_grad()
    def envelope_target(self, batch: Batch, weights: Tensor) -> Tensor:
        """y = r + γ Q⁻(s', a*, w*) with (a*, w*) = argmax w · Q(s', a, w'), ``(n, m, K)``."""
        n, m = len(batch.obs), len(weights)
        q = self.net.head.denormalise(self.net.of_pairs(batch.next_obs, weights))
        best = (weights @ q.view(n, m * self.n_actions, self.k).mT).argmax(dim=2)  # (n, m), of every w
        pair = best // self.n_actions + m * torch.arange(n, device=best.device)[:, None]
        # What Q⁻ says of other pairs is not wanted.
        needed, place = pair.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        q_target = self.target.head.denormalise(self.target.of_pairs(batch.next_obs, weights, needed))
        chosen = q_target[place, best % self.n_actions]
        return batch.rewards[:, None] + self.discount * batch.not_terminated[:, None] * chosen

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        weights = self._tensor(self._draw(self.config.batch_weights, rng))
        losses, rest = self.losses(batch, weights, self.config.homotopy * self.progress)
        if self.auxiliary is not None:
            which = weights[self._tensor(rng.integers(len(weights), size=len(batch.obs)))]
            rest = rest + self.auxiliary.loss(self._seen(batch, which))
        self._descend(losses, rest)
        follow(self.target, self.net, self.config.tau)

    # ---- acting ----------------------------------------------------------------------------------------

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return self.training_weights(n, rng)

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        best = greedy(self.values(obs, weights), weights)
        return exploration.step(best, self.config.epsilon_at(self.progress), rng)[0]

    def status(self) -> dict[str, float]:
        """Updates so far and the probability of beginning to explore."""
        seen = {} if self.auxiliary is None else self.auxiliary.report()
        facts = {"updates": self.updates, "epsilon": self.config.epsilon_at(self.progress)}
        return {**facts, **self.balance.report(), **seen}
