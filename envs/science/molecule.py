"""Relaxing a small cluster of atoms or ions by equivariant moves: low energy, small forces, a wanted dipole, few steps.

The agent never sees coordinates. It sees invariants (sorted pair distances, energy, largest force, dipole moment) and
answers with the coefficients of four vector fields that turn with the cluster, so *every* policy is invariant under
rotation, translation and the exchange of like ions, whatever network is behind it:

=====  ==========================================  =================  =========================================
field  displacement of atom i at coefficient 1     unit               note
=====  ==========================================  =================  =========================================
0      0.1 · F_i / max_j |F_j|                     Å (or σ)           downhill in energy
1      0.1 · q_i · μ̂                               Å                  pulls the charges apart; ``nacl`` only
2      0.05 · (r_i − r̄) / R                        Å (or σ)           breathing; r̄ centroid, R largest distance
3      the displacement of the step before         Å (or σ)           momentum
=====  ==========================================  =================  =========================================

Rewards are differences of clipped quantities, so that returns (γ = 1) telescope to "start minus end":
``E_t − E_{t+1}``, ``log₁₀ F_t − log₁₀ F_{t+1}`` with F the largest force, ``(d_t − d_{t+1}) / 11.12`` with
``d = |μ − μ*|`` (``nacl`` only), and −0.01 a step. An episode ends when the forces vanish (F < 10⁻³), and when two
atoms overlap (closer than 0.6): then energy, force and dipole distance count as the worst values of their ranges and
the time left is charged, so that crashing is dominated by doing nothing.

Assumptions of this environment, not facts of chemistry: the fields and step lengths, the clipping ranges, the random
start, the target dipole, and the rigid-ion potential (:mod:`morl.envs.science.cluster_potential`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science.cluster_potential import (
    TOO_CLOSE,
    Cluster,
    cluster,
    dipole_vector,
    pair_terms,
    pair_terms_plain,
)
from morl.envs.science.molecule_replay import best_known_front
from morl.pareto import Front
from morl.spec import BoolArray, EnvError, FloatArray, MOSpec, Objective

HORIZON = 100
FORCE_STEP, DIPOLE_STEP, BREATHING_STEP = 0.1, 0.1, 0.05  # Å or σ at coefficient 1
FORCE_RANGE = (1e-4, 1e3)  # eV/Å or ε/σ
RELAXED = 1e-3
ENERGY_RANGE = {"nacl": (-40.0, 20.0), "lj": (-60.0, 20.0)}  # eV, ε
DIPOLE_UNIT = 11.12  # D: the dipole moment of one NaCl molecule
MAX_DIPOLE_DISTANCE = 55.0  # D
START_SPREAD, START_DISTANCE = 2.0, 1.5  # Å or σ


def _spec(c: Cluster) -> MOSpec:
    energy = "eV" if c.kind == "nacl" else "epsilon"
    objectives = [
        Objective("energy", energy, -60, 60, "energy lost since the step before"),
        Objective("force", "decades", -7, 7, "fall of the largest force on an atom, in powers of ten"),
        Objective("dipole", "11.12 D", -5, 5, "approach of the dipole moment to the wanted one"),
        Objective("time", "horizons", -1, 0, "one hundredth of the horizon a step; all that is left after an overlap"),
    ]
    ref, low, high = [-20.0, -7.0, -5.0, -1.05], [0.0, 0.0, -1.0, -1.0], [4.0 * c.atoms, 5.0, 2.0, 0.0]
    if c.kind == "lj":
        objectives[0] = Objective("energy", energy, -80, 80, objectives[0].description)
        for row in (objectives, ref, low, high):
            del row[2]
    return MOSpec(tuple(objectives), 1.0, HORIZON, tuple(ref), (tuple(low), tuple(high)))


class MoleculeDynamics(Dynamics):
    """The pure dynamics of :mod:`morl.envs.science.molecule`, batched over clusters.

    Args:
        kind: ``"nacl"`` (K = 4, four coefficients) or ``"lj"`` (K = 3, three coefficients).
        n: ion pairs (1–4) or atoms (2–13).
        target_dipole: μ* in debye, 0 to 55; ``nacl`` only.
        start_seed: begin every episode with the random cluster of this seed, so that nothing is random.
        compiled: use the compiled pair sum; false takes the equal numpy path.

    Raises:
        EnvError: a kind, size or target that does not exist.
    """

    max_steps = HORIZON
    reset_options = ("positions",)

    def __init__(
        self,
        kind: str = "nacl",
        n: int = 2,
        *,
        target_dipole: float | None = None,
        start_seed: int | None = None,
        compiled: bool = True,
    ) -> None:
        self.cluster = cluster(kind, n)
        if start_seed is not None and (not isinstance(start_seed, int | np.integer) or start_seed < 0):
            raise EnvError(f"start_seed is {start_seed!r}; expected None or an integer >= 0")
        self.start_seed = start_seed
        if target_dipole is not None and kind == "lj":
            raise EnvError(f"target_dipole is {target_dipole}; Lennard-Jones atoms carry no charge, expected None")
        self.target = 23.0 if target_dipole is None else float(target_dipole)
        if not 0.0 <= self.target <= MAX_DIPOLE_DISTANCE:
            raise EnvError(f"target_dipole is {self.target} D; expected 0 to {MAX_DIPOLE_DISTANCE:g}")
        self.no_front = ""
        if (kind, n, start_seed, self.target) != ("nacl", 2, 0, 23.0):
            self.no_front = (
                "no best-known front for this cluster; make it with kind='nacl', n=2, start_seed=0 and μ* = 23 D"
            )
        self.mo_spec = _spec(self.cluster)
        self.ionic = kind == "nacl"
        self._terms = pair_terms if compiled else pair_terms_plain
        self.fields = 4 if self.ionic else 3
        self.action_space = spaces.Box(-1.0, 1.0, (self.fields,), np.float32)
        e_low, e_high = ENERGY_RANGE[kind]
        low = [0.0] * self.cluster.pairs + [e_low, -4.0, 0.0, 0.0]
        high = [np.inf] * self.cluster.pairs + [e_high, 3.0, np.inf, 1.0]
        if not self.ionic:
            del low[-2], high[-2]
        self.observation_space = spaces.Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)

    # ---- the contract ----------------------------------------------------------------------------------

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Normal coordinates (sd 2) with no two atoms closer than 1.5, or ``options={"positions": (N, 3)}``."""
        given = (options or {}).get("positions")
        if given is not None:
            positions = np.repeat(self._given(given)[None], n, axis=0)
        elif self.start_seed is not None:
            positions = np.repeat(self._scatter(1, np.random.default_rng(self.start_seed)), n, axis=0)
        else:
            positions = self._scatter(n, rng)
        state, _ = self._measure(positions, np.zeros_like(positions), np.zeros(n, np.int64))
        return state

    def step(self, state: State, actions: Any, rng: np.random.Generator) -> Transition:
        """Move every atom by the chosen mixture of fields; rewards ``(n, K)`` as in the module's text."""
        moved = self.displacement(state, np.asarray(actions, dtype=np.float64))
        step = state["step"] + 1
        after, overlap = self._measure(state["position"] + moved, moved, step)
        time = np.where(overlap, -np.maximum(HORIZON - state["step"], 1) / HORIZON, -1.0 / HORIZON)
        parts = [state["energy"] - after["energy"], np.log10(state["push"] / after["push"])]
        if self.ionic:
            parts.append((state["gap"] - after["gap"]) / DIPOLE_UNIT)
        rewards = np.stack([*parts, time], axis=-1)
        relaxed = (after["push"] < RELAXED) & ~overlap
        info = {"energy": after["energy"], "max_force": after["push"], "relaxed": relaxed, "overlap": overlap}
        if self.ionic:
            info["dipole"] = np.linalg.norm(after["dipole"], axis=-1)
        return Transition(after, rewards, relaxed | overlap, info)

    def observe(self, state: State) -> Any:
        """Invariants of each cluster, ``(n, P + 3)`` or, with a dipole, ``(n, P + 4)``, float32."""
        pairs, distance = self.cluster.pairs, state["distance"]
        out = np.empty((len(distance), self.observation_space.shape[0]), dtype=np.float32)  # type: ignore[index]
        begin = 0
        for end in self.cluster.groups:
            out[:, begin:end] = np.sort(distance[:, begin:end], axis=-1)
            begin = end
        out[:, pairs] = state["energy"]
        out[:, pairs + 1] = np.log10(state["push"])
        if self.ionic:
            out[:, pairs + 2] = np.sqrt(np.einsum("ij,ij->i", state["dipole"], state["dipole"]))
        out[:, -1] = np.minimum(state["step"] / HORIZON, 1.0)
        return out

    def render(self, state: State, mode: str) -> Any:
        """The cluster with its dipole."""
        from morl.envs.science.molecule_render import MoleculeRenderer

        return MoleculeRenderer(self.cluster)(state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The best-known front of (NaCl)₂ from the start of seed 0 towards 23 D, by replaying action sequences."""
        return None if self.no_front else best_known_front(self, discount)

    # ---- the parts -------------------------------------------------------------------------------------

    def displacement(self, state: State, actions: FloatArray) -> FloatArray:
        """The displacement ``(n, N, 3)`` that the coefficients ``(n, 3 or 4)`` ask for."""
        force, position = state["force"], state["position"]
        largest = np.sqrt(np.einsum("nij,nij->ni", force, force).max(axis=1))
        moved = (FORCE_STEP * actions[:, 0] / np.maximum(largest, 1e-12))[:, None, None] * force
        column = 1
        if self.ionic:
            size = np.sqrt(np.einsum("ij,ij->i", state["dipole"], state["dipole"]))
            pull = np.where(size < 1e-6, 0.0, DIPOLE_STEP * actions[:, 1] / np.maximum(size, 1e-6))
            moved += self.cluster.charges[None, :, None] * (pull[:, None] * state["dipole"])[:, None, :]
            column = 2
        centred = position - position.mean(axis=1, keepdims=True)
        radius = np.sqrt(np.einsum("nij,nij->ni", centred, centred).max(axis=1))
        moved += (BREATHING_STEP * actions[:, column] / np.maximum(radius, 1e-12))[:, None, None] * centred
        moved += actions[:, column + 1, None, None] * state["displacement"]
        return np.asarray(moved)

    def _measure(self, position: FloatArray, moved: FloatArray, step: Any) -> tuple[State, BoolArray]:
        """Everything about the clusters at these positions, and which of them overlap."""
        c, (low, high) = self.cluster, ENERGY_RANGE[self.cluster.kind]
        energy, force, distance = self._terms(c, position)
        overlap = distance.min(axis=1) < TOO_CLOSE
        push = np.sqrt(np.einsum("nij,nij->ni", force, force).max(axis=1))
        state = {
            "position": position,
            "displacement": moved,
            "force": force,
            "distance": distance,
            "energy": np.where(overlap, high, np.clip(energy, low, high)),
            "push": np.where(overlap, FORCE_RANGE[1], np.clip(push, *FORCE_RANGE)),
            "step": step,
        }
        if self.ionic:
            dipole = dipole_vector(c, position)
            gap = np.abs(np.sqrt(np.einsum("ij,ij->i", dipole, dipole)) - self.target)
            state["dipole"] = dipole
            state["gap"] = np.where(overlap, MAX_DIPOLE_DISTANCE, np.minimum(gap, MAX_DIPOLE_DISTANCE))
        return state, np.asarray(overlap)

    def _scatter(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Random clusters without close pairs, by rejection (6 % survive at 13 atoms, 97 % at 2)."""
        c = self.cluster
        positions, missing = np.empty((n, c.atoms, 3)), np.arange(n)
        while missing.size:
            trial = rng.normal(0.0, START_SPREAD, (missing.size, c.atoms, 3))
            delta = trial[:, c.first] - trial[:, c.second]
            good = np.einsum("npk,npk->np", delta, delta).min(axis=1) >= START_DISTANCE**2
            positions[missing[good]] = trial[good]
            missing = missing[~good]
        return positions

    def _given(self, positions: Any) -> FloatArray:
        """Positions from a caller, checked.

        Raises:
            EnvError: wrong shape, not finite, or two atoms closer than 0.6.
        """
        wanted = (self.cluster.atoms, 3)
        try:
            array = np.array(positions, dtype=np.float64)
        except (TypeError, ValueError):
            raise EnvError(f"positions are {positions!r}; expected numbers of shape {wanted}") from None
        if array.shape != wanted or not np.isfinite(array).all():
            raise EnvError(f"positions have shape {array.shape} or are not finite; expected finite {wanted}")
        distance = self._terms(self.cluster, array[None])[2][0]
        if distance.min() < TOO_CLOSE:
            p = int(np.argmin(distance))
            i, j = int(self.cluster.first[p]), int(self.cluster.second[p])
            raise EnvError(f"atoms {i} and {j} are {distance[p]:.3g} apart; expected at least {TOO_CLOSE:g}")
        return array


def relaxation_policy(observations: FloatArray, *, ionic: bool = True) -> FloatArray:
    """A hand-written baseline: damped descent along the forces with a little momentum, nothing for the dipole.

    Args:
        observations: ``(n, D)`` of :meth:`MoleculeDynamics.observe`.
        ionic: whether there is a dipole field (``nacl``).

    Returns:
        Coefficients ``(n, 4)`` for ``nacl``, ``(n, 3)`` for ``lj``.
    """
    force = 10.0 ** observations[:, -3 if ionic else -2].astype(np.float64)
    actions = np.zeros((len(observations), 4 if ionic else 3))
    actions[:, 0] = np.minimum(1.0, (0.4 if ionic else 0.1) * force)  # a step of 0.04 Å²/eV or 0.01 σ²/ε times F
    actions[:, -1] = 0.6
    return actions
