"""Questions that a decision needs: minimax-regret questions against random pairs, by simulated people.

    python benchmarks/elicitation.py --people 1000

Each person has weights that nobody knows, drawn evenly from the simplex, and a front of their own. Questions stop when
the certificate says that at most `--epsilon` of the scale can be lost, or after `--most` questions. "Erring" people
answer by their utility plus noise of at most 0.02 of the scale, and say so (slack 0.02). Printed: questions, and in
how many cases the true regret was within the bound that was certified.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from morl.pareto import Front
from morl.pareto.elicitation import Elicitation
from morl.spec import FloatArray

Asker = Callable[[Elicitation, np.random.Generator], tuple[int, int] | None]


@dataclass(frozen=True)
class Talk:
    """What came out of asking one person."""

    questions: int
    bound: float
    regret: float


def random_front(k: int, n: int, rng: np.random.Generator, bent: bool = True) -> Front:
    """Points near a bent (supported points mostly) or hollow (unsupported ones mostly) surface in the unit cube."""
    shares = rng.dirichlet(np.ones(k), size=n)
    points = np.sqrt(shares) if bent else shares**2
    points = points * (1.0 - 0.1 * rng.random((n, 1)))
    return Front(points, [f"o{i}" for i in range(k)], scale=(np.zeros(k), np.ones(k)))


def shrinking(talk: Elicitation, rng: np.random.Generator) -> tuple[int, int] | None:
    """The question of the module."""
    return talk.question()


def at_random(talk: Elicitation, rng: np.random.Generator) -> tuple[int, int] | None:
    """Two different points of the front, whatever is known."""
    i, j = rng.choice(talk.options, 2, replace=False)
    return int(i), int(j)


def converse(
    front: Front,
    weights: FloatArray,
    ask: Asker,
    rng: np.random.Generator,
    epsilon: float = 0.02,
    noise: float = 0.0,
    most: int = 200,
) -> Talk:
    """Ask one person until the certificate is good enough."""
    talk = Elicitation(front, slack=noise)
    while talk.loss > epsilon and len(talk.answers) < most:
        pair = ask(talk, rng)
        if pair is None:
            break
        i, j = pair
        gap = float((talk.values[i] - talk.values[j]) @ weights) + rng.uniform(-noise, noise)
        talk.answer(i, j, "first" if gap >= 0 else "second")
    found = talk.certificate()
    utilities = talk.values @ weights
    return Talk(len(talk.answers), found.loss, float(utilities.max() - utilities[found.index]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--epsilon", type=float, default=0.02)
    parser.add_argument("--most", type=int, default=60, help="questions at most")
    options = parser.parse_args()
    print(f"{options.people} people a row, {options.points} points a front, bound wanted {options.epsilon:g}")
    print("K  answers   questions by  median  mean  most  within the bound  worst regret  seconds")
    for k in (2, 3, 4):
        for noise in (0.0, 0.02):
            for name, ask in (("regret", shrinking), ("random", at_random)):
                if noise and ask is at_random:
                    continue
                begun, talks = time.perf_counter(), []
                for person in range(options.people):
                    rng = np.random.default_rng([k, person])
                    front = random_front(k, options.points, rng, bent=person % 2 == 0)
                    wish = rng.dirichlet(np.ones(k))
                    talks.append(converse(front, wish, ask, rng, options.epsilon + 2 * noise, noise, options.most))
                asked = [talk.questions for talk in talks]
                within = sum(talk.regret <= talk.bound + 1e-9 for talk in talks)
                print(
                    f"{k}  {'erring' if noise else 'exact':8}  {name:12}  {np.median(asked):6g} {np.mean(asked):5.2f} "
                    f"{max(asked):5d}  {within:6d} of {len(talks):6d}  {max(t.regret for t in talks):12.4f} "
                    f"{time.perf_counter() - begun:8.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
