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
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.neural.conditioned import ConditionedQ, greedy, training_weights
from morl.agents.neural.dense import Dense
from morl.agents.neural.flat import Target
from morl.agents.neural.kernels import best_of_all
from morl.agents.neural.off_policy import TRANSITION, EpsilonConfig, OffPolicy
from morl.agents.neural.parameters import load_module, module_arrays


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
        self.frozen = Dense(self.target.net)
        self._remember((), np.int64)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _explorer(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(
        self, explorer: Persistent, encoded: Array, weights: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        best = greedy(self.values(encoded, weights), weights)
        actions, _ = explorer.step(best, self.config.epsilon_at(self.progress), rng)
        return actions, actions

    def _update(self, batch: dict[str, Tensor], rng: np.random.Generator) -> None:
        c = self.config
        obs, action, reward, after, going = (batch[name].numpy() for name in TRANSITION)
        weights = self._draw(c.batch_weights, rng)
        # Row i·m + j is transition i under weight j. What the network says of both its ends is one pass.
        kept: list[Any] = []
        rows = self.dense.join(np.concatenate([obs, after])[:, None], weights)
        features, count = self.dense.features(rows, kept), len(obs) * len(weights)
        ahead = self._envelope(rows[count:], features[count:], weights)
        goal = reward[:, None] + self.discount * going[:, None, None] * ahead
        self.net.head.update(torch.from_numpy(goal), [self.target.net.head])
        self._fit(features[:count], [part[:count] for part in kept], action, weights, goal)
        self.target.follow(c.tau)

    def _fit(self, features: Array, kept: list[Any], action: Array, weights: Array, goal: Array) -> None:
        """One step towards ``goal (n, m, K)`` from the features ``(n·m, h)`` of n transitions under m weights."""
        net, actions = self.dense, np.repeat(action, len(weights))
        error = net.chosen(features, actions) - net.normalised(goal).reshape(-1, self.k)
        # In normalised units the weight of an objective is w·σ, rescaled so that both losses have one size.
        scaled = weights * net.std
        unit = np.tile(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-8), (len(action), 1))
        beta = self.config.homotopy * self.progress
        pull = (unit * error).sum(axis=1, keepdims=True) * unit
        grad = (2 * (1 - beta) / error.size) * error + (2 * beta / len(error)) * pull
        net.backward(grad, features, actions, kept)
        self.optimizer.descend()

    def _envelope(self, rows: Array, features: Array, weights: Array) -> Array:
        """Values ``(n, m, K)`` of n successors for each of the m weights, maximised over actions and weights.

        ``rows (n·m, ...)`` are the successors under every weight, ``features`` what the network makes of them.
        """
        online, frozen, shape = self.dense, self.frozen, (len(rows) // len(weights), len(weights))
        best, actions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        outputs = online.outputs(features).reshape(*shape, -1, self.k)
        best_of_all(outputs, weights * online.std, best, actions)  # w·σ orders outputs as w orders values
        asked, which = np.unique(best, return_inverse=True)  # many weights are best served by the same few
        chosen = frozen.chosen(frozen.features(rows[asked])[which.ravel()], actions.ravel())
        return frozen.in_returns(chosen).reshape(*shape, self.k)

    def status(self) -> dict[str, float]:
        """Updates so far and the probability of beginning to explore."""
        return {"updates": self.updates, "epsilon": self.config.epsilon_at(self.progress)}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        return {**arrays, **module_arrays(self.target.net, "target")}, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        load_module(self.target.net, arrays, "target")
