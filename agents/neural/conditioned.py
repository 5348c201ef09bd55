"""What agents with one network for all linear preferences share: weights to train on, and greedy policies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.agents.base import Agent, Array
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import reported_weights, return_range, sample_simplex, to_raw
from morl.agents.neural.deployed import Network, encoded
from morl.agents.neural.networks import VectorNet
from morl.agents.neural.training import (
    adam,
    resolve_device,
    seeded,
    to_numpy,
)
from morl.spec import FloatArray, IntArray, MOSpec

Values = Callable[[Array, Array], Array]
"""``values(encoded (n, size), weights (n, K)) -> (n, A, K)``, float32."""


def training_weights(n: int, spec: MOSpec, rng: np.random.Generator, concentration: float = 1.0) -> FloatArray:
    """Weights ``(n, K)`` over the whole simplex to train on.

    Every second one is drawn for objectives in the unit of their return's range, where that is known: with rewards of
    very different size, weights that are uniform for the raw objectives all mean nearly the same.
    """
    weights = sample_simplex(n, spec.k, rng, concentration)
    span = return_range(spec)
    if span is not None:
        half = rng.random(n) < 0.5
        weights[half] = to_raw(weights[half], span)
    return weights


def greedy(values: Array, weights: Array) -> IntArray:
    """``argmax_a w · Q(a)`` for values ``(n, A, K)`` and weights ``(n, K)``."""
    return np.asarray(np.matmul(values, weights[:, :, None])[:, :, 0].argmax(axis=1))


class GreedyPolicies(PolicySet):
    """``argmax_a w · Q(s, a, w)``, one policy per weight.

    Args:
        values: the conditioned action values.
        encoder: turns observations into rows.
        weights: ``(m, K)``.
        net: the network behind the values.
    """

    def __init__(self, values: Values, encoder: Encoder, weights: FloatArray, net: VectorNet) -> None:
        self.values, self.encoder, self.net = values, encoder, net
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        return greedy(self.action_values(decision), self._inputs[decision.which]), decision.memory

    def action_values(self, decision: Decision) -> Array:
        """What the network says."""
        return self.values(self.encoder(decision.observations), self._inputs[decision.which])

    def network(self, number: int) -> Network:
        """The same in tensors."""

        def act(rows: Tensor, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            return (self.net.values(rows, weights) * weights[:, None]).sum(dim=2).argmax(dim=1)

        return Network(act, encoded(self.encoder), [self.net], self._inputs[number], takes_weights=True)


class ConditionedQ(Agent):
    """Base of agents with one network ``Q(s, a, w)`` of all objectives, for discrete actions.

    The config must have ``net_arch``, ``mix``, ``layer_norm``, ``learning_rate``, ``device`` and ``front_weights``.
    """

    def _setup(self) -> None:
        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.encoder = Encoder(self.observation_space)
        self.n_actions = int(self.actions.space.n)
        self.device = resolve_device(c.device)
        with seeded(self.integer_seed("network", 0)):
            net = VectorNet(self.encoder.size, self.k, self.n_actions, c.net_arch, mix=c.mix, layer_norm=c.layer_norm)
        self.net = net.to(self.device)
        self.optimizer = adam(self.net, c.learning_rate)
        self._keeps(net=self.net, adam=self.optimizer)

    def values(self, encoded: Array, weights: Array) -> Array:
        """Action values ``(n, A, K)`` in the unit of the returns."""
        with torch.inference_mode():
            return to_numpy(self.net.values(self._tensor(encoded), self._tensor(weights)))

    def _tensor(self, values: Array) -> Tensor:
        """An array on the agent's device."""
        return torch.from_numpy(values).to(self.device)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return GreedyPolicies(self.values, self.encoder, weights, self.net)
