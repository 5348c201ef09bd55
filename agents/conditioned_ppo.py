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

With a smooth concave ``utility`` u of the expected return J there is one policy, for which w = ∇u(J) at every moment
(:mod:`morl.agents.neural.utility_weights`); it draws its actions, as the best policy may have to mix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Preference
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import PolicySet
from morl.agents.core.preferences import raw_weights, simplex_grid, to_scaled, with_scaled
from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.balance import Balance
from morl.agents.neural.conditioned import WeightOptions
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.deployed import Network
from morl.agents.neural.ppo import Experience, PPOAgent, PPOConfig, PPOPolicies, flat, weighted_advantages
from morl.agents.neural.preference_sampler import PreferenceSampler
from morl.agents.neural.schedules import at
from morl.agents.neural.sharing import BalanceOptions
from morl.agents.neural.training import adam, seeded, set_learning_rate, to_numpy
from morl.agents.neural.utility_weights import UtilityWeights
from morl.agents.utility_agent import function_of, text_of
from morl.spec import AgentError, FloatArray, IntArray


@dataclass(frozen=True)
class ConditionedPPOConfig(PPOConfig, WeightOptions, BalanceOptions):
    """Options of :class:`ConditionedPPO`."""

    utility: str | None = option(
        None, "smooth concave utility of the expected return, such as log:0.5,0.5; none: all linear preferences"
    )
    conditioning: str = option("concat", "how the preference enters the networks", choices=CONDITIONING)
    focus: float = option(0.25, "share of episodes under preferences that can gain most", low=0.0, high=1.0)
    front_weights: int = option(32, "preferences whose policies go on a front, about", low=1)


class ConditionedPPO(PPOAgent):
    """See the module's description.

    Args:
        env, config, policy_kwargs, options: as for :class:`~morl.agents.neural.policy_kwargs.OwnNetworks`.
        utility: text of a utility, or a function of returns ``(..., K)``, which must then be given again to ``load``.
    """

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

    def __init__(
        self,
        env: Any,
        config: AgentConfig | Mapping[str, Any] | None = None,
        *,
        utility: str | Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        self._given = utility if callable(utility) else None
        if utility is not None:
            options["utility"] = text_of(utility) if callable(utility) else utility
        super().__init__(env, config, **options)

    def _setup(self) -> None:
        self._prepare()
        self.goal = None if self.config.utility is None else self._goal(self.config.utility)
        c = self.config
        with seeded(self.integer_seed("network")):
            how = self.network_options("tanh"), c.conditioning, c.log_std_init
            self.net = ActorCritic(self.rows, self.k, self.actions.space, *how).to(self.device)
        self.optimizer = adam(self.net, at(c.learning_rate, 0.0), eps=1e-5)
        self.balance = Balance(c.balance, self.k, c.loss_weights).to(self.device)
        self._shared = [*self.net.features.parameters(), *self.net.critic.parameters()]
        self.trained = None if c.weights is None else raw_weights(c.weights, self.spec)
        if self.trained is not None and self.goal is not None:
            raise AgentError("a utility has one policy, whose weights it finds; leave weights out")
        self.sampler = PreferenceSampler(self.k, c.focus)
        self._ended: list[FloatArray] = []  # returns of the episodes of this rollout
        if self.goal is not None:
            self._keeps(goal=self.goal)
        self._keeps(net=self.net, adam=self.optimizer, preferences=self.sampler, balance=self.balance)

    def _goal(self, text: str) -> UtilityWeights:
        """What a utility makes of the returns so far."""
        scale = self.spec.return_scale
        pair = None if scale is None else (np.array(scale[0]), np.array(scale[1]))
        return UtilityWeights(function_of(self, text, self._given), self.k, pair)

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
        """Preferences ŵ ``(len(rows), K)`` for episodes that begin; with a utility always equal ones."""
        if self.goal is not None:
            return np.full((len(rows), self.k), 1.0 / self.k)
        if self.trained is not None:
            return to_scaled(self.trained[rng.integers(len(self.trained), size=len(rows))], self.unit)
        return self.sampler.draw(len(rows), rng, self.unit if self.net.values.count > 0 else None)

    def _episodes_ended(self, rows: IntArray, condition: FloatArray, returns: FloatArray) -> None:
        self.sampler.record(condition, returns)
        self._ended.append(returns)

    def _improve(self, played: Experience, rng: np.random.Generator) -> None:
        """Some epochs of gradient steps on a rollout."""
        c, rows, preference = self.config, played.rows, flat(played.condition)
        wanted = preference
        if self.goal is not None:
            self.goal.record(np.concatenate([np.zeros((0, self.k)), *self._ended]))
            wanted = np.tile(to_scaled(self.goal.weights()[None], self.unit), (len(preference), 1))
        self._ended.clear()
        advantage = played.advantages(self.discount, c.gae_lambda)
        target = flat(advantage + played.values)
        self.net.values.update(self._tensor(target[rows]))
        batch = {
            "obs": flat(played.obs),
            "preference": preference,
            "actions": flat(played.rollout.actions),
            "old_log_prob": flat(played.log_prob),
            "advantage": self.weighted(wanted, flat(advantage), rows),
            "returns": to_numpy(self.net.values.normalise(self._tensor(target))),
        }
        data = {name: self._tensor(array) for name, array in batch.items()}
        set_learning_rate(self.optimizer, at(c.learning_rate, self.progress))
        for index in self._minibatches(rows, rng):
            losses, rest = self.losses(**{name: value[index] for name, value in data.items()})
            self.balance.step(losses, self.optimizer, self._shared, rest, c.max_grad_norm)

    def weighted(self, preference: FloatArray, advantage: FloatArray, rows: IntArray) -> FloatArray:
        """ω·Â ``(n,)``, statistics over ``rows``; other rows are 0."""
        out = np.zeros(len(advantage))
        out[rows] = weighted_advantages(advantage[rows], preference[rows], self.unit)
        return out

    def losses(
        self,
        obs: Tensor,
        preference: Tensor,
        actions: Tensor,
        old_log_prob: Tensor,
        advantage: Tensor,
        returns: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The loss of the values of each objective ``(K,)``, and of policy and entropy; their sum is the module's L.

        Args:
            obs: standardised observations as rows ``(n, size)``.
            preference: ``(n, K)`` ŵ, in units of the returns.
            actions: as chosen, ``(n, ...)``.
            old_log_prob: ``(n,)`` log π_old(a|s, w).
            advantage: ``(n,)`` ω·Â.
            returns: ``(n, K)`` in the units of the value head.
        """
        log_prob, entropy, values = self.net(obs, preference, actions)
        surrogate = self._surrogate(log_prob, old_log_prob, advantage).mean()
        errors = (values - returns).square().mean(dim=0) * (self.config.vf_coef / self.k)
        return errors, -surrogate - at(self._entropy, self.progress) * entropy.mean()

    # ---- acting ----------------------------------------------------------------------------------------------

    @property
    def unit(self) -> FloatArray:
        """Standard deviation of the returns per objective ``(K,)``: the unit of preferences that networks see."""
        return to_numpy(self.net.values.std).astype(np.float64)

    def seen_preference(self, weights: FloatArray) -> FloatArray:
        """ŵ ∝ w s for weights ``(n, K)`` of raw returns; with a utility always equal ones."""
        if self.goal is not None:
            return np.full_like(weights, 1.0 / self.k)
        return to_scaled(weights, self.unit)

    def _for_preference(self, preference: Preference | None, raw: bool = False) -> PolicySet:
        if self.goal is None:
            return super()._for_preference(preference, raw)
        if preference is not None:
            raise AgentError(f"{self.info.name} has one policy, made for its utility; leave preference out")
        return self._policies(None)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if self.goal is not None:
            return ConditionedPolicies(self, self.goal.weights()[None])
        if preferences is not None:
            return ConditionedPolicies(self, preferences)
        return ConditionedPolicies(self, self.front_preferences(), drawn=self.problem.model is None)

    @property
    def _evaluates_deterministically(self) -> bool:
        return self.goal is None

    def _provenance(self) -> dict[str, Any]:
        return super()._provenance() if self.goal is None else {"utility": self.config.utility}

    def front_preferences(self) -> FloatArray:
        """Weights of raw returns ``(m, K)`` for a front: those trained on, or grids over raw and scaled returns."""
        if self.trained is not None:
            return self.trained
        return with_scaled(simplex_grid(self.k, max(self.k, self.config.front_weights // 2)), self.unit)

    def status(self) -> dict[str, float]:
        """Returns of recent episodes: the best of each objective over preferences."""
        tried = self.sampler.episodes > 0
        if not tried.any():
            return self.balance.report()
        best = self.sampler.returns[tried].max(axis=0)
        seen = {f"best {name}": float(x) for name, x in zip(self.spec.names, best, strict=True)}
        return {**seen, **self.balance.report()}


class ConditionedPolicies(PPOPolicies):
    """The actor under fixed weights of raw returns ``(m, K)``, one policy per weight."""

    agent: ConditionedPPO

    def __init__(self, agent: ConditionedPPO, weights: FloatArray, drawn: bool = False) -> None:
        super().__init__(agent, agent.net, weights, len(weights), drawn)
        self._weights = weights

    def _condition(self, which: IntArray) -> FloatArray:
        return self.agent.seen_preference(self._weights[which])

    def network(self, number: int) -> Network:
        """The most likely actions in tensors, or those drawn by noise from outside."""
        agent, net, which = self.agent, self.agent.net, number % self._greedy
        unit = torch.as_tensor(agent.unit)
        drawn = number >= self._greedy or agent.goal is not None

        def act(obs: Any, weights: Tensor, accrued: Tensor, time: Tensor, *noise: Tensor) -> Tensor:
            scaled = weights.double() * unit if agent.goal is None else torch.ones_like(weights).double()
            preference = (scaled / scaled.sum(dim=1, keepdim=True)).float()
            features = net.actor(*net._inputs(obs, preference))
            return net.choice.sample(features, preference, net.choice.from_outside(noise[0]) if noise else None)

        return Network(
            act,
            agent._see_in_tensors(),
            [net],
            self._weights[which],
            takes_weights=not drawn,
            noise=net.choice.outside if drawn else None,
        )
