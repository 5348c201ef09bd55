"""What agents with one network for all linear preferences share: weights to train on, and greedy policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import reported_weights, return_range, sample_simplex, to_raw
from morl.agents.core.rows import Rows
from morl.agents.neural.auxiliary import Auxiliaries
from morl.agents.neural.balance import Balance
from morl.agents.neural.deployed import Network, encoded_rows
from morl.agents.neural.networks import VectorNet
from morl.agents.neural.policy_kwargs import OwnNetworks
from morl.agents.neural.sharing import SplitNet, shared_parameters
from morl.agents.neural.training import (
    resolve_device,
    seeded,
    to_numpy,
)
from morl.spec import AgentError, FloatArray, IntArray, MOSpec

Values = Callable[[Array, Array], Array]
"""``values(rows (n, size), weights (n, K)) -> (n, A, K)``, float32."""


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
        rows: turn observations into rows.
        weights: ``(m, K)``.
        net: the network behind the values.
    """

    def __init__(self, values: Values, rows: Rows, weights: FloatArray, net: VectorNet | SplitNet) -> None:
        self.values, self.rows, self.net = values, rows, net
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        return greedy(self.action_values(decision), self._inputs[decision.which]), decision.memory

    def action_values(self, decision: Decision) -> Array:
        """What the network says."""
        return self.values(self.rows(decision.observations), self._inputs[decision.which])

    def network(self, number: int) -> Network:
        """The same in tensors."""

        def act(rows: Tensor, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            return (self.net.values(rows, weights) * weights[:, None]).sum(dim=2).argmax(dim=1)

        return Network(act, encoded_rows(self.rows), [self.net], self._inputs[number], takes_weights=True)


class ConditionedQ(OwnNetworks):
    """Base of agents with one network ``Q(s, a, w)`` of all objectives, for discrete actions.

    The config must have ``net_arch``, ``conditioning``, ``layer_norm``, ``learning_rate``, ``device``,
    ``front_weights`` and the options of :class:`~morl.agents.neural.sharing.SharingOptions`.
    """

    def _setup(self) -> None:
        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.rows = Rows(self.observation_space, self.problem.id)
        self.n_actions = int(self.actions.space.n)
        self.device = resolve_device(c.device)
        options = self.one_network()
        how = {"conditioning": c.conditioning, "layer_norm": c.layer_norm, "activation": options.activation}
        if c.pull and c.sharing != "soft":
            raise AgentError(
                f"pull is {c.pull} and sharing {c.sharing!r}; only the trunks of 'soft' are pulled together"
            )
        if c.balance not in ("none", "weights", "uncertainty") and c.sharing == "soft":
            raise AgentError(
                f"balance {c.balance!r} balances what objectives share; with sharing 'soft' that is nothing"
            )
        with seeded(self.integer_seed("network", 0)):
            shape = (options.features(self.rows), self.k, self.n_actions, options.pi)
            net = VectorNet(*shape, **how) if c.sharing == "hard" else SplitNet(c.sharing, *shape, **how)
        self.net = net.to(self.device)
        self.balance = Balance(c.balance, self.k, c.loss_weights).to(self.device)
        self._shared = shared_parameters(self.net)
        self.optimizer = self._adam(self.net, c.learning_rate)
        self._keeps(net=self.net, adam=self.optimizer, balance=self.balance)

    def _descend(self, losses: Tensor, rest: Tensor | None = None) -> None:
        """One step down the losses of the objectives ``(K,)``, balanced where they meet, and ``rest``."""
        self.balance.step(losses, self.optimizer, self._shared, rest)
        if isinstance(self.net, SplitNet):
            self.net.pull(self.config.pull * self.optimizer.param_groups[0]["lr"])

    def _with_heads(self, kinds: Sequence[str], coefficient: float) -> Auxiliaries:
        """Auxiliary heads on the features of the trunk, learned by the agent's optimizer.

        Raises:
            AgentError: objectives do not share one trunk.
        """
        if not isinstance(self.net, VectorNet):
            raise AgentError(
                f"auxiliary heads learn from a shared trunk; sharing is {self.config.sharing!r}, expected 'hard'"
            )
        if self.rows.images:
            raise AgentError(f"auxiliary heads predict numbers; {self.problem.id} shows images: leave auxiliary out")
        with seeded(self.integer_seed("network", 1)):
            sizes = (self.net.trunk.size, self.rows.numbers, self.n_actions)
            heads = Auxiliaries(kinds, *sizes, True, self.k, coefficient=coefficient).to(self.device)
        self.optimizer.add_param_group({"params": list(heads.parameters())})
        return heads

    def values(self, encoded: Array, weights: Array) -> Array:
        """Action values ``(n, A, K)`` in the unit of the returns."""
        with torch.inference_mode():
            return to_numpy(self.net.values(self._tensor(encoded), self._tensor(weights)))

    def _tensor(self, values: Array) -> Tensor:
        """An array on the agent's device."""
        return torch.from_numpy(values).to(self.device)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return GreedyPolicies(self.values, self.rows, weights, self.net)
