"""``morl solve``: the exact front of a finite environment or model file, or the best policy for a utility."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from morl.cli.arguments import Count, load_utility
from morl.cli.console import emit_json, emit_points, emit_table, note, stage
from morl.cli.sources import Imports
from morl.spec import MOSpec, SpecError, as_returns, shown

if TYPE_CHECKING:
    from morl.momdp import MOMDP
    from morl.pareto import Front
    from morl.solving import Loaded


@dataclass
class Solve:
    """Compute the exact Pareto front, or the best policy for a utility under constraints.

    Examples:
        morl solve morl/DeepSeaTreasureConcave-v0 --policies history --discount 0.99
        morl solve morl/ScientificDiscovery-v0 --utility worst --constraint "money>=-5"
        morl solve model.drn --epsilon 0.001 --json
        morl solve model.tra --minimise cost
    """

    model: Annotated[Positional[str], arg(metavar="ID|FILE")]
    """Environment id, or a model file: .npz, .drn, or .tra with its .lab and .srew, .trew or .rew files."""
    policies: Literal["mixture", "stationary", "markov", "history"] = "mixture"
    """Policy class: mixtures (= stochastic policies, the convex coverage set), or deterministic ones that are
    stationary, Markov (finite horizon) or history-dependent."""
    utility: str | None = None
    """Best policy for a utility: linear:W, chebyshev:W, worst, quantile:Q, cvar:ALPHA, threshold:T…, or a function of a
    return vector that never falls when an objective rises, module:function or file.py:function."""
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
    discount: Annotated[float | None, arg(aliases=["--gamma"])] = None
    """γ; the environment's own when not given."""
    horizon: Count | None = None
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
    """Save the plot to this file (png, pdf or svg)."""
    imports: Imports = ()

    def run(self) -> int:
        """Solve and print."""
        from morl.envs import import_package
        from morl.solving import load

        for package in self.imports:
            import_package(package)
        problem = load(self.model, self.discount, self.minimise)
        if self.utility or self.lexicographic:
            return self._best(problem)
        for option, given in (("constraint", self.constraint), ("risk", self.risk), ("criterion", self._per_episode)):
            if given:
                shown_value = given[0] if isinstance(given, tuple) else given
                raise SpecError(f"--{option} {shown_value!r} needs --utility; expected e.g. --utility worst")
        return self._front(problem)

    @property
    def _per_episode(self) -> str:
        return self.criterion if self.criterion != "ser" else ""

    def _front(self, problem: Loaded) -> int:
        from morl.solving import solve

        with stage(f"solving {self.model} ({self.policies})") as watch:
            front = problem.named(
                solve(problem.model, self.policies, None, self.epsilon, self.time_limit, self.horizon)
            )
        seconds = watch.seconds
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

    def _best(self, problem: Loaded) -> int:
        from morl.exact import Mixture

        model = problem.model
        with stage(f"solving {self.model}") as watch:
            best = problem.best(
                self._wanted(model),
                self.policies,
                self.constraint,
                self.criterion,
                self.risk,
                self.epsilon,
                self.time_limit,
                self.horizon,
            )
        self._files(best.front)
        found = {**best.facts, "value": shown(best.front.points[0], model.objectives or ())}
        mixture = best.front.policies[0] if best.front.policies else None
        if isinstance(mixture, Mixture):
            found["mixture"] = {"probabilities": mixture.probabilities, "policies": mixture.policies}
        if self.criterion == "ser":
            found["policy"] = best.policy
        seconds = watch.seconds
        names = [o.label for o in model.objectives or ()]
        if self.json:
            emit_json({**found, "seconds": seconds})
            return 0
        rows: list[tuple[str, Any]] = [(name, float(v)) for name, v in zip(names, found["value"], strict=True)]
        emit_table(("expected return", "value"), rows)
        emit_table(("", "value"), list(best.facts.items()))
        return 0

    def _wanted(self, model: MOMDP) -> Any:
        """The utility that was asked for: a text, a function or an order of the objectives."""
        from morl.utility import Lexicographic

        if not self.lexicographic:
            return load_utility(self.utility) or self.utility
        objectives = MOSpec(tuple(model.objectives or ()))
        order = [objectives.index(int(x) if x.isdigit() else x) for x in self.lexicographic]
        return Lexicographic(tuple(order), (self.slack,) * len(order))


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
