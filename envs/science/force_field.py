"""A small neural force field: energy, forces and dipole of (NaCl)ₙ from one model, energy conserving by construction.

Every ion describes its surroundings by Gaussian bumps of its distances to Na⁺ and to Cl⁻ (radial symmetry functions,
Behler & Parrinello 2007); a small network per element turns them into an energy and a charge. The energy is the sum
over ions, the forces are ``F = −∂E/∂R`` by automatic differentiation, so they have no curl and energy is conserved; the
dipole is ``μ = Σ q_i r_i`` with learned charges, shifted to sum to zero. All three turn with the cluster and do not see
translations or the exchange of like ions.

The three losses are divided by the variance of their targets and then balanced by learned log-variances (Kendall,
Gal & Cipolla 2018). This is a demonstration of several objectives in one model, not an agent; torch is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from morl.envs.science.cluster_potential import DEBYE, Cluster, dipole_vector, pair_terms
from morl.envs.science.molecule import MoleculeDynamics
from morl.spec import EnvError, FloatArray

_CENTRES = (1.8, 9.0, 24)  # Å: first, last and number of the bumps


@dataclass(frozen=True)
class Samples:
    """Configurations with what the exact potential says of them.

    Args:
        positions: ``(n, N, 3)`` in Å.
        energy: ``(n,)`` in eV.
        force: ``(n, N, 3)`` in eV/Å.
        dipole: ``(n, 3)`` in debye.
    """

    positions: FloatArray
    energy: FloatArray
    force: FloatArray
    dipole: FloatArray


def make_samples(pairs: int, count: int, rng: np.random.Generator, *, hottest: float = 4.0) -> Samples:
    """Configurations met while random starts relax with random pushes, those with forces above ``hottest`` left out.

    Raises:
        EnvError: a cluster that does not exist, or nothing to sample.
    """
    if count < 1:
        raise EnvError(f"count is {count}; expected at least one configuration")
    dynamics = MoleculeDynamics("nacl", pairs)
    kept: list[FloatArray] = []
    total = 0
    while total < count:
        state = dynamics.initial(64, rng)
        for step in range(60):
            actions = rng.normal(0.0, 0.15, (64, 4))
            actions[:, 0] += np.minimum(1.0, 0.4 * state["push"])
            state = dynamics.step(state, np.clip(actions, -1, 1), rng).state
            if step % 6 == 0:
                good = (state["push"] < hottest) & (state["distance"].max(axis=1) < _CENTRES[1])
                kept.append(state["position"][good])
                total += int(good.sum())
    positions = np.concatenate(kept)
    positions = positions[rng.permutation(len(positions))[:count]]
    energy, force, _ = pair_terms(dynamics.cluster, positions)
    return Samples(positions, energy, force, dipole_vector(dynamics.cluster, positions))


class ForceField(nn.Module):
    """The model of this module; positions in, energy, forces and dipole out.

    Args:
        cluster: the ions.
        hidden: width of the two hidden layers.
    """

    def __init__(self, cluster: Cluster, hidden: int = 48) -> None:
        super().__init__()
        self.atoms = cluster.atoms
        self.register_buffer("sign", torch.tensor(cluster.charges))
        low, high, count = _CENTRES
        self.register_buffer("centres", torch.linspace(low, high, count, dtype=torch.float64))
        self.width = (high - low) / (count - 1)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * count, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2)
            )
            for _ in range(2)
        )
        self.log_variance = nn.Parameter(torch.zeros(3))
        self.register_buffer("energy_mean", torch.zeros(()))
        self.register_buffer("energy_scale", torch.ones(()))
        self.double()

    def atom_terms(self, positions: torch.Tensor) -> torch.Tensor:
        """Energy and charge contributions of each ion ``(n, N, 2)`` for positions ``(n, N, 3)``."""
        delta = positions[:, :, None] - positions[:, None]
        square = (delta**2).sum(-1)
        eye = torch.eye(self.atoms, dtype=torch.bool)
        distance = torch.sqrt(torch.where(eye, torch.ones_like(square), square))
        centres: Any = self.centres
        sign: Any = self.sign
        bumps = torch.exp(-0.5 * ((distance[..., None] - centres) / self.width) ** 2)
        bumps = torch.where(eye[..., None], torch.zeros_like(bumps), bumps)
        around = torch.cat([bumps[:, :, sign > 0].sum(2), bumps[:, :, sign < 0].sum(2)], dim=-1)
        cation, anion = (head(around) for head in self.heads)
        return torch.where((sign > 0)[None, :, None], cation, anion)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """Energies ``(n,)`` in eV."""
        mean, scale = torch.as_tensor(self.energy_mean), torch.as_tensor(self.energy_scale)
        return torch.as_tensor(mean + scale * self.atom_terms(positions)[..., 0].sum(-1))

    def forward(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Energy ``(n,)`` in eV, forces ``(n, N, 3)`` in eV/Å and dipole ``(n, 3)`` in debye."""
        where = positions if positions.requires_grad else positions.detach().requires_grad_(True)
        terms = self.atom_terms(where)
        mean, scale = torch.as_tensor(self.energy_mean), torch.as_tensor(self.energy_scale)
        energy = mean + scale * terms[..., 0].sum(-1)
        (slope,) = torch.autograd.grad(energy.sum(), where, create_graph=self.training)
        charge = terms[..., 1]
        charge = charge - charge.mean(dim=1, keepdim=True)
        return energy, -slope, DEBYE * (charge[..., None] * where).sum(1)


@dataclass
class Fit:
    """A trained model and how it got there.

    Args:
        model: the model, in evaluation mode.
        losses: mean squared error over target variance of energy, force and dipole, one row per epoch.
    """

    model: ForceField
    losses: list[list[float]] = field(default_factory=list)


def fit(
    cluster: Cluster,
    samples: Samples,
    *,
    epochs: int = 30,
    batch: int = 64,
    rate: float = 3e-3,
    seed: int = 0,
    loss_weights: tuple[float, float, float] | None = None,
) -> Fit:
    """Train a :class:`ForceField` on samples, the three losses balanced by learned log-variances.

    Args:
        loss_weights: multiples of the losses of energy, force and dipole instead; 0 leaves one out.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ForceField(cluster)
    x, e, f, d = (torch.tensor(a) for a in (samples.positions, samples.energy, samples.force, samples.dipole))
    model.energy_mean, model.energy_scale = e.mean(), e.std()
    variance = torch.stack([e.var(), f.var(), d.var()])
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    result = Fit(model)
    for _ in range(epochs):
        model.train()
        total = torch.zeros(3, dtype=torch.float64)
        order = torch.randperm(len(x), generator=generator)
        for begin in range(0, len(x), batch):
            rows = order[begin : begin + batch]
            energy, force, dipole = model(x[rows])
            errors = [
                ((energy - e[rows]) ** 2).mean(),
                ((force - f[rows]) ** 2).mean(),
                ((dipole - d[rows]) ** 2).mean(),
            ]
            losses = torch.stack(errors) / variance
            if loss_weights is None:
                objective = (torch.exp(-model.log_variance) * losses + model.log_variance).sum()
            else:
                objective = (torch.tensor(loss_weights, dtype=torch.float64) * losses).sum()
            optimiser.zero_grad()
            objective.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += losses.detach() * len(rows)
        schedule.step()
        result.losses.append((total / len(x)).tolist())
    model.eval()
    return result


def verlet(
    model: ForceField, positions: FloatArray, velocities: FloatArray, *, step: float, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Move unit-mass ions by velocity Verlet under the model's forces.

    Args:
        positions: ``(N, 3)`` in Å.
        velocities: ``(N, 3)``, in Å per unit of time (mass 1, energy in eV).

    Returns:
        Total energy after every step ``(steps + 1,)``, and the final positions.
    """
    x, v = torch.tensor(positions)[None], torch.tensor(velocities)[None]
    energy, force, _ = model(x)
    totals = [float(energy.detach()) + 0.5 * float((v**2).sum())]
    for _ in range(steps):
        v = v + 0.5 * step * force.detach()
        x = (x + step * v).detach()
        energy, force, _ = model(x)
        v = v + 0.5 * step * force.detach()
        totals.append(float(energy.detach()) + 0.5 * float((v**2).sum()))
    return np.array(totals), x[0].numpy()
