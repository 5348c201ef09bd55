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

from morl.agents.base import Array
from morl.agents.core import returns
from morl.agents.core.collector import Collector, take
from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.memory import require
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import simplex_grid, to_scaled, with_scaled
from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.extractors import Arrays, Inputs
from morl.agents.neural.normalise import ObservationNormaliser
from morl.agents.neural.policy_kwargs import OwnNetworks
from morl.agents.neural.preference_sampler import PreferenceSampler
from morl.agents.neural.schedules import Schedule, at, check_schedule
from morl.agents.neural.training import (
    NetworkConfig,
    adam,
    gradient_step,
    resolve_device,
    seeded,
    set_learning_rate,
    to_numpy,
)
from morl.pareto.front import Front
from morl.spec import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class ConditionedPPOConfig(NetworkConfig):
    """Options of :class:`ConditionedPPO`."""

    n_envs: int = option(32, "parallel environments", low=1)
    n_steps: int | None = option(None, "steps of each between updates; None fits the steps asked for", low=1)
    batch_size: int = option(256, "steps per gradient step", low=1)
    n_epochs: int = option(10, "passes over each rollout", low=1)
    learning_rate: float | tuple[float, ...] = option((1e-3, 0.0), "Adam's step size, or its first and last value")
    gae_lambda: float = option(0.95, "λ of the advantages", low=0.0, high=1.0)
    clip_range: float | tuple[float, ...] = option(
        0.2, "how far the policy may move per rollout; one number or first and last"
    )
    ent_coef: float | tuple[float, ...] | None = option(
        None, "weight of the entropy; None: 0, for discrete actions (0.05, 0)"
    )
    vf_coef: float = option(0.5, "weight of the error of the values", low=0.0)
    max_grad_norm: float = option(0.5, "largest norm of a gradient", low=0.0)
    log_std_init: float = option(-0.5, "log standard deviation of continuous actions, at the beginning")
    focus: float = option(0.25, "share of episodes under preferences that can gain most", low=0.0, high=1.0)
    normalise_observations: bool = option(True, "standardise boxes of numbers by running statistics")
    policy_kwargs: dict[str, Any] | None = option(  # noqa: RUF009
        None, 'networks as in stable-baselines3, such as {"net_arch": [128, 128], "activation_fn": "relu"}'
    )
    front_weights: int = option(32, "preferences whose policies go on a front, about", low=1)
    eval_share: float = option(0.5, "steps that front() spends unless told, as a share of those learned from", low=0.0)


@dataclass(frozen=True)
class Rollout:
    """T steps of n environments, time first, as the loss needs them; ``valid`` is false where a row is a reset."""

    obs: Arrays
    preference: FloatArray
    actions: Array
    log_prob: FloatArray
    rewards: FloatArray
    values: FloatArray
    next_values: FloatArray
    terminated: BoolArray
    ended: BoolArray
    valid: BoolArray


def advantages(rollout: Rollout, discount: float, gae_lambda: float) -> FloatArray:
    """λ-advantages ``(T, n, K)``, one per objective; zero in rows that are no steps."""
    r = rollout
    found = returns.advantages(r.rewards, r.values, r.next_values, r.terminated, r.ended, discount, gae_lambda)
    return np.where(r.valid[..., None], found, 0.0)


class ConditionedPPO(OwnNetworks):
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

    def _setup(self) -> None:
        c = self.config
        for name in ("learning_rate", "clip_range", "ent_coef"):
            if getattr(c, name) is not None:
                check_schedule(f"{self.info.name} option {name}", getattr(c, name))
        self.device = resolve_device(c.device)
        self.inputs = Inputs(self.observation_space, self.problem.id)
        self.normaliser = ObservationNormaliser(self.inputs)
        with seeded(self.integer_seed("network")):
            options = self.network_options()
            self.net = ActorCritic(self.inputs, self.k, self.actions.space, options, c.log_std_init).to(self.device)
        self.optimizer = adam(self.net, at(c.learning_rate, 0.0), eps=1e-5)
        self.sampler = PreferenceSampler(self.k, c.focus)
        usual: Schedule = 0.0 if self.actions.continuous else (0.05, 0.0)
        self._entropy: Schedule = usual if c.ent_coef is None else c.ent_coef
        self._steps_per_episode = 0.0
        parts = {"observations": self.normaliser, "preferences": self.sampler}
        self._keeps("_steps_per_episode", net=self.net, adam=self.optimizer, **parts)

    # ---- learning --------------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        with self.problem.collecting(self.config.n_envs, self.segment_seed()) as collector:
            preference = self._draw(collector.n, rng)
            while self.num_timesteps < until:
                before = collector.steps
                rollout = self._collect(collector, preference, self._length(until, collector.n), rng)
                self._improve(rollout, rng)
                self.advance(collector.steps - before)

    def _draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Preferences ŵ ``(n, K)`` for episodes that begin."""
        return self.sampler.draw(n, rng, self.unit if self.net.values.count > 0 else None)

    def _length(self, until: int, n: int) -> int:
        """Steps of each environment in the next rollout: equal rollouts up to ``until``."""
        wanted = self.config.n_steps
        if wanted is None:  # about sixty updates, of 512 to 4096 steps
            wanted = max(1, min(4096, max(512, self.target_timesteps // 60)) // n)
        left = -(-(until - self.num_timesteps) // n)
        return int(-(-left // max(1, round(left / wanted))))

    def _collect(self, collector: Collector, preference: FloatArray, steps: int, rng: np.random.Generator) -> Rollout:
        """Play; ``preference`` ``(n, K)`` is drawn anew, in place, wherever an episode begins."""
        n, k = collector.n, self.k
        require(steps * n * (self.inputs.row_bytes() + 40 * k), f"a rollout of {steps} × {n} steps", "lower n_steps")
        record: list[tuple[Array, ...]] = []
        seen: list[Arrays] = []
        rewards, terminated, ended, valid = np.zeros((steps, n, k)), *np.zeros((3, steps, n), dtype=bool)
        cut: list[tuple[int, IntArray, Arrays, FloatArray]] = []
        for t in range(steps):
            obs = self._see(collector.obs, learn=True)
            actions, log_prob, values = self.net.act(self._on_device(obs), self._tensor(preference), rng)
            seen.append(obs)
            record.append((preference.astype(np.float32), actions, log_prob, values))
            out = collector.step(actions)
            rows = out.env
            rewards[t, rows], terminated[t, rows], valid[t, rows] = out.rewards, out.terminated, True
            ended[t, rows] = out.terminated | out.truncated
            if out.truncated.any():
                last = np.flatnonzero(out.truncated)
                cut.append((t, rows[last], self._see(take(out.next_obs, last)), preference[rows[last]]))
            over = np.flatnonzero(ended[t, rows])
            if len(over):
                earned = out.accrued[over] + self.discount ** out.time[over][:, None] * out.rewards[over]
                self.sampler.record(preference[rows[over]], earned)
                length = float(out.time[over].mean()) + 1.0
                known = self._steps_per_episode
                self._steps_per_episode = length if known == 0.0 else known + 0.1 * (length - known)
            fresh = np.flatnonzero(collector.time == 0)
            if len(fresh):
                preference[fresh] = self._draw(len(fresh), rng)
        following = self._values(self._see(collector.obs), preference)
        prefs, actions, log_probs, values = (np.stack(parts) for parts in zip(*record, strict=True))
        next_values = np.concatenate([values[1:], following[None]])
        for t, at_rows, last_obs, last_preference in cut:
            next_values[t, at_rows] = self._values(last_obs, last_preference)
        obs = {name: np.stack([one[name] for one in seen]) for name in seen[0]}
        return Rollout(obs, prefs, actions, log_probs, rewards, values, next_values, terminated, ended, valid)

    def _improve(self, rollout: Rollout, rng: np.random.Generator) -> None:
        """Some epochs of gradient steps on a rollout."""
        c = self.config
        rows = np.flatnonzero(rollout.valid.ravel())
        advantage = advantages(rollout, self.discount, c.gae_lambda)
        target = (advantage + rollout.values).reshape(-1, self.k)
        self.net.values.update(self._tensor(target[rows]))
        batch = {
            "preference": _flat(rollout.preference),
            "actions": _flat(rollout.actions),
            "old_log_prob": _flat(rollout.log_prob),
            "advantage": self.weighted(_flat(rollout.preference), _flat(advantage), rows),
            "returns": to_numpy(self.net.values.normalise(self._tensor(target))),
        }
        data = {name: self._tensor(array) for name, array in batch.items()}
        obs = self._on_device({name: _flat(array) for name, array in rollout.obs.items()})
        set_learning_rate(self.optimizer, at(c.learning_rate, self.progress))
        for _ in range(c.n_epochs):
            order = rng.permutation(rows)
            for part in np.array_split(order, max(1, round(len(order) / c.batch_size))):
                index = torch.from_numpy(part).to(self.device)
                some = {name: value[index] for name, value in data.items()}
                loss = self.loss({name: value[index] for name, value in obs.items()}, **some)
                gradient_step(loss, self.optimizer, c.max_grad_norm)

    def weighted(self, preference: FloatArray, advantage: FloatArray, rows: IntArray) -> FloatArray:
        """ω·Â ``(n,)``: advantages ``(n, K)`` normalised per objective over ``rows``, then weighted by ω ∝ w σ."""
        mean, std = advantage[rows].mean(axis=0), advantage[rows].std(axis=0)
        weight = preference * std / self.unit
        weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray((weight * (advantage - mean) / np.maximum(std, 1e-12)).sum(axis=1))

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
        c = self.config
        log_prob, entropy, values = self.net(obs, preference, actions)
        ratio, clip = (log_prob - old_log_prob).exp(), at(c.clip_range, self.progress)
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
        error = (values - returns).square().mean()
        loss: Tensor = -surrogate + c.vf_coef * error - at(self._entropy, self.progress) * entropy.mean()
        return loss

    # ---- acting ----------------------------------------------------------------------------------------------

    @property
    def unit(self) -> FloatArray:
        """Standard deviation of the returns per objective ``(K,)``: the unit of preferences that networks see."""
        return to_numpy(self.net.values.std).astype(np.float64)

    def seen_preference(self, weights: FloatArray) -> FloatArray:
        """ŵ ∝ w s for weights ``(n, K)`` of raw returns."""
        return to_scaled(weights, self.unit)

    def _see(self, observations: Any, learn: bool = False) -> Arrays:
        arrays = self.inputs.arrays(observations)
        if not self.config.normalise_observations:
            return arrays
        if learn:
            self.normaliser.observe(arrays)
        return self.normaliser(arrays)

    def _on_device(self, arrays: Arrays) -> dict[str, Tensor]:
        return self.inputs.tensors(arrays, self.device)

    def _tensor(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        return (tensor.float() if tensor.dtype == torch.float64 else tensor).to(self.device)

    def _values(self, obs: Arrays, preference: FloatArray) -> FloatArray:
        """V(s, w) ``(n, K)`` in the unit of the returns."""
        with torch.no_grad():
            return to_numpy(self.net.value(self._on_device(obs), self._tensor(preference))).astype(np.float64)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if preferences is not None:
            return ConditionedPolicies(self, preferences)
        # Where always doing what is most likely never arrives, drawing does: a front may hold both.
        return ConditionedPolicies(self, self.front_preferences(), drawn=self.problem.model is None)

    def front_preferences(self) -> FloatArray:
        """Weights of raw returns ``(m, K)`` for a front: a grid over raw returns and one in units of the returns."""
        return with_scaled(simplex_grid(self.k, max(self.k, self.config.front_weights // 2)), self.unit)

    def front(
        self,
        episodes: int | None = None,
        seed: int | None = None,
        *,
        discount: float | None = None,
        exact: bool | None = None,
    ) -> Front:
        """As :meth:`morl.agents.Agent.front`; by default with 2 to 100 episodes, about as ``eval_share`` pays for.

        Policies whose actions are the most likely ones are measured, and those whose actions are drawn.
        """
        if episodes is None:
            # Some policies are slower than those that learned: an episode counts for half of the time limit at least.
            length = max(self._steps_per_episode, (self.problem.horizon or 0) / 2, 1.0)
            episodes = int(
                np.clip(self.config.eval_share * self.num_timesteps / (len(self._policies(None)) * length), 2, 100)
            )
        return super().front(episodes, seed, discount=discount, exact=exact)

    def status(self) -> dict[str, float]:
        """Returns of recent episodes: the best of each objective over preferences."""
        tried = self.sampler.episodes > 0
        if not tried.any():
            return {}
        best = self.sampler.returns[tried].max(axis=0)
        return {f"best {name}": float(x) for name, x in zip(self.spec.names, best, strict=True)}


class ConditionedPolicies(PolicySet):
    """The actor under fixed weights of raw returns ``(m, K)``, one policy per weight.

    Args:
        agent: owner of the actor.
        weights: ``(m, K)``.
        drawn: as many policies again, whose actions are drawn whatever is asked for.
    """

    stochastic = True

    def __init__(self, agent: ConditionedPPO, weights: FloatArray, drawn: bool = False) -> None:
        self.agent, self._greedy = agent, len(weights)
        self.preferences: FloatArray = np.asarray(np.tile(weights, (2 if drawn else 1, 1)), dtype=np.float64)

    def __len__(self) -> int:
        return len(self.preferences)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        obs, preference = self._inputs(decision)
        net, drawn = self.agent.net, decision.which >= self._greedy
        if not decision.deterministic or drawn.all():
            return net.act(obs, preference, decision.rng)[0], decision.memory
        actions = net.act(obs, preference, None)[0]
        if drawn.any():
            actions[drawn] = net.act(obs, preference, decision.rng)[0][drawn]
        return actions, decision.memory

    def probabilities(self, decision: Decision) -> FloatArray | None:
        """Of one discrete action; ``None`` for others."""
        return self.agent.net.probabilities(*self._inputs(decision))

    def content(self, number: int) -> tuple[Any, ...]:
        """The preference, and whether actions are drawn even where the most likely ones are asked for."""
        return self.preferences[number], number >= self._greedy

    def _inputs(self, decision: Decision) -> tuple[dict[str, Tensor], Tensor]:
        agent = self.agent
        preference = agent.seen_preference(self.preferences[decision.which])
        return agent._on_device(agent._see(decision.observations)), agent._tensor(preference)


def _flat(array: Array) -> Array:
    """``(T, n, ...)`` as ``(T n, ...)``."""
    return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
