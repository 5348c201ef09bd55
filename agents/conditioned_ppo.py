"""One actor and critic for all linear preferences, by proximal policy optimisation with one advantage per objective.

The policy π(a|s, w) and a vector of values V(s, w) are improved together for preferences w drawn over the whole
simplex. Advantages are estimated and normalised per objective, and weighted last::

    δ_t = r_t + γ V(s_{t+1}, w) − V(s_t, w),     A_t = δ_t + γ λ A_{t+1}                     vectors of K
    L   = −E min(ρ ω·Â, clip(ρ, 1 ± ε) ω·Â) + c_v E |V̂(s, w) − R̂|² − c_e E H(π(·|s, w)),    ρ = π / π_old

PPO is Schulman et al. (2017), λ-advantages are Schulman et al. (2016); one network for all preferences with decomposed
advantages is D³PO (2026, arXiv 2602.07764). Where an episode is cut by a time limit, V(s_T) stands for the rest.

What a preference means is kept through the normalisation. With σ the standard deviations of the advantages and s those
of the returns, networks see the preference in units of the returns, ŵ ∝ w s, and the weights of Â = (A − mean) / σ are
ω ∝ w σ: for each preference, ω·Â is w·A but for a constant and a factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import PolicySet
from morl.agents.core.preferences import simplex_grid, to_scaled, with_scaled
from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.deployed import Network
from morl.agents.neural.ppo import Experience, PPOAgent, PPOConfig, PPOPolicies, flat, weighted_advantages
from morl.agents.neural.preference_sampler import PreferenceSampler
from morl.agents.neural.schedules import at
from morl.agents.neural.training import adam, gradient_step, seeded, set_learning_rate, to_numpy
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class ConditionedPPOConfig(PPOConfig):
    """Options of :class:`ConditionedPPO`."""

    focus: float = option(0.25, "share of episodes under preferences that can gain most", low=0.0, high=1.0)
    front_weights: int = option(32, "preferences whose policies go on a front, about", low=1)


class ConditionedPPO(PPOAgent):
    """See the module's description."""

    info = AlgoInfo(
        name="ConditionedPPO",
        summary="one actor-critic for all linear preferences, any actions and observations; first choice for control",
        criterion=("SER",),
        policy_class="stationary stochastic (its most likely action when acting deterministically)",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="D³PO 2026, arXiv 2602.07764; Schulman et al. 2017, Proximal policy optimization algorithms",
        formula="max_π E min(ρ ω·Â, clip(ρ, 1±ε) ω·Â), Â_k = λ-advantage of objective k, normalised",
        avoid="non-convex parts of the front matter, or the model is known (use exact or tabular agents)",
        several_actions=True,
    )
    Config = ConditionedPPOConfig
    net: ActorCritic

    def _setup(self) -> None:
        self._prepare()
        c = self.config
        with seeded(self.integer_seed("network")):
            options = self.network_options()
            self.net = ActorCritic(self.inputs, self.k, self.actions.space, options, c.log_std_init).to(self.device)
        self.optimizer = adam(self.net, at(c.learning_rate, 0.0), eps=1e-5)
        self.sampler = PreferenceSampler(self.k, c.focus)
        self._keeps(net=self.net, adam=self.optimizer, preferences=self.sampler)

    # ---- learning --------------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        with self.problem.collecting(self.config.n_envs, self.segment_seed()) as collector:
            preference = self._draw(np.arange(collector.n), rng)
            while self.num_timesteps < until:
                before, steps = collector.steps, self._rollout_steps(until - self.num_timesteps, collector.n)
                self._improve(self._collect(collector, preference, steps, rng), rng)
                self.advance(collector.steps - before)

    def _draw(self, rows: IntArray, rng: np.random.Generator) -> FloatArray:
        """Preferences ŵ ``(len(rows), K)`` for episodes that begin."""
        return self.sampler.draw(len(rows), rng, self.unit if self.net.values.count > 0 else None)

    def _episodes_ended(self, rows: IntArray, condition: FloatArray, returns: FloatArray) -> None:
        self.sampler.record(condition, returns)

    def _improve(self, played: Experience, rng: np.random.Generator) -> None:
        """Some epochs of gradient steps on a rollout."""
        c, rows, preference = self.config, played.rows, flat(played.condition)
        advantage = played.advantages(self.discount, c.gae_lambda)
        target = flat(advantage + played.values)
        self.net.values.update(self._tensor(target[rows]))
        batch = {
            "preference": preference,
            "actions": flat(played.rollout.actions),
            "old_log_prob": flat(played.log_prob),
            "advantage": self.weighted(preference, flat(advantage), rows),
            "returns": to_numpy(self.net.values.normalise(self._tensor(target))),
        }
        data = {name: self._tensor(array) for name, array in batch.items()}
        obs = self._on_device({name: flat(array) for name, array in played.obs.items()})
        set_learning_rate(self.optimizer, at(c.learning_rate, self.progress))
        for index in self._minibatches(rows, rng):
            some = {name: value[index] for name, value in data.items()}
            loss = self.loss({name: value[index] for name, value in obs.items()}, **some)
            gradient_step(loss, self.optimizer, c.max_grad_norm)

    def weighted(self, preference: FloatArray, advantage: FloatArray, rows: IntArray) -> FloatArray:
        """ω·Â ``(n,)``, statistics over ``rows``; other rows are 0."""
        out = np.zeros(len(advantage))
        out[rows] = weighted_advantages(advantage[rows], preference[rows], self.unit)
        return out

    def loss(
        self,
        obs: Mapping[str, Tensor],
        preference: Tensor,
        actions: Tensor,
        old_log_prob: Tensor,
        advantage: Tensor,
        returns: Tensor,
    ) -> Tensor:
        """The clipped loss of n steps: policy, values and entropy (the module's L).

        Args:
            obs: standardised observations.
            preference: ``(n, K)`` ŵ, in units of the returns.
            actions: as chosen, ``(n, ...)``.
            old_log_prob: ``(n,)`` log π_old(a|s, w).
            advantage: ``(n,)`` ω·Â.
            returns: ``(n, K)`` in the units of the value head.
        """
        log_prob, entropy, values = self.net(obs, preference, actions)
        surrogate = self._surrogate(log_prob, old_log_prob, advantage).mean()
        error = (values - returns).square().mean()
        loss: Tensor = -surrogate + self.config.vf_coef * error - at(self._entropy, self.progress) * entropy.mean()
        return loss

    # ---- acting ----------------------------------------------------------------------------------------------

    @property
    def unit(self) -> FloatArray:
        """Standard deviation of the returns per objective ``(K,)``: the unit of preferences that networks see."""
        return to_numpy(self.net.values.std).astype(np.float64)

    def seen_preference(self, weights: FloatArray) -> FloatArray:
        """ŵ ∝ w s for weights ``(n, K)`` of raw returns."""
        return to_scaled(weights, self.unit)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if preferences is not None:
            return ConditionedPolicies(self, preferences)
        return ConditionedPolicies(self, self.front_preferences(), drawn=self.problem.model is None)

    def front_preferences(self) -> FloatArray:
        """Weights of raw returns ``(m, K)`` for a front: a grid over raw returns and one in units of the returns."""
        return with_scaled(simplex_grid(self.k, max(self.k, self.config.front_weights // 2)), self.unit)

    def status(self) -> dict[str, float]:
        """Returns of recent episodes: the best of each objective over preferences."""
        tried = self.sampler.episodes > 0
        if not tried.any():
            return {}
        best = self.sampler.returns[tried].max(axis=0)
        return {f"best {name}": float(x) for name, x in zip(self.spec.names, best, strict=True)}


class ConditionedPolicies(PPOPolicies):
    """The actor under fixed weights of raw returns ``(m, K)``, one policy per weight."""

    agent: ConditionedPPO

    def __init__(self, agent: ConditionedPPO, weights: FloatArray, drawn: bool = False) -> None:
        super().__init__(agent, agent.net, weights, len(weights), drawn)
        self._weights = weights

    def _condition(self, which: IntArray) -> FloatArray:
        return self.agent.seen_preference(self._weights[which])

    def network(self, number: int) -> Network:
        """The most likely actions in tensors."""
        agent, net = self.agent, self.agent.net
        self._require_greedy(number)
        unit = torch.as_tensor(agent.unit)

        def act(obs: Any, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            scaled = weights.double() * unit
            preference = (scaled / scaled.sum(dim=1, keepdim=True)).float()
            return net.choice.sample(net.actor(net._inputs(obs, preference)), preference, None)

        return Network(act, agent._see_in_tensors, [net], self._weights[number], takes_weights=True)
