"""``morl demo``: solve and learn on two problems, and plot the learned fronts over the exact ones."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.cli.console import emit_table, note, stage
from morl.compile_time import Stopwatch, compiled_apart

if TYPE_CHECKING:
    from morl.pareto import Front
    from morl.utility import Utility

TREASURE, DISCOVERY = "morl/DeepSeaTreasureConcave-v0", "morl/ScientificDiscovery-v0"
DISCOUNT = {TREASURE: 0.99, DISCOVERY: 1.0}
REF_POINT = {TREASURE: (0.0, -25.0), DISCOVERY: None}  # published for the first; the second environment has its own

NETWORKS = "linear agent (PPO per weight)"
"""The agent that takes longest. It learns in a process of its own, beside the others."""

MOST_CLASSIFIED = 5000
"""Larger fronts are shown without telling supported and non-convex points apart, which would take half a minute."""

EXACT: dict[str, dict[str, dict[str, Any]]] = {
    TREASURE: {
        "exact front": {"policies": "history"},
        "vertices of the convex hull": {"policies": "mixture"},
    },
    DISCOVERY: {
        "exact front": {"policies": "stationary"},
        "vertices of the convex hull": {"policies": "mixture"},
        "best known, history-dependent": {"policies": "history", "epsilon": 0.05, "time_limit": 2.0},
    },
}
LEARNED: dict[str, dict[str, tuple[str, int, dict[str, Any]]]] = {
    TREASURE: {
        "linear agent": ("MultiWeightQLearning", 60_000, {}),
        "multi-policy agent": ("ParetoQLearning", 60_000, {}),
    },
    DISCOVERY: {
        NETWORKS: ("LinearScalarization", 75_000, {}),
        "linear agent (tabular)": ("MultiWeightQLearning", 200_000, {}),
        "multi-policy agent": ("ParetoQLearning", 100_000, {}),
    },
}


@dataclass
class Demo:
    """Solve two problems exactly, train a linear and a multi-policy agent on each, and compare all of it.

    The linear agent stops at the convex hull of the front, however long it learns; the multi-policy agent does not.
    Takes about a minute on two cores and writes its plots and fronts into a folder.
    """

    out: Path = Path("demo")
    """Folder for plots and fronts."""
    seed: int = 0
    """Random seed."""

    def run(self) -> int:
        """Solve, train, compare and plot."""
        from morl.agents.neural.processes import prepared_context
        from morl.engines.processes import end_with_parent

        self.out.mkdir(parents=True, exist_ok=True)
        watch = Stopwatch()
        with ProcessPoolExecutor(1, mp_context=prepared_context(), initializer=end_with_parent) as beside:
            note(f"{DISCOVERY}: {NETWORKS} learns in a process of its own meanwhile")
            networks = beside.submit(_learn, DISCOVERY, *LEARNED[DISCOVERY][NETWORKS], self.seed)
            treasure = self._problem(TREASURE, {})
            discovery = self._problem(DISCOVERY, {NETWORKS: networks})
        show(TREASURE, treasure, self.out / "deep-sea-treasure.png")
        show(DISCOVERY, discovery, self.out / "scientific-discovery.png")
        self._max_min(discovery)
        watch.stop()
        note(f"{watch.seconds:.0f} s in all{compiled_apart(watch.compiled)}; plots and fronts are in {self.out}/")
        return 0

    def _problem(self, env: str, begun: Mapping[str, Future[Front]]) -> dict[str, Front]:
        fronts = {name: _solve(env, name, **how) for name, how in EXACT[env].items()}
        exact = next(iter(fronts.values()))
        learned: dict[str, Front] = {}
        for name in sorted(LEARNED[env], key=lambda name: name in begun):
            front = _wait(env, name, begun[name]) if name in begun else None
            if front is None:
                note(f"{env}: {LEARNED[env][name][0]}")
                front = _learn(env, *LEARNED[env][name], self.seed, exact)
            learned[name] = front.classified().replace(ref_point=exact.ref_point)
        fronts |= {name: learned[name] for name in LEARNED[env]}
        for name, front in fronts.items():
            short = env.partition("/")[2].removesuffix("-v0").lower()
            front.save(self.out / f"{short}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json")
        return fronts

    def _max_min(self, fronts: dict[str, Front]) -> None:
        """The max–min objective that each class of policies reaches on ScientificDiscovery."""
        from morl.exact import expected_utility, maximise
        from morl.solving import load
        from morl.utility import WorstCase

        exact = fronts["exact front"]
        assert exact.scale is not None
        worst = WorstCase(scale=(tuple(exact.scale[0]), tuple(exact.scale[1])))
        model = load(DISCOVERY).model
        with stage(f"{DISCOVERY}: max–min objective by policy class"):
            mixed = maximise(model, worst)
            episode = expected_utility(model, worst, clip=worst.scale)
        hull = exact.points[exact.supported]
        rows: list[tuple[str, str, Any]] = [
            (f"{NETWORKS}, learned", "SER", _best(fronts[NETWORKS], worst)),
            ("linear agent (tabular), learned", "SER", _best(fronts["linear agent (tabular)"], worst)),
            ("best point any linear weight finds", "SER", worst(hull).max()),
            ("multi-policy agent (history-dependent), learned", "SER", _best(fronts["multi-policy agent"], worst)),
            ("best stationary deterministic policy", "SER", _best(exact, worst)),
            ("history-dependent deterministic, at least", "SER", _best(fronts["best known, history-dependent"], worst)),
            ("best stochastic policy", "SER", mixed.utility),
            ("best policy for the max–min objective of each episode", "ESR", episode.value),
        ]
        title = f"{DISCOVERY}: max–min of the three objectives, scaled to [0, 1]"
        emit_table(("policy class", "criterion", "max–min objective"), rows, title=title)


def _wait(env: str, name: str, begun: Future[Front]) -> Front | None:
    """What the other process learned; ``None`` where it died."""
    with stage(f"{env}: waiting for the {name}"):
        try:
            return begun.result()
        except BrokenProcessPool:
            return None


def _learn(
    env: str, algorithm: str, steps: int, options: dict[str, Any], seed: int, exact: Front | None = None
) -> Front:
    """Train an agent and measure its front; its progress is shown against the exact front where one is given."""
    from morl.agents import registry
    from morl.agents.core.callbacks import ProgressBar

    agent = registry.get(algorithm)(env, {**options, "discount": DISCOUNT[env]}, seed=seed)
    agent.learn(steps, callback=None if exact is None else ProgressBar(exact))
    if exact is not None and compiled_apart(agent.compile_seconds):
        note(f"{env}: {algorithm}{compiled_apart(agent.compile_seconds)}")
    return agent.front()


def _best(front: Front, utility: Utility) -> float:
    return float(utility(front.points).max())


def _solve(env: str, name: str, **how: Any) -> Front:
    from morl.solving import solve

    with stage(f"{env}: {name}") as watch:
        front = solve(env, discount=DISCOUNT[env], **how)
        if len(front) <= MOST_CLASSIFIED:
            front = front.classified()
    front = front.replace(provenance={**front.provenance, "seconds": watch.seconds, "steps": 0})
    return front if REF_POINT[env] is None else front.replace(ref_point=REF_POINT[env])


def show(env: str, fronts: dict[str, Front], plot: Path) -> None:
    """A table of fronts against the exact one, and a plot of the learned ones over it."""
    from morl.cli.draw import save_plot
    from morl.pareto.roles import has_share

    exact = fronts["exact front"]
    whole = exact.hypervolume()
    noisy = any("within noise" in front.kinds for front in fronts.values())
    shown_kinds = ("supported", "non-convex", "within noise")[: 3 if noisy else 2]
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, front in fronts.items():
            volume = front.hypervolume(exact.ref_point)
            counts = [front.kinds.count(kind) for kind in shown_kinds]
            rows.append(
                (
                    name,
                    front.provenance.get("policy_class", ""),
                    len(front),
                    *counts,
                    f"{volume:.6g}",
                    f"{volume / whole:.3f}" if has_share(front, exact) else "other policy class",
                    f"{front.provenance.get('steps', 0):,}",
                    f"{front.provenance.get('seconds', 0.0):.2f}",
                )
            )
    columns = (
        "front",
        "policy class",
        "points",
        *shown_kinds,
        "hypervolume",
        "of exact",
        "steps",
        "seconds",
    )
    emit_table(columns, rows, title=f"{env}, γ = {exact.discount:g}, reference point {exact.reference().tolist()}")
    learned = {name: front for name, front in fronts.items() if name in LEARNED[env]}
    note(f"wrote {save_plot(plot, learned, exact)}")
