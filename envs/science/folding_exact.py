"""All folds of a short chain, enumerated: the exact Pareto front of HP folding, and the counts of walks behind it.

Depth-first over self-avoiding walks with the first bond fixed and mirror images left out (in three dimensions also
rotations about the first bond). Contacts, exposure and the moments of the coordinates are updated as residues come
and go, so a fold costs a handful of additions. For every pair (contacts, exposure) only the smallest R_g² is kept: the
three objectives live on a small grid, and the front is read off it.

Cost: one visit per walk; 18 residues are 5.8 million walks, and each further residue multiplies them by 2.64 in
two dimensions and by 4.68 in three.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl.envs.science.folding import MOVES, folding_spec, parse_sequence
from morl.exact.compiled import jit
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.pareto.convexity import supported_mask
from morl.spec import EnvError, FloatArray, IntArray

LONGEST = {2: 22, 3: 16}  # residues: ten seconds or so each
LONGEST_TREE = {2: 10, 3: 7}  # residues for which the tree of all folds is written down as a model
_NEVER = np.iinfo(np.int64).max


@jit
def _enumerate(kinds: Any, dim: int, best: Any, witness: Any) -> tuple[int, int]:
    """Visit all walks of ``kinds.size`` residues.

    ``best[hh, exposed]`` receives the smallest n·Σr² − |Σr|² (that is n²·R_g²) and ``witness`` its directions
    (0…2·dim − 1: +x, −x, +y, −y, +z, −z). Returns the number of walks with the first bond fixed, counting mirror
    images, and the number visited.
    """
    n = kinds.size
    width = 2 * n + 1
    grid = np.full(width**dim, -1, np.int32)
    offset, axis, sign = np.empty(2 * dim, np.int64), np.empty(2 * dim, np.int64), np.empty(2 * dim, np.int64)
    for d in range(2 * dim):
        axis[d], sign[d] = d // 2, 1 - 2 * (d % 2)
        offset[d] = sign[d] * width ** (d // 2)
    polar, bonded = 0, 0
    for i in range(n):
        if kinds[i] == 0:
            polar += 1
            bonded += 1 if i == 0 or i == n - 1 else 2
    widest = 2 * dim * polar - bonded  # exposure of a fold without contacts
    at, turn = np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    where, used = np.zeros((n, dim), np.int64), np.zeros(n, np.int64)
    hh, lost = np.zeros(n, np.int64), np.zeros(n, np.int64)
    sums, squares = np.zeros((n, dim), np.int64), np.zeros(n, np.int64)
    middle = 0
    for k in range(dim):
        middle += n * width**k
    at[0], at[1] = middle, middle + offset[0]
    where[1, 0] = 1
    grid[at[0]], grid[at[1]] = 0, 1
    sums[1, 0], squares[1] = 1, 1
    used[0], used[1] = 1, 1  # axes that the walk has left its straight line along
    path = np.zeros(n, np.int64)
    total, visited, i = 0, 0, 2
    turn[2] = 0
    while i >= 2:
        d = turn[i]
        if d == 2 * dim:
            i -= 1
            if i >= 2:
                grid[at[i]] = -1
            continue
        turn[i] += 1
        # Of mirror images only the one that first leaves along a positive axis, axes in order, is walked.
        if axis[d] >= used[i - 1] and (axis[d] > used[i - 1] or sign[d] < 0):
            continue
        site = at[i - 1] + offset[d]
        if grid[site] >= 0:
            continue
        contacts, taken = 0, 0
        for e in range(2 * dim):
            j = grid[site + offset[e]]
            if j >= 0 and j != i - 1:
                contacts += kinds[i] * kinds[j]
                taken += 2 - kinds[i] - kinds[j]
        hh[i], lost[i] = hh[i - 1] + contacts, lost[i - 1] + taken
        squares[i] = squares[i - 1]
        for k in range(dim):
            where[i, k] = where[i - 1, k]
            if k == axis[d]:
                where[i, k] += sign[d]
            sums[i, k] = sums[i - 1, k] + where[i, k]
            squares[i] += where[i, k] * where[i, k]
        used[i] = max(used[i - 1], axis[d] + 1)
        path[i] = d
        if i < n - 1:
            at[i] = site
            grid[site] = i
            i += 1
            turn[i] = 0
            continue
        images = 1
        if used[i] == 2:
            images = 2 if dim == 2 else 4
        elif used[i] == 3:
            images = 8
        total += images
        visited += 1
        spread = n * squares[i]
        for k in range(dim):
            spread -= sums[i, k] * sums[i, k]
        exposed = widest - lost[i]
        if spread < best[hh[i], exposed]:
            best[hh[i], exposed] = spread
            for k in range(2, n):
                witness[hh[i], exposed, k] = path[k]
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


@functools.lru_cache(maxsize=8)
def folding_tree(sequence: str, dim: int = 2) -> tuple[MOMDP, FloatArray]:
    """The tree of all partial folds as a finite model, with the observation ``(S, D)`` of each state.

    Every action is available in every state: one that runs into the chain ends in the trapped reward.

    Raises:
        EnvError: a bad sequence, or one of more than 10 residues (7 in three dimensions).
    """
    from morl.envs.science.folding import FoldingDynamics

    n = len(parse_sequence(sequence))
    if n > LONGEST_TREE[dim]:
        raise EnvError(f"sequence has {n} residues; the tree of folds in {dim} dimensions stops at {LONGEST_TREE[dim]}")
    dynamics = FoldingDynamics(sequence, dim)
    rng = np.random.default_rng(0)
    folds = {(): dynamics.initial(1, rng)}

    def outcomes(prefix: Any, action: int) -> list[tuple[float, Any, list[float], bool]]:
        moved = dynamics.step(folds[prefix], np.array([action]), rng)
        folds[(*prefix, action)] = moved.state
        return [(1.0, (*prefix, action), moved.rewards[0].tolist(), bool(moved.terminated[0]))]

    model, states = MOMDP.from_simulator(
        (),
        dynamics.moves,
        outcomes,
        discount=1.0,
        objectives=dynamics.mo_spec.objectives,
        action_names=MOVES[: dynamics.moves],
    )
    observations = np.concatenate([dynamics.observe(folds[state]) for state in states])  # type: ignore[index]
    return model, observations
