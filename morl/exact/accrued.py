"""The state with the reward collected so far: what a utility of the *return of an episode* depends on.

A policy that maximises the expectation of a non-linear utility of the return must know what it has already
collected (Roijers et al. 2018; Bäuerle & Ott 2011 for risk). The product of state, accrued reward and, where
time matters, the decision number is again a finite process, as long as the accrued rewards are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.deadline import check, until
from morl.exact.occupancy import row_visits
from morl.exact.oracle import best_policy
from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray, ModelError, check_vector

_DIGITS = 10


@dataclass(frozen=True)
class Accrued:
    """The product process.

    Args:
        momdp: the model it was made from.
        product: the product as a model with one (unused) objective, γ = 1; final nodes are terminal.
        state, time: of each node, ``(n,)``; time is 0 throughout where it does not matter.
        collected: accrued (discounted) reward of each node, ``(n, K)``; the episode's return at final nodes.
        timed: true where the decision number is part of the node.
        error: bound ``(K,)`` on the difference between a return and the one kept here.
    """

    momdp: MOMDP
    product: MOMDP
    state: IntArray
    time: IntArray
    collected: FloatArray
    timed: bool
    error: FloatArray
    deadline: float = math.inf

    @property
    def final(self) -> BoolArray:
        """Nodes at which an episode is over, ``(n,)``."""
        return self.product.terminal

    def best(self, score: FloatArray) -> tuple[float, IntArray]:
        """Maximise the expectation of ``score`` ``(n,)`` at the end: value and action per node ``(n,)``."""
        check(self.deadline, "comparing policies on the accrued rewards")
        if self.timed:
            values, policy = self._backward(score[:, None])
            return float(self.product.start @ values[:, 0]), policy[:, 0]
        gain = self.product.transitions @ score - score[self.product.row_state]
        model = MOMDP(self.product.transitions, gain[:, None], self.product.row_ptr, 1.0, self.product.start)
        policy, value = best_policy(model, [1.0], self.deadline)
        return float(value.start[0] + self.product.start @ score), policy

    def best_of_many(self, scores: FloatArray) -> FloatArray:
        """The best expectation for each column of ``scores`` ``(n, m)``: ``(m,)``."""
        if not self.timed:
            return np.array([self.best(column)[0] for column in scores.T])
        step = max(1, 20_000_000 // max(1, len(scores)))
        parts = [self._backward(scores[:, i : i + step])[0] for i in range(0, scores.shape[1], step)]
        return np.concatenate([self.product.start @ part for part in parts])

    def _backward(self, scores: FloatArray) -> tuple[FloatArray, IntArray]:
        """Backward over the decisions for all columns at once."""
        model = self.product
        values = np.array(scores, dtype=np.float64)
        policy = np.zeros(values.shape, dtype=np.int64)
        for t in reversed(range(int(self.time.max(initial=0)) + 1)):
            check(self.deadline, "comparing policies on the accrued rewards")
            nodes = np.flatnonzero((self.time == t) & ~self.final)
            if not len(nodes):
                continue
            first, last = int(model.row_ptr[nodes[0]]), int(model.row_ptr[nodes[-1] + 1])
            q = model.transitions[first:last] @ values
            starts = model.row_ptr[nodes] - first
            top = np.maximum.reduceat(q, starts, axis=0)
            for a in reversed(range(int(model.n_actions[nodes].max()))):
                has = model.n_actions[nodes] > a
                hit = q[starts[has] + a] >= top[has]
                policy[nodes[has]] = np.where(hit, a, policy[nodes[has]])
            values[nodes] = top
        return values, policy

    def returns(self, policy: IntArray) -> tuple[FloatArray, FloatArray]:
        """Distribution of the return under a policy of the nodes: values ``(m, K)`` and probabilities ``(m,)``."""
        reached = np.zeros(len(self.state))
        start = self.product.start
        visits = row_visits(self.product, policy)
        reached += np.where(self.final, start, 0.0)
        reached += np.where(self.final, visits @ self.product.transitions, 0.0)
        rest = 1.0 - reached.sum()
        if rest > 1e-9:  # plays that rest without reward and never terminate
            from morl.exact.bellman import endless_classes, induced_chain
            from morl.exact.policy import as_stochastic

            chain, rewards = induced_chain(self.product, as_stochastic(self.product, policy))
            resting = endless_classes(chain, rewards, self.final)[0]
            by_node = np.bincount(self.product.row_state, weights=visits, minlength=len(reached))
            reached += np.where(resting, by_node, 0.0)
        used = reached > 1e-15
        values, index = np.unique(self.collected[used].round(_DIGITS), axis=0, return_inverse=True)
        return values, np.bincount(index.ravel(), weights=reached[used], minlength=len(values)).astype(np.float64)


def accrue(
    momdp: MOMDP,
    *,
    clip: tuple[ArrayLike, ArrayLike] | None = None,
    grid: ArrayLike | None = None,
    tail: float = 1e-6,
    max_nodes: int = 500_000,
    time_limit: float | None = None,
) -> Accrued:
    """Expand the product of state and accrued reward, breadth first.

    Args:
        clip: ``(low, high)`` ``(K,)`` each: accrued rewards are kept within. Exact for a utility that is constant
            beyond, and what makes an endless undiscounted process finite.
        grid: width ``(K,)`` or number: accrued rewards are rounded to its multiples; the error is stated.
        tail: with γ < 1 and no horizon, decisions whose rewards cannot add more than this are cut off.
        max_nodes: largest number of nodes.
        time_limit: seconds for this and for what is asked of the result; there is no answer in between.

    Raises:
        OutOfTime: the time limit has passed.
        ModelError: too many nodes (with what to do), or a grid without a bound on the number of decisions.
    """
    k = momdp.k
    low, high = np.full(k, -np.inf), np.full(k, np.inf)
    if clip is not None:
        low, high = (np.broadcast_to(np.asarray(x, dtype=np.float64), (k,)) for x in clip)
        if np.isnan(low).any() or np.isnan(high).any() or np.any(low > high) or np.any(low > 0) or np.any(high < 0):
            raise ModelError(f"clip is {clip!r}; expected (low, high) with low <= 0 <= high in every objective")
    width = None if grid is None else check_vector(np.broadcast_to(np.asarray(grid, float), (k,)), k, "grid")
    if width is not None and np.any(width <= 0):
        raise ModelError(f"grid is {grid!r}; expected positive numbers")
    steps, cut = _decisions(momdp, tail)
    if width is not None and steps is None:
        raise ModelError("a grid needs a horizon or a discount below 1, or its rounding errors have no bound")
    expansion = _Expansion(momdp, low, high, width, steps, max_nodes)
    deadline = until(time_limit)
    expansion.run(deadline)
    error = cut + (0.0 if steps is None else steps * expansion.rounding)
    return replace(expansion.result(np.asarray(error * np.ones(k))), deadline=deadline)


def _decisions(momdp: MOMDP, tail: float) -> tuple[int | None, FloatArray]:
    """The number of decisions to expand (``None``: until the end), and the return cut off after them."""
    largest = _largest_reward(momdp)
    if momdp.horizon is not None:
        return momdp.horizon, np.zeros(momdp.k)
    if momdp.discount == 1.0:
        return None, np.zeros(momdp.k)
    if momdp.discount == 0.0:
        return 1, np.zeros(momdp.k)
    total = largest / (1.0 - momdp.discount)
    worst = float(total.max(initial=0.0))
    steps = 1 if worst <= tail else int(np.ceil(np.log(tail / worst) / np.log(momdp.discount)))
    steps = max(1, steps)
    if _bounded_life(momdp, steps):
        return steps, np.zeros(momdp.k)
    return steps, total * momdp.discount**steps


def _bounded_life(momdp: MOMDP, steps: int) -> bool:
    """True where every episode is over after ``steps`` decisions, whatever is done."""
    from morl.exact.graph import state_graph

    now = (momdp.start > 0) & ~momdp.terminal
    graph = state_graph(momdp)
    for _ in range(min(steps, momdp.n_states + 1)):
        if not now.any():
            return True
        nxt = np.zeros_like(now)
        nxt[graph[np.flatnonzero(now)].indices] = True
        now = nxt & ~momdp.terminal
    return not now.any()


def _largest_reward(momdp: MOMDP) -> FloatArray:
    table = momdp.rewards if momdp.outcome_rewards is None else momdp.outcome_rewards
    return np.asarray(np.abs(table).max(axis=0, initial=0.0))


class _Expansion:
    """Breadth-first expansion of nodes (state, time, accrued reward)."""

    def __init__(
        self,
        momdp: MOMDP,
        low: FloatArray,
        high: FloatArray,
        width: FloatArray | None,
        steps: int | None,
        max_nodes: int,
    ) -> None:
        self.m, self.low, self.high, self.width, self.steps, self.max_nodes = momdp, low, high, width, steps, max_nodes
        self.index: dict[tuple[int, int, tuple[float, ...]], int] = {}
        self.nodes: list[tuple[int, int, tuple[float, ...]]] = []
        self.row_ptr, self.indptr = [0], [0]
        self.columns: list[int] = []
        self.data: list[float] = []
        self.rounding = np.zeros(momdp.k)

    def run(self, deadline: float) -> None:
        m = self.m
        zero = (0.0,) * m.k
        self.first = [(float(m.start[s]), self._number((int(s), 0, zero))) for s in np.flatnonzero(m.start > 0)]
        head = 0
        while head < len(self.nodes):
            s, t, collected = self.nodes[head]
            head += 1
            check(deadline, "listing accrued rewards")
            over = m.terminal[s] or (self.steps is not None and t >= self.steps)
            for row in () if over else range(int(m.row_ptr[s]), int(m.row_ptr[s + 1])):
                self._row(row, t, np.array(collected))
            self.row_ptr.append(len(self.indptr) - 1)

    def _row(self, row: int, t: int, collected: FloatArray) -> None:
        m = self.m
        first, last = int(m.transitions.indptr[row]), int(m.transitions.indptr[row + 1])
        weight = 1.0 if self.steps is None else m.discount**t
        step = 0 if self.steps is None else 1
        for j in range(first, last):
            p = float(m.transitions.data[j])
            if p > 0:
                reward = m.rewards[row] if m.outcome_rewards is None else m.outcome_rewards[j]
                key = self._key(collected + weight * reward)
                self.columns.append(self._number((int(m.transitions.indices[j]), t + step, key)))
                self.data.append(p)
        self.indptr.append(len(self.columns))

    def _key(self, collected: FloatArray) -> tuple[float, ...]:
        value = np.clip(collected, self.low, self.high)
        if self.width is not None:
            near = np.round(value / self.width) * self.width
            self.rounding = np.maximum(
                self.rounding, np.abs(near - value) * (np.abs(near - value) > 1e-12 * self.width)
            )
            value = near
        return tuple((np.round(value, _DIGITS) + 0.0).tolist())

    def _number(self, node: tuple[int, int, tuple[float, ...]]) -> int:
        if node not in self.index:
            if len(self.nodes) >= self.max_nodes:
                raise ModelError(
                    f"more than {self.max_nodes} pairs of state and accrued reward; give clip=(low, high) where the "
                    "utility is constant beyond, a coarser grid, a shorter horizon, or raise max_nodes"
                )
            self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return self.index[node]

    def result(self, error: FloatArray) -> Accrued:
        m, n = self.m, len(self.nodes)
        matrix = sparse.csr_array(
            (np.array(self.data), np.array(self.columns, np.int64), np.array(self.indptr, np.int64)),
            shape=(len(self.indptr) - 1, n),
        )
        start = np.zeros(n)
        for p, i in self.first:
            start[i] += p
        product = MOMDP(matrix, np.zeros((matrix.shape[0], 1)), np.array(self.row_ptr, np.int64), 1.0, start)
        return Accrued(
            m,
            product,
            np.array([s for s, _, _ in self.nodes], dtype=np.int64),
            np.array([t for _, t, _ in self.nodes], dtype=np.int64),
            np.array([c for _, _, c in self.nodes]).reshape(n, m.k),
            self.steps is not None,
            error,
        )


class EpisodicPolicy:
    """A deterministic policy of state, time and accrued reward: :meth:`act`, then :meth:`observe` what came of it."""

    def __init__(self, accrued: Accrued, policy: IntArray) -> None:
        self._accrued, self._policy = accrued, policy
        self._index = {
            (int(s), int(t), tuple(c)): i
            for i, (s, t, c) in enumerate(zip(accrued.state, accrued.time, accrued.collected.tolist(), strict=True))
        }
        self.reset()

    def reset(self) -> None:
        """Begin a new episode."""
        self._node: int | None = None

    def act(self, state: int) -> int:
        """The action in ``state``.

        Raises:
            ModelError: not a start state, or the episode is over.
        """
        if self._node is None:
            key = (int(state), 0, (0.0,) * self._accrued.momdp.k)
            if key not in self._index:
                raise ModelError(f"state {state} is no start state of this policy")
            self._node = self._index[key]
        if self._accrued.final[self._node]:
            raise ModelError("the episode is over; call reset()")
        return int(self._policy[self._node])

    def observe(self, reward: ArrayLike, next_state: int) -> None:
        """Add the reward vector ``(K,)`` of the last action and move on."""
        if self._node is None:
            raise ModelError("observe() before act(); expected reset(), act(state), observe(reward, next_state), …")
        product, node = self._accrued.product, self._node
        row = int(product.row_ptr[node] + self._policy[node])
        options = product.transitions.indices[product.transitions.indptr[row] : product.transitions.indptr[row + 1]]
        options = options[self._accrued.state[options] == int(next_state)]
        if not len(options):
            raise ModelError(f"state {next_state} cannot follow state {self._accrued.state[node]} under this action")
        weight = self._accrued.momdp.discount ** int(self._accrued.time[node]) if self._accrued.timed else 1.0
        target = self._accrued.collected[node] + weight * np.asarray(reward, dtype=np.float64)
        gaps = np.abs(self._accrued.collected[options] - target).max(axis=1)
        self._node = int(options[int(np.argmin(gaps))])


Score = Callable[[FloatArray], Any]
