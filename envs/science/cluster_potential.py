"""Energies and forces of small clusters: Lennard-Jones atoms and rigid sodium chloride ions.

Two potentials, both sums over pairs, evaluated for a batch of clusters at once:

* ``lj``: ``V(r) = 4 (r⁻¹² − r⁻⁶)`` in reduced units (Lennard-Jones 1924; lengths in σ, energies in ε). The global
  minima are those of the Cambridge Cluster Database (Wales & Doye 1997).
* ``nacl``: ``V(r) = k q_i q_j / r + A_ij exp(−r/ρ)`` with k = 14.3996 eV Å, ρ = 0.3174 Å, A(Na,Na) = 424.097,
  A(Na,Cl) = 1254.4 and A(Cl,Cl) = 3488.998 eV: the Born–Mayer repulsion that Fumi and Tosi (1964) fitted to
  crystals, b c_ij exp((σ_i + σ_j − r)/ρ) with b = 0.338e-19 J, c = 1.25, 1, 0.75 for Na–Na, Na–Cl, Cl–Cl, σ = 1.170
  and 1.585 Å, ρ = 0.317 Å (as reprinted by Lewis, Singer & Woodcock 1975). The A are theirs to 0.2 %, ρ to 0.13 %;
  together the repulsion is one per cent stronger near contact. Assumptions of this environment: the rounded
  numbers, rigid ions, and no dispersion (their r⁻⁶ and r⁻⁸ terms are left out). The NaCl molecule is bound at
  2.315 Å (spectroscopy: 2.361 Å) with a dipole moment of 11.1 D (measured: 9.0 D, because real ions polarise
  each other): good enough to study a trade-off, not to publish one.

There are two equal paths. :func:`pair_terms` is compiled; :func:`pair_terms_plain` is numpy, and what the tests
hold the compiled one against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from morl.compiled import jit
from morl.spec import EnvError, FloatArray, IntArray

COULOMB = 14.3996  # e²/(4πε₀) in eV Å
RHO = 0.3174  # Å
DEBYE = 4.80320  # 1 e Å in debye
A_NA_NA, A_NA_CL, A_CL_CL = 424.097, 1254.4, 3488.998  # eV
TOO_CLOSE = 0.6  # Å or σ: atoms that near overlap, and the point-particle formulas say nothing
MAX_LJ, MAX_PAIRS = 13, 4


@dataclass(frozen=True, eq=False)
class Cluster:
    """What a cluster is made of.

    Args:
        kind: ``"lj"`` or ``"nacl"``.
        charges: ``(N,)`` charges in e; zeros for ``lj``.
        repulsion: ``(N, N)`` Born–Mayer prefactors in eV; zeros for ``lj``.
        first: ``(P,)`` first atom of each pair, grouped so that interchangeable pairs are neighbours.
        second: ``(P,)`` second atom of each pair.
        groups: ends of the groups of interchangeable pairs (Na–Na, Cl–Cl, Na–Cl; one group for ``lj``).
    """

    kind: str
    charges: FloatArray
    repulsion: FloatArray
    first: IntArray
    second: IntArray
    groups: tuple[int, ...]

    @property
    def atoms(self) -> int:
        """N, the number of atoms or ions."""
        return len(self.charges)

    @property
    def pairs(self) -> int:
        """P, the number of pairs."""
        return len(self.first)

    @property
    def symbols(self) -> tuple[str, ...]:
        """An element symbol per atom; ``Ar`` stands for any Lennard-Jones atom."""
        return tuple("Na" if q > 0 else "Cl" if q < 0 else "Ar" for q in self.charges)


@lru_cache(maxsize=32)
def cluster(kind: str, n: int) -> Cluster:
    """The cluster of ``n`` Lennard-Jones atoms, or of ``n`` NaCl pairs (the first n ions are Na⁺, the rest Cl⁻).

    Raises:
        EnvError: an unknown kind, or a size outside 2–13 atoms (``lj``) or 1–4 pairs (``nacl``).

    >>> cluster("nacl", 2).symbols
    ('Na', 'Na', 'Cl', 'Cl')
    """
    if kind not in ("lj", "nacl"):
        raise EnvError(f"cluster kind is {kind!r}; expected 'lj' or 'nacl'")
    low, high, unit = (2, MAX_LJ, "atoms") if kind == "lj" else (1, MAX_PAIRS, "ion pairs")
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or not low <= n <= high:
        raise EnvError(f"{kind} cluster size is {n!r}; expected {low} to {high} {unit}")
    if kind == "lj":
        charges, prefactor = np.zeros(n), np.zeros((n, n))
    else:
        charges = np.repeat([1.0, -1.0], n)
        same = np.where(charges[:, None] > 0, A_NA_NA, A_CL_CL)
        prefactor = np.where(charges[:, None] * charges[None, :] > 0, same, A_NA_CL)
    i, j = np.triu_indices(len(charges), 1)
    group = np.where(charges[i] * charges[j] < 0, 2, np.where(charges[i] < 0, 1, 0))
    order = np.argsort(group, kind="stable")
    ends = tuple(int(np.sum(group <= g)) for g in sorted(set(group.tolist())))
    return Cluster(kind, charges, prefactor, i[order].astype(np.int64), j[order].astype(np.int64), ends)


@jit
def _terms(
    positions: FloatArray,
    charges: FloatArray,
    repulsion: FloatArray,
    first: IntArray,
    second: IntArray,
    ionic: bool,
    energy: FloatArray,
    force: FloatArray,
    distance: FloatArray,
) -> None:
    for b in range(positions.shape[0]):
        total = 0.0
        for p in range(first.size):
            i, j = first[p], second[p]
            x = positions[b, i, 0] - positions[b, j, 0]
            y = positions[b, i, 1] - positions[b, j, 1]
            z = positions[b, i, 2] - positions[b, j, 2]
            d = math.sqrt(x * x + y * y + z * z)
            distance[b, p] = d
            if d < TOO_CLOSE:
                continue  # an overlap: the caller ends the episode, and nothing infinite is formed
            if ionic:
                coulomb = COULOMB * charges[i] * charges[j] / d
                born = repulsion[i, j] * math.exp(-d / RHO)
                total += coulomb + born
                pull = (coulomb / d + born / RHO) / d
            else:
                s = 1.0 / (d * d)
                s6 = s * s * s
                total += 4.0 * (s6 * s6 - s6)
                pull = 24.0 * (2.0 * s6 * s6 - s6) * s
            force[b, i, 0] += pull * x
            force[b, i, 1] += pull * y
            force[b, i, 2] += pull * z
            force[b, j, 0] -= pull * x
            force[b, j, 1] -= pull * y
            force[b, j, 2] -= pull * z
        energy[b] = total


def pair_terms(c: Cluster, positions: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Energy, forces and pair distances of a batch of clusters (compiled).

    Args:
        positions: ``(n, N, 3)`` in Å or σ.

    Returns:
        Energies ``(n,)`` in eV or ε, forces ``(n, N, 3)`` = −∂E/∂R, distances ``(n, P)`` in the order of
        ``c.first``/``c.second``. Pairs closer than 0.6 add nothing to energy and force (look at the distances).
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    n = len(positions)
    energy, force, distance = np.zeros(n), np.zeros((n, c.atoms, 3)), np.empty((n, c.pairs))
    ionic = c.kind == "nacl"
    _terms(positions, c.charges, c.repulsion, c.first, c.second, ionic, energy, force, distance)
    return energy, force, distance


def pair_terms_plain(c: Cluster, positions: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What :func:`pair_terms` returns, in numpy."""
    positions = np.asarray(positions, dtype=np.float64)
    delta = positions[:, c.first] - positions[:, c.second]
    d = np.sqrt(np.sum(delta**2, axis=-1))
    apart = d >= TOO_CLOSE
    safe = np.where(apart, d, 1.0)
    if c.kind == "nacl":
        coulomb = COULOMB * c.charges[c.first] * c.charges[c.second] / safe
        born = c.repulsion[c.first, c.second] * np.exp(-safe / RHO)
        value, pull = coulomb + born, (coulomb / safe + born / RHO) / safe
    else:
        s6 = safe**-6
        value, pull = 4.0 * (s6**2 - s6), 24.0 * (2.0 * s6**2 - s6) / safe**2
    value, pull = np.where(apart, value, 0.0), np.where(apart, pull, 0.0)
    force = np.zeros_like(positions)
    batch = np.arange(len(positions))[:, None]
    np.add.at(force, (batch, c.first[None, :]), pull[..., None] * delta)
    np.add.at(force, (batch, c.second[None, :]), -pull[..., None] * delta)
    return value.sum(axis=-1), force, d


def dipole_vector(c: Cluster, positions: FloatArray) -> FloatArray:
    """Dipole moments ``Σ q_i r_i`` in debye, ``(n, 3)``; the clusters are neutral, so the origin does not matter."""
    return np.asarray(DEBYE * np.einsum("i,nij->nj", c.charges, positions))
