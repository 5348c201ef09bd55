"""All folds of a short chain, enumerated: the exact Pareto front of HP folding, and the counts of walks behind it.

Depth-first over self-avoiding walks with the first bond fixed and mirror images left out (in three dimensions also
rotations about the first bond). Contacts, exposure and the moments of the coordinates are updated as residues come
and go, so a fold costs a handful of additions. For every pair (contacts, exposure) only the smallest R_g² is kept: the
three objectives live on a small grid, and the front is read off it.

Cost: one visit per walk; 18 residues are 5.8 million walks, and each further residue multiplies them by 2.64 in
two dimensions and by 4.68 in three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl.compiled import jit
from morl.envs.science.folding_chain import folding_spec, parse_sequence
from morl.pareto import Front
from morl.pareto.convexity import supported_mask
from morl.spec import EnvError, IntArray

LONGEST = {2: 22, 3: 16}  # residues: ten seconds or so each
_NEVER = np.iinfo(np.int64).max


@jit
def _directions(n: int, dim: int) -> tuple[Any, Any, Any]:
    """Grid offset, axis and sign of the lattice directions +x, −x, +y, −y, …"""
    offset, axis, sign = np.empty(2 * dim, np.int64), np.empty(2 * dim, np.int64), np.empty(2 * dim, np.int64)
    for d in range(2 * dim):
        axis[d], sign[d] = d // 2, 1 - 2 * (d % 2)
        offset[d] = sign[d] * (2 * n + 1) ** (d // 2)
    return offset, axis, sign


@jit
def _widest(kinds: Any, dim: int) -> int:
    """Exposure of a fold without contacts."""
    n, sites = kinds.size, 0
    for i in range(n):
        if kinds[i] == 0:
            sites += 2 * dim - (1 if i in (0, n - 1) else 2)
    return sites


@jit
def _images(used: int, dim: int) -> int:
    """How many walks with the same first bond are images of one that has used that many axes."""
    if used == 1:
        return 1
    return 8 if used == 3 else (2 if dim == 2 else 4)


@jit
def _place(i: int, d: int, axis: Any, sign: Any, where: Any, sums: Any, squares: Any) -> None:
    """Coordinates of residue i, one step along direction d, and the moments of the coordinates so far."""
    squares[i] = squares[i - 1]
    for k in range(where.shape[1]):
        where[i, k] = where[i - 1, k] + (sign[d] if k == axis[d] else 0)
        sums[i, k] = sums[i - 1, k] + where[i, k]
        squares[i] += where[i, k] * where[i, k]


@jit
def _enumerate(kinds: Any, dim: int, best: Any, witness: Any) -> tuple[int, int]:
    """Visit all walks of ``kinds.size`` residues.

    ``best[hh, exposed]`` receives the smallest n·Σr² − |Σr|² (that is n²·R_g²) and ``witness`` its directions
    (0…2·dim − 1: +x, −x, +y, −y, +z, −z). Returns the number of walks with the first bond fixed, counting mirror
    images, and the number visited.
    """
    n = kinds.size
    offset, axis, sign = _directions(n, dim)
    grid = np.full((2 * n + 1) ** dim, -1, np.int32)
    widest, total, visited = _widest(kinds, dim), 0, 0
    at, turn, used = np.zeros(n, np.int64), np.zeros(n + 1, np.int64), np.ones(n, np.int64)
    hh, lost, path = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    where, sums, squares = np.zeros((n, dim), np.int64), np.zeros((n, dim), np.int64), np.zeros(n, np.int64)
    for k in range(dim):
        at[0] += n * (2 * n + 1) ** k  # the middle of the grid
    at[1] = at[0] + offset[0]
    grid[at[0]], grid[at[1]] = 0, 1
    _place(1, 0, axis, sign, where, sums, squares)
    i = 2
    while i >= 2:
        d = turn[i]
        if d == 2 * dim:
            i -= 1
            grid[at[i]] = -1  # at i = 1 the search is over
            continue
        turn[i] += 1
        # Of mirror images only the one that first leaves along a positive axis, axes in order, is walked.
        if axis[d] >= used[i - 1] and (axis[d] > used[i - 1] or sign[d] < 0):
            continue
        site = at[i - 1] + offset[d]
        if grid[site] >= 0:
            continue
        hh[i], lost[i] = hh[i - 1], lost[i - 1]
        for e in range(2 * dim):
            j = grid[site + offset[e]]
            if j >= 0 and j != i - 1:
                hh[i] += kinds[i] * kinds[j]
                lost[i] += 2 - kinds[i] - kinds[j]
        _place(i, d, axis, sign, where, sums, squares)
        used[i], path[i] = max(used[i - 1], axis[d] + 1), d
        if i < n - 1:
            at[i], grid[site] = site, i
            i += 1
            turn[i] = 0
            continue
        total += _images(used[i], dim)
        visited += 1
        spread = n * squares[i]
        for k in range(dim):
            spread -= sums[i, k] * sums[i, k]
        if spread < best[hh[i], widest - lost[i]]:
            best[hh[i], widest - lost[i]] = spread
            witness[hh[i], widest - lost[i], 2:n] = path[2:n]
    return total, visited


@dataclass(frozen=True)
class Folds:
    """What enumeration finds.

    Args:
        best: ``(n + 1, E)`` smallest n²·R_g² for each (contacts, exposure), −1 where there is no such fold.
        directions: ``(n + 1, E, n)`` lattice directions of that fold, from residue 2 on.
        walks: self-avoiding walks of n − 1 bonds on the lattice, all orientations.
        visited: walks actually visited.
    """

    best: IntArray
    directions: NDArray[np.int8]
    walks: int
    visited: int


def enumerate_folds(sequence: str, dim: int = 2) -> Folds:
    """Visit every fold of a chain.

    Raises:
        EnvError: a bad sequence, or one longer than 22 residues (16 in three dimensions).

    >>> enumerate_folds("HHHHHHH").walks  # self-avoiding walks of 6 bonds on the square lattice
    780
    """
    if dim not in (2, 3):
        raise EnvError(f"dim is {dim!r}; expected 2 or 3")
    kinds = parse_sequence(sequence).astype(np.int64)
    n = len(kinds)
    if n > LONGEST[dim]:
        raise EnvError(f"sequence has {n} residues; enumeration in {dim} dimensions stops at {LONGEST[dim]}")
    sites = (2 * dim - 2) * n + 3
    best = np.full((n + 1, sites), _NEVER, dtype=np.int64)
    directions = np.zeros((n + 1, sites, n), dtype=np.int8)
    total, visited = _enumerate(kinds, dim, best, directions)
    return Folds(np.where(best == _NEVER, -1, best), directions, 2 * dim * int(total), int(visited))


def relative_moves(directions: Any, dim: int) -> tuple[int, ...]:
    """Moves of the environment (0 left, 1 forward, …) for the lattice directions of residues 2, 3, …

    >>> relative_moves([2, 1], 2)  # +y then −x, after the first bond along +x: left, left
    (0, 0)
    """
    from morl.envs.science.folding_kernels import _turn

    forward, up = np.zeros(dim, np.int16), np.zeros(dim, np.int16)
    forward[0] = up[dim - 1] = 1
    moves = []
    for d in directions:
        wanted = np.zeros(dim, np.int16)
        wanted[int(d) // 2] = 1 - 2 * (int(d) % 2)
        for move in range(3 if dim == 2 else 5):
            turned, turned_up = np.empty(dim, np.int16), np.empty(dim, np.int16)
            _turn(move, forward, up, turned, turned_up)
            if np.array_equal(turned, wanted):
                moves.append(move)
                forward, up = turned, turned_up
                break
    return tuple(moves)


def folding_front(sequence: str, dim: int = 2) -> Front:
    """The exact front of (contacts, exposure, −R_g²) over all folds, with the moves that reach each point.

    Returns:
        A front whose ``policies`` are tuples of moves (open loop; the environment is deterministic), certified
        complete with ε = 0, with ``supported`` telling which points some linear weighting can find.

    Raises:
        EnvError: as :func:`enumerate_folds`.
    """
    folds = enumerate_folds(sequence, dim)
    n = len(sequence)
    contacts, exposed = np.nonzero(folds.best >= 0)
    spread = folds.best[contacts, exposed] / n**2
    points = np.stack([contacts, exposed, -spread], axis=-1).astype(np.float64)
    moves = [relative_moves(folds.directions[c, e, 2:], dim) for c, e in zip(contacts, exposed, strict=True)]
    spec = folding_spec(n, dim)
    front = Front(
        points,
        spec.objectives,
        ref_point=spec.ref_point,
        discount=1.0,
        policies=moves,
        epsilon=0.0,
        complete=True,
        scale=spec.return_scale,
        provenance={
            "algorithm": "enumeration of all folds",
            "policy_class": "open loop",
            "criterion": "SER",
            "env": f"morl/HPFolding-v0 {sequence} {dim}-D",
            "walks": folds.walks,
        },
    ).nondominated()
    return front.replace(supported=supported_mask(front.points), episodes=np.zeros(len(front), dtype=np.int64))
