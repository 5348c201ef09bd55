"""Expected utility policy gradient: a policy on accrued rewards, improved for the utility of whole episodes.

The policy sees what was earned so far, and is moved by the utility of the *whole* return, past and future
(Roijers, Steckelmacher & Nowé 2018)::

    ∇ E u(R) = E Σ_t ∇ log π(a_t | s_t, ρ_t, t) · A_t,     Σ_t [ u(ρ_{t+1}) − u(ρ_t) ] = u(R) − u(0)

A_t is the λ-weighted advantage (Schulman et al. 2016) of those increments over a learned baseline V(s, ρ, t), and each
batch is used for a few epochs under the clipped objective (Schulman et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.collector import Rollout
from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import each
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.returns import advantages
from morl.agents.neural.accrued import AccruedFeatures, typical_accrued
from morl.agents.neural.deployed import UNIFORM, gumbel
from morl.agents.neural.networks import Trunk
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.agents.neural.schedules import at
from morl.agents.neural.training import (
    gradient_step,
    resolve_device,
    seeded,
    to_numpy,
)
from morl.agents.utility_agent import UtilityAgent, UtilityConfig
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class EUPGConfig(UtilityConfig, NetworkConfig):
    """Options of :class:`EUPG`."""

    n_envs: int = option(64, "parallel environments", low=1)
    n_steps: int = option(32, "steps of every environment between updates", low=1)
    net_arch: tuple[int, ...] = option((64, 64), "width of each hidden layer")
    learning_rate: float | tuple[float, ...] = option(
        (2e-3, 2e-4), "Adam's step size, or its first and last value", low=0.0
    )
    n_epochs: int = option(4, "passes over each batch", low=1)
    minibatches: int = option(4, "parts of a batch per pass", low=1)
    gae_lambda: float = option(0.97, "λ of the advantage", low=0.0, high=1.0)
    clip_range: float | tuple[float, ...] = option(0.2, "how far the policy may move per batch", low=0.0)
    ent_coef: float | tuple[float, ...] = option((0.02, 0.0), "weight of the entropy, or first and last", low=0.0)
    stochastic: bool = option(False, "measure and act with drawn actions instead of the most likely ones")


class EUPG(UtilityAgent, OwnNetworks):
    """See the module's description."""

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="EUPG",
        summary="Policy gradient for the expected utility of single episodes, on accrued rewards; any observations.",
        criterion=("ESR",),
        policy_class="deterministic (most likely action), on observation, accrued reward and time",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Roijers, Steckelmacher & Nowé 2018",
        formula="∇ E u(R) = E Σ_t ∇ log π(a_t|s_t,ρ_t) [ u(ρ + future) − V(s_t,ρ_t) ]",
        avoid="the utility is linear: any ordinary algorithm does it with less",
        multi_policy=False,
    )
    Config = EUPGConfig

    def _setup(self) -> None:
        super()._setup()
        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.device = resolve_device(c.device)
        self.features = AccruedFeatures(self, typical_accrued(self))
        self.n_actions = int(self.actions.space.n)
        options = self.network_options()
        with seeded(self.integer_seed("network")):
            actor, critic = (
                Trunk(options.features(self.features.rows), widths, activation=options.activation)
                for widths in (options.pi, options.vf)
            )
            policy_head, value_head = nn.Linear(actor.size, self.n_actions), nn.Linear(critic.size, 1)
        with torch.no_grad():
            policy_head.weight *= 0.01
        self.actor = nn.Sequential(actor, policy_head)
        self.critic = nn.Sequential(critic, value_head)
        self._modules = nn.ModuleDict({"actor": self.actor, "critic": self.critic}).to(self.device)
        self.optimizer = self._adam(self._modules, c.learning_rate, eps=1e-5)
        self._return_scale = 1.0  # size of utilities, so that the critic's targets are of order one
        self._keeps("_return_scale", net=self._modules, adam=self.optimizer)

    @property
    def _evaluates_deterministically(self) -> bool:
        return not self.config.stochastic

    # ---- learning --------------------------------------------------------------------------------------

    def loss(self, rows: Tensor, actions: Tensor, old: Tensor, advantage: Tensor, target: Tensor) -> Tensor:
        """−E min(ρ A, clip(ρ, 1 ± ε) A) − c_H H(π) + ½ (V − target)², with ρ = π / π_old."""
        c = self.config
        logs = torch.log_softmax(self.actor(rows), dim=1)
        ratio = (logs.gather(1, actions[:, None])[:, 0] - old).exp()
        clip = at(c.clip_range, self.progress)
        clipped = ratio.clamp(1 - clip, 1 + clip)
        surrogate = torch.minimum(ratio * advantage, clipped * advantage).mean()
        entropy = -(logs.exp() * logs).sum(dim=1).mean()
        error = nn.functional.mse_loss(self.critic(rows)[:, 0], target)
        loss: Tensor = -surrogate - at(c.ent_coef, self.progress) * entropy + 0.5 * error
        return loss

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)

        def act(observations: Any, accrued: FloatArray, time: IntArray) -> Array:
            return draw(self.logits(self.features(observations, accrued, time)), rng)

        with self.problem.collecting(c.n_envs, self.segment_seed()) as collector:
            while self.num_timesteps < until:
                batch = collector.rollout(act, c.n_steps)
                self._update(batch, rng)
                self.advance(int(batch.valid.sum()))

    def logits(self, rows: Array) -> Array:
        """Log odds of the actions ``(n, A)`` for rows ``(n, size)``."""
        with torch.inference_mode():
            return to_numpy(self.actor(self._tensor(rows)))

    def _tensor(self, values: Array) -> Tensor:
        """An array on the agent's device."""
        return torch.from_numpy(values).to(self.device)

    def _baseline(self, rows: Array) -> FloatArray:
        with torch.inference_mode():
            return np.asarray(to_numpy(self.critic(self._tensor(rows)))[:, 0] * self._return_scale)

    def _update(self, batch: Rollout, rng: np.random.Generator) -> None:
        c, shape = self.config, batch.valid.shape
        gamma_t = self.discount ** batch.time.astype(np.float64)
        after = batch.accrued + gamma_t[..., None] * batch.rewards
        gain = self.utility(after) - self.utility(batch.accrued)
        obs = self._rows(batch.obs, batch.accrued, batch.time)
        values = self._baseline(obs).reshape(shape)
        following = self._baseline(self._rows(batch.next_obs, after, batch.time + 1)).reshape(shape)
        over = batch.terminated | (batch.truncated & self.limited)
        advantage = advantages(gain, values, following, over, batch.truncated, 1.0, c.gae_lambda)
        rows = np.flatnonzero(batch.valid.ravel())
        target = (advantage + values).ravel()[rows]
        if self._return_scale == 1.0:
            self._return_scale = float(max(np.abs(target).max(), 1e-6))
        advantage = advantage.ravel()[rows]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        self._fit(obs[rows], batch.actions.ravel()[rows], advantage, target / self._return_scale, rng)

    def _rows(self, observations: Any, accrued: FloatArray, time: IntArray) -> Array:
        n = accrued.shape[0] * accrued.shape[1]
        flat = each(lambda part: part.reshape(n, *part.shape[2:]), observations)
        return self.features(flat, accrued.reshape(n, -1), time.reshape(n))

    def _fit(
        self, obs: Array, actions: Array, advantage: FloatArray, target: FloatArray, rng: np.random.Generator
    ) -> None:
        """A few epochs of gradient steps on one batch."""
        c = self.config
        inputs, chosen = self._tensor(obs), self._tensor(actions.astype(np.int64))
        weight, wanted = self._tensor(advantage.astype(np.float32)), self._tensor(target.astype(np.float32))
        with torch.no_grad():
            old = torch.log_softmax(self.actor(inputs), dim=1).gather(1, chosen[:, None])[:, 0]
        self._follow_schedules()
        for _ in range(c.n_epochs):
            for part in np.array_split(rng.permutation(len(obs)), c.minibatches):
                i = self._tensor(part)
                loss = self.loss(inputs[i], chosen[i], old[i], weight[i], wanted[i])
                gradient_step(loss, self.optimizer, max_grad_norm=0.5)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        return ActorPolicy(self)


def draw(logits: Array, rng: np.random.Generator) -> Array:
    """One action per row of logits ``(n, A)``, by the Gumbel trick."""
    noise = -np.log(-np.log(np.clip(rng.random(logits.shape), 1e-12, 1 - 1e-12)))
    return np.asarray((logits + noise).argmax(axis=1).astype(np.int64))


class ActorPolicy(PolicySet):
    """The policy network on observation, accrued reward and time."""

    needs_accrued = True
    stochastic = True

    def __init__(self, agent: EUPG) -> None:
        self.agent = agent

    def __len__(self) -> int:
        return 1

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One network call for all rows."""
        logits = self.agent.logits(self.agent.features(decision.observations, decision.accrued, decision.time))
        actions = logits.argmax(axis=1) if decision.deterministic else draw(logits, decision.rng)
        return actions.astype(np.int64), decision.memory

    def network(self, number: int) -> Any:
        """The most likely actions in tensors, or those drawn by noise from outside, as the agent is measured."""
        agent, actor = self.agent, self.agent.actor

        def act(rows: Any, *noise: Tensor) -> Tensor:
            logits: Tensor = actor(rows)
            return (logits + gumbel(noise[0]) if noise else logits).argmax(dim=1)

        return agent.features.network(act, [actor], (UNIFORM, agent.n_actions) if agent.config.stochastic else None)
