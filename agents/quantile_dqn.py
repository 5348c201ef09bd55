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
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from morl.agents.base import Array
from morl.agents.core.collector import random_actions
from morl.agents.core.config import Annealed, option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.neural.replay import ReplayBuffer
from morl.agents.utility_agent import AccruedFeatures, UtilityAgent, UtilityConfig, typical_accrued
from morl.spec import FloatArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class QuantileDQNConfig(Annealed, UtilityConfig):
    """Options of :class:`QuantileDQN`."""

    risk: str = option(
        "cvar", "what is maximised of the distribution of u(R)", choices=("expectation", "cvar", "quantile")
    )
    alpha: float = option(0.1, "level of CVaR (mean of the worst α) or of the quantile", low=1e-6, high=1.0)
    n_envs: int = option(32, "copies of the environment stepped together", low=1)
    hidden: tuple[int, ...] = option((64, 64), "width of each hidden layer")
    quantiles: int = option(32, "quantiles of the critic", low=2)
    learning_rate: float = option(1e-3, "Adam's step size, falling linearly to a tenth", low=0.0)
    batch_size: int = option(256, "transitions per update", low=1)
    train_every: int = option(32, "environment steps per update", low=1)
    buffer_size: int = option(100_000, "transitions kept", low=1)
    warm_up: int = option(2000, "random steps before the first update", low=0)
    target_every: int = option(100, "updates between copies to the target network", low=1)
    levels: int = option(33, "values of η among which the best is searched", low=2)
    candidates: int = option(33, "how many of them are measured", low=1)
    search_episodes: int = option(200, "episodes per measured η where there is no model", low=1)


class QuantileDQN(UtilityAgent):
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
        import torch
        from gymnasium import spaces

        from morl.agents.neural.networks import Trunk, seeded

        assert isinstance(self.actions.space, spaces.Discrete)
        c = self.config
        self.features = AccruedFeatures(self, typical_accrued(self))
        self.n_actions = int(self.actions.space.n)
        with seeded(self.integer_seed("network")):
            nets = []
            for _ in range(2):
                trunk = Trunk(self.features.size + 1, c.hidden)
                nets.append(torch.nn.Sequential(trunk, torch.nn.Linear(trunk.size, self.n_actions * c.quantiles)))
        self.net, self.target = nets
        self.target.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=c.learning_rate)
        size, k = self.features.size, self.k
        self.replay = ReplayBuffer(
            c.buffer_size,
            {
                "now": ((size,), np.float32),
                "then": ((size,), np.float32),
                "action": ((), np.int64),
                "utility": ((), np.float32),
                "over": ((), np.bool_),
                "accrued": ((k,), np.float32),
            },
        )
        self.updates = 0
        self.range = np.array([np.inf, -np.inf])  # lowest and highest utility of an episode so far
        self.eta = 0.0
        self._found = -1

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        collector = self.problem.collector(self.problem.training(c.n_envs))
        collector.reset(self.segment_seed())
        eta = self._draw_eta(collector.n, rng)
        owed = 0
        try:
            while self.num_timesteps < until:
                actions = random_actions(self.actions.space, collector.n, rng)
                greedy = rng.random(collector.n) >= c.epsilon_at(self.progress)
                if self.num_timesteps >= c.warm_up and greedy.any():
                    rows = self.features(collector.obs, collector.accrued, collector.time)
                    best = self.best_actions(rows, eta)
                    actions = np.where(greedy, best, actions)
                out = collector.step(actions)
                ended = self._remember(out)
                if ended.any():
                    eta = np.where(
                        np.isin(np.arange(collector.n), out.env[ended]), self._draw_eta(collector.n, rng), eta
                    )
                owed += len(out)
                while owed >= c.train_every:
                    owed -= c.train_every
                    if self.num_timesteps >= c.warm_up:
                        self._update(rng)
                self.advance(len(out))
        finally:
            if not self.problem.is_vector:
                collector.env.close()
        self._found = -1

    def _remember(self, out: Any) -> Array:
        """Store transitions; returns which of them ended an episode."""
        gamma_t = self.discount ** out.time.astype(np.float64)
        after = out.accrued + gamma_t[:, None] * out.rewards
        utility = self.utility(after)
        over = out.terminated | (out.truncated & self.limited)
        if over.any():
            self.range[0] = min(self.range[0], float(utility[over].min()))
            self.range[1] = max(self.range[1], float(utility[over].max()))
        self.replay.add(
            now=self.features(out.obs, out.accrued, out.time),
            then=self.features(out.next_obs, after, out.time + 1),
            action=out.actions.astype(np.int64),
            utility=utility.astype(np.float32),
            over=over,
            accrued=after.astype(np.float32),
        )
        return np.asarray(out.terminated | out.truncated)

    def _draw_eta(self, n: int, rng: np.random.Generator) -> Array:
        """Levels ``(n,)`` over the range of utilities seen, a little beyond its ends."""
        low, high = self._span()
        return np.asarray(low + (high - low) * (1.2 * rng.random(n) - 0.1))

    def _span(self) -> tuple[float, float]:
        low, high = float(self.range[0]), float(self.range[1])
        if not np.isfinite(low) or not np.isfinite(high):
            return 0.0, 1.0
        return low, max(high, low + 1e-6)

    def _inputs(self, rows: Array, eta: Array) -> torch.Tensor:
        import torch

        low, high = self._span()
        level = (np.asarray(eta) - low) / (high - low) * 2 - 1
        return torch.from_numpy(np.concatenate([rows, level[:, None]], axis=1, dtype=np.float32))

    def _distribution(self, net: Any, rows: Array, eta: Array) -> torch.Tensor:
        """Quantiles ``(n, A, N)`` of the final utility, on the scale of the range seen (0 its low end, 1 its high)."""
        out: torch.Tensor = net(self._inputs(rows, eta))
        return out.view(len(rows), self.n_actions, self.config.quantiles)

    def _score(self, quantiles: torch.Tensor, eta: Array) -> torch.Tensor:
        """What the greedy action maximises, ``(n, A)``, for quantiles on the unit scale."""
        import torch

        if self.config.risk == "expectation":
            return quantiles.mean(dim=2)
        low, high = self._span()
        level = torch.from_numpy(((np.asarray(eta) - low) / (high - low)).astype(np.float32))[:, None, None]
        if self.config.risk == "cvar":
            return torch.minimum(quantiles, level).mean(dim=2)
        # The indicator is smoothed by half a quantile step, so that ties are broken towards safety.
        return torch.sigmoid((quantiles - level) * 50.0).mean(dim=2)

    def best_actions(self, rows: Array, eta: Array) -> Array:
        """Greedy action numbers ``(n,)`` for features ``(n, size)`` and levels ``(n,)``."""
        import torch

        with torch.no_grad():
            return np.asarray(self._score(self._distribution(self.net, rows, eta), eta).argmax(dim=1).numpy())

    def _update(self, rng: np.random.Generator) -> None:
        import torch

        from morl.agents.neural.parameters import check_gradient

        c = self.config
        low, high = self._span()
        if not np.isfinite(self.range).all():
            return
        batch = self.replay.sample(c.batch_size, rng)
        eta = self._draw_eta(c.batch_size, rng)
        with torch.no_grad():
            following = self._distribution(self.target, batch["then"], eta)
            chosen = self._score(self._distribution(self.net, batch["then"], eta), eta).argmax(dim=1)
            wanted = following[torch.arange(c.batch_size), chosen]
            final = torch.from_numpy((batch["utility"] - low) / (high - low))[:, None]
            wanted = torch.where(torch.from_numpy(batch["over"])[:, None], final.expand_as(wanted), wanted)
        every = self._distribution(self.net, batch["now"], eta)
        given = every[torch.arange(c.batch_size), torch.from_numpy(batch["action"])]
        loss = quantile_huber(given, wanted)
        for group in self.optimizer.param_groups:
            group["lr"] = c.learning_rate * max(0.1, 1.0 - self.progress)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        check_gradient(float(norm), "the quantile loss")
        self.optimizer.step()
        self.updates += 1
        if self.updates % c.target_every == 0:
            self.target.load_state_dict(self.net.state_dict())

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
        promised = self._promise(levels)
        chosen = np.sort(np.argsort(-promised, kind="stable")[: c.candidates])
        policies = LevelPolicies(self, levels[chosen])
        seed = self.integer_seed("sample", 1)  # the same after loading, so that the same level is found again
        result = self._evaluator.evaluate(policies, c.search_episodes, seed=seed, distributions=True)
        assert result.distributions is not None
        measured = [self.risk_of(self.utility(values), chances) for values, chances in result.distributions]
        self.eta, self._found = float(levels[chosen[int(np.argmax(measured))]]), self.num_timesteps
        return self.eta

    def _promise(self, levels: FloatArray) -> FloatArray:
        """What the critic expects of each level at the start of an episode."""
        import torch

        env = self.problem.measuring(1)
        observations, _ = env.reset(seed=self.integer_seed("sample"))
        env.close()
        n = env.num_envs
        one = self.features(observations, np.zeros((n, self.k)), np.zeros(n, dtype=np.int64))[:1]
        rows = np.repeat(one, len(levels), axis=0)
        with torch.no_grad():
            every = self._distribution(self.net, rows, levels)
            best = self._score(every, levels).argmax(dim=1)
            samples = every[torch.arange(len(levels)), best].numpy()
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

    def status(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": float(self.updates)}

    def _provenance(self) -> dict[str, Any]:
        return {**super()._provenance(), "risk": self.config.risk, "alpha": self.config.alpha, "eta": self.eta}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        from morl.agents.neural.parameters import module_arrays, optimizer_arrays

        arrays = {
            **module_arrays(self.net, "net"),
            **module_arrays(self.target, "target"),
            **optimizer_arrays(self.optimizer, "adam"),
            **self.replay.state(),
            "range": self.range,
        }
        return arrays, {"updates": self.updates}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.neural.parameters import load_module, load_optimizer

        load_module(self.net, arrays, "net")
        load_module(self.target, arrays, "target")
        load_optimizer(self.optimizer, arrays, "adam")
        self.replay.restore(arrays)
        self.range = arrays["range"].copy()
        self.updates, self._found = int(facts["updates"]), -1


def quantile_huber(given: torch.Tensor, wanted: torch.Tensor, kappa: float = 0.05) -> torch.Tensor:
    """Quantile Huber loss of predictions ``(n, N)`` against samples ``(n, M)`` (Dabney et al. 2018)."""
    import torch

    n = given.shape[1]
    tau = (torch.arange(n, dtype=given.dtype) + 0.5) / n
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
