"""Asking instead of guessing: a preference from questions between two points, with a certificate of what is lost.

The person's utility is linear with unknown weights. Each answer cuts the set of weights that are possible; the next
question is the pair of points whose answer shrinks the worst regret most, whichever it is (minimax regret: Boutilier,
2009; Viappiani & Boutilier, 2009). Answers may contradict each other: then every answer is trusted up to the smallest
slack under which some weight fits all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from morl.pareto.convexity import supported_mask
from morl.pareto.criteria import spread
from morl.pareto.indicators import nondominated_mask
from morl.pareto.intervals import half_widths
from morl.pareto.polytope import Weights
from morl.spec import FloatArray, FrontError, IntArray, SpecError

if TYPE_CHECKING:
    from morl.pareto.front import Front

FIRST, SECOND, EQUAL = ANSWERS = ("first", "second", "equal")

CANDIDATES = 12
"""Points that questions are made of: those that are best for some possible weight, and the present recommendation."""


@dataclass(frozen=True)
class Answer:
    """What was said about two points."""

    first: int
    second: int
    said: str


@dataclass(frozen=True)
class Certificate:
    """At most this much is lost by taking one point, whatever the true weights are within the answers.

    Args:
        index: position of the recommended point.
        id: its identity.
        loss: bound on what any other point of the front could be better by, as a share of the scale.
        loss_beyond: the same against everything that is possible: the points' confidence intervals (95 %, all
            together) and the front's certified ε are added. ``None`` where the front certifies nothing.
        weights: ``(K,)`` centre of the possible weights.
        witness: position of the point that is better by ``loss``, for ``witness_weights`` ``(K,)``.
        answers: how many.
        slack: by how much each answer is mistrusted, as a share of the scale; above 0 where answers contradict.
    """

    index: int
    id: str
    loss: float
    loss_beyond: float | None
    weights: FloatArray
    witness: int
    witness_weights: FloatArray
    answers: int
    slack: float

    def __str__(self) -> str:
        within = "within what you said" if not self.slack else f"within what you said, give or take {self.slack:.3g}"
        text = f"{self.id}: whatever your true weights {within}, at most {round(self.loss, 8):.3g} of the scale is lost"
        more = self.loss_beyond
        return text if more is None or more <= self.loss + 1e-12 else f"{text} ({more:.3g} with noise and ε)"


class Elicitation:
    """Questions about a front, and what is known from the answers.

    Args:
        front: measured or exact; two points or more.
        raw: weights are of raw returns. Otherwise they are on the return scale, as everywhere, or on the range of the
            front's points where it has no scale; regrets are shares of that scale.
        slack: answers are only trusted up to this share of the scale.
        indifference: what "equal" means, as a share of the scale.

    Raises:
        FrontError: no points.

    >>> from morl.pareto import Front
    >>> front = Front([[0.0, 1.0], [0.7, 0.7], [1.0, 0.0]], ["a", "b"], scale=([0, 0], [1, 1]))
    >>> talk = Elicitation(front)
    >>> talk.question()
    (0, 2)
    >>> talk.answer(0, 2, "second"); talk.recommended, round(talk.loss, 3)
    (2, 0.2)
    """

    def __init__(self, front: Front, *, raw: bool = False, slack: float = 0.0, indifference: float = 0.02) -> None:
        if len(front) == 0:
            raise FrontError("the front has no points to ask about; expected at least one")
        for name, value in (("slack", slack), ("indifference", indifference)):
            if not 0.0 <= value < np.inf:
                raise SpecError(f"{name} is {value}; expected a share of the scale, 0 or more")
        self.front, self.trust, self.indifference = front, float(slack), float(indifference)
        low, self.width = spread(front, raw)
        self.values: FloatArray = (front.points - low) / self.width
        kept = np.flatnonzero(nondominated_mask(self.values))
        self.options: IntArray = kept
        self.rivals: IntArray = kept[supported_mask(self.values[kept])]
        self.answers: list[Answer] = []
        self.slack = self.trust
        self.possible = Weights(front.k)

    @property
    def vertices(self) -> FloatArray:
        """Vertices ``(v, K)`` of the set of possible weights."""
        return self.possible.vertices

    # ---- what is known ---------------------------------------------------------------------------------

    def regrets(self, vertices: FloatArray | None = None) -> FloatArray:
        """Worst regret of each option ``(len(options),)`` over weights that these vertices span."""
        corners = self.vertices if vertices is None else vertices
        best = (corners @ self.values[self.rivals].T).max(axis=1)
        return np.asarray((best[:, None] - corners @ self.values[self.options].T).max(axis=0))

    @property
    def recommended(self) -> int:
        """Position of the point with the smallest worst regret; of equal ones the best for the central weights."""
        regrets = self.regrets()
        ties = self.options[regrets <= regrets.min() + 1e-12]
        return int(ties[(self.values[ties] @ self.possible.centre).argmax()])

    @property
    def loss(self) -> float:
        """The smallest worst regret, as a share of the scale."""
        return max(float(self.regrets().min()), 0.0)

    # ---- asking ----------------------------------------------------------------------------------------

    def question(self) -> tuple[int, int] | None:
        """The two points to ask about next; ``None`` where no answer could tell more.

        Of all pairs of candidates that were not asked about, the one whose worse answer leaves the smaller worst
        regret; then the one whose answers leave less together.
        """
        asked = {frozenset((answer.first, answer.second)) for answer in self.answers}
        best: tuple[float, float] = (np.inf, np.inf)
        chosen: tuple[int, int] | None = None
        for i, j in combinations(self._candidates(), 2):
            step = self.values[i] - self.values[j]
            if frozenset((i, j)) in asked or not self.possible.is_split_by(step, self.slack):
                continue
            left = [float(self.regrets(side).min()) for side in self.possible.halves(step, self.slack)]
            rank = (round(max(left), 9), round(sum(left), 9))
            if rank < best:
                best, chosen = rank, (i, j)
        return chosen

    def _candidates(self) -> list[int]:
        """Points that are best somewhere among the possible weights, the most frequent first, and the recommended."""
        corners = self.vertices
        middles = (corners[:, None] + corners[None]).reshape(-1, corners.shape[1]) / 2.0
        probes = np.vstack([self.possible.centre[None], corners, middles])
        best = self.rivals[(probes @ self.values[self.rivals].T).argmax(axis=1)]
        found, counts = np.unique(best, return_counts=True)
        ordered = [self.recommended, *found[np.argsort(-counts, kind="stable")].tolist()]
        return sorted(dict.fromkeys(ordered[: CANDIDATES + 1]))

    def answer(self, first: int, second: int, said: str) -> None:
        """Take in which of two points is preferred: ``"first"``, ``"second"`` or ``"equal"``.

        Raises:
            SpecError: another word, or no two different points.
        """
        if said not in ANSWERS:
            raise SpecError(f"answer is {said!r}; expected one of {', '.join(ANSWERS)}")
        n = len(self.front)
        if not (0 <= first < n and 0 <= second < n and first != second):
            raise SpecError(f"answer is about points {first} and {second}; expected two of 0 to {n - 1}")
        self.answers.append(Answer(int(first), int(second), said))
        self._fit()

    def undo(self) -> None:
        """Take the last answer back.

        Raises:
            SpecError: there is none.
        """
        if not self.answers:
            raise SpecError("there is no answer to take back")
        self.answers.pop()
        self._fit()

    def _fit(self) -> None:
        """The weights that fit all answers, with the smallest slack that leaves any."""
        rows, tolerances = self._rows()
        self.slack = self.trust
        possible = Weights(self.front.k).cut(rows, np.maximum(tolerances, self.slack))
        if possible is None:
            least = Weights.smallest_slack(rows, tolerances)
            self.slack = max(self.trust, 1.05 * least + 1e-6)
            possible = Weights(self.front.k).cut(rows, np.maximum(tolerances, self.slack))
        assert possible is not None
        self.possible = possible

    def _rows(self) -> tuple[FloatArray, FloatArray]:
        """Answers as ``rows @ w >= -tolerances``."""
        rows, tolerances = [], []
        for answer in self.answers:
            step = self.values[answer.first] - self.values[answer.second]
            for sign, used in ((1.0, answer.said != SECOND), (-1.0, answer.said != FIRST)):
                if used:
                    rows.append(sign * step)
                    tolerances.append(self.indifference if answer.said == EQUAL else 0.0)
        return np.array(rows).reshape(-1, self.front.k), np.array(tolerances)

    # ---- the certificate -------------------------------------------------------------------------------

    def certificate(self) -> Certificate:
        """The recommendation, and a bound on its regret by one linear program for each rival."""
        chosen = self.recommended
        rows, tolerances = self._rows()
        limits = np.maximum(tolerances, self.slack)
        steps = self.values[self.rivals] - self.values[chosen]
        found = [Weights.most(step, rows, limits) for step in steps]
        worst = int(np.argmax([gain for gain, _ in found]))
        loss, weights = found[worst]
        return Certificate(
            chosen,
            self.front.ids[chosen],
            max(loss, 0.0),
            self._beyond(chosen, steps, rows, limits, loss),
            self.possible.centre,
            int(self.rivals[worst]),
            weights,
            len(self.answers),
            self.slack,
        )

    def _beyond(
        self, chosen: int, steps: FloatArray, rows: FloatArray, limits: FloatArray, loss: float
    ) -> float | None:
        """The bound with the points' intervals and the front's ε; ``None`` where neither is known."""
        noise = half_widths(self.front, 0.95, simultaneous=True) / self.width
        epsilon = 0.0 if self.front.epsilon is None else float(self.front.epsilon)
        if not noise.any() and self.front.epsilon is None:
            return loss if self.front.complete else None
        wider = steps + noise[self.rivals] + noise[chosen] + epsilon / self.width
        return max(max(Weights.most(step, rows, limits)[0] for step in wider), 0.0)
