"""Finite multi-objective Markov decision processes as data.

One :class:`MOMDP` serves the exact solvers, the tabular environments and the files: state ``s`` owns the
rows ``row_ptr[s] : row_ptr[s + 1]`` of the transition matrix, one per action (actions may differ in number
from state to state), and a *terminal* state owns none and is worth zero from then on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.momdp_expansion import Outcome as Outcome  # part of the public interface
from morl.momdp_expansion import State, Table, expand, table_simulator
from morl.momdp_files import model_file, stored_matrix, write_model
from morl.momdp_validation import (
    csr,
    discount_of,
    expected_rewards,
    frozen,
    frozen_csr,
    horizon_of,
    names_of,
    real_array,
    start_of,
    validate,
    whole_array,
)
from morl.spec import BoolArray, FloatArray, IntArray, ModelError, Objective, as_objectives, shown

__all__ = ["MOMDP", "Outcome", "State"]


@dataclass(frozen=True, eq=False)
class MOMDP:
    """A finite MOMDP with sparse transitions and ragged actions. All objectives are maximised.

    Everything is checked when a model is made, and its arrays are copies that cannot be written to: compiled code
    relies on both.

    Args:
        transitions: ``(rows, S)`` csr, each row a distribution over successors. A successor may appear more
            than once in a row, with different ``outcome_rewards``: that is a random reward.
        rewards: ``(rows, K)`` expected reward of each row.
        row_ptr: ``(S + 1,)``; the actions of state s are rows ``row_ptr[s] … row_ptr[s + 1] − 1``.
        discount: γ in ``[0, 1]``.
        start: ``(S,)`` distribution of the first state.
        horizon: number of decisions, or ``None`` for an infinite horizon.
        objectives: names, units and bounds; ``None`` names them r0, r1, …
        outcome_rewards: ``(nnz, K)`` reward of each outcome, aligned with ``transitions.data``, where the
            reward depends on the successor; ``None`` where ``rewards`` says it all.
        state_names: one label per state, for people.
        action_names: one label per action number, for people.

    Raises:
        ModelError: anything that does not add up, naming the state and the action.
    """

    transitions: sparse.csr_array
    rewards: FloatArray
    row_ptr: IntArray
    discount: float
    start: FloatArray
    horizon: int | None = None
    objectives: tuple[Objective, ...] | None = None
    outcome_rewards: FloatArray | None = None
    state_names: tuple[str, ...] | None = None
    action_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("transitions", frozen_csr(csr(self.transitions)))
        put("rewards", frozen(real_array("rewards", self.rewards)))
        put("row_ptr", frozen(whole_array("row_ptr", self.row_ptr)))
        put("start", frozen(real_array("start", self.start)))
        if self.outcome_rewards is not None:
            put("outcome_rewards", frozen(real_array("outcome_rewards", self.outcome_rewards)))
        put("discount", discount_of(self.discount))
        put("horizon", horizon_of(self.horizon))
        put("state_names", names_of("state_names", self.state_names))
        put("action_names", names_of("action_names", self.action_names))
        validate(self)
        names = [f"r{i}" for i in range(self.k)] if self.objectives is None else self.objectives
        put("objectives", as_objectives(names))
        if len(self.objectives or ()) != self.k:
            raise ModelError(f"{len(self.objectives or ())} objectives are named but rewards have {self.k} columns")

    # ---- shape -----------------------------------------------------------------------------------------

    @property
    def n_states(self) -> int:
        """S, terminal states included."""
        return len(self.row_ptr) - 1

    @property
    def n_rows(self) -> int:
        """The number of (state, action) pairs."""
        return int(self.row_ptr[-1])

    @property
    def k(self) -> int:
        """K, the number of objectives."""
        return int(self.rewards.shape[1])

    @property
    def n_actions(self) -> IntArray:
        """Actions available in each state, shape ``(S,)``; 0 marks a terminal state."""
        return np.diff(self.row_ptr)

    @property
    def terminal(self) -> BoolArray:
        """Terminal states, shape ``(S,)``."""
        return np.asarray(self.n_actions == 0)

    @property
    def row_state(self) -> IntArray:
        """The state that owns each row, shape ``(rows,)``."""
        return np.repeat(np.arange(self.n_states, dtype=np.int64), self.n_actions)

    @property
    def n_policies(self) -> float:
        """The number of stationary deterministic policies, as a float (it is often astronomical, or infinite)."""
        logarithm = float(np.log(np.maximum(self.n_actions, 1)).sum())
        return float(np.round(np.exp(logarithm))) if logarithm < 700 else math.inf

    def rows(self, policy: ArrayLike) -> IntArray:
        """Rows chosen by a deterministic policy.

        Args:
            policy: action number per state, shape ``(S,)``; entries of terminal states are ignored.

        Returns:
            One row index per non-terminal state, in state order.

        Raises:
            ModelError: an action that its state does not have.
        """
        actions = np.asarray(policy)
        if actions.shape != (self.n_states,):
            raise ModelError(f"policy has shape {actions.shape}; expected ({self.n_states},), one action per state")
        if not np.issubdtype(actions.dtype, np.integer):
            raise ModelError(f"policy has dtype {actions.dtype}; expected integers (action numbers)")
        live = ~self.terminal
        bad = live & ((actions < 0) | (actions >= self.n_actions))
        if bad.any():
            s = int(np.argmax(bad))
            raise ModelError(
                f"policy takes action {actions[s]} in state {self.label(s)}; expected 0 to {self.n_actions[s] - 1}"
            )
        return np.asarray(self.row_ptr[:-1][live] + actions[live])

    def label(self, state: int) -> str:
        """A state's number, with its name where it has one."""
        return f"{state} ({self.state_names[state]})" if self.state_names else str(state)

    def with_discount(self, discount: float) -> MOMDP:
        """The same model under another γ."""
        return self if discount == self.discount else replace(self, discount=float(discount))

    def with_horizon(self, horizon: int | None) -> MOMDP:
        """The same model with another number of decisions."""
        return replace(self, horizon=horizon)

    def minimised(self, names: Iterable[str] | str) -> MOMDP:
        """The same model with these objectives as costs: less of them is better, and their rewards are negated.

        They are marked with :attr:`Objective.minimise`, so that tables, plots, files and constraints show costs.

        Raises:
            ModelError: there is no objective of that name, or it is a cost already.

        >>> m = MOMDP.from_arrays([[[1.0]]], [[[1.0, 3.0]]], discount=0.5, objectives=["gain", "cost"])
        >>> costly = m.minimised("cost")
        >>> costly.rewards.tolist(), [o.minimise for o in costly.objectives]
        ([[1.0, -3.0]], [False, True])
        """
        costs = {names} if isinstance(names, str) else set(names)
        if not costs:
            return self
        objectives = self.objectives or ()
        known = [o.name for o in objectives]
        for name in sorted(costs.difference(known)):
            raise ModelError(f"minimise names {name!r}; expected some of {', '.join(known)}")
        for objective in objectives:
            if objective.name in costs and objective.minimise:
                raise ModelError(f"minimise names {objective.name!r}, which the model minimises already; leave it out")
        turned = [Objective(name, minimise=name in costs) for name in known]
        return replace(
            self,
            rewards=shown(self.rewards, turned),
            outcome_rewards=None if self.outcome_rewards is None else shown(self.outcome_rewards, turned),
            objectives=tuple(replace(o, minimise=True) if o.name in costs else o for o in objectives),
        )

    # ---- builders --------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        transitions: Any,
        rewards: ArrayLike,
        *,
        start: ArrayLike | int = 0,
        discount: float,
        horizon: int | None = None,
        terminal: ArrayLike | None = None,
        objectives: Sequence[Objective | str] | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> MOMDP:
        """A model in which every state has the same A actions.

        Args:
            transitions: ``(S, A, S)`` dense, or ``(S·A, S)`` sparse with row ``s·A + a``.
            rewards: ``(S, A, K)`` expected rewards, or ``(S, A, S, K)`` rewards by successor.
            start: a state number, or a distribution ``(S,)``.
            terminal: mask ``(S,)``; rows of terminal states are dropped.

        >>> m = MOMDP.from_arrays([[[1.0]]], [[[1.0, -1.0]]], discount=0.5)
        >>> m.n_states, m.n_rows, m.k
        (1, 1, 2)
        """
        rewards = real_array("rewards", rewards)
        if rewards.ndim not in (3, 4):
            raise ModelError(f"rewards have shape {rewards.shape}; expected (S, A, K) or (S, A, S, K)")
        n, a, k = rewards.shape[0], rewards.shape[1], rewards.shape[-1]
        if sparse.issparse(transitions):
            matrix = csr(transitions)
        else:
            dense = real_array("transitions", transitions)
            if dense.shape != (n, a, n):
                raise ModelError(f"transitions have shape {dense.shape}; expected (S, A, S) = {(n, a, n)}")
            matrix = sparse.csr_array(dense.reshape(n * a, n))
        if matrix.shape != (n * a, n):
            raise ModelError(f"transitions have shape {matrix.shape}; expected (S·A, S) = {(n * a, n)}")
        ends = np.zeros(n, dtype=bool) if terminal is None else np.asarray(terminal, dtype=bool)
        if ends.shape != (n,):
            raise ModelError(f"terminal has shape {ends.shape}; expected ({n},)")
        keep = np.repeat(~ends, a)
        matrix = sparse.csr_array(matrix[keep])
        outcome = None
        if rewards.ndim == 4:
            row_of = np.repeat(np.flatnonzero(keep), np.diff(matrix.indptr))
            outcome = rewards.reshape(n * a, n, k)[row_of, matrix.indices]
            expected = expected_rewards(matrix, outcome)
        else:
            expected = rewards.reshape(n * a, k)[keep]
        return cls(
            matrix,
            expected,
            np.concatenate([[0], np.cumsum(np.where(ends, 0, a))]),
            discount,
            start_of(start, n),
            horizon,
            None if objectives is None else as_objectives(objectives),
            outcome,
            None if state_names is None else tuple(state_names),
            None if action_names is None else tuple(action_names),
        )

    @classmethod
    def from_dict(
        cls,
        table: Table,
        *,
        reward: Callable[[int, int, int, float], ArrayLike] | None = None,
        start: ArrayLike | int = 0,
        discount: float,
        horizon: int | None = None,
        objectives: Sequence[Objective | str] | None = None,
    ) -> MOMDP:
        """A model from a dictionary of transitions, as in Gymnasium's toy-text ``env.unwrapped.P``.

        Args:
            table: ``table[s][a]`` lists ``(probability, next state, reward, terminated)``.
            reward: ``reward(s, a, s', r)`` gives the reward vector; ``None`` where the table holds vectors.

        A terminated outcome leads to a fresh terminal state, so a state that ends an episode by one
        transition may still be passed through by another.

        Raises:
            ModelError: a state or an action that the table leaves out.
        """
        if not table:
            raise ModelError("the table is empty; expected table[state][action]")
        actions, outcomes = table_simulator(table, reward)
        first = start_of(start, max(table) + 1)
        model, _ = cls.from_simulator(
            [(float(p), s) for s, p in enumerate(first) if p > 0],
            actions,
            outcomes,
            discount=discount,
            horizon=horizon,
            objectives=objectives,
        )
        return model

    @classmethod
    def from_simulator(
        cls,
        start: State | list[tuple[float, State]],
        n_actions: int | Callable[[Any], int],
        outcomes: Callable[[Any, int], Iterable[Outcome]],
        *,
        discount: float,
        horizon: int | None = None,
        objectives: Sequence[Objective | str] | None = None,
        action_names: Sequence[str] | None = None,
        max_states: int = 5_000_000,
    ) -> tuple[MOMDP, list[State]]:
        """Expand a simulator breadth first from its start states.

        Args:
            start: one state, or a list of ``(probability, state)``. States are hashable.
            n_actions: the number of actions, or a function of the state.
            outcomes: ``outcomes(state, action)`` lists ``(probability, next state, reward, terminated)``.
                A terminated outcome ends in a terminal state that carries the same label.

        Returns:
            The model and the list of its states, ``states[i]`` being what state i stands for.

        Raises:
            ModelError: more than ``max_states`` states, or outcomes that are not of that form.
        """
        matrix, outcome, row_ptr, begin, states = expand(start, n_actions, outcomes, max_states)
        expected = expected_rewards(matrix, outcome)
        same = np.array_equal(outcome, np.repeat(expected, np.diff(matrix.indptr), axis=0))
        model = cls(
            matrix,
            expected,
            row_ptr,
            discount,
            begin,
            horizon,
            None if objectives is None else as_objectives(objectives),
            None if same else outcome,
            None,
            None if action_names is None else tuple(action_names),
        )
        return model, states

    # ---- files -----------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the model as ``.npz`` (plain arrays, no pickle), atomically. Returns the path written."""
        arrays = {
            "data": self.transitions.data,
            "indices": self.transitions.indices,
            "indptr": self.transitions.indptr,
            "rewards": self.rewards,
            "row_ptr": self.row_ptr,
            "start": self.start,
        }
        if self.outcome_rewards is not None:
            arrays["outcome_rewards"] = self.outcome_rewards
        facts = {
            "discount": self.discount,
            "horizon": self.horizon,
            "objectives": [o.to_dict() for o in self.objectives or ()],
            "state_names": self.state_names,
            "action_names": self.action_names,
        }
        return write_model(path, arrays, facts)

    @classmethod
    def load(cls, path: str | Path) -> MOMDP:
        """Read a model written by :meth:`save`.

        Raises:
            ModelError: no such file, or not a model.
        """
        with model_file(path) as read:
            arrays, facts = read()
            return cls(
                stored_matrix(arrays),
                arrays["rewards"],
                arrays["row_ptr"],
                facts["discount"],
                arrays["start"],
                facts["horizon"],
                tuple(Objective.from_dict(o) for o in facts["objectives"]),
                arrays.get("outcome_rewards"),
                facts["state_names"],
                facts["action_names"],
            )
