"""How much is there to learn in the reservoirs? Hypervolume of simple policies, relative to the best linear ones.

Four classes, each nested in the next: releasing everything, a constant release, a release that is linear in the level,
and one that is linear in the level and in the season's sine and cosine (found by random search). A task in which the
first are nearly as good as the last does not tell learners apart.

    OMP_NUM_THREADS=1 python benchmarks/water_reservoir_seasonal.py [--policies 4000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import morl
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import FloatArray

EPISODES = 16


def returns(id: str, release: Callable[[FloatArray], FloatArray], policies: int, seed: int = 0) -> FloatArray:
    """Mean discounted returns ``(policies, K)``; ``release`` maps observations ``(policies, episodes, D)``."""
    env = morl.make_vec(id, policies * EPISODES)
    spec, observation = env.mo_spec, env.reset(seed=seed)[0]
    total = np.zeros((policies, EPISODES, spec.k))
    for t in range(100):
        seen = observation.reshape(policies, EPISODES, -1).astype(np.float64)
        wish = np.clip(release(seen), 0.0, 200.0).reshape(-1, 1).astype(np.float32)
        observation, rewards, *_ = env.step(wish)
        total += spec.discount**t * rewards.reshape(policies, EPISODES, -1)
    return np.asarray(total.mean(axis=1))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", type=int, default=4000)
    n = parser.parse_args().policies
    rng = np.random.default_rng(1)
    weights = np.column_stack(
        [rng.uniform(-40, 60, n), rng.uniform(0, 1, n), rng.uniform(-40, 40, n), rng.uniform(-40, 40, n)]
    )

    def linear(columns: int) -> Callable[[FloatArray], FloatArray]:
        def release(seen: FloatArray) -> FloatArray:
            used = min(columns, seen.shape[-1])
            return weights[:, :1] + np.einsum("ped,pd->pe", seen[..., :used], weights[:, 1 : 1 + used])

        return release

    constant = np.linspace(0.0, 200.0, 400)
    print(f"{'environment':34}{'random':>9}{'all':>9}{'constant':>10}{'level':>9}{'season':>9}")
    for id in ("morl/WaterReservoir-v0", "morl/WaterReservoirSeasonal-v0"):
        ref = np.array(morl.make(id).unwrapped.mo_spec.ref_point)
        chance = np.random.default_rng(0)
        found = [
            returns(id, lambda seen, g=chance: g.uniform(0, 200, seen.shape[:2]), 1),
            returns(id, lambda seen: np.full(seen.shape[:2], 200.0), 1),
            returns(id, lambda seen: np.broadcast_to(constant[:, None], seen.shape[:2]), len(constant)),
            returns(id, linear(1), n),
            returns(id, linear(3), n),
        ]
        volumes = [hypervolume(x[nondominated_mask(x)], ref) for x in found]
        best = max(volumes)
        print(f"{id:34}" + "".join(f"{v / best:>{w}.2f}" for v, w in zip(volumes, (9, 9, 10, 9, 9), strict=True)))
        print(f"{'':34}random {found[0][0].round().tolist()}, all {found[1][0].round().tolist()}, ref {ref.tolist()}")


if __name__ == "__main__":
    main()
