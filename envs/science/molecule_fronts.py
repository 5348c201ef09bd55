"""Where relaxation can end: minima of clusters, and the best known trade-off between low energy and a wanted dipole.

Nothing here is exact. Minima come from quasi-Newton descents (L-BFGS, Nocedal 1980) out of many random starts, and the
front from the ε-constraint method: for each dipole moment the lowest energy found by an augmented Lagrangian
(Hestenes 1969), started at random and from the neighbours' solutions. Every point comes with the positions that
witness it; a lower energy found later replaces it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from morl.envs.science.cluster_potential import DEBYE, TOO_CLOSE, Cluster, cluster, dipole_vector, pair_terms
from morl.pareto import Front
from morl.spec import EnvError, FloatArray, Objective

_WALL = 1e4  # eV/Å² or ε/σ²: keeps trial steps out of the region where atoms overlap


def _energy(c: Cluster, x: FloatArray) -> tuple[float, FloatArray]:
    """Energy and gradient of one cluster, with a wall where atoms overlap."""
    positions = x.reshape(1, c.atoms, 3)
    energy, force, distance = pair_terms(c, positions)
    value, gradient = float(energy[0]), -force[0]
    for p in np.flatnonzero(distance[0] < TOO_CLOSE):
        i, j, d = c.first[p], c.second[p], max(float(distance[0, p]), 1e-9)
        depth = TOO_CLOSE - d
        push = _WALL * depth * (positions[0, i] - positions[0, j]) / d
        # the energy at the edge keeps the wall above every minimum
        value += 0.5 * _WALL * depth**2 + 1e3
        gradient[i] -= push
        gradient[j] += push
    return value, gradient.ravel()


def _start(c: Cluster, rng: np.random.Generator) -> FloatArray:
    """Random positions in a box that the relaxed cluster would fill, no two atoms very close."""
    length = 2.4 if c.kind == "nacl" else 1.0
    while True:
        x = rng.uniform(-1, 1, (c.atoms, 3)) * length * 0.75 * c.atoms ** (1 / 3)
        delta = x[c.first] - x[c.second]
        if np.sqrt((delta**2).sum(axis=1)).min() > 0.7 * length:
            return np.asarray(x)


def relax(c: Cluster, positions: ArrayLike) -> tuple[float, FloatArray]:
    """The nearest minimum downhill: its energy and positions ``(N, 3)``."""
    x = np.asarray(positions, dtype=np.float64).ravel()
    options = {"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(lambda v: _energy(c, v), x, jac=True, method="L-BFGS-B", options=options)
    return float(found.fun), found.x.reshape(c.atoms, 3)


def lowest_minimum(kind: str, n: int, *, starts: int = 200, seed: int = 0) -> tuple[float, FloatArray]:
    """The lowest minimum found from random starts: energy (eV or ε) and positions ``(N, 3)``.

    Raises:
        EnvError: a cluster that does not exist.

    >>> round(lowest_minimum("lj", 4, starts=10)[0], 6)
    -6.0
    """
    c, rng = cluster(kind, n), np.random.default_rng(seed)
    return min((relax(c, _start(c, rng)) for _ in range(starts)), key=lambda found: found[0])


def lowest_at_dipole(
    c: Cluster, target: float, positions: FloatArray, *, rounds: int = 12, tolerance: float = 1e-5
) -> tuple[float, FloatArray] | None:
    """The constrained minimum of the energy at dipole moment ``target`` (debye), from given positions.

    Returns:
        Energy and positions, or ``None`` where the constraint was not met to ``tolerance``.
    """
    x, multiplier, stiffness = positions.ravel().copy(), 0.0, 0.5
    charge = DEBYE * np.repeat(c.charges, 3)

    def lagrangian(v: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _energy(c, v)
        vector = dipole_vector(c, v.reshape(1, c.atoms, 3))[0]
        size = float(np.linalg.norm(vector))
        gap = size - target
        slope = multiplier + stiffness * gap
        direction = np.tile(vector / max(size, 1e-9), c.atoms) * charge
        return value + multiplier * gap + 0.5 * stiffness * gap**2, gradient + slope * direction

    for _ in range(rounds):
        options = {"maxiter": 400, "ftol": 1e-14, "gtol": 1e-8}
        x = minimize(lagrangian, x, jac=True, method="L-BFGS-B", options=options).x
        gap = float(np.linalg.norm(dipole_vector(c, x.reshape(1, c.atoms, 3))[0])) - target
        if abs(gap) < tolerance:
            return _energy(c, x)[0], x.reshape(c.atoms, 3)
        multiplier += stiffness * gap
        stiffness = min(stiffness * 1.5, 10.0)
    return None


def energy_by_dipole(
    n: int, dipoles: ArrayLike, *, starts: int = 6, seed: int = 0
) -> tuple[FloatArray, list[FloatArray]]:
    """Lowest known energy of (NaCl)ₙ at each dipole moment, swept up and then down from random starts.

    Args:
        dipoles: moments in debye, increasing.

    Returns:
        Energies in eV ``(m,)`` (inf where no start met the constraint) and the positions behind them.
    """
    c, rng, moments = cluster("nacl", n), np.random.default_rng(seed), np.asarray(dipoles, dtype=np.float64)
    energies = np.full(len(moments), np.inf)
    places: list[Any] = [np.full((c.atoms, 3), np.nan) for _ in moments]

    def attempt(i: int, positions: FloatArray) -> None:
        found = lowest_at_dipole(c, float(moments[i]), positions)
        if found is not None and found[0] < energies[i] - 1e-9:
            energies[i], places[i] = found

    for i in range(len(moments)):
        for _ in range(starts):
            attempt(i, _start(c, rng))
        if i and np.isfinite(energies[i - 1]):
            attempt(i, places[i - 1])
    for i in range(len(moments) - 2, -1, -1):
        if np.isfinite(energies[i + 1]):
            attempt(i, places[i + 1])
    return energies, places


def structure_front(
    n: int = 2, *, target_dipole: float = 23.0, resolution: int = 47, starts: int = 6, seed: int = 0
) -> Front:
    """Best known trade-off of (NaCl)ₙ structures: stability −E (eV) against closeness −|μ − μ*| (D).

    Not exact: see the module's text. The points are structures, not returns: a relaxation that starts at energy E₀ and
    dipole distance d₀ and ends on a point returns ``E₀ − E`` and ``(d₀ − d) / 11.12``.

    Args:
        n: ion pairs, 2 to 4.
        target_dipole: μ* in debye.
        resolution: dipole moments tried between 0 and μ*.

    Returns:
        A two-objective front; ``policies`` holds the positions of each point.

    Raises:
        EnvError: a size or target outside its range.
    """
    if not 2 <= n <= 4 or not 0 < target_dipole <= 55 or resolution < 2:
        raise EnvError(
            f"n={n}, target_dipole={target_dipole}, resolution={resolution}; expected 2 to 4 pairs, "
            "a target in (0, 55] D and at least 2 moments"
        )
    c, rng = cluster("nacl", n), np.random.default_rng(seed)
    moments = np.linspace(0.0, target_dipole, resolution)[1:]
    energies, places = energy_by_dipole(n, moments, starts=starts, seed=seed)
    found = [(e, p) for e, p in zip(energies.tolist(), places, strict=True) if np.isfinite(e)]
    found += [relax(c, _start(c, rng)) for _ in range(20 * starts)]  # free minima lie between the moments tried
    moment = np.linalg.norm(dipole_vector(c, np.stack([p for _, p in found])), axis=1)
    points = np.column_stack([[-e for e, _ in found], -np.abs(moment - target_dipole)])
    objectives = (
        Objective("stability", "eV", description="minus the energy of the cluster"),
        Objective("closeness", "D", high=0.0, description="minus the distance of the dipole moment to the wanted one"),
    )
    return Front(
        points,
        objectives,
        ref_point=(0.0, -target_dipole - 1.0),
        policies=[p for _, p in found],
        provenance={
            "algorithm": "epsilon-constraint L-BFGS, best known",
            "policy_class": "structures",
            "criterion": "SER",
            "env": f"morl/MoleculeRelaxation-v0 nacl n={n}",
            "seed": seed,
        },
    ).nondominated()
