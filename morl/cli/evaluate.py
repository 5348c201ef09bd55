"""``morl eval``: evaluate the agent of a run with fresh episodes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.arguments import Count, load_utility, parse_preference
from morl.cli.console import emit_json, emit_points, emit_table, note
from morl.cli.sources import Imports, Trust


@dataclass
class Evaluate:
    """Evaluate a run's agent with fresh episodes (exactly, where the environment has a finite model).

    Every call draws a new seed and prints it. The result is a new file in the run's folder `evaluations`; the run's own
    front stays as it is.

    Examples:
        morl eval runs/PCN-minecart-s0 --episodes 200
        morl eval runs/Envelope-fruit-s0 --preference 0.7 0.3
        morl eval runs/Envelope-sea-s0 --preference treasure=0.7 time=0.3
    """

    folder: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder."""
    episodes: Count = 100
    """Episodes per policy."""
    preference: tuple[str, ...] = ()
    """Evaluate the policy for one preference only: weights on the simplex, of objectives on their return scale, in
    order (0.7 0.3) or by name (time=0.3 treasure=0.7)."""
    point: str | None = None
    """Evaluate the policy behind one point only: its identity (morl front shows them), or its first letters."""
    raw: bool = False
    """The preference weighs raw returns."""
    seed: int | None = None
    """Seed of the episodes, to repeat an evaluation; a fresh one by default."""
    utility: str | None = None
    """The function, module:function or file.py:function, where the run was trained on one."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Evaluate and print."""
        from morl.runs import RunFolder, evaluate
        from morl.spec import shown

        run = RunFolder.open(self.folder)
        preference = parse_preference(self.preference)
        function = load_utility(self.utility)
        front = evaluate(
            run,
            self.episodes,
            self.seed,
            preference=preference,
            point=self.point,
            raw=self.raw,
            utility=function,
            trust=self.trust,
            imports=self.imports,
        )
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
