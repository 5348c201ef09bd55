"""Concave-augmented Pareto Q-learning: soft actor-critic for all preferences, dents of the front included.

Lu, Herman & Yu (2023), "Multi-objective reinforcement learning: convexity, stationarity and Pareto optimality". A
linear preference alone may have many optima, or jump over parts of the front; a strictly concave term of the policy
makes the answer unique and lets it move smoothly. The entropy of the policy serves as that term::

    y = r + γ [ Q⁻(s', a', w) − α log π(a'|s', w) · 1 ],      a' ~ π(·|s', w)
    max_π  E[ w · Q(s, a, w) − α log π(a|s, w) ]

Rewards and the entropy are in normalised units (each objective divided by its running scale), so α means the same for
every environment. Weights are drawn over the whole simplex, for acting and for learning alike.

Few updates are made to count: the actor is improved less often than the critics are (Fujimoto et al. 2018), by one
critic, with large steps, and what is reported is its running average (Polyak & Juditsky 1992), which such steps shake
less. While learning, the actor itself acts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.neural.conditioned import reported_weights, training_weights
from morl.agents.neural.flat import Adam, Target
from morl.agents.neural.networks import Perceptron, Trunk, seeded
from morl.agents.neural.off_policy import OffPolicy, OffPolicyConfig
from morl.agents.neural.parameters import load_module, module_arrays
from morl.agents.neural.twins import Twins, smaller
from morl.spec import FloatArray


@dataclass(frozen=True)
class CAPQLConfig(OffPolicyConfig):
    """Options of :class:`CAPQL`."""

    layer_norm: bool = option(False, "normalise each layer of the critics")
    lr: float = option(1e-3, "Adam's step size", low=0.0)
    buffer: int = option(300_000, "transitions remembered", low=1)
    start: int = option(1000, "steps of random actions to begin with", low=0)
    train_every: int = option(2, "environment steps (over all copies) per update", low=1)
    tau: float = option(0.01, "share by which the slow copies of critics and actor follow", low=0.0, high=1.0)
    actor_every: int = option(2, "updates of the critics per update of the actor", low=1)
    alpha: float = option(0.05, "size of the concave term, in normalised units of return", low=0.0)
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
        self.encoder = Encoder(self.observation_space)
        self.size = int(np.prod(self.actions.space.shape or ()))
        self.twins = Twins(self, self.encoder.size + self.size, 1, c.lr, c.layer_norm)
        with seeded(self.integer_seed("network", 2)):
            self.actor = GaussianActor(self.encoder.size, self.k, self.size, c.hidden, c.mix)
        self.optimizer = Adam(self.actor, c.lr)
        self.average = Target(self.actor, self.optimizer.values)
        self._remember((self.size,), np.float32)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _explorer(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(
        self, explorer: Persistent, encoded: Array, weights: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        if self.num_timesteps < self.config.start:
            actions = explorer.step(None, 1.0, rng)[0]
        else:
            actions = self.actor.act(encoded, weights, self._noise(len(encoded), rng))
        return actions, actions

    def _noise(self, n: int, rng: np.random.Generator) -> Array:
        return rng.standard_normal((n, self.size), dtype=np.float32)

    def _update(self, batch: dict[str, Tensor], rng: np.random.Generator) -> None:
        n = self.config.batch
        weights = torch.from_numpy(self._draw(n, rng))
        with torch.no_grad():
            actions, log_prob = self.actor.sample(batch["after"], weights, torch.from_numpy(self._noise(n, rng)))
            first, second = self.twins.targets.values(torch.cat([batch["after"], actions], dim=1), weights)
            # α in normalised units: an objective's share of the entropy is as large as its own returns are.
            bonus = self.config.alpha * log_prob[:, None] * self.twins.unit
            ahead = smaller(first[:, 0], second[:, 0], weights) - bonus
            goal = batch["reward"] + self.discount * batch["going"][:, None] * ahead
        self.twins.fit(torch.cat([batch["obs"], batch["action"]], dim=1), None, weights, goal)
        self.twins.follow()
        if self.updates % self.config.actor_every == 0:
            self._improve(batch["obs"], weights, torch.from_numpy(self._noise(n, rng)))

    def _improve(self, obs: Tensor, weights: Tensor, noise: Tensor) -> None:
        actions, log_prob = self.actor.sample(obs, weights, noise)
        value = (self.twins.nets.first.values(torch.cat([obs, actions], dim=1), weights)[:, 0] * weights).sum(dim=1)
        size = (weights * self.twins.unit).sum(dim=1).clamp(min=1e-8)
        self.optimizer.step((self.config.alpha * log_prob - value / size).mean())
        self.average.follow(self.config.tau)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return ActorPolicies(self, weights)

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        actors = {**module_arrays(self.actor, "actor"), **module_arrays(self.average.net, "actor_average")}
        return {**arrays, **self.twins.arrays(), **actors, **self.optimizer.arrays("actor_adam")}, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        self.twins.restore(arrays)
        load_module(self.actor, arrays, "actor")
        load_module(self.average.net, arrays, "actor_average")
        self.optimizer.restore(arrays, "actor_adam")


class GaussianActor(nn.Module):
    """A conditioned actor with normally distributed actions, squashed by tanh (Haarnoja et al. 2018)."""

    def __init__(self, inputs: int, k: int, outputs: int, hidden: tuple[int, ...], mix: str) -> None:
        super().__init__()
        self.trunk = Trunk(inputs, hidden, preference=k, mix=mix)
        self.head = nn.Linear(self.trunk.size, 2 * outputs)
        self._body = Perceptron(self.trunk, self.head)

    def forward(self, observations: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before tanh, ``(n, outputs)`` each."""
        mean, log_std = self._body(observations, weights).chunk(2, dim=1)
        return mean, log_std.clamp(-20.0, 2.0)

    def sample(self, observations: Tensor, weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions in ``[-1, 1]`` made from standard normal ``noise``, and their log densities ``(n,)``."""
        mean, log_std = self(observations, weights)
        raw = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 − tanh²x) in the form that does not underflow
        squash = 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (normal - squash).sum(dim=1)

    def act(self, encoded: Array, weights: Array, noise: Array | None) -> Array:
        """Actions in ``[-1, 1]``; without noise the mean ones."""
        with torch.inference_mode():
            obs, w = torch.from_numpy(encoded), torch.from_numpy(weights)
            if noise is None:
                return np.asarray(torch.tanh(self(obs, w)[0]).numpy())
            return np.asarray(self.sample(obs, w, torch.from_numpy(noise))[0].numpy())


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
        weights = self._inputs[decision.which]
        shape = (len(weights), self.agent.size)
        noise = None if decision.deterministic else decision.rng.standard_normal(shape).astype(np.float32)
        actions = self.agent.average.net.act(self.agent.encoder(decision.observations), weights, noise)
        return actions, decision.memory
