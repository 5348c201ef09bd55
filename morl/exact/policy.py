"""What a policy is, for the exact solvers.

========================  =======================================================================
deterministic             integers ``(S,)``: the action number of each state
stochastic                floats ``(rows,)``: the probability of each row of the model
time-dependent            integers ``(T, S)`` or floats ``(T, rows)``: one of the above per decision
:class:`Mixture`          policies and probabilities; one is drawn at the start of every episode
:class:`HistoryPolicy`    follows a :class:`Plan`: what it does depends on the states it has visited
========================  =======================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError, check_weights


@dataclass(frozen=True)
class Mixture:
    """Policies of which one is drawn at the start of every episode.

    Args:
        policies: policies of any kind but mixtures.
        probabilities: one per policy, summing to 1.

    >>> Mixture([np.array([0]), np.array([1])], [0.5, 0.5]).probabilities
    array([0.5, 0.5])
    """

    policies: tuple[Any, ...]
    probabilities: FloatArray

    def __init__(self, policies: Sequence[Any], probabilities: ArrayLike) -> None:
        if not len(policies):
            raise ModelError("a mixture of no policies; expected at least one")
        if any(isinstance(policy, Mixture) for policy in policies):
            raise ModelError("a mixture of mixtures; expected plain policies (multiply the probabilities out)")
        object.__setattr__(self, "policies", tuple(policies))
        object.__setattr__(self, "probabilities", check_weights(probabilities, len(policies), "probabilities"))

    def draw(self, rng: np.random.Generator) -> Any:
        """The policy of one episode."""
        return self.policies[int(rng.choice(len(self.policies), p=self.probabilities))]


@dataclass(frozen=True)
class Plan:
    """A conditional plan: a directed acyclic graph of decisions, shared by many history policies.

    Node ``i`` belongs to state ``state[i]``, takes ``action[i]`` and continues, after a move to
    ``successors[ptr[i] + j]``, with node ``children[ptr[i] + j]``; children are always older than parents.
    An action of −1 is a leaf: from there on the stationary policy ``tails[tail[i]]`` is followed without end
    (or, with ``tail[i] = −1``, nothing more is decided).
    """

    state: IntArray
    action: IntArray
    ptr: IntArray
    successors: IntArray
    children: IntArray
    tail: IntArray
    tails: tuple[IntArray, ...] = ()

    def __len__(self) -> int:
        return len(self.state)

    def next_node(self, node: int, next_state: int) -> int:
        """The node that continues ``node`` in ``next_state``; −1 where the episode has ended.

        Raises:
            ModelError: the action of this node never leads there.
        """
        first, last = int(self.ptr[node]), int(self.ptr[node + 1])
        where = np.flatnonzero(self.successors[first:last] == next_state)
        if not len(where):
            raise ModelError(
                f"state {next_state} cannot follow state {self.state[node]} under action {self.action[node]}"
            )
        return int(self.children[first + int(where[0])])


@dataclass
class HistoryPolicy:
    """A deterministic policy with memory: a pointer into a plan, moved on by the states it sees.

    Args:
        plan: the decisions.
        roots: the node to begin with, for each possible first state.

    Call :meth:`reset`, then alternate :meth:`act` and :meth:`observe`.
    """

    plan: Plan
    roots: Mapping[int, int]
    _node: int | None = field(default=None, init=False, repr=False)

    def reset(self) -> None:
        """Forget the episode so far."""
        self._node = None

    def act(self, state: int) -> int:
        """The action in ``state``.

        Raises:
            ModelError: the episode is over, or the state is not where the plan is.
        """
        if self._node is None:
            if int(state) not in self.roots:
                raise ModelError(f"state {state} is no start state of this policy; expected one of {list(self.roots)}")
            self._node = self.roots[int(state)]
        node = self._node
        if node < 0:
            raise ModelError("the episode has ended; call reset()")
        if self.plan.action[node] < 0:
            tail = int(self.plan.tail[node])
            if tail < 0:
                raise ModelError("the plan has no more decisions; call reset()")
            return int(self.plan.tails[tail][state])
        if int(state) != int(self.plan.state[node]):
            raise ModelError(f"the plan is in state {self.plan.state[node]}, not {state}; call observe(next_state)")
        return int(self.plan.action[node])

    def observe(self, next_state: int) -> None:
        """Move on to ``next_state``, which followed the last action."""
        node = self._node
        if node is None:
            raise ModelError("observe() before act(); expected reset(), act(state), observe(next_state), …")
        if node >= 0 and self.plan.action[node] >= 0:
            self._node = self.plan.next_node(node, int(next_state))

    def stationary(self, momdp: MOMDP, strict: bool = True) -> IntArray | None:
        """The same behaviour as one action per state ``(S,)``, or ``None`` where memory is really used.

        Without ``strict`` the first action met in a state stays: another behaviour, but a related one.
        """
        return self._flatten(momdp, timed=False, strict=strict)

    def markov(self, momdp: MOMDP) -> IntArray | None:
        """The same behaviour as one action per decision and state ``(T, S)``, or ``None`` if impossible.

        Only for a model with a horizon.
        """
        return None if momdp.horizon is None else self._flatten(momdp, timed=True)

    def _flatten(self, momdp: MOMDP, timed: bool, strict: bool = True) -> IntArray | None:
        depth = (momdp.horizon or 1) if timed else 1
        actions = np.full((depth, momdp.n_states), -1, dtype=np.int64)
        stack = [(0, s, node) for s, node in self.roots.items() if momdp.start[s] > 0]
        seen = set(stack)
        plan = self.plan
        while stack:
            t, s, node = stack.pop()
            if node < 0 or momdp.terminal[s] or (timed and t >= depth):
                continue
            leaf = plan.action[node] < 0
            if leaf and plan.tail[node] < 0:
                continue
            action = int(plan.tails[plan.tail[node]][s] if leaf else plan.action[node])
            if actions[t, s] not in (-1, action):
                if strict:
                    return None
                continue
            actions[t, s] = action
            row = int(momdp.row_ptr[s]) + action
            first, last = momdp.transitions.indptr[row], momdp.transitions.indptr[row + 1]
            for target, p in zip(
                momdp.transitions.indices[first:last], momdp.transitions.data[first:last], strict=True
            ):
                if p > 0:
                    child = node if leaf else plan.next_node(node, int(target))
                    key = (t + 1 if timed else 0, int(target), child)
                    if key not in seen:
                        seen.add(key)
                        stack.append(key)
        actions[actions < 0] = 0
        return actions if timed else actions[0]


def require_table(momdp: MOMDP, policy: ArrayLike) -> None:
    """Refuse what is no deterministic, stochastic or time-dependent policy of a model.

    Raises:
        ModelError: another shape, an action that a state does not have, or probabilities that are none.
    """
    array = np.asarray(policy)
    if array.ndim not in (1, 2) or not len(array):
        raise ModelError(
            f"policy has shape {array.shape}; expected ({momdp.n_states},) actions or ({momdp.n_rows},) probabilities, "
            "or one of these for each decision"
        )
    for part in array if array.ndim == 2 else array[None]:
        as_stochastic(momdp, part)


def as_stochastic(momdp: MOMDP, policy: ArrayLike) -> FloatArray:
    """Probability of each row, shape ``(rows,)``, from a deterministic or stochastic policy.

    Raises:
        ModelError: wrong shape, a negative probability, or a state whose probabilities do not sum to 1.
    """
    array = np.asarray(policy)
    if np.issubdtype(array.dtype, np.integer):
        rows = momdp.rows(array)
        dense = np.zeros(momdp.n_rows)
        dense[rows] = 1.0
        return dense
    probabilities = np.asarray(array, dtype=np.float64)
    if probabilities.shape != (momdp.n_rows,):
        raise ModelError(
            f"policy has shape {probabilities.shape}; expected ({momdp.n_rows},) probabilities, one per row, "
            f"or ({momdp.n_states},) integers, one action per state"
        )
    if not np.all(probabilities >= 0):
        row = int(np.argmin(probabilities >= 0))
        raise ModelError(f"policy gives row {row} the probability {probabilities[row]}; expected >= 0")
    sums = np.bincount(momdp.row_state, weights=probabilities, minlength=momdp.n_states)
    off = ~momdp.terminal & (np.abs(sums - 1.0) > 1e-8)
    if off.any():
        s = int(np.argmax(off))
        raise ModelError(f"policy's probabilities in state {momdp.label(s)} sum to {sums[s]:.12g}; expected 1")
    return probabilities
