"""``morl solve``: the exact front of a finite environment or model file, or the best policy for a utility."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional, UseAppendAction

from morl.cli.console import emit_json, emit_points, emit_table, note, stage
from morl.cli.sources import Imports
from morl.spec import SpecError, as_returns, shown

if TYPE_CHECKING:
    from morl.momdp import MOMDP
    from morl.pareto import Front
    from morl.spec import MOSpec


@dataclass
class Solve:
    """Compute the exact Pareto front, or the best policy for a utility under constraints.

    Examples:
        morl solve morl/DeepSeaTreasureConcave-v0 --policies history --discount 0.99
        morl solve morl/ScientificDiscovery-v0 --utility worst --constraint "money>=-5"
        morl solve model.drn --epsilon 0.001 --json
        morl solve model.tra --minimise cost
    """

    model: Positional[str]
    """Environment id, or a model file: .npz, .drn, or .tra with its .lab and .srew, .trew or .rew files."""
    policies: Literal["mixture", "stationary", "markov", "history"] = "mixture"
    """Policy class: mixtures (= stochastic policies, the convex coverage set), or deterministic ones that are
    stationary, Markov (finite horizon) or history-dependent."""
    utility: str | None = None
    """Best policy for a utility: linear:W, chebyshev:W, worst, quantile:Q, cvar:ALPHA, threshold:T…"""
    criterion: Literal["ser", "esr"] = "ser"
    """With --utility: utility of the expected return (ser) or expected utility of the return (esr)."""
    risk: str | None = None
    """With --criterion esr: a risk measure of the utility, cvar:ALPHA or quantile:Q, instead of its expectation."""
    constraint: UseAppendAction[tuple[str, ...]] = ()
    """Lower or upper bound on an expected return, such as "cost>=-5"; give it as often as needed."""
    lexicographic: tuple[str, ...] = ()
    """Objectives in order of importance."""
    slack: float = 0.0
    """With --lexicographic: how much of each objective may be given up for the next."""
    discount: float | None = None
    """γ; the environment's own when not given."""
    horizon: int | None = None
    """Number of decisions (for --policies markov or history)."""
    minimise: UseAppendAction[tuple[str, ...]] = ()
    """Objective of a model file that is a cost, so that less of it is better; give it as often as needed."""
    epsilon: float | None = None
    """Additive error allowed in every objective."""
    time_limit: float | None = None
    """Seconds; what is known by then is returned with its certificate."""
    ref_point: tuple[float, ...] = ()
    """Reference point for the hypervolume."""
    json: bool = False
    """Print JSON."""
    csv: Path | None = None
    """Write the points to this CSV file."""
    out: Path | None = None
    """Write the front, with its certificate, to this JSON file."""
    plot: Path | None = None
    """Draw the front into this picture (png, pdf or svg)."""
    imports: Imports = ()

    def run(self) -> int:
        """Solve and print."""
        from morl.cli.model import load_model

        model, spec = load_model(self.model, self.discount, self.imports, self.minimise)
        if self.utility or self.lexicographic:
            return self._best(model, spec)
        if self.constraint:
            raise SpecError(f"--constraint {self.constraint[0]!r} needs --utility; expected e.g. --utility worst")
        return self._front(model, spec)

    def _front(self, model: MOMDP, spec: MOSpec | None) -> int:
        from morl.exact import solve

        with stage(f"solving {self.model} ({self.policies})") as watch:
            front = solve(
                model, policies=self.policies, epsilon=self.epsilon, time_limit=self.time_limit, horizon=self.horizon
            )
        seconds = watch.seconds
        if spec is not None:
            front = front.with_spec(spec)
        if self.ref_point:
            front = front.replace(ref_point=as_returns(self.ref_point, front.objectives))
        if front.supported is None:
            front = front.classified()
        name = self.model if Path(self.model).is_file() else self.model.rpartition(":")[2]  # of package:id the id
        front = front.replace(provenance={**front.provenance, "env": name, "seconds": round(seconds, 3)})
        self._files(front)
        if self.json:
            emit_json(front.to_dict())
            return 0
        emit_points(front, {"kind": front.kinds})
        note(_summary(front, seconds))
        return 0

    def _files(self, front: Front) -> None:
        for path in (self.csv, self.out):
            if path is not None:
                note(f"wrote {front.save(path)}")
        if self.plot is not None:
            from morl.cli.draw import save_plot

            note(f"wrote {save_plot(self.plot, front)}")

    def _best(self, model: MOMDP, spec: MOSpec | None) -> int:
        from morl.cli.best import solve_best

        with stage(f"solving {self.model}") as watch:
            found = solve_best(model, spec, self)
        found["value"] = shown(found["value"], model.objectives or ())
        seconds = watch.seconds
        names = [o.label for o in model.objectives or ()]
        if self.json:
            emit_json({**found, "seconds": seconds})
            return 0
        rows: list[tuple[str, Any]] = [(name, float(v)) for name, v in zip(names, found["value"], strict=True)]
        emit_table(("expected return", "value"), rows)
        facts = {key: value for key, value in found.items() if key not in ("value", "policy", "mixture")}
        emit_table(("", "value"), list(facts.items()))
        return 0


def _summary(front: Front, seconds: float) -> str:
    from morl.pareto.kinds import count_kinds

    parts = [f"{len(front)} points ({count_kinds(front.kinds)})"]
    if front.discount is not None:
        parts.append(f"γ = {front.discount:g}")
    if front.ref_point is not None:
        parts.append(f"hypervolume {front.hypervolume():.6g} from {shown(front.ref_point, front.objectives).tolist()}")
    if front.epsilon is not None:
        parts.append(f"{'complete' if front.complete else 'not complete'} within ε = {front.epsilon:.3g}")
    elif front.complete:
        parts.append("complete")
    return f"{front.provenance.get('policy_class', '')}: {', '.join(parts)}; {seconds:.2f} s"
