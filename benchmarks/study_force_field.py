"""Energy, forces and dipole of (NaCl)n in one network, with a real budget: errors, gradient check, energy drift.

OMP_NUM_THREADS=1 python benchmarks/study_force_field.py [--pairs 2] [--samples 20000] [--epochs 100]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from morl.envs.science.cluster_potential import cluster
from morl.envs.science.force_field import fit, make_samples, verlet
from morl.envs.science.molecule_fronts import lowest_minimum


def main() -> None:
    """Train, measure, and perturb the lowest minimum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    training, test = make_samples(args.pairs, args.samples, rng), make_samples(args.pairs, 2000, rng)
    begin = time.perf_counter()
    model = fit(cluster("nacl", args.pairs), training, epochs=args.epochs, seed=args.seed).model
    seconds = time.perf_counter() - begin
    print(f"{args.samples} configurations of (NaCl){args.pairs}, {args.epochs} epochs, {seconds:.0f} s\n")
    got = [part.detach().numpy() for part in model(torch.tensor(test.positions))]
    print("| target | mean absolute error | spread |\n|---|---|---|")
    for name, value, true in zip(
        ("energy (eV)", "force (eV/Å)", "dipole (D)"), got, (test.energy, test.force, test.dipole), strict=True
    ):
        print(f"| {name} | {np.abs(value - true).mean():.4f} | {true.std():.3f} |")
    x, h, worst = torch.tensor(test.positions[:20]), 1e-5, 0.0
    force = model(x)[1]
    for i in range(2 * args.pairs):
        for k in range(3):
            up, down = x.clone(), x.clone()
            up[:, i, k] += h
            down[:, i, k] -= h
            slope = (model.energy(up) - model.energy(down)) / (2 * h)
            worst = max(worst, float((slope + force[:, i, k]).detach().abs().max()))
    print(f"\nforces against finite differences of the energy: {worst:.1e} eV/Å")
    _, minimum = lowest_minimum("nacl", args.pairs, starts=30)
    kick = 0.15 * np.linalg.qr(rng.normal(size=(2 * args.pairs, 3)))[0]
    for step in (0.04, 0.02, 0.01):
        total, _ = verlet(model, minimum, kick - kick.mean(axis=0), step=step, steps=int(20 / step))
        print(f"velocity Verlet, step {step:.2f}: energy varies by {np.ptp(total):.2e} eV over {len(total) - 1} steps")


if __name__ == "__main__":
    main()
