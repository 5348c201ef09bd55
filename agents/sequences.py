"""Action sequences in bulk: varied in compiled code, and played by an environment's own dynamics in lock-step.

A sequence is a row of action numbers; −1 means "as the step before". Where an environment is deterministic, cheap and
starts in one state, playing twenty thousand sequences takes a fraction of a second, so evolution can afford many poor
children for each good one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl.agents.problem import Problem
from morl.envs.batched import BatchedEnv, Dynamics
from morl.exact.compiled import jit
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray


def dynamics_of(problem: Problem) -> Dynamics | None:
    """The pure dynamics behind an environment, or ``None`` where it has none or a wrapper changes the problem."""
    base = problem.env.unwrapped
    return base.dynamics if isinstance(base, BatchedEnv) and not problem._changed() else None


def fill(sequences: IntArray) -> IntArray:
    """Sequences ``(m, T)`` with every −1 replaced by the action before it (0 at the beginning).

    >>> fill(np.array([[2, -1, 3, -1], [-1, 1, 1, 1]])).tolist()
    [[2, 2, 3, 3], [0, 1, 1, 1]]
    """
    steps = np.arange(sequences.shape[1])
    last = np.maximum.accumulate(np.where(sequences >= 0, steps, 0), axis=1)
    return np.maximum(np.take_along_axis(sequences, last, axis=1), 0)


def play(
    dynamics: Dynamics, sequences: IntArray, discount: float, rng: np.random.Generator, start: int = 0
) -> tuple[FloatArray, IntArray, int]:
    """Play every sequence from the start of an episode.

    Args:
        dynamics: of one environment.
        sequences: ``(n, T)``.
        discount: γ.
        rng: for environments that draw.
        start: number of the first action.

    Returns:
        Discounted returns ``(n, K)``; steps used ``(n,)``, −1 where the episode was not over after T steps; and the
        number of environment steps.
    """
    n, longest = sequences.shape
    actions = np.ascontiguousarray(fill(sequences).T) + start
    returns, used = np.zeros((n, dynamics.mo_spec.k)), np.full(n, -1, dtype=np.int64)
    state, live, steps, power = dynamics.initial(n, rng, None), np.arange(n), 0, 1.0
    for t in range(longest):
        out = dynamics.step(state, actions[t, live], rng)
        steps += len(live)
        returns[live] += power * out.rewards
        power *= discount
        state = out.state
        if out.terminated.any():
            used[live[out.terminated]] = t + 1
            on = ~out.terminated
            state = {name: values[on] for name, values in state.items()}
            live = live[on]
            if not len(live):
                break
    return returns, used, steps


@jit
def breed(parents: IntArray, lengths: IntArray, n: int, n_actions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``n`` children ``(n, T)`` of sequences ``(p, T)`` of which the first ``lengths`` (p,) steps matter.

    Two in five continue as another parent from about the same time. Then one to three changes: an action redrawn, a
    run overwritten, inserted or removed, two neighbours exchanged, or two actions exchanged from some step on (which
    mirrors a way where the actions have a symmetry).
    """
    p, longest = parents.shape
    out = np.full((n, longest), -1, dtype=np.int64)
    for c in range(n):
        one = rng.integers(0, p)
        child = out[c]
        size = lengths[one]
        child[:size] = parents[one, :size]
        if rng.random() < 0.4:
            other = rng.integers(0, p)
            cut = rng.integers(0, size + 1)
            begin = min(max(cut + rng.integers(-3, 4), 0), lengths[other])
            rest = min(lengths[other] - begin, longest - cut)
            child[cut:] = -1
            child[cut : cut + rest] = parents[other, begin : begin + rest]
            size = cut + rest
        for _ in range(rng.integers(1, 4)):
            kind, action = rng.integers(0, 6), rng.integers(0, n_actions)
            run = 1
            while run < 8 and rng.random() < 0.5:
                run += 1
            at = rng.integers(0, max(size, 1))
            if kind == 0:
                child[at] = action
            elif kind == 1:
                child[at : min(at + run, longest)] = action
            elif kind == 2:
                run = min(run, longest - at)
                child[at + run :] = child[at : longest - run].copy()
                child[at : at + run] = action
                size = min(size + run, longest)
            elif kind == 3:
                run = min(run, size - 1 - at)
                if run > 0:
                    child[at : longest - run] = child[at + run :].copy()
                    child[longest - run :] = -1
                    size -= run
            elif kind == 4:
                if at + 1 < size:
                    child[at], child[at + 1] = child[at + 1], child[at]
            else:
                other_action = rng.integers(0, n_actions)
                begin = 0 if rng.random() < 0.7 else at
                for t in range(begin, size):
                    if child[t] == action:
                        child[t] = other_action
                    elif child[t] == other_action:
                        child[t] = action
    return out


def screen(values: FloatArray, layers: int, most: int) -> IntArray:
    """Rows of ``values`` ``(n, K)`` on the first few non-dominated layers, equal points once, ``most`` at most."""
    left = np.arange(len(values))
    kept: list[IntArray] = []
    for _ in range(layers):
        if not len(left) or sum(map(len, kept)) >= most:
            break
        best = nondominated_mask(values[left])
        kept.append(left[best])
        left = left[~best]
    return np.concatenate(kept)[:most] if kept else np.zeros(0, dtype=np.int64)


def lengths(sequences: IntArray) -> IntArray:
    """Steps up to the last action that is written out, ``(n,)``, at least 1."""
    written = sequences >= 0
    return np.maximum(np.where(written.any(axis=1), sequences.shape[1] - written[:, ::-1].argmax(axis=1), 1), 1)


def random_runs(n: int, length: int, n_actions: int, rng: np.random.Generator) -> Any:
    """Random sequences ``(n, length)`` of runs of equal actions, of geometric length: long moves are rare otherwise."""
    stay = 1.0 - 1.0 / rng.uniform(1.0, 12.0, (n, 1))
    fresh = rng.random((n, length)) >= stay
    fresh[:, 0] = True
    drawn = rng.integers(0, n_actions, (n, length))
    return fill(np.where(fresh, drawn, -1))
