"""The lattice arithmetic of HP folding, compiled: placing a residue, what may be placed next, and what is seen.

Every function also runs uncompiled (``function.py_func``) with the same results; the tests compare the two.
Directions are integer vectors; the frame of a chain is its last bond ``forward`` and, in three dimensions, ``up``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.compiled import jit

LEFT, FORWARD, RIGHT, UP, DOWN = range(5)
Array = np.ndarray[Any, Any]


@jit
def _turn(move: int, forward: Array, up: Array, new_forward: Array, new_up: Array) -> None:
    """The frame after a move; ``left = up × forward`` in three dimensions, a quarter turn in two."""
    dim = forward.size
    for k in range(dim):
        new_forward[k] = forward[k]
        new_up[k] = up[k]
    if move in (LEFT, RIGHT):
        sign = 1 if move == LEFT else -1
        if dim == 2:
            new_forward[0], new_forward[1] = -sign * forward[1], sign * forward[0]
        else:
            new_forward[0] = sign * (up[1] * forward[2] - up[2] * forward[1])
            new_forward[1] = sign * (up[2] * forward[0] - up[0] * forward[2])
            new_forward[2] = sign * (up[0] * forward[1] - up[1] * forward[0])
    elif move in (UP, DOWN):
        sign = 1 if move == UP else -1
        for k in range(dim):
            new_forward[k] = sign * up[k]
            new_up[k] = -sign * forward[k]


@jit
def _taken(position: Array, placed: int, at: Array) -> bool:
    """Whether one of the placed residues sits at a lattice site."""
    dim = at.size
    for j in range(placed):
        same = True
        for k in range(dim):
            if position[j, k] != at[k]:
                same = False
                break
        if same:
            return True
    return False


@jit
def score(kinds: Array, position: Array, n: int) -> tuple[int, int, float]:
    """HH contacts, empty neighbour sites of P residues (counted per residue) and R_g² of a finished chain.

    Args:
        kinds: ``(≥ n,)`` 1 for H, 0 for P.
        position: ``(≥ n, dim)`` lattice sites.
    """
    dim = position.shape[1]
    contacts, occupied, polar = 0, 0, 0
    for i in range(n):
        if kinds[i] == 0:
            polar += 1
        for j in range(i):
            away = 0
            for k in range(dim):
                away += abs(position[i, k] - position[j, k])
            if away == 1:
                occupied += (kinds[i] == 0) + (kinds[j] == 0)
                if kinds[i] == 1 and kinds[j] == 1 and j != i - 1:
                    contacts += 1
    spread = 0.0
    for k in range(dim):
        total, squares = 0, 0
        for i in range(n):
            total += position[i, k]
            squares += position[i, k] * position[i, k]
        spread += (squares - total * total / n) / n
    return contacts, 2 * dim * polar - occupied, spread


@jit
def grow(
    actions: Array,
    kinds: Array,
    length: Array,
    position: Array,
    placed: Array,
    frame: Array,
    mask: Array,
    rewards: Array,
    ended: Array,
    trapped: Array,
) -> None:
    """Place one residue in each chain, in place (on copies made by the caller).

    A chain that runs into itself, or has no free site left for the next residue, is trapped. Chains that were
    already finished are left alone.
    """
    dim, moves = position.shape[2], mask.shape[1]
    forward, up, at = np.empty(dim, frame.dtype), np.empty(dim, frame.dtype), np.empty(dim, position.dtype)
    for b in range(actions.size):
        n, i = length[b], placed[b]
        for m in range(moves):
            mask[b, m] = 0
        if i >= n or trapped[b]:
            ended[b] = True
            continue
        _turn(actions[b], frame[b, 0], frame[b, 1], forward, up)
        for k in range(dim):
            at[k] = position[b, i - 1, k] + forward[k]
        stuck = _taken(position[b], i, at)
        if not stuck:
            for k in range(dim):
                position[b, i, k] = at[k]
                frame[b, 0, k] = forward[k]
                frame[b, 1, k] = up[k]
            i += 1
            placed[b] = i
            if i == n:
                contacts, exposed, spread = score(kinds[b], position[b], n)
                rewards[b, 0], rewards[b, 1], rewards[b, 2] = contacts, exposed, -spread
                ended[b] = True
                continue
            stuck = free_moves(position[b], i, frame[b], mask[b], forward, up) == 0
        if stuck:
            rewards[b, 0], rewards[b, 1], rewards[b, 2] = -1.0, -1.0, -(n * n - 1) / 12 - 1
            ended[b] = True
            trapped[b] = True


@jit
def free_moves(position: Array, placed: int, frame: Array, mask: Array, left: Array, unused: Array) -> int:
    """Mark the moves that lead to a free site, by looking for residues beside the last; returns their number.

    ``left`` and ``unused`` are scratch of length ``dim``.
    """
    dim = position.shape[1]
    _turn(LEFT, frame[0], frame[1], left, unused)
    for m in range(mask.size):
        mask[m] = 1
    count = mask.size
    for j in range(placed - 1):
        away, ahead, beside = 0, 0, 0
        for k in range(dim):
            delta = position[j, k] - position[placed - 1, k]
            away += abs(delta)
            ahead += delta * frame[0, k]
            beside += delta * left[k]
        if away != 1 or ahead < 0:  # behind is the bonded neighbour, which no move reaches
            continue
        if ahead == 1:
            move = FORWARD
        elif beside != 0:
            move = LEFT if beside == 1 else RIGHT
        else:
            above = 0
            for k in range(dim):
                above += (position[j, k] - position[placed - 1, k]) * frame[1, k]
            move = UP if above == 1 else DOWN
        mask[move] = 0
        count -= 1
    return count


@jit
def look(kinds: Array, length: Array, position: Array, placed: Array, frame: Array, reach: int, out: Array) -> None:
    """Fill ``out`` (zeroed) with the window around the last residue, the residues to come, and the progress.

    The window is laid out along (forward, left[, up]) of the chain's own frame, so a turned chain looks the same.
    """
    dim, width = position.shape[2], 2 * reach + 1
    longest = kinds.shape[1]
    cells = width**dim
    left, at = np.empty(dim, frame.dtype), np.empty(dim, frame.dtype)
    for b in range(placed.size):
        forward, up, i = frame[b, 0], frame[b, 1], placed[b]
        _turn(LEFT, forward, up, left, at)
        for j in range(i):
            ahead, beside, above = 0, 0, 0
            for k in range(dim):
                delta = position[b, j, k] - position[b, i - 1, k]
                ahead += delta * forward[k]
                beside += delta * left[k]
                if dim == 3:
                    above += delta * up[k]
            if abs(ahead) <= reach and abs(beside) <= reach and abs(above) <= reach:
                cell = (ahead + reach) * width + beside + reach
                if dim == 3:
                    cell = cell * width + above + reach
                out[b, cell] = 1.0 if kinds[b, j] == 1 else -1.0
        for j in range(i, length[b]):
            out[b, cells + j - i] = 1.0 if kinds[b, j] == 1 else -1.0
        out[b, cells + longest] = i / longest
