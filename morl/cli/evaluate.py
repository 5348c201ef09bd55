"""``morl eval``: evaluate the agent of a run with fresh episodes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from morl.cli.arguments import Count
from morl.cli.console import emit_json, emit_points, emit_table, note
from morl.cli.opening import Opening, PointArguments


@dataclass
class Evaluate(Opening, PointArguments):
    """Evaluate a run's agent with fresh episodes (exactly, where the environment has a finite model): all of its
    policies, or one.

    Every call draws a new seed and prints it. The result is a new file in the run's folder `evaluations`; the run's own
    front stays as it is.

    Examples:
        morl eval runs/PCN-minecart-s0 --episodes 200
        morl eval runs/Envelope-fruit-s0 --preference 0.7 0.3
        morl eval runs/Envelope-sea-s0 --preference treasure=0.7 time=0.3
    """

    folder: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder, or zoo:NAME."""
    episodes: Count = 100
    """Episodes per policy."""
    seed: int | None = None
    """Seed of the episodes, to repeat an evaluation; a fresh one by default."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Evaluate and print."""
        from morl.runs import RunFolder, evaluate
        from morl.spec import shown

        run = RunFolder.open(self.folder)
        preference = self.weights()
        which: dict[str, Any] = {"preference": preference, "point": self.point, "raw": self.raw, **self.opening()}
        front = evaluate(run, self.episodes, self.seed, **which)
        exact = front.episodes is None or not front.episodes.any()
        seed, written = front.provenance["eval_seed"], front.provenance.get("file")  # none for runs of the zoo
        file = None if written is None else str(run.path / written)
        if preference is None and self.point is None:
            if self.json:
                emit_json(front.to_dict())
            else:
                emit_points(front, {"id": front.ids})
        else:
            assert front.covariance is not None
            mean, error = shown(front.points[0], front.objectives), front.covariance[0].diagonal() ** 0.5
            if self.json:
                emit_json(
                    {
                        "id": front.ids[0],
                        "preference": preference,
                        "mean": mean,
                        "standard_error": error,
                        "episodes": 0 if exact or front.episodes is None else int(front.episodes[0]),
                        "discount": front.discount,
                        "seed": seed,
                        "file": file,
                    }
                )
            else:
                rows = [(o.label, float(m), float(e)) for o, m, e in zip(front.objectives, mean, error, strict=True)]
                emit_table(("objective", "mean return", "standard error"), rows)
        counts = [] if front.episodes is None else front.episodes.tolist()
        how = "exact" if exact else f"{max(counts)} fresh episodes a policy, seed {seed} (repeat with --seed {seed})"
        wrote = "" if file is None else f"; wrote {shlex.quote(file)}"
        note(f"{len(front)} point{'s' * (len(front) != 1)}, γ = {front.discount:g}; {how}{wrote}")
        return 0
