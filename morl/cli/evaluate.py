"""``morl eval``: fresh episodes for the agent of a run."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional

from morl.cli.console import emit_json, emit_points, emit_table, note
from morl.cli.sources import Imports, Trust


@dataclass
class Evaluate:
    """Evaluate a run's agent with fresh episodes (exactly, where the environment has a finite model).

    Without --preference the whole front is measured and the run's front is replaced.

    Examples:
        morl eval runs/PCN-minecart-s0 --episodes 200
        morl eval runs/Envelope-fruit-s0 --preference 0.7 0.3
    """

    folder: Positional[str]
    """Run folder."""
    episodes: int = 100
    """Episodes per policy."""
    preference: tuple[float, ...] = ()
    """Evaluate the policy for one preference only."""
    seed: int | None = None
    """Seed of the episodes; a fresh one by default."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Evaluate and print."""
        from morl.runs import RunFolder, evaluate, load_agent
        from morl.spec import check_weights, shown

        run = RunFolder.open(self.folder)
        if not self.preference:
            front = evaluate(run, self.episodes, self.seed, trust=self.trust, imports=self.imports)
            if self.json:
                emit_json(front.to_dict())
                return 0
            emit_points(front)
            note(f"{len(front)} points; wrote {run.path / 'front.json'}")
            return 0
        agent = load_agent(run, trust=self.trust, imports=self.imports)
        preference = check_weights(self.preference, agent.k, "preference")
        result = agent.evaluate(preference, self.episodes, seed=self.seed)
        mean = shown(result.mean[0], agent.spec.objectives)
        error = result.covariance[0].diagonal() ** 0.5
        if self.json:
            emit_json(
                {
                    "preference": preference,
                    "mean": mean,
                    "standard_error": error,
                    "episodes": int(result.episodes[0]),
                    "discount": result.discount,
                }
            )
            return 0
        emit_table(
            ("objective", "mean return", "standard error"),
            [(o.label, float(m), float(e)) for o, m, e in zip(agent.spec.objectives, mean, error, strict=True)],
        )
        note("exact" if result.exact else f"{int(result.episodes[0])} episodes, γ = {result.discount:g}")
        return 0
