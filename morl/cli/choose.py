"""``morl choose``: one point of a front, by constraints and a criterion, or by questions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from morl.cli.arguments import load_utility, parse_preference
from morl.cli.console import emit, emit_json, emit_points, measured, note
from morl.cli.sources import load_sources
from morl.spec import SpecError, shown

if TYPE_CHECKING:
    from morl.pareto import Choice, Front
    from morl.pareto.elicitation import Elicitation

_KEYS = {"1": "first", "2": "second", "=": "equal"}


@dataclass
class Choose:
    """Choose one point of a run's front or a front file: under constraints, for a criterion; or answer questions.

    Without a criterion all objectives weigh the same. Constraints are in the numbers that tables show.

    Examples:
        morl choose runs/PCN-minecart-s0 "fuel <= 5" --weights ore1=0.7 ore2=0.3
        morl choose front.json "service >= 0.95" "cost <= 120 EUR" --utility knee
        morl choose runs/Envelope-sea-s0 --aspiration treasure=20 time=-5
        morl choose runs/Envelope-sea-s0 --ask
    """

    source: Positional[str]
    """Run folder, zoo:NAME, or front file."""
    constraints: Positional[tuple[str, ...]] = ()
    """Bounds on expected returns, such as "cost <= 120 EUR"."""
    weights: tuple[str, ...] = ()
    """Weights on the simplex, of objectives on their return scale, in order (0.7 0.3) or by name (time=0.3
    treasure=0.7)."""
    raw: bool = False
    """The weights are of raw returns."""
    utility: str | None = None
    """knee, maximin, cvar:ALPHA, or any other utility of morl solve."""
    aspiration: tuple[str, ...] = ()
    """Levels wished for, by name or in order; the best of the front for objectives left out."""
    reservation: tuple[str, ...] = ()
    """Levels barely acceptable, by name or in order; the worst of the front for objectives left out."""
    order: tuple[str, ...] = ()
    """Objectives in order of importance."""
    slack: float = 0.0
    """With --order: how much of each objective may be given up for the next."""
    confidence: float | None = None
    """Chance with which all constraints must hold together, by the standard errors of sampled means."""
    mixture: Literal["auto", "never", "always"] = "auto"
    """Mixtures of points: where they are better, on fronts that were computed exactly (auto)."""
    ask: bool = False
    """Ask which of two points is preferred, until little can be lost."""
    epsilon: float = 0.01
    """With --ask: stop when at most this share of the scale can be lost."""
    top: int = 5
    """Points to show besides the best."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Choose and print."""
        ((_, source),) = load_sources([self.source]).items()
        front = source.front
        if not self.epsilon >= 0.0:  # NaN too
            raise SpecError(f"--epsilon is {self.epsilon}; expected a share of the scale, 0 or more")
        if self.ask:
            return self._ask(front)
        choice = front.choose(
            *self.constraints,
            utility=load_utility(self.utility) or self.utility,
            weights=parse_preference(self.weights, "--weights"),
            raw=self.raw,
            aspiration=parse_preference(self.aspiration, "--aspiration"),
            reservation=parse_preference(self.reservation, "--reservation"),
            order=list(self.order) or None,
            slack=self.slack,
            confidence=self.confidence,
            mixture={"auto": None, "never": False, "always": True}[self.mixture],
        )
        if self.json:
            emit_json(as_facts(choice))
            return 0
        emit("\n".join(choice.lines()))
        rows = choice.ranking()[: self.top + 1]
        if rows and self.top:
            _table(choice, rows)
        for id, share in choice.members:
            what = f" (in {share:.1%} of the episodes)" if share < 1 else ""
            note(f"watch it: morl play {shlex.quote(self.source)} --point {id}{what}")
        return 0

    def _ask(self, front: Front) -> int:
        from morl.pareto.elicitation import Elicitation

        if self.constraints:
            front = front.subset(front.choose(*self.constraints, mixture=False).feasible)
        talk = Elicitation(front, raw=self.raw)
        ended = _converse(talk, self.epsilon)
        found = talk.certificate()
        if self.json:
            facts = {"id": found.id, "loss": found.loss, "loss_beyond": found.loss_beyond, "answers": found.answers}
            emit_json({**facts, "slack": found.slack, "weights": dict(zip(front.names, found.weights, strict=True))})
            return 0
        emit_points(front.subset([found.index]), {"id": [found.id]})
        emit(str(found))
        if ended:
            note(ended)
        note(f"watch it: morl play {shlex.quote(self.source)} --point {found.id}")
        return 0


def _converse(talk: Elicitation, epsilon: float) -> str:
    """Ask until the bound is small enough; returns why it ended early, or nothing."""
    note("Which would you rather have? 1 or 2, = (about the same), u (take the last answer back), q (enough)")
    while talk.loss > epsilon:
        pair = talk.question()
        if pair is None:
            return "no further question would tell more"
        emit_points(talk.front.subset(pair), {"answer": ["1", "2"]})  # in the order of the front, as the pair is
        answer = _read(f"[at most {talk.loss:.3g} of the scale is lost so far] 1, 2, =, u or q: ")
        if answer == "q":
            return "ended before the bound was reached"
        if answer == "u":
            if talk.answers:
                talk.undo()
            continue
        before = talk.slack
        talk.answer(*pair, _KEYS[answer])
        if talk.slack > before:
            note(f"the answers contradict each other; each is trusted up to {talk.slack:.3g} of the scale")
    return ""


def _read(prompt: str) -> str:
    """One of the keys; q at the end of the input."""
    while True:
        try:
            typed = input(prompt).strip().lower()
        except EOFError:
            note("")
            return "q"
        if typed in (*_KEYS, "u", "q"):
            return typed
        note(f"{typed!r} is no answer; expected 1, 2, =, u or q")


def _table(choice: Choice, rows: list[int]) -> None:
    from morl.cli.console import emit_table
    from morl.pareto.intervals import standard_errors

    front = choice.front
    means, errors = shown(front.points, front.objectives), standard_errors(front)
    heads = ("id", *(o.label for o in front.objectives), "criterion", *(f"chance of {c}" for c in choice.constraints))
    cells = [
        (front.ids[i], *map(measured, means[i], errors[i]), float(choice.scores[i]), *map(float, choice.chances[i]))
        for i in rows
    ]
    emit_table(heads, cells)


def as_facts(choice: Choice) -> dict[str, Any]:
    """A choice as JSON-able facts."""
    names = choice.front.names
    number = None if choice.score != choice.score else choice.score
    return {
        "id": choice.id,
        "members": [{"id": id, "share": share} for id, share in choice.members],
        "point": dict(zip(names, choice.shown.tolist(), strict=True)),
        "criterion": choice.criterion,
        "score": number,
        "constraints": list(choice.constraints),
        "feasible": int(choice.feasible.sum()),
        "points": len(choice.front),
        "chances": None if choice.index is None else choice.chances[choice.index].tolist(),
        "given_up": dict(zip(names, choice.given_up.tolist(), strict=True)),
    }
