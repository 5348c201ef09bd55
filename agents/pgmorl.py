"""Prediction-guided MORL: a population of PPO policies, of which those are improved that promise most for the front.

Warm-up: m policies learn side by side for weights spread evenly. Then, generation after generation, m tasks are chosen,
each a policy of the population and weights to improve it for, such that their predicted results give the front the
largest hypervolume and the smallest gaps (Xu et al., ICML 2020, "Prediction-guided multi-objective reinforcement
learning for continuous robot control")::

    choose (π, w) greedily by   HV(F ∪ {G(π) + Δ_π(w)}) − α S(F ∪ {G(π) + Δ_π(w)})

How much a policy gains by a generation under weights w is a hyperbolic model per objective, fitted to what generations
that started near it gained so far::

    Δ_k(w) = A (e^{a (w_k − b)} − 1) / (e^{a (w_k − b)} + 1) + c = A tanh(a (w_k − b) / 2) + c

The population is kept diverse by performance buffers: of the policies that lie in each of several directions from the
nadir, the few that are farthest from it. S is sparsity, the mean square of the gaps between neighbours on the front.
Returns are measured in units of the spread of the population.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.preferences import simplex_grid
from morl.agents.neural.population import PopulationConfig, PopulationPPO
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class PGMORLConfig(PopulationConfig):
    """Options of :class:`PGMORL`."""

    first_stage: float = option(
        0.4, "share of the steps that are warm-up, for weights spread evenly", low=0.0, high=1.0
    )
    generations: int = option(16, "how often tasks are chosen", low=1)
    n_buffers: int = option(20, "directions in which the population is kept diverse, about", low=2)
    buffer_policies: int = option(2, "policies kept in each direction", low=1)
    n_weights: int = option(13, "weights that tasks are chosen from, about", low=2)
    sparsity: float = option(1.0, "α: how much gaps of the front count beside its hypervolume", low=0.0)


class PGMORL(PopulationPPO):
    """See the module's description."""

    info = AlgoInfo(
        name="PGMORL",
        summary="evolves PPO policies: improves those that a model of past gains predicts to extend the front most",
        criterion=("SER",),
        policy_class="stationary stochastic (its most likely action when acting deterministically)",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Xu et al. 2020, Prediction-guided multi-objective RL for continuous robot control (ICML)",
        formula="(π, w) = argmax HV(F ∪ {G(π) + Δ_π(w)}) − α S(·), Δ hyperbolic in w; then PPO on w·r",
        avoid="there are more than three objectives, steps are few (use ConditionedPPO), or the model is known",
        several_actions=True,
    )
    Config = PGMORLConfig

    def _setup(self) -> None:
        super()._setup()
        self.population = np.zeros((0, self.net.row(0).size), dtype=np.float32)
        self.earned: FloatArray = np.zeros((0, self.k))
        self.learned_for: FloatArray = np.zeros((0, self.k))
        self.past = Gains(*np.zeros((3, 0, self.k)))
        self._generation_end = 0
        self._keeps("population", "earned", "learned_for", "past", "before", "_generation_end")

    def _begin_members(self) -> None:
        super()._begin_members()
        self.before: FloatArray = np.zeros((0, self.k))  # what members earned when the generation began, once known

    def _plan(self) -> int:
        if self.num_timesteps >= self._generation_end:
            self._next_generation()
        return min(self._generation_end, self._first_stage) if self.in_first_stage else self._generation_end

    def _next_generation(self) -> None:
        """Remember what was gained; after the warm-up, choose what to improve next."""
        steps = self._part_of_second_stage(self.config.generations)
        self._generation_end = self.num_timesteps + steps
        known = np.flatnonzero(self.episodes > 0)
        if len(self.before):
            self.past = self.past.with_more(self.before[known], self.weights[known], self.returns[known])
        if len(known) == self.members:
            self.before = self.returns.copy()
        if not self.in_first_stage and self._front_begun(steps):
            self._breed(known)

    def _breed(self, known: IntArray) -> None:
        """Take members ``known`` into the population, and let members be the policies of the best tasks."""
        offspring = np.array([self.net.row(int(i)) for i in known], dtype=np.float32)
        population = np.concatenate([self.population, offspring.reshape(-1, self.population.shape[1])])
        earned = np.concatenate([self.earned, self.returns[known]])
        learned_for = np.concatenate([self.learned_for, self.weights[known]])
        stays = in_buffers(self._placed(earned, earned), self._directions(), self.config.buffer_policies)
        self.population, self.earned, self.learned_for = population[stays], earned[stays], learned_for[stays]
        for member, (policy, weights) in enumerate(self._tasks()):
            self._replace(member, self.population[policy], self.earned[policy])
            self.weights[member] = weights
        self.before = self.returns.copy()
        self.optimizer.state.clear()

    def _placed(self, returns: FloatArray, among: FloatArray) -> FloatArray:
        """Returns ``(n, K)`` in units of the spread of others ``(m, K)``, from a point a tenth of it below them."""
        span = np.maximum(np.ptp(among, axis=0), 1e-3 * self.unit)
        return np.asarray((returns - among.min(axis=0)) / span + 0.1)

    def _directions(self) -> FloatArray:
        grid = simplex_grid(self.k, max(self.k, self.config.n_buffers))
        return np.asarray(grid / np.linalg.norm(grid, axis=1, keepdims=True))

    def _tasks(self) -> list[tuple[int, FloatArray]]:
        """As many policies of the population and weights as there are members, best together by prediction."""
        grid = simplex_grid(self.k, max(self.k, self.config.n_weights))
        placed = self._placed(self.earned, self.earned)
        before, after = (self._placed(part, self.earned) for part in (self.past.before, self.past.after))
        past = Gains(before, self.past.weights, after)
        pairs: list[tuple[int, FloatArray]] = []
        results: list[FloatArray] = []
        for policy, (start, centre) in enumerate(zip(placed, self.learned_for, strict=True)):
            near = grid[within(grid, centre, np.pi / 4)]
            results += list(start + predicted_gain(past, start, near))
            pairs += [(policy, weights) for weights in near]
        front = self._placed(self.kept.returns, self.earned)
        chosen = choose_points(front, np.array(results), self.members, self.config.sparsity)
        return [pairs[i] for i in chosen]


class Gains(NamedTuple):
    """What generations gained: n of them, ``(n, K)`` each."""

    before: FloatArray
    """Returns when they began."""
    weights: FloatArray
    """What was learned for."""
    after: FloatArray
    """Returns when they ended."""

    def with_more(self, before: FloatArray, weights: FloatArray, after: FloatArray) -> Gains:
        """These, and further ones."""
        return Gains(*(np.concatenate(pair) for pair in zip(self, (before, weights, after), strict=True)))


def within(weights: FloatArray, centre: FloatArray, angle: float) -> BoolArray:
    """Which weights ``(n, K)`` point at most ``angle`` away from others ``(K,)``; the nearest ones always do."""
    cosine = weights @ centre / (np.linalg.norm(weights, axis=1) * np.linalg.norm(centre))
    return np.asarray(cosine >= min(np.cos(angle), cosine.max()) - 1e-9)


def in_buffers(points: FloatArray, directions: FloatArray, size: int) -> IntArray:
    """Which points ``(n, K)`` stay: in the buffer of each direction ``(B, K)``, the ``size`` farthest from zero.

    A point belongs to the direction, of length one, that its own is nearest to.

    >>> points = np.array([[1.0, 0.0], [2.0, 0.1], [3.0, 0.2], [0.0, 1.0]])
    >>> in_buffers(points, np.eye(2), 2).tolist()
    [1, 2, 3]
    """
    distance = np.linalg.norm(points, axis=1)
    buffer = (points @ directions.T).argmax(axis=1)
    farthest = np.lexsort((-distance, buffer))
    place = np.arange(len(points)) - np.searchsorted(buffer[farthest], buffer[farthest])
    return np.sort(farthest[place < size])


def predicted_gain(past: Gains, start: FloatArray, weights: FloatArray) -> FloatArray:
    """Δ(w) for weights ``(n, K)`` of a policy that earns ``start`` ``(K,)``: ``(n, K)``, by the hyperbolic model.

    It is fitted to generations that began near ``start``, the nearer the more they count; near is a tenth, or twice
    or four times as far and so on, until there are four different weights (or all generations are near).
    """
    if len(past.before) == 0:
        return np.zeros(weights.shape)
    distance, radius = np.linalg.norm(past.before - start, axis=1), 0.1
    while radius < distance.max() and len(np.unique(past.weights[distance <= radius], axis=0)) < 4:
        radius *= 2
    near = distance <= radius
    trust = np.exp(-0.5 * (distance[near] / (0.3 * radius)) ** 2) + 1e-6
    gain = past.after - past.before
    return np.stack(
        [
            hyperbola(fit_hyperbola(past.weights[near, k], gain[near, k], trust), weights[:, k])
            for k in range(len(start))
        ],
        axis=1,
    )


def hyperbola(parameters: FloatArray, x: FloatArray) -> FloatArray:
    """A tanh(a (x − b) / 2) + c for parameters A, a, b, c."""
    height, slope, middle, offset = parameters
    return np.asarray(height * np.tanh(slope * (x - middle) / 2) + offset)


def fit_hyperbola(x: FloatArray, y: FloatArray, trust: FloatArray) -> FloatArray:
    """A, a, b, c that fit ``y`` at ``x`` best, robustly (soft L1), points weighing ``trust``; A and a are positive:
    an objective that weighs more gains more.
    """
    size = max(float(np.ptp(y)), float(np.abs(y).max()), 1e-6)
    usual = max(float(np.median(np.abs(y - np.median(y)))), 1e-3 * size)  # beyond it, errors count linearly
    bounds = ([0.0, 0.1, -5.0, -2 * size], [2 * size, 20.0, 5.0, 2 * size])
    first = [size / 2, 1.0, 0.5, float(np.clip(np.average(y, weights=trust), -size, size))]
    found = least_squares(
        lambda p: (hyperbola(p, x) - y) * trust, first, bounds=bounds, loss="soft_l1", f_scale=usual, max_nfev=40
    )
    return np.asarray(found.x)


def choose_points(front: FloatArray, candidates: FloatArray, n: int, sparsity_weight: float) -> list[int]:
    """Which n candidates ``(m, K)`` to add to a front ``(f, K)``, greedily by hypervolume from zero and sparsity.

    Where there are fewer candidates, they are chosen again from the first on.
    """
    points, left = front, list(range(len(candidates)))
    chosen: list[int] = []
    while left and len(chosen) < n:
        score = [_score(np.vstack([points, candidates[i]]), sparsity_weight) for i in left]
        best = left.pop(int(np.argmax(score)))
        chosen.append(best)
        points = np.vstack([points, candidates[best]])
    return [chosen[i % len(chosen)] for i in range(n)]


def _score(points: FloatArray, sparsity_weight: float) -> float:
    above = np.maximum(points, 0.0)
    return hypervolume(above, np.zeros(points.shape[1])) - sparsity_weight * sparsity(above)


def sparsity(points: FloatArray) -> float:
    """Mean over gaps between neighbours on the front of their squares, summed over objectives (Xu et al. 2020).

    >>> sparsity(np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0], [0.0, 0.0]]))
    5.0
    """
    front = points[nondominated_mask(points)]
    if len(front) < 2:
        return 0.0
    return float(np.square(np.diff(np.sort(front, axis=0), axis=0)).sum() / (len(front) - 1))
