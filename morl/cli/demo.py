"""``morl demo``: the whole path on two problems, environment to picture, with the truth beside what was learned."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.cli.console import emit_table, note, stage

if TYPE_CHECKING:
    from morl.pareto import Front

SEA, LAB = "morl/DeepSeaTreasureConcave-v0", "morl/ScientificDiscovery-v0"


@dataclass
class Demo:
    """Solve two problems exactly, train a linear and a multi-policy agent on each, and compare all of it.

    The linear agent stops at the convex hull of the front, however long it learns; the multi-policy agent does not.
    Takes about a minute on two cores and writes its pictures and fronts into a folder.
    """

    out: Path = Path("demo")
    """Folder for pictures and fronts."""
    seed: int = 0
    """Root of all random numbers."""

    def run(self) -> int:
        """Do all of it."""
        self.out.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        sea = self._problem(
            SEA,
            0.99,
            "history",
            {"linear agent": ("LinearScalarization", 60_000), "multi-policy agent": ("ParetoQLearning", 60_000)},
        )
        lab = self._problem(
            LAB,
            1.0,
            "stationary",
            {"linear agent": ("LinearScalarization", 150_000), "multi-policy agent": ("ParetoEvolution", 1_000_000)},
        )
        show(SEA, sea, self.out / "deep-sea-treasure.png")
        show(LAB, lab, self.out / "scientific-discovery.png")
        self._worst(lab)
        note(f"{time.perf_counter() - began:.0f} s in all; pictures and fronts are in {self.out}/")
        return 0

    def _problem(
        self, env: str, discount: float, policies: str, agents: dict[str, tuple[str, int]]
    ) -> dict[str, Front]:
        from morl.exact import solve

        fronts: dict[str, Front] = {}
        for name, kind in (("exact front", policies), ("exact convex hull", "mixture")):
            with stage(f"{env}: {name}"):
                began = time.perf_counter()
                front = solve(env, policies=kind, discount=discount).classified()
                seconds = time.perf_counter() - began
            fronts[name] = front.replace(provenance={**front.provenance, "seconds": seconds, "steps": 0})
        for name, (algorithm, steps) in agents.items():
            fronts[name] = self._train(env, algorithm, steps, discount)
        for name, front in fronts.items():
            short = env.partition("/")[2].removesuffix("-v0").lower()
            front.save(self.out / f"{short}-{name.replace(' ', '-')}.json")
        return fronts

    def _train(self, env: str, algorithm: str, steps: int, discount: float) -> Front:
        from morl.agents import registry
        from morl.agents.config import tuned_options

        agent_class = registry.get(algorithm)
        options = {**tuned_options(algorithm, env), "discount": discount}
        agent = agent_class(env, options, seed=self.seed)
        agent.learn(steps, progress_bar=True)
        return agent.front().classified()

    def _worst(self, fronts: dict[str, Front]) -> None:
        """The best worst objective that each class of policies reaches on ScientificDiscovery."""
        from morl.exact import expected_utility, maximise
        from morl.exact.dispatch import as_momdp
        from morl.utility import WorstCase

        truth = fronts["exact front"]
        assert truth.scale is not None
        worst = WorstCase(scale=(tuple(truth.scale[0]), tuple(truth.scale[1])))
        model = as_momdp(LAB)[0]
        with stage(f"{LAB}: worst objective by policy class"):
            mixed = maximise(model, worst)
            episode = expected_utility(model, worst, clip=worst.scale)
        hull = truth.points[truth.supported]
        rows: list[tuple[str, str, Any]] = [
            ("linear agent, learned", "SER", worst(fronts["linear agent"].points).max()),
            ("best point any linear weight finds", "SER", worst(hull).max()),
            ("multi-policy agent, learned", "SER", worst(fronts["multi-policy agent"].points).max()),
            ("best stationary deterministic policy", "SER", worst(truth.points).max()),
            ("best stochastic policy", "SER", mixed.utility),
            ("best policy for the worst objective of each episode", "ESR", episode.value),
        ]
        title = f"{LAB}: worst of the three objectives, scaled to [0, 1]"
        emit_table(("policy class", "criterion", "worst objective"), rows, title=title)


def show(env: str, fronts: dict[str, Front], picture: Path) -> None:
    """A table of fronts against the first of them, and one picture of all."""
    from morl.cli.draw import save_plot

    truth = fronts["exact front"]
    whole = truth.hypervolume()
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, front in fronts.items():
            volume = front.hypervolume(truth.ref_point)
            kinds = [] if front.supported is None else front.supported.tolist()
            rows.append(
                (
                    name,
                    front.provenance.get("policy_class", ""),
                    len(front),
                    sum(kinds),
                    len(kinds) - sum(kinds),
                    f"{volume:.6g}",
                    f"{volume / whole:.3f}",
                    f"{front.provenance.get('steps', 0):,}",
                    f"{front.provenance.get('seconds', 0.0):.2f}",
                )
            )
    columns = (
        "front",
        "policy class",
        "points",
        "supported",
        "non-convex",
        "hypervolume",
        "of exact",
        "steps",
        "seconds",
    )
    emit_table(columns, rows, title=f"{env}, γ = {truth.discount:g}, reference point {truth.reference().tolist()}")
    learned = {name: front for name, front in fronts.items() if name.endswith("agent")}
    note(f"wrote {save_plot(picture, learned, truth)}")
