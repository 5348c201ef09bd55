"""Learned fronts of four science environments beside ceilings, exact fronts and hand-written policies.

Trains LinearScalarization with the package's tuned options for several seeds, or reads fronts of runs that exist, and
prints one table; `--plot FILE` draws it.

    OMP_NUM_THREADS=1 python benchmarks/science_fronts.py scan [--steps 700000] [--seeds 3] [--plot scan.png]
    python benchmarks/science_fronts.py scan --fronts runs/scan*/front.json --plot scan.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import morl
from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.pareto import Front
from morl.spec import FloatArray

Row = tuple[str, FloatArray, FloatArray]
"""Name, mean returns and their standard errors, each ``(K,)``."""


@dataclass(frozen=True)
class Case:
    """One environment: what it is compared with, and which columns are drawn against which."""

    env: str
    steps: int
    reference: Callable[[], list[Row]]
    panels: tuple[tuple[int, int], ...]
    options: dict[str, Any]


def play(env: str, policy: Callable[[Any], Any], episodes: int, seed: int = 0, **options: Any) -> Row:
    """Mean returns of a policy that sees one observation at a time."""
    one, returns = morl.make(env, **options), []
    for episode in range(episodes):
        observation, _ = one.reset(seed=seed + episode)
        total, over = np.zeros(one.unwrapped.mo_spec.k), False
        while not over:
            observation, reward, ended, cut, _ = one.step(policy(observation))
            total, over = total + reward, ended or cut
        returns.append(total)
    table = np.array(returns)
    return "", table.mean(axis=0), table.std(axis=0) / np.sqrt(episodes)


def rows_of(front: Front, names: list[str]) -> list[Row]:
    """Points of a front as rows."""
    errors = [np.zeros(len(p)) if front.covariance is None else np.sqrt(np.diag(c)) for p, c in _paired(front)]
    return [(name, point, error) for name, point, error in zip(names, front.points, errors, strict=True)]


def _paired(front: Front) -> list[tuple[FloatArray, FloatArray]]:
    spreads = front.covariance if front.covariance is not None else [np.zeros((front.k, front.k))] * len(front)
    return list(zip(front.points, spreads, strict=True))


def ceilings() -> list[Row]:
    """Bayes-optimal labellers with fixed views."""
    from morl.envs.science.labelling import bayes_ceiling

    front = bayes_ceiling()
    return rows_of(front, [f"ceiling: {view}" for view in front.policies or ()])


def scanners() -> list[Row]:
    """The hand-written scanner at several thresholds."""
    from morl.envs.science.scan import PeripheryScanner

    thresholds = (0.10, 0.15, 0.20, 0.25, 0.30)
    played = [play("morl/ActiveScan-v0", PeripheryScanner(t).act, 500) for t in thresholds]
    return [(f"scanner {t:.2f}", mean, error) for t, (_, mean, error) in zip(thresholds, played, strict=True)]


def listeners() -> list[Row]:
    """The exact front without the voice."""
    from morl.envs.science.speaker import pareto_front

    front = pareto_front(9)
    return rows_of(front, ["exact"] * len(front))


def clinicians() -> list[Row]:
    """The hand-written clinician, with warfarin alone and with both drugs."""
    from study_dosing_genotype import clinician

    return [(f"clinician, {name}", *clinician(False, both)) for name, both in (("warfarin", False), ("both", True))]


CASES = {
    "labelling": Case("morl/SequenceLabelling-v0", 2_400_000, ceilings, ((2, 0), (2, 1)), {}),
    "scan": Case("morl/ActiveScan-v0", 700_000, scanners, ((2, 0), (2, 1)), {}),
    "speaker": Case("morl/SpeakerCommand-v0", 300_000, listeners, ((1, 0),), {"nuisance": False}),
    "dosing": Case("morl/MultiDrugDosing-v0", 1_600_000, clinicians, ((1, 0), (3, 2)), {}),
}


def learn(case: Case, steps: int, seed: int) -> Front:
    """The front of one seed."""
    options = tuned_options("LinearScalarization", case.env)
    agent = registry.get("LinearScalarization")(morl.make(case.env, **case.options), seed=seed, **options)
    agent.learn(steps)
    return agent.front(episodes=1000)


def draw(path: str, case: Case, names: list[str], known: list[Row], learned: list[Row]) -> None:
    """What is known in grey, what was learned in colour, two standard errors as bars."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(case.panels), figsize=(4.6 * len(case.panels), 3.6), squeeze=False)
    for ax, (i, j) in zip(axes[0], case.panels, strict=True):
        for rows, colour, marker in ((known, "0.45", "s"), (learned, "#c0392b", "o")):
            x, y = (np.array([row[1][k] for row in rows]) for k in (i, j))
            bars = [2 * np.array([row[2][k] for row in rows]) for k in (i, j)]
            ax.errorbar(x, y, bars[1], bars[0], fmt=marker, color=colour, ms=5, lw=1, label=_legend(rows, known))
        ax.set_xlabel(names[i])
        ax.set_ylabel(names[j])
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(0.08)
        ax.locator_params(axis="x", nbins=6)
    axes[0][0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _legend(rows: list[Row], known: list[Row]) -> str:
    return known[0][0].split(":")[0].split(",")[0].split(" ")[0] if rows is known else "learned"


def main() -> None:
    """Print the table of one environment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fronts", nargs="+", default=None, help="read these instead of learning")
    parser.add_argument("--plot", default=None)
    args = parser.parse_args()
    case = CASES[args.case]
    if args.fronts:
        fronts = [Front.load(path) for path in args.fronts]
    else:
        fronts = [learn(case, args.steps or case.steps, seed) for seed in range(args.seeds)]
    learned = [row for s, front in enumerate(fronts) for row in rows_of(front, [f"seed {s}"] * len(front))]
    known, names = case.reference(), [o.name for o in fronts[0].objectives]
    print(f"| mean ± standard error | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for name, mean, error in [*known, *learned]:
        print(f"| {name} | {' | '.join(f'{m:.3f} ± {e:.3f}' for m, e in zip(mean, error, strict=True))} |")
    if args.plot:
        labels = [f"{o.name} ({o.unit})" if o.unit else o.name for o in fronts[0].objectives]
        draw(args.plot, case, labels, known, learned)


if __name__ == "__main__":
    main()
