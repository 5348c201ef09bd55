"""γ = 1 without a horizon: the policies whose totals exist, and an equivalent model in which they are easy to find.

A policy *comes to an end* where, with probability 1, it reaches a terminal state or stays among actions that pay
nothing. Coverage sets, maxima and constraints are over these policies, and nothing good is lost by that. Call a
stationary way of never leaving an end component a circulation, and g ``(K,)`` its mean reward per decision.

- Where some circulation has g_k > 0, repeating it long enough beats every bound: objective k is unbounded, which is
  refused by name.
- Else every g is <= 0. What stays without end under a circulation with g_k < 0 has the total −∞ in objective k, so a
  policy that does so with positive probability has it, too: no policy with finite totals is worse in k, and none of
  its mixtures is finite. It is left out.
- What stays without end under g = 0 but collects rewards that cancel has no total (it swings). It is left out.

All policies that come to an end are flows (:mod:`morl.exact.occupancy`), and the flows' returns are the mixtures of
finitely many deterministic stationary policies that come to an end, plus directions g <= 0. Hence for weights w >= 0
the best w · return is finite and a deterministic stationary policy attains it (Bertsekas & Tsitsiklis 1991; de Alfaro
1997 for end components without reward, which are merged into one state here, as all of their states are worth the
same).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from morl.exact.graph import EndComponents, almost_surely, end_components, reachable_states, refuse_unbounded
from morl.momdp import MOMDP
from morl.spec import BoolArray, IntArray, ModelError


@dataclass(frozen=True, eq=False)
class Ending:
    """A model with the same endings, in which nothing rests: what rests in the original is terminal here.

    Args:
        original: the model it was made from.
        model: reachable states from which some policy comes to an end, actions that keep to them; each end component
            without reward is one state, with one more action for staying there.
        state: ``(S,)`` state of ``model`` for each original state, −1 where it is left out.
        row: ``(rows',)`` original row of each row of ``model``, −1 for staying.
        inside: ``(rows,)`` original rows that stay in a merged component.
        always: every policy of ``model`` comes to an end.
    """

    original: MOMDP
    model: MOMDP
    state: IntArray
    row: IntArray
    inside: BoolArray
    always: bool

    def first(self) -> IntArray:
        """A row per live state of ``model`` (−1 for terminal ones): a policy that comes to an end."""
        return almost_surely(self.model, self.model.terminal)[0]

    def lift(self, actions: np.ndarray) -> np.ndarray:
        """The original policy ``(S,)`` for a policy ``(S',)`` of ``model``; action 0 where it does not matter.

        A merged component walks to the state that owns the chosen action: within an end component every step that
        may lead nearer can be repeated until it does.
        """
        m = self.original
        owner = m.row_state
        rows = np.full(m.n_states, -1, dtype=np.int64)
        live = ~self.model.terminal
        chosen = self.row[self.model.row_ptr[:-1][live] + np.asarray(actions)[live]]
        rows[owner[chosen[chosen >= 0]]] = chosen[chosen >= 0]
        walk = np.flatnonzero(self.inside)
        if len(walk):
            first_inside = np.full(m.n_states, -1, dtype=np.int64)
            first_inside[owner[walk[::-1]]] = walk[::-1]
            leaves = np.zeros(self.model.n_states, dtype=bool)
            leaves[self.state[owner[chosen[chosen >= 0]]]] = True
            merged = first_inside >= 0
            stays = merged & ~leaves[self.state]
            rows[stays] = first_inside[stays]
            _walk(m, walk, rows)
        return np.asarray(np.where(rows >= 0, rows - m.row_ptr[:-1], 0).astype(actions.dtype))


def _walk(m: MOMDP, walk: IntArray, rows: IntArray) -> None:
    """Fill the rows of the owners of ``walk`` that have none: towards states that have one, nearest first."""
    owner = m.row_state[walk]
    steps = m.transitions[walk].tocoo()
    keep = steps.data > 0
    into = sparse.csr_array((steps.row[keep], (steps.col[keep], np.arange(int(keep.sum())))), (m.n_states, keep.sum()))
    frontier = np.unique(owner[rows[owner] >= 0])
    while len(frontier):
        useful = np.unique(into[frontier].data)
        useful = useful[rows[owner[useful]] < 0]
        frontier = np.unique(owner[useful])
        rows[owner[useful[::-1]]] = walk[useful[::-1]]


def find_ending(momdp: MOMDP) -> Ending:
    """The equivalent model of a model without horizon at γ = 1.

    Raises:
        ModelError: an objective's total is unbounded, or from some start no policy comes to an end.
    """
    parts = end_components(momdp)
    if not parts.count:
        return _cut(momdp, None, None)
    refuse_unbounded(momdp, parts)
    free = ~np.any(momdp.rewards != 0, axis=1)
    rest = end_components(momdp, free & parts.rows)
    sure = almost_surely(momdp, momdp.terminal | (rest.label >= 0))[1]
    lost = (momdp.start > 0) & ~sure
    if lost.any():
        s = int(np.argmax(lost))
        raise ModelError(
            f"with discount 1 no policy's total is finite from state {momdp.label(s)}: every one collects reward for "
            "ever; give a discount below 1 or a horizon"
        )
    return _cut(momdp, sure, rest)


def _cut(momdp: MOMDP, sure: BoolArray | None, rest: EndComponents | None) -> Ending:
    """Keep reachable sure states and the rows that stay among them; merge what rests."""
    matrix, owner = momdp.transitions, momdp.row_state
    rows = np.ones(momdp.n_rows, dtype=bool)
    if sure is not None:
        rows = matrix @ (~sure).astype(np.float64) <= 0.0
    keep = reachable_states(momdp, rows)
    if rest is None and keep.all():
        return Ending(momdp, momdp, np.arange(momdp.n_states), np.arange(momdp.n_rows), np.zeros(len(rows), bool), True)
    head = np.arange(momdp.n_states)
    inside, label = np.zeros(momdp.n_rows, dtype=bool), np.full(momdp.n_states, -1)
    if rest is not None:
        inside, label = rest.rows & keep[owner], np.where(keep, rest.label, -1)
        merged = np.flatnonzero(label >= 0)
        _, first, number = np.unique(label[merged], return_index=True, return_inverse=True)
        head[merged] = merged[first][number]
    heads = np.unique(head[keep])
    state = np.where(keep, np.searchsorted(heads, head), -1)
    used = np.flatnonzero(rows & keep[owner] & ~inside)
    used = used[np.argsort(state[owner[used]], kind="stable")]
    counts = np.bincount(state[owner[used]], minlength=len(heads))
    stays = np.flatnonzero((counts > 0) & (label[heads] >= 0))  # components that can be left, or stayed in
    sink = len(heads) if len(stays) else -1
    n = len(heads) + (sink >= 0)
    taken = matrix[used].tocoo()
    positive = taken.data > 0
    data, row, col = taken.data[positive], taken.row[positive], state[taken.col[positive]]
    # the action of staying comes after a component's others
    where = np.arange(len(used)) + np.searchsorted(stays, state[owner[used]], side="left")
    last = np.cumsum(counts)[stays] + np.arange(len(stays))
    total = len(used) + len(stays)
    new = sparse.csr_array(
        (
            np.concatenate([data, np.ones(len(stays))]),
            (np.concatenate([where[row], last]), np.concatenate([col, np.full(len(stays), sink)])),
        ),
        shape=(total, n),
    )
    rewards, original = np.zeros((total, momdp.k)), np.full(total, -1, dtype=np.int64)
    rewards[where], original[where] = momdp.rewards[used], used
    counts[stays] += 1
    row_ptr = np.concatenate([[0], np.cumsum(counts), np.full(n - len(heads), total)]).astype(np.int64)
    start = np.asarray(np.bincount(state[keep], weights=momdp.start[keep], minlength=n), dtype=np.float64)
    model = MOMDP(new, rewards, row_ptr, 1.0, start, None, momdp.objectives)
    return Ending(momdp, model, state, original, inside, end_components(model).count == 0)
