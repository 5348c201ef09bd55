"""Concave-augmented Pareto Q-learning: soft actor-critic for all preferences, non-convex regions included.

Lu, Herman & Yu (2023), "Multi-objective reinforcement learning: convexity, stationarity and Pareto optimality". A
linear preference alone may have many optima, or jump over parts of the front; a strictly concave term of the policy
makes the answer unique and lets it move smoothly. The entropy of the policy serves as that term::

    y = r + γ [ Q⁻(s', a', w) − α log π(a'|s', w) · 1 ],      a' ~ π(·|s', w)
    max_π  E[ w · Q(s, a, w) − α log π(a|s, w) ]

Rewards and the entropy are in normalised units (each objective divided by the standard deviation of its returns). The
entropy is earned in every step, over 1 / (1 − γ) of them, so an α that is of order one beside returns drowns them. It
is tuned instead, until the policy's entropy is ``target_entropy`` per action (Haarnoja et al. 2018b)::

    min_α  log α · E[ −log π(a|s, w) − H ]

or given: ``alpha`` is then the weight of all the entropy of an episode, ``alpha · (1 − γ)`` that of one step. Weights
are drawn over the whole simplex, for acting and for learning alike.

The actor is improved less often than the critics are (Fujimoto et al. 2018), by one critic, and what is reported is its
running average (Polyak & Juditsky 1992), which single steps shake less. While learning, the actor itself acts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import reported_weights
from morl.agents.core.rows import Rows
from morl.agents.neural.actors import GaussianActor, Temperature
from morl.agents.neural.balance import Balance
from morl.agents.neural.conditioned import training_weights
from morl.agents.neural.deployed import Network, encoded_rows
from morl.agents.neural.networks import clipped_double
from morl.agents.neural.off_policy import Batch, OffPolicy, OffPolicyConfig
from morl.agents.neural.schedules import at
from morl.agents.neural.sharing import BalanceOptions, shared_parameters
from morl.agents.neural.training import (
    follow,
    gradient_step,
    seeded,
    target_of,
    to_numpy,
)
from morl.spec import FloatArray


@dataclass(frozen=True)
class CAPQLConfig(OffPolicyConfig, BalanceOptions):
    """Options of :class:`CAPQL`."""

    net_arch: tuple[int, ...] = option((256, 256), "width of each layer")
    learning_rate: float | tuple[float, ...] = option(1e-3, "Adam's step size, or first and last", low=0.0)
    buffer_size: int = option(300_000, "transitions remembered", low=1)
    learning_starts: int = option(1000, "steps of random actions to begin with", low=0)
    train_freq: int = option(1, "environment steps (over all parallel environments) per update", low=1)
    tau: float = option(0.01, "share by which target critics and average actor follow", low=0.0, high=1.0)
    policy_delay: int = option(2, "updates of the critics per update of the actor", low=1)
    alpha: float | tuple[float, ...] | None = option(
        None, "weight of an episode's entropy beside its return, both normalised, or first and last; None tunes it",
        low=0.0,
    )  # fmt: skip
    target_entropy: float | tuple[float, ...] = option(
        -1.0, "entropy per action component that a tuned alpha aims at, or first and last"
    )
    persistence: int = option(1, "longest run of one random action in the beginning", low=1)
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)


class CAPQL(OffPolicy):
    """Learns one stochastic actor for all preferences on continuous actions."""

    info = AlgoInfo(
        name="CAPQL",
        summary="one actor for all preferences on continuous actions; moves smoothly along the front",
        criterion=("SER",),
        policy_class="stationary stochastic (its mean action when acting deterministically)",
        actions=("continuous",),
        observations=("discrete", "vector"),
        paper="Lu, Herman & Yu 2023, Multi-objective RL: Convexity, Stationarity and Pareto Optimality",
        formula="max_π E[w·Q(s,a,w) − α log π(a|s,w)];  y = r + γ(Q⁻(s',a',w) − α log π(a'|s',w)·1)",
        avoid="actions are discrete (use Envelope or GPILS)",
    )
    Config = CAPQLConfig

    def _setup(self) -> None:
        c = self.config
        self.rows = Rows(self.observation_space, self.problem.id)
        self.size = int(np.prod(self.actions.space.shape or ()))
        self._remember((self.size,), np.float32)
        self.critics = self.twin_critics(1, more=self.size, layer_norm=c.layer_norm)
        self.critic_targets = target_of(self.critics)
        self.balance = Balance(c.balance, self.k, c.loss_weights).to(self.device)
        self._shared = shared_parameters(self.critics)
        with seeded(self.integer_seed("network", 2)):
            trunk = self.network_options().trunk(self.rows, preference=self.k, conditioning=c.conditioning)
            self.actor = GaussianActor(trunk, self.size).to(self.device)
        self.actor_average = target_of(self.actor)
        self.critics_adam = self._adam(self.critics, c.learning_rate)
        self.actor_adam = self._adam(self.actor, c.learning_rate)
        self.temperature = Temperature(self.per_step(0.05 if c.alpha is None else at(c.alpha, 0.0))).to(self.device)
        self.alpha_adam = self._adam(self.temperature, c.learning_rate)
        self._keeps(critics=self.critics, critic_targets=self.critic_targets, critics_adam=self.critics_adam)
        self._keeps(actor=self.actor, actor_average=self.actor_average, actor_adam=self.actor_adam)
        self._keeps(temperature=self.temperature, alpha_adam=self.alpha_adam, balance=self.balance)

    def per_step(self, alpha: float) -> float:
        """α of one step, for an ``alpha`` of a whole episode."""
        lengths = [1.0 / (1.0 - self.discount) if self.discount < 1 else math.inf, self.problem.horizon or math.inf]
        length = min(lengths)
        return alpha / (length if math.isfinite(length) else 1000.0)

    # ---- the update ------------------------------------------------------------------------------------

    def critic_losses(self, batch: Batch, weights: Tensor, noise: Tensor) -> Tensor:
        """Σ over both critics of (y_k − Q_k(s, a, w))², y = r + γ [Q⁻(s', a', w) − α log π(a'|s', w)], a' ~ π."""
        with torch.no_grad():
            next_actions, log_prob = self.actor.sample(batch.next_obs, weights, noise)
            values = self.critic_targets.values(batch.next_obs, weights, next_actions)
            ahead = clipped_double(values[:, :, 0], weights)
            # α in normalised units: an objective's share of the entropy is as large as its own returns are.
            soft = ahead - self.temperature() * log_prob * self.critics.head.std
            goal = batch.rewards + self.discount * batch.not_terminated * soft
        self.critics.head.update(goal, [self.critic_targets.head])
        return self.critics.squared_errors(batch.obs, weights, goal, batch.actions)

    def actor_loss(self, obs: Tensor, weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """α log π(a|s, w) − w·Q(s, a, w) in normalised units, a ~ π; and log π(a|s, w) ``(n, 1)``."""
        actions, log_prob = self.actor.sample(obs, weights, noise)
        q = self.critics.first_values(obs, weights, actions)[:, 0]
        unit = (weights * self.critics.head.std).sum(dim=1, keepdim=True).clamp(min=1e-8)
        return (self.temperature() * log_prob - (weights * q).sum(dim=1, keepdim=True) / unit).mean(), log_prob

    def alpha_loss(self, log_prob: Tensor) -> Tensor:
        """log α (H_π − H): the policy's entropy H_π = −E log π is to become the one wanted, H."""
        entropy = -log_prob.detach().mean()
        loss: Tensor = self.temperature.log * (entropy - at(self.config.target_entropy, self.progress) * self.size)
        return loss

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        n = len(batch.obs)
        if isinstance(self.config.alpha, tuple):
            self.temperature.set(self.per_step(at(self.config.alpha, self.progress)))
        weights = self._tensor(self._draw(n, rng))
        losses = self.critic_losses(batch, weights, self._noise(n, rng))
        self.balance.step(losses, self.critics_adam, self._shared)
        follow(self.critic_targets, self.critics, self.config.tau)
        if self.updates % self.config.policy_delay == 0:
            loss, log_prob = self.actor_loss(batch.obs, weights, self._noise(n, rng))
            gradient_step(loss, self.actor_adam)
            follow(self.actor_average, self.actor, self.config.tau)
            if self.config.alpha is None:
                gradient_step(self.alpha_loss(log_prob), self.alpha_adam)

    # ---- acting ----------------------------------------------------------------------------------------

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _noise(self, n: int, rng: np.random.Generator) -> Tensor:
        return self._tensor(rng.standard_normal((n, self.size), dtype=np.float32))

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        if self.num_timesteps < self.config.learning_starts:
            return exploration.step(None, 1.0, rng)[0]
        return self.drawn_actions(self.actor, obs, weights, rng)

    def drawn_actions(self, actor: GaussianActor, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        """Actions ``(n, size)`` drawn by an actor for features ``(n, ...)`` and weights ``(n, K)``."""
        with torch.inference_mode():
            noise = self._noise(len(obs), rng)
            return to_numpy(actor.sample(self._tensor(obs), self._tensor(weights), noise)[0])

    def mean_actions(self, actor: GaussianActor, obs: Array, weights: Array) -> Array:
        """The same without noise."""
        with torch.inference_mode():
            return to_numpy(torch.tanh(actor(self._tensor(obs), self._tensor(weights))[0]))

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return ActorPolicies(self, weights)

    def status(self) -> dict[str, float]:
        """Updates so far, and the weight of the entropy of one step."""
        return {"updates": self.updates, "alpha": float(self.temperature()), **self.balance.report()}


class ActorPolicies(PolicySet):
    """The average actor under fixed weights, one policy per weight.

    Args:
        agent: owner of the actors.
        weights: ``(m, K)``.
    """

    stochastic = True

    def __init__(self, agent: CAPQL, weights: FloatArray) -> None:
        self.agent = agent
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        agent, weights = self.agent, self._inputs[decision.which]
        encoded = agent.rows(decision.observations)
        if decision.deterministic:
            return agent.mean_actions(agent.actor_average, encoded, weights), decision.memory
        return agent.drawn_actions(agent.actor_average, encoded, weights, decision.rng), decision.memory

    def network(self, number: int) -> Network:
        """The mean actions in tensors."""
        actor = self.agent.actor_average

        def act(rows: Tensor, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            return torch.tanh(actor(rows, weights)[0])

        return Network(act, encoded_rows(self.agent.rows), [actor], self._inputs[number], takes_weights=True)
