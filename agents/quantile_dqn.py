"""Risk of the utility of single episodes: a quantile critic of u(R) on accrued-reward states, and a search over η.

The critic predicts the whole distribution of the final utility U = u(R) by N quantiles (QR-DQN, Dabney et al. 2018).
CVaR of an episode is a maximum over a level η of an ordinary expectation (Bäuerle & Ott 2011)::

    CVaR_α(U) = max_η  η − E (η − U)₊ / α

and for a fixed η the best policy needs only the state and what was accrued. So one network takes η as an input; its
greedy action maximises E min(U, η) for CVaR, P(U ≥ η) for a quantile (value at risk), E U for the expectation; and
after learning the best η is found at the start: the critic proposes, measured distributions decide.
Choosing the lowest CVaR step by step would *not* maximise the CVaR of the episode (Lim & Malik 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.collector import Transitions
from morl.agents.core.config import Annealed, option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.neural.networks import CommandedNet, Trunk, of_actions
from morl.agents.neural.off_policy import Batch, OffPolicy
from morl.agents.neural.policy_kwargs import NetworkConfig
from morl.agents.neural.training import (
    gradient_step,
    seeded,
    target_of,
    to_numpy,
)
from morl.agents.utility_agent import AccruedFeatures, UtilityAgent, UtilityConfig, typical_accrued
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class QuantileDQNConfig(Annealed, UtilityConfig, NetworkConfig):
    """Options of :class:`QuantileDQN`."""

    risk: str = option(
        "cvar", "what is maximised of the distribution of u(R)", choices=("expectation", "cvar", "quantile")
    )
    alpha: float = option(0.1, "level of CVaR (mean of the worst α) or of the quantile", low=1e-6, high=1.0)
    n_envs: int = option(32, "parallel environments", low=1)
    net_arch: tuple[int, ...] = option((64, 64), "width of each hidden layer")
    quantiles: int = option(32, "quantiles of the critic", low=2)
    learning_rate: float | tuple[float, ...] = option(
        (1e-3, 1e-4), "Adam's step size, or its first and last value", low=0.0
    )
    batch_size: int = option(256, "transitions per update", low=1)
    train_freq: int = option(32, "environment steps per update", low=1)
    buffer_size: int = option(100_000, "transitions remembered", low=1)
    learning_starts: int = option(2000, "random steps before the first update", low=0)
    target_update_interval: int = option(100, "updates between copies to the target network", low=1)
    levels: int = option(33, "values of η among which the best is searched", low=2)
    candidates: int = option(33, "how many of them are measured", low=1)
    search_episodes: int = option(200, "episodes per measured η where there is no model", low=1)


class QuantileDQN(UtilityAgent, OffPolicy):
    """See the module's description."""

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="QuantileDQN",
        summary="Risk-averse: CVaR, quantile or expectation of the utility of single episodes, by a quantile critic.",
        criterion=("ESR",),
        policy_class="deterministic, on observation, accrued reward and time",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Dabney et al. 2018; Bäuerle & Ott 2011",
        formula="max_η [ η − E(η − U)₊/α ],  U = u(R);  a = argmax E min(Z(s,ρ,a;η), η)",
        avoid="only the expectation of a linear utility is wanted: DQN does that",
        multi_policy=False,
    )
    Config = QuantileDQNConfig
    _unset: ClassVar[Mapping[str, float]] = {"range": np.inf}

    def _setup(self) -> None:
        super()._setup()
        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.features = AccruedFeatures(self, typical_accrued(self))
        self.rows = self.features.rows
        self.n_actions = int(self.actions.space.n)
        # Of each step the utility of what was accrued with it is remembered, which matters where the episode is over.
        self._remember((), np.int64, rewards=1)
        options = self.one_network()
        with seeded(self.integer_seed("network")):
            # The level η enters beside the features, as a preference of one number.
            trunk = Trunk(options.features(self.rows), options.pi, preference=1, activation=options.activation)
            net = CommandedNet(trunk, self.n_actions * c.quantiles)
        self.net = net.to(self.device)
        self.target = target_of(self.net)
        self.optimizer = self._adam(self.net, c.learning_rate)
        self.range = np.array([np.inf, -np.inf])  # lowest and highest utility of an episode so far
        self.eta = 0.0
        self._found = -1
        self._keeps("range", net=self.net, target=self.target, adam=self.optimizer)

    # ---- learning --------------------------------------------------------------------------------------

    def loss(self, batch: Batch, eta: Array) -> Tensor:
        """Quantile Huber loss of Z(s, ρ, a; η) against u(R) where the episode is over, else Z⁻(s', ρ', a*; η)."""
        low, high = self._span()
        with torch.no_grad():
            best = self._score(self._distribution(self.net, batch.next_obs, eta), eta).argmax(dim=1)
            ahead = of_actions(self._distribution(self.target, batch.next_obs, eta), best)
            final = (batch.rewards - low) / (high - low)
            wanted = torch.where(batch.not_terminated > 0, ahead, final)
        return quantile_huber(of_actions(self._distribution(self.net, batch.obs, eta), batch.actions), wanted)

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        c = self.config
        if not np.isfinite(self.range).all():
            return  # no episode has ended
        gradient_step(self.loss(batch, self._draw(len(batch.obs), rng)), self.optimizer)
        if (self.updates + 1) % c.target_update_interval == 0:
            self.target.load_state_dict(self.net.state_dict())

    def _features(self, observations: Any, accrued: FloatArray, time: IntArray) -> Array:
        return self.features(observations, accrued, time)

    def _row(self, out: Transitions, obs: Array, next_obs: Array) -> dict[str, Array]:
        after = out.accrued + (self.discount ** out.time.astype(np.float64))[:, None] * out.rewards
        utility, over = self.utility(after), out.terminated | (out.truncated & self.limited)
        if over.any():
            self.range[0] = min(self.range[0], float(utility[over].min()))
            self.range[1] = max(self.range[1], float(utility[over].max()))
        more = {"rewards": utility[:, None], "not_terminated": ~over[:, None]}
        return {**super()._row(out, obs, next_obs), **more}

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """Levels ``(n,)`` over the range of utilities seen, a little beyond its ends."""
        low, high = self._span()
        return np.asarray(low + (high - low) * (1.2 * rng.random(n) - 0.1))

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=1)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        if self.num_timesteps < self.config.learning_starts:
            return exploration.step(None, 1.0, rng)[0]
        return exploration.step(self.best_actions(obs, weights), self.config.epsilon_at(self.progress), rng)[0]

    # ---- the critic ------------------------------------------------------------------------------------

    def _span(self) -> tuple[float, float]:
        low, high = float(self.range[0]), float(self.range[1])
        if not np.isfinite(low) or not np.isfinite(high):
            return 0.0, 1.0
        return low, max(high, low + 1e-6)

    def _level(self, eta: Array) -> Tensor:
        """Levels on the scale of the range seen: 0 is its low end, 1 its high; ``(n, 1)``."""
        low, high = self._span()
        return self._tensor(((np.asarray(eta) - low) / (high - low)).astype(np.float32))[:, None]

    def _distribution(self, net: nn.Module, rows: Tensor, eta: Array) -> Tensor:
        """Quantiles ``(n, A, N)`` of the final utility, on the same scale."""
        out: Tensor = net(rows, 2 * self._level(eta) - 1)
        return out.view(len(rows), self.n_actions, self.config.quantiles)

    def _score(self, quantiles: Tensor, eta: Array) -> Tensor:
        """What the greedy action maximises, ``(n, A)``, for quantiles on the unit scale."""
        if self.config.risk == "expectation":
            return quantiles.mean(dim=2)
        level = self._level(eta)[:, :, None]
        if self.config.risk == "cvar":
            return torch.minimum(quantiles, level).mean(dim=2)
        # The indicator is smoothed by half a quantile step, so that ties are broken towards safety.
        return torch.sigmoid((quantiles - level) * 50.0).mean(dim=2)

    def best_actions(self, rows: Array, eta: Array) -> Array:
        """Greedy action numbers ``(n,)`` for features ``(n, size)`` and levels ``(n,)``."""
        with torch.inference_mode():
            scores = self._score(self._distribution(self.net, self._tensor(rows), eta), eta)
            return to_numpy(scores.argmax(dim=1))

    # ---- the search over η -----------------------------------------------------------------------------

    def search(self) -> float:
        """The best level η: measured among those the critic thinks best. Counted as evaluation."""
        if self._found == self.num_timesteps:
            return self.eta
        c = self.config
        low, high = self._span()
        levels = np.linspace(low, high, c.levels)
        if c.risk == "expectation":
            self.eta, self._found = high, self.num_timesteps
            return self.eta
        expected = self._expected(levels)
        chosen = np.sort(np.argsort(-expected, kind="stable")[: c.candidates])
        policies = LevelPolicies(self, levels[chosen])
        seed = self.integer_seed("sample", 1)  # the same after loading, so that the same level is found again
        result = self._evaluator.evaluate(policies, c.search_episodes, seed=seed, distributions=True)
        assert result.distributions is not None
        measured = [self.risk_of(self.utility(values), chances) for values, chances in result.distributions]
        self.eta, self._found = float(levels[chosen[int(np.argmax(measured))]]), self.num_timesteps
        return self.eta

    def _expected(self, levels: FloatArray) -> FloatArray:
        """What the critic expects of each level at the start of an episode."""
        env = self.problem.measuring(1)
        observations, _ = env.reset(seed=self.integer_seed("sample"))
        env.close()
        n = env.num_envs
        one = self.features(observations, np.zeros((n, self.k)), np.zeros(n, dtype=np.int64))[:1]
        with torch.inference_mode():
            every = self._distribution(self.net, self._tensor(np.repeat(one, len(levels), axis=0)), levels)
            samples = to_numpy(of_actions(every, self._score(every, levels).argmax(dim=1)))
        low, high = self._span()
        samples = low + (high - low) * samples
        if self.config.risk == "cvar":
            return np.asarray(levels - np.maximum(levels[:, None] - samples, 0).mean(axis=1) / self.config.alpha)
        return np.asarray(np.where((samples >= levels[:, None]).mean(axis=1) >= 1 - self.config.alpha, levels, -np.inf))

    def risk_of(self, utilities: FloatArray, chances: FloatArray) -> float:
        """The measure that is maximised, of a distribution: values ``(n,)`` and probabilities ``(n,)``."""
        c = self.config
        if c.risk == "expectation":
            return float(chances @ utilities)
        return cvar(utilities, chances, c.alpha) if c.risk == "cvar" else quantile(utilities, chances, c.alpha)

    # ---- acting ----------------------------------------------------------------------------------------

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        return LevelPolicies(self, np.array([self.search()]))

    def _provenance(self) -> dict[str, Any]:
        return {**super()._provenance(), "risk": self.config.risk, "alpha": self.config.alpha, "eta": self.eta}


def quantile_huber(given: Tensor, wanted: Tensor, kappa: float = 0.05) -> Tensor:
    """Quantile Huber loss of predictions ``(n, N)`` against samples ``(n, M)`` (Dabney et al. 2018)."""
    n = given.shape[1]
    tau = (torch.arange(n, dtype=given.dtype, device=given.device) + 0.5) / n
    error = wanted[:, None, :] - given[:, :, None]
    size = error.abs()
    huber = torch.where(size <= kappa, 0.5 * error**2, kappa * (size - 0.5 * kappa)) / kappa
    weight = (tau[None, :, None] - (error.detach() < 0).to(given.dtype)).abs()
    return (weight * huber).mean(dim=2).sum(dim=1).mean()


def cvar(values: FloatArray, chances: FloatArray, alpha: float) -> float:
    """Mean of the worst fraction ``alpha`` of a distribution.

    >>> cvar(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.25, 0.5]), 0.5)
    0.5
    """
    order = np.argsort(values, kind="stable")
    left = np.minimum(np.cumsum(chances[order]), alpha)
    mass = np.diff(np.concatenate([[0.0], left]))
    return float(mass @ values[order] / mass.sum())


def quantile(values: FloatArray, chances: FloatArray, alpha: float) -> float:
    """Lower quantile: the smallest value that is not exceeded with probability at least ``alpha``.

    >>> quantile(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.25, 0.5]), 0.5)
    1.0
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(chances[order]) >= alpha - 1e-12
    return float(values[order][int(np.argmax(reached))])


class LevelPolicies(PolicySet):
    """The greedy policies of a quantile critic for some levels η."""

    needs_accrued = True

    def __init__(self, agent: QuantileDQN, levels: FloatArray) -> None:
        self.agent, self.levels = agent, np.asarray(levels, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.levels)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One network call for all rows."""
        rows = self.agent.features(decision.observations, decision.accrued, decision.time)
        actions = self.agent.best_actions(rows, self.levels[decision.which])
        return actions.astype(np.int64), decision.memory

    def network(self, number: int) -> Any:
        """The same in tensors."""
        agent, level = self.agent, self.levels[number]

        def act(rows: Tensor) -> Tensor:
            one = agent._level(np.array([level])).expand(rows.shape[0], 1)
            out = agent.net(rows, 2 * one - 1)
            quantiles = out.reshape(-1, agent.n_actions, agent.config.quantiles)
            return agent._score(quantiles, np.array([level])).argmax(dim=1)

        return agent.features.network(act, [agent.net])

    def content(self, number: int) -> tuple[Any, ...]:
        """The level."""
        return (self.levels[number],)
