"""Search for better trade-offs in the minecart, and write their action sequences.

    python benchmarks/minecart_front.py [--seconds 60] [--islands 5] [--seed 0] [--write]
    python benchmarks/minecart_front.py --stochastic [--steps 100000000] [--islands 2] [--seed 11] [--write]
    python benchmarks/minecart_front.py --optimism

Evolution over action sequences: random trips (turn, accelerate, coast, brake, mine) start each island; children are
crossovers, mutations and reflections (the map is symmetric about its diagonal, with the ores exchanged) of the
sequences on the first few layers of non-dominated returns. The islands' fronts and what the shipped agent finds are
then joined and evolved together. Every return is a rollout of the environment's own physics. ``--write`` replaces the
shipped witnesses by the union of old and new, so that the front never gets worse.

With ``--stochastic`` the question is that of random yields. They touch what is mined but never where the cart goes, so
sequences are good policies there too: :class:`~morl.agents.evolution.ParetoEvolution` searches with large generations,
its sequences and the deterministic witnesses are played ``CHOOSE`` times each to choose from, and what is chosen is
always valued by fresh episodes (:func:`stochastic_front`).

With ``--optimism`` nothing is searched: the same 156 policies are measured by few episodes each, as publications do,
and by many. The hypervolume of noisy means is too large, because luck in any objective puts a point on the front.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import moocore
import numpy as np
from numba import njit

from morl.envs.control.minecart import CAPACITY, FRAMES, MINES
from morl.envs.control.minecart_front import pad, witnesses
from morl.envs.control.minecart_kernels import replay_carts

LONGEST = 72
CHILDREN = 200_000
LAYERS = 4
PARENTS = 600
REFERENCE = np.array([0.0, 0.0, -200.0])
REFLECTED = np.array([0, 2, 1, 3, 4, 5, -1])  # left and right exchanged; entry -1 stands for the padding
CHOOSE, KEPT = 400, 150
STOCHASTIC = Path(__file__).resolve().parent / "minecart_stochastic.txt"
FILE = Path(__file__).resolve().parents[1] / "envs" / "control" / "minecart_witnesses.txt"


@njit(cache=True)
def trips(n: int, rng: np.random.Generator) -> np.ndarray:
    """Random sequences that turn, accelerate, coast, brake and mine, at one to three places, then drive home."""
    out = np.full((n, LONGEST), -1)
    for i in range(n):
        at = 0
        stops = rng.integers(1, 4)
        for stop in range(stops + 1):
            turn = rng.integers(1, 3)
            for action, times in (
                (turn, rng.integers(0, 6)),
                (3, rng.integers(1, 8)),
                (5, rng.integers(0, 6)),
                (4, 1 if stop < stops else 0),
                (0, rng.integers(1, 5) if stop < stops else 0),
            ):
                for _ in range(times):
                    if at < LONGEST:
                        out[i, at] = action
                        at += 1
    return out


@njit(cache=True)
def children(parents: np.ndarray, lengths: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` mutated parents, a quarter of them crossed with another one near the same time."""
    out = np.full((n, LONGEST), -1)
    for i in range(n):
        a = rng.integers(0, len(parents))
        size = lengths[a]
        out[i, :size] = parents[a, :size]
        if rng.random() < 0.25:
            b = rng.integers(0, len(parents))
            cut = rng.integers(0, size + 1)
            start = min(max(cut + rng.integers(-2, 3), 0), lengths[b])
            tail = min(lengths[b] - start, LONGEST - cut)
            out[i, cut : cut + tail] = parents[b, start : start + tail]
            out[i, cut + tail :] = -1
            size = cut + tail
        changes = 1
        while changes < 6 and rng.random() < 0.5:
            changes += 1
        for _ in range(changes):
            size = mutate(out[i], size, rng)
        out[i, size : min(size + 3, LONGEST)] = 5  # a mutated trip may need a little longer to roll home
    return out


@njit(cache=True)
def mutate(sequence: np.ndarray, size: int, rng: np.random.Generator) -> int:
    """Replace, insert, delete or swap actions in place; return the new length."""
    if size == 0:
        return 0
    kind, at = rng.integers(0, 4), rng.integers(0, size)
    if kind == 0:
        sequence[at] = rng.integers(0, 6)
    elif kind == 1 and size < LONGEST:
        for t in range(size, at, -1):
            sequence[t] = sequence[t - 1]
        sequence[at] = rng.integers(0, 6)
        size += 1
    elif kind == 2:
        for t in range(at, size - 1):
            sequence[t] = sequence[t + 1]
        size -= 1
        sequence[size] = -1
    else:
        other = min(max(at + rng.integers(-3, 4), 0), size - 1)
        sequence[at], sequence[other] = sequence[other], sequence[at]
    return size


class Archive:
    """Sequences on the first layers of non-dominated returns, with their returns and lengths."""

    def __init__(self, discount: float) -> None:
        self.discount = discount
        self.mines = MINES.copy()
        self.mines[:, [3, 5]] = 0.0
        self.sequences = np.zeros((0, LONGEST), dtype=np.int64)
        self.returns, self.lengths = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
        self.layer = np.zeros(0, dtype=np.int64)

    def add(self, sequences: np.ndarray) -> None:
        """Roll sequences out; keep those that belong to a layer."""
        returns, lengths = replay_carts(sequences, self.mines, CAPACITY, FRAMES, self.discount)
        good = lengths > 0
        self.sequences = np.concatenate([self.sequences, sequences[good]])
        self.returns = np.concatenate([self.returns, returns[good]])
        self.lengths = np.concatenate([self.lengths, lengths[good]])
        _, first = np.unique(self.returns, axis=0, return_index=True)
        layer = np.full(len(self.returns), LAYERS)
        left = np.sort(first)
        for number in range(LAYERS):
            best = moocore.is_nondominated(self.returns[left], maximise=True)
            layer[left[best]] = number
            left = left[~best]
            if not len(left):
                break
        keep = np.flatnonzero(layer < LAYERS)
        self.sequences, self.returns = self.sequences[keep], self.returns[keep]
        self.lengths, self.layer = self.lengths[keep], layer[keep]

    def reflected(self) -> np.ndarray:
        """All sequences mirrored about the diagonal, with a few more steps to roll home."""
        mirrored = REFLECTED[self.sequences]
        for row, size in zip(mirrored, self.lengths, strict=True):
            row[size : size + 3] = 5
        return mirrored

    def evolve(self, seconds: float, rng: np.random.Generator) -> None:
        """Breed until the time is over."""
        until, generation = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            generation += 1
            if generation % 10 == 0:
                self.add(self.reflected())
                continue
            chosen = rng.choice(len(self.lengths), min(PARENTS, len(self.lengths)), replace=False)
            self.add(children(self.sequences[chosen], self.lengths[chosen], CHILDREN, rng))

    def best(self) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """The front's returns and sequences."""
        front = np.flatnonzero(self.layer == 0)
        sequences = [tuple(int(a) for a in self.sequences[i, : self.lengths[i]]) for i in front]
        return self.returns[front], sequences

    def hypervolume(self) -> float:
        """Of the front, above (0, 0, −200)."""
        return float(moocore.hypervolume(self.best()[0], ref=REFERENCE, maximise=True))


def search(discount: float, seconds: float, islands: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Evolve islands apart, then together with the shipped witnesses; return the front's sequences."""
    joined = Archive(discount)
    for island in range(islands):
        archive = Archive(discount)
        archive.add(trips(2 * CHILDREN, rng))
        archive.evolve(seconds, rng)
        print(f"discount {discount:g}, island {island}: {len(archive.best()[1])} points, {archive.hypervolume():.4f}")
        joined.add(archive.sequences)
    joined.add(evolved("morl/MinecartDeterministic-v0", discount, 100_000_000, int(rng.integers(2**31)), 300, 12))
    shipped = pad(witnesses())
    if shipped.size:
        wide = np.full((len(shipped), LONGEST), -1)
        wide[:, : shipped.shape[1]] = shipped
        joined.add(wide)
    print(f"discount {discount:g}, joined: {joined.hypervolume():.4f}")
    joined.evolve(2 * seconds, rng)
    print(f"discount {discount:g}, evolved: {len(joined.best()[1])} points, {joined.hypervolume():.4f}", flush=True)
    return joined.best()[1]


def read(file: Path) -> np.ndarray:
    """Sequences of a file, ``(n, LONGEST)``, filled up with -1."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    out = np.full((len(lines), LONGEST), -1)
    for row, line in zip(out, lines, strict=True):
        row[: len(line)] = [int(digit) for digit in line]
    return out


def play(sequences: np.ndarray, episodes: int, seed: int) -> np.ndarray:
    """Mean returns ``(n, 3)`` in the stochastic minecart at γ = 0.98."""
    from morl.agents.search import sequences as bulk
    from morl.envs.control.minecart import MinecartDynamics

    rng = np.random.default_rng(seed)
    simulator = bulk.Simulator(MinecartDynamics(stochastic=True), 0.98, rng, 0, None)
    chosen = bulk.Population(sequences, np.zeros((len(sequences), 3)), np.zeros(len(sequences), np.int64))
    played = simulator.again(chosen, episodes)
    assert len(played) == len(sequences)  # chance does not touch the way home
    return np.asarray(played.means)


def stochastic_front(episodes: int = 2000, seed: int = 0) -> np.ndarray:
    """The best known returns of the stochastic minecart ``(n, 3)``, each the mean of fresh episodes."""
    return play(read(STOCHASTIC), episodes, seed)


def evolved(env: str, discount: float, steps: int, seed: int, population: int, layers: int) -> np.ndarray:
    """What the shipped agent finds with large generations: sequences ``(n, LONGEST)``."""
    from morl.agents import registry

    agent = registry.get("ParetoEvolution")(
        env, seed=seed, discount=discount, genotype="sequence", length=LONGEST, population=population, layers=layers,
        offspring=40_000,
    ).learn(steps)  # fmt: skip
    return np.stack([item.payload for item in agent.archive.items])


def search_stochastic(steps: int, islands: int, seed: int) -> np.ndarray:
    """Sequences ``(n, LONGEST)`` on the front, or the best for a linear preference, of all that are known."""
    from morl.agents.search.sequences import select

    found = [pad(witnesses())]
    found += [read(STOCHASTIC)] if STOCHASTIC.exists() else []
    for island in range(islands):
        found.append(evolved("morl/Minecart-v0", 0.98, steps, seed + island, 400, 4))
    wide = [np.pad(f, ((0, 0), (0, LONGEST - f.shape[1])), constant_values=-1) for f in found]
    every = np.unique(np.concatenate(wide), axis=0)
    means = play(every, CHOOSE, seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(3), 2000)
    best = np.unique((weights @ means.T).argmax(axis=1))
    return every[np.union1d(best, select(means, 1, KEPT))]


def optimism(seeds: int = 20) -> None:
    """Hypervolume above (−1, −1, −200) of the best known policies, by episodes that each is measured with."""
    chosen, ref_point = read(STOCHASTIC), np.array([-1.0, -1.0, -200.0])
    print("| episodes a policy | hypervolume, mean over seeds (least to largest) |\n|---|---|")
    for episodes in (1, 5, 10, 20, 60, 200, 2000):
        fronts = (play(chosen, episodes, seed) for seed in range(seeds if episodes < 200 else 2))
        found = [moocore.hypervolume(front, ref=ref_point, maximise=True) for front in fronts]
        print(f"| {episodes:,} | {np.mean(found):.1f} ({min(found):.1f} to {max(found):.1f}) |", flush=True)


def write(file: Path, sequences: list[tuple[int, ...]], what: str) -> None:
    """One sequence a line."""
    lines = "\n".join("".join(map(str, s)) for s in sorted(sequences))
    file.write_text(f"# {what}, one a line; written by benchmarks/minecart_front.py.\n{lines}\n", encoding="utf-8")
    print(f"wrote {len(sequences)} sequences to {file}")


def main() -> None:
    """Parse the command line, search for both discounts, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="per island")
    parser.add_argument("--islands", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="replace the file of sequences")
    parser.add_argument("--stochastic", action="store_true", help="the minecart with random yields")
    parser.add_argument("--steps", type=int, default=100_000_000, help="per island, with --stochastic")
    parser.add_argument("--optimism", action="store_true", help="what few episodes make of one set of policies")
    given = parser.parse_args()
    if given.optimism:
        optimism()
        return
    if given.stochastic:
        chosen = search_stochastic(given.steps, given.islands, given.seed)
        means = play(chosen, 2000, given.seed + 1)
        volume = moocore.hypervolume(means, ref=REFERENCE, maximise=True)
        print(f"{len(chosen)} sequences, hypervolume {volume:.3f} in fresh episodes")
        if given.write:
            sequences = [tuple(int(a) for a in row[row >= 0]) for row in chosen]
            write(STOCHASTIC, sequences, "Action sequences of the stochastic minecart")
        return
    rng = np.random.default_rng(given.seed)
    found = {s for discount in (0.98, 1.0) for s in search(discount, given.seconds, given.islands, rng)}
    if given.write:
        write(FILE, list(found), "Action sequences of the deterministic minecart")


if __name__ == "__main__":
    main()
