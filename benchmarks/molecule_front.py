"""Search for better witnesses of the best known front of `morl/MoleculeRelaxationDeterministic-v0`.

Cross-entropy searches under random augmented Chebyshev utilities seed an evolution of policies; what they find joins
the witnesses that are there, and the non-dominated episodes (at most 300, far from each other) are kept.

    OMP_NUM_THREADS=1 python benchmarks/molecule_front.py [--generations 300] [--seed 0] [--dry]
"""

from __future__ import annotations

import argparse

import numpy as np

from morl.envs.science.molecule import MoleculeDynamics
from morl.envs.science.molecule_replay import QUANTUM, WITNESSES, best_known_front, play, save_witnesses
from morl.envs.science.molecule_search import cross_entropy, evolve_front
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import FloatArray

MOST = 300


def thin(returns: FloatArray, count: int) -> FloatArray:
    """Indices of points far from each other, the best of each objective first."""
    unit = (returns - returns.min(axis=0)) / np.maximum(np.ptp(returns, axis=0), 1e-9)
    chosen = list(dict.fromkeys(int(i) for i in unit.argmax(axis=0)))
    distance = np.linalg.norm(unit[:, None] - unit[chosen], axis=2).min(axis=1)
    while len(chosen) < min(count, len(unit)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(unit - unit[chosen[-1]], axis=1))
    return np.array(chosen)


def main() -> None:
    """Search, join, thin, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--utilities", type=int, default=40)
    parser.add_argument("--dry", action="store_true", help="do not write the witnesses")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    dynamics = MoleculeDynamics("nacl", 2, start_seed=0)
    start = dynamics.initial(1, rng)
    low, high = (np.array(x) for x in dynamics.mo_spec.return_scale or ((), ()))
    seeds = []
    for _ in range(args.utilities):
        weights = rng.dirichlet(np.full(4, 0.6))

        def utility(r: FloatArray, w: FloatArray = weights) -> FloatArray:
            f = (r - low) / (high - low)
            return np.asarray((f * w).sum(axis=1) + 0.5 * (f / np.maximum(w, 0.05)).min(axis=1))

        seeds.append(cross_entropy(dynamics, start, utility, rng, generations=25)[0])
    found = evolve_front(dynamics, start, rng, generations=args.generations, seeds=np.stack(seeds))
    actions = found.actions
    if WITNESSES.is_file():
        with np.load(WITNESSES, allow_pickle=False) as file:
            actions = np.concatenate([actions, file["actions"] / QUANTUM])
    returns = play(dynamics, start, actions)
    good = np.flatnonzero(nondominated_mask(np.round(returns, 3)))
    good = good[thin(returns[good], MOST)]
    ref = np.array(dynamics.mo_spec.ref_point)
    before = best_known_front(dynamics).hypervolume() if WITNESSES.is_file() else 0.0
    print(f"{len(good)} episodes, hypervolume {hypervolume(returns[good], ref):.2f} (before: {before:.2f})")
    if not args.dry and hypervolume(returns[good], ref) > before:
        save_witnesses(actions[good])


if __name__ == "__main__":
    main()
