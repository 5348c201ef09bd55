"""Constrained MORL: a few policies for weights spread evenly, then constrained optimisation that extends their front.

First stage: m policies learn side by side, each by proximal policy optimisation for weights of its own. Second stage,
in rounds: the policies r that lie most alone on the front of what was found are taken up again, once for each objective
l, which is improved while no other may fall much (Liu et al., ICLR 2025, "Efficient discovery of Pareto front for
multi-objective reinforcement learning")::

    max_π G_l(π)   subject to   G_i(π) ≥ d_i   for all i ≠ l,        d_i = G_i(r) − (1 − β) max(|G_i(r)|, spread_i)

by the interior-point method (their C-MORL-IPO): constraints become logarithmic barriers, whose gradient is that of a
weighted sum with weights that grow as a constraint comes near::

    ∇ [ G_l + Σ_{i≠l} ψ(G_i − d_i) ] = ∇G_l + Σ_{i≠l} ψ'(G_i − d_i) ∇G_i,      ψ'(x) = 1 / (t x), at most t

Returns are divided by their standard deviations; ψ is (1/t) log x, continued by its tangent where x ≤ 1/t² (Kervadec et
al. 2022), so that a constraint which is broken pulls with weight t. Each update of a policy takes G as what its
recent episodes earned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.neural.population import PopulationConfig, PopulationPPO
from morl.pareto.archive import crowding
from morl.spec import FloatArray


@dataclass(frozen=True)
class CMORLConfig(PopulationConfig):
    """Options of :class:`CMORL`."""

    beta: float = option(0.9, "β: share of its return that no other objective may fall below", low=0.0, high=1.0)
    barrier: float = option(20.0, "t: how sharp the barrier is", low=1.0)
    rounds: int = option(8, "how often policies to extend are chosen", low=1)


class CMORL(PopulationPPO):
    """See the module's description."""

    info = AlgoInfo(
        name="CMORL",
        summary="PPO policies for a few weights, then constrained optimisation that fills gaps of their front",
        criterion=("SER",),
        policy_class="stationary stochastic (its most likely action when acting deterministically)",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Liu et al. 2025, Efficient discovery of Pareto front for multi-objective RL (ICLR)",
        formula="max_π G_l(π) s.t. G_i(π) ≥ β G_i(π_r), by log barriers, from the loneliest π_r of the front",
        avoid="steps are few (one network for all preferences, ConditionedPPO, needs fewer), or the model is known",
        several_actions=True,
    )
    Config = CMORLConfig

    def _setup(self) -> None:
        super()._setup()
        self._round_end = 0
        self._keeps("_round_end", "improved", "floor")

    def _begin_members(self) -> None:
        super()._begin_members()
        self.improved = np.zeros(self.members, dtype=np.int64)
        self.floor: FloatArray = np.zeros((self.members, self.k))

    def _plan(self) -> int:
        if not self.in_first_stage and self.num_timesteps >= self._round_end:
            self._extend()
        if self.in_first_stage:
            return self._first_stage
        self.weights = self.barrier_weights()
        return self._round_end

    def _extend(self) -> None:
        """Take up the policies that lie most alone on the front, once for each objective."""
        steps = self._part_of_second_stage(self.config.rounds)
        if not self._front_begun(steps):
            return
        self._round_end = self.num_timesteps + steps
        known, rows = self.kept.returns, self.kept.rows
        order = np.argsort(-crowding(known / self.unit), kind="stable")
        tasks = [(int(r), objective) for r in order for objective in range(self.k)]
        for member in range(self.members):
            r, objective = tasks[member % len(tasks)]
            self._replace(member, rows[r], known[r])
            self.improved[member] = objective
            slack = np.maximum(np.abs(known[r]), np.ptp(known, axis=0))
            self.floor[member] = known[r] - (1 - self.config.beta) * slack
        self.optimizer.state.clear()

    def barrier_weights(self) -> FloatArray:
        """Weights ``(m, K)`` of the gradient of G_l + Σ ψ(G_i − d_i) in units of the returns, summing to one."""
        t = self.config.barrier
        margin = (self.returns - self.floor) / self.unit
        weights = 1.0 / (t * np.maximum(margin, 1.0 / t**2))
        weights[np.arange(self.members), self.improved] = 1.0
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
