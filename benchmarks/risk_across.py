"""CVaR across objectives on ScientificDiscovery, from the worst objective (α → 0) to a weighted mean (α = 1).

    python benchmarks/risk_across.py            # about a minute; draws docs/agents/images/cvar_across.png

Learned values stand beside exact ones, in three policy classes: mixtures (SER), stationary deterministic policies
(SER), and policies judged by single episodes (ESR), with the policy of the weighted mean for comparison. Learned
values are exact evaluations of learned policies. A second table has the worst objective by class.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from records import as_json

import morl
from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.exact import expected_utility, maximise, pareto_deterministic
from morl.utility import CVaRAcross, WorstCase

ENV = "morl/ScientificDiscovery-v0"
IMPORTANCE = {
    "equal importance, p = (⅓, ⅓, ⅓)": (1 / 3, 1 / 3, 1 / 3),
    "accuracy first, p = (.6, .2, .2)": (0.6, 0.2, 0.2),
}
EXACT_LEVELS = np.linspace(0.0, 1.0, 41)
LEARNED_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
STEPS = 100_000
FOLDER = Path(__file__).parents[1] / "docs" / "agents"


class Problem:
    """The environment with what both halves of the benchmark ask of it."""

    def __init__(self) -> None:
        self.env = morl.make(ENV)
        self.spec = self.env.unwrapped.mo_spec
        self.model = self.env.unwrapped.momdp()
        self.low, self.high = (np.array(x) for x in self.spec.return_scale)
        self.deterministic = pareto_deterministic(self.model, "stationary").points

    def utility(self, alpha: float, p: tuple[float, ...]) -> CVaRAcross:
        """CVaR_α on the return scale."""
        return CVaRAcross(alpha, p=p, scale=self.spec.return_scale)

    def mixture(self, alpha: float, p: tuple[float, ...]) -> tuple[float, list[float]]:
        """The exact optimum over all policies, and its normalised expected returns."""
        best = maximise(self.model, self.utility(alpha, p))
        return float(best.utility), self.spec.normalise(best.value).tolist()

    def stationary(self, alpha: float, p: tuple[float, ...]) -> float:
        """The exact optimum over stationary deterministic policies."""
        return float(self.utility(alpha, p)(self.deterministic).max())

    def linear(self, alpha: float, p: tuple[float, ...]) -> float:
        """CVaR_α of the policy that maximises the weighted mean."""
        mean = self.utility(1.0, p)(self.deterministic)
        return float(self.utility(alpha, p)(self.deterministic[int(np.argmax(mean))]))

    def episodes(self, alpha: float, p: tuple[float, ...]) -> float:
        """The exact optimum of the expected CVaR_α of single episodes, returns clipped to the return scale."""
        inner = self.utility(alpha, p)

        def clipped(returns: np.ndarray) -> np.ndarray:
            return np.asarray(inner(np.clip(returns, self.low, self.high)))

        # Accuracy and interpretability are paid once, so clipping the money spent is all that accrual needs.
        return float(expected_utility(self.model, clipped, clip=((0.0, -12.0, 0.0), (1.0, 0.0, 1.0))).value)


def exact_curves(problem: Problem, p: tuple[float, ...]) -> dict[str, Any]:
    """Exact values at :data:`EXACT_LEVELS`, by class."""
    mixtures = [problem.mixture(a, p) for a in EXACT_LEVELS]
    return {
        "mixture": [value for value, _ in mixtures],
        "objectives": [point for _, point in mixtures],
        "stationary": [problem.stationary(a, p) for a in EXACT_LEVELS],
        "linear": [problem.linear(a, p) for a in EXACT_LEVELS],
        "episodes": [problem.episodes(a, p) for a in EXACT_LEVELS],
    }


def learned_points(p: tuple[float, ...], seeds: int) -> dict[str, Any]:
    """Learned values ``(levels, seeds)`` of WorstCase and ESRQLearning, and normalised returns of the former."""
    ser, esr, objectives = [], [], []
    for alpha in LEARNED_LEVELS:
        text = f"cvar:{alpha};p=" + ",".join(f"{x:.12g}" for x in p)
        values, episodes, points = [], [], []
        for seed in range(seeds):
            agent = registry.get("WorstCase")(ENV, seed=seed, utility=text).learn(STEPS)
            point = agent.front().points[0]
            values.append(float(agent.utility(point)))
            points.append(agent.spec.normalise(point).tolist())
            episodes.append(
                float(registry.get("ESRQLearning")(ENV, seed=seed, utility=text).learn(STEPS).expected_utility()[0])
            )
        ser.append(values)
        esr.append(episodes)
        objectives.append(points)
    return {"mixture": ser, "episodes": esr, "objectives": objectives}


def trace_table(problem: Problem, p: tuple[float, ...], learned: dict[str, Any]) -> list[str]:
    """Learned beside exact at every learned level."""
    lines = ["| α | SER exact | WorstCase | stationary exact | linear policy | ESR exact | ESRQLearning |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for i, alpha in enumerate(LEARNED_LEVELS):
        ser, esr = learned["mixture"][i], learned["episodes"][i]
        lines.append(
            f"| {alpha:.1f} | {problem.mixture(alpha, p)[0]:.4f} | {_span(ser)} | {problem.stationary(alpha, p):.4f} | "
            f"{problem.linear(alpha, p):.4f} | {problem.episodes(alpha, p):.4f} | {_span(esr)} |"
        )
    return lines


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.4f}", f"{max(values):.4f}"
    return low if low == high else f"{low} to {high}"


def worst_table(problem: Problem, seeds: int, network_seeds: int) -> list[str]:
    """The worst objective by policy class and criterion: exact beside learned."""
    worst = WorstCase(scale=problem.spec.return_scale)
    weights = morl.solve(problem.env, policies="mixture").points  # the vertices: what linear weights can find
    p = (1 / 3, 1 / 3, 1 / 3)
    rows = [
        ("what a linear weight finds", "SER", float(worst(weights).max()), "MultiWeightQLearning", seeds),
        ("stationary deterministic", "SER", problem.stationary(0.0, p), "ExactPlanner", 1),
        ("mixture", "SER", problem.mixture(0.0, p)[0], "WorstCase", seeds),
        ("single episodes, on accrued reward", "ESR", problem.episodes(0.0, p), "ESRQLearning", seeds),
        ("single episodes, on accrued reward", "ESR", problem.episodes(0.0, p), "EUPG", network_seeds),
        ("single episodes, on accrued reward", "ESR", problem.episodes(0.0, p), "QuantileDQN", network_seeds),
    ]
    lines = ["| policy class | criterion | exact | agent | learned | seeds |", "|---|---|---|---|---|---|"]
    for label, criterion, exact, name, n in rows:
        if n:
            learned = [_worst(name, seed, worst) for seed in range(n)]
            lines.append(f"| {label} | {criterion} | {exact:.4f} | {name} | {_span(learned)} | {n} |")
    return lines


def _worst(name: str, seed: int, worst: WorstCase) -> float:
    options = {**tuned_options(name, ENV), **({"risk": "expectation"} if name == "QuantileDQN" else {})}
    agent = registry.get(name)(ENV, options, seed=seed).learn(200_000 if name == "MultiWeightQLearning" else STEPS)
    if agent.info.criterion == ("ESR",):
        return float(agent.expected_utility()[0])
    return float(worst(agent.front().points).max())


def draw(curves: dict[str, Any], path: Path) -> None:
    """Both dials, and where the optimal mixture puts the objectives on the second one."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from morl.pareto.plot_style import COLOURS, TRUTH_COLOUR, light_grid, style

    with style():
        figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.0), layout="constrained")
        for ax, (title, both) in zip(axes, curves.items(), strict=False):
            exact, learned = both["exact"], both["learned"]
            ax.plot(EXACT_LEVELS, exact["mixture"], color=COLOURS[0], lw=1.4, label="mixtures (SER)")
            ax.plot(EXACT_LEVELS, exact["stationary"], color=TRUTH_COLOUR, lw=1.1, ls="--", label="deterministic (SER)")
            ax.plot(EXACT_LEVELS, exact["episodes"], color=COLOURS[1], lw=1.4, label="single episodes (ESR)")
            ax.plot(EXACT_LEVELS, exact["linear"], color="#9a9a9a", lw=1.1, ls=":", label="policy of the mean")
            for key, colour, marker, size, name in (
                ("mixture", COLOURS[0], "o", 44, "WorstCase, learned"),
                ("episodes", COLOURS[1], "s", 13, "ESRQLearning, learned"),
            ):
                values = np.array(learned[key])
                levels = np.repeat(LEARNED_LEVELS, values.shape[1])
                look = {"facecolors": "white", "edgecolors": colour, "linewidths": 1.0, "s": size, "zorder": 4}
                ax.scatter(levels, values.ravel(), marker=marker, label=name, clip_on=False, **look)
            ax.set_title(title)
            ax.set_xlabel("worst objective  ←  α  →  weighted mean")
            light_grid(ax)
        axes[1].sharey(axes[0])
        axes[1].tick_params(labelleft=False)
        axes[0].set_ylabel("CVaR$_α$ across objectives")
        _draw_objectives(axes[2], list(curves.values())[1])
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=6, columnspacing=1.3, handletextpad=0.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200)
        plt.close(figure)


def _draw_objectives(ax: Any, both: dict[str, Any]) -> None:
    from morl.pareto.plot_style import COLOURS, light_grid

    exact, learned = np.array(both["exact"]["objectives"]), np.array(both["learned"]["objectives"])
    for i, (name, marker) in enumerate((("accuracy", "^"), ("money", "v"), ("interpretability", "P"))):
        colour = COLOURS[i + 2]
        ax.plot(EXACT_LEVELS, exact[:, i], color=colour, lw=1.4, drawstyle="steps-mid")
        levels = np.repeat(LEARNED_LEVELS, learned.shape[1])
        ax.scatter(
            levels, learned[:, :, i].ravel(), marker=marker, facecolors="white", edgecolors=colour, s=24,
            linewidths=1.0, zorder=4, clip_on=False, label=name,
        )  # fmt: skip
    ax.set_title("the objectives of its best mixture")
    ax.set_xlabel("worst objective  ←  α  →  weighted mean")
    ax.set_ylabel("expected return, scaled")
    ax.legend(loc="lower left", handletextpad=0.2)
    light_grid(ax)


def page(tables: dict[str, list[str]], worst: list[str], seeds: int) -> str:
    """The page of both tables and the picture."""
    lines = [
        "# Risk across objectives, learned beside exact",
        "",
        "Written by `python benchmarks/risk_across.py`. CVaR_α of the objectives, seen as a draw with importance p, on",
        "`morl/ScientificDiscovery-v0`: α → 0 is the worst objective, α = 1 the weighted mean, which is linear",
        f"scalarisation. Learned: {seeds} seeds, {STEPS:,} steps each, policies evaluated exactly on the model.",
        "",
        "![CVaR across objectives against α: exact curves and learned points](images/cvar_across.png)",
        "",
        "Lines are exact optima, hollow marks learned ones. With equal importance every level up to α ≈ ⅔ asks for the",
        "same mixture, the one that makes the three objectives equal; with accuracy first the dial moves in steps. ESR",
        "values are those of returns clipped to the return scale, which forgives what is spent beyond 12 k$, so at",
        "α = 1 they may end a hair above the SER ones.",
        "",
    ]
    for title, table in tables.items():
        lines += [f"## {title[0].upper()}{title[1:]}", "", *table, ""]
    return "\n".join([*lines, "## The worst objective by policy class", "", *worst, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--network-seeds", type=int, default=1, help="seeds of EUPG and QuantileDQN")
    parser.add_argument("--redraw", action="store_true", help="only draw the picture again from the last run's numbers")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    saved = FOLDER / "cvar_across.json"
    if given.redraw:
        draw(json.loads(saved.read_text()), FOLDER / "images" / "cvar_across.png")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    problem = Problem()
    curves, tables = {}, {}
    for title, p in IMPORTANCE.items():
        curves[title] = {"exact": exact_curves(problem, p), "learned": learned_points(p, given.seeds)}
        tables[title] = trace_table(problem, p, curves[title]["learned"])
        print(f"\n{title}\n\n" + "\n".join(tables[title]), flush=True)
    saved.write_text(as_json(curves) + "\n")
    draw(curves, FOLDER / "images" / "cvar_across.png")
    worst = worst_table(problem, given.seeds, given.network_seeds)
    print("\n" + "\n".join(worst))
    (FOLDER / "risk.md").write_text(page(tables, worst, given.seeds))


if __name__ == "__main__":
    main()
