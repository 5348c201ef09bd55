"""What agents with one network for all linear preferences share: weights to train on, and greedy policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import raw_weights, reported_weights, return_range, sample_simplex, to_raw
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


@dataclass(frozen=True)
class WeightOptions:
    """Which preferences are trained on."""

    weights: tuple[tuple[float, ...], ...] | None = option(
        None, "preferences trained on and reported, on the return scale; None: the whole simplex"
    )


@dataclass(frozen=True)
class TaskOptions:
    """Which part of an observation is a task."""

    task_size: int = option(
        0, "last numbers of the observation that describe the task; they enter as the weight does", low=0
    )


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


def best_known(values: Array, weights: Array) -> Array:
    """Generalised policy improvement: after each action, the values of the known policy that is best for a weight.

    ``argmax_a w · out[a]`` is at least as good as every known policy for w (Barreto et al. 2017, theorem 1).

    Args:
        values: ``(n, m, A, K)`` of m known policies.
        weights: ``(n, K)``.

    Returns:
        ``(n, A, K)``.
    """
    best = np.einsum("nmak,nk->nma", values, weights).argmax(axis=1)
    return np.asarray(np.take_along_axis(values, best[:, None, :, None], axis=1)[:, 0])


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
    ``concentration``, ``front_weights``, and the options of :class:`WeightOptions`, of :class:`TaskOptions` and of
    :class:`~morl.agents.neural.sharing.SharingOptions`.
    """

    def _setup(self) -> None:
        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.rows = Rows(self.observation_space, self.problem.id)
        self.n_actions = int(self.actions.space.n)
        self.device = resolve_device(c.device)
        self.trained = None if c.weights is None else raw_weights(c.weights, self.spec)
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
        if c.task_size and (c.sharing != "hard" or self.rows.images):
            seen = "images" if self.rows.images else f"sharing {c.sharing!r}"
            raise AgentError(f"task_size is {c.task_size} with {seen}; a task enters networks of numbers shared 'hard'")
        with seeded(self.integer_seed("network", 0)):
            shape = (options.features(self.rows), self.k, self.n_actions, options.pi)
            hard = c.sharing == "hard"
            net = VectorNet(*shape, **how, task=c.task_size) if hard else SplitNet(c.sharing, *shape, **how)
        self.net = net.to(self.device)
        self.balance = Balance(c.balance, self.k, c.loss_weights).to(self.device)
        self._shared = shared_parameters(self.net)
        self.optimizer = self._adam(self.net, c.learning_rate)
        self._keeps(net=self.net, adam=self.optimizer, balance=self.balance)

    def training_weights(self, n: int, rng: np.random.Generator) -> Array:
        """Weights ``(n, K)``, float32, to act for and to train on."""
        if self.trained is not None:
            return self.trained[rng.integers(len(self.trained), size=n)].astype(np.float32)
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _descend(self, losses: Tensor, rest: Tensor | None = None) -> None:
        """One step down the losses of the objectives ``(K,)``, balanced where they meet, and ``rest``."""
        self.balance.step(losses, self.optimizer, self._shared, rest)
        if isinstance(self.net, SplitNet):
            self.net.pull(self.config.pull * self.optimizer.param_groups[0]["lr"])

    def _with_heads(self, kinds: Sequence[str], coefficient: float, window: int) -> Auxiliaries:
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
            heads = Auxiliaries(kinds, *sizes, True, self.k, coefficient=coefficient, window=window).to(self.device)
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
        if preferences is None:
            grid = self.config.front_weights
            preferences = reported_weights(grid, self.spec) if self.trained is None else self.trained
        return GreedyPolicies(self.values, self.rows, preferences, self.net)
