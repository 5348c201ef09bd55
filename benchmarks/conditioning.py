"""How a preference should enter a network: exact regret on preferences never trained on, and the cost of an update.

    python benchmarks/conditioning.py                # 3 seeds: three ways, 6, 15 and 45 training weights, and all
    python benchmarks/conditioning.py --seeds 0 --updates 500
    python benchmarks/conditioning.py --cost         # microseconds of an update

Scientific Discovery (nine states, four actions, three objectives) is known, so a network Q(s, a, w) is fitted to exact
Bellman targets of the weights trained on, r + γ Σ_s' P(s'|s, a) Q(s', argmax_a' w·Q, w), and its greedy policies for
300 other weights are valued exactly. Regret is what the best policy for a weight earns more, where each objective is
divided by the width of its return scale. ``all`` draws new weights over the whole simplex for every update.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from functools import cache
from typing import Any

import numpy as np
import torch

import morl
from morl.agents.core.preferences import sample_simplex, simplex_grid
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.networks import VectorNet, of_actions
from morl.agents.neural.training import adam, follow, gradient_step, seeded, set_learning_rate, target_of
from morl.exact.bellman import evaluate_batch

ENV = "morl/ScientificDiscovery-v0"
UNSEEN = 300


class Fitted:
    """A network fitted to the exact Bellman targets of some weights.

    Args:
        conditioning: how the weight enters the network.
        training: weights ``(m, K)``, or ``None`` for new ones in every update.
        seed: of the network and of the weights drawn.
    """

    def __init__(self, conditioning: str, training: np.ndarray[Any, Any] | None, seed: int) -> None:
        env: Any = morl.make(ENV).unwrapped
        self.model, spec = env.momdp(1.0), env.mo_spec
        low, high = (np.array(x) for x in spec.return_scale)
        self.span, self.training, self.rng = high - low, training, np.random.default_rng(seed)
        self.states = np.flatnonzero(~self.model.terminal)
        rows = [self.model.rows(np.full(self.model.n_states, a)) for a in range(4)]
        place = np.zeros(self.model.n_states, dtype=np.int64)
        place[self.states] = np.arange(len(self.states))
        chances = self.model.transitions.toarray()
        picked = np.stack([r[self.states] for r in rows], axis=1)  # (S, A) row of each state and action
        self.next = torch.from_numpy(chances[picked][:, :, self.states]).float()  # (S, A, S)
        self.reward = torch.from_numpy(self.model.rewards[picked] / self.span).float()  # (S, A, K), normalised
        with seeded(seed):
            self.net = VectorNet(len(self.states), 3, 4, (64, 64), conditioning=conditioning)
        self.target, self.optimizer = target_of(self.net), adam(self.net, 2e-3)

    def inputs(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One row for each weight ``(m, K)`` and state, ``(m S, ...)``."""
        n = len(self.states)
        return torch.eye(n).repeat(len(weights), 1), weights.repeat_interleave(n, dim=0)

    def update(self) -> None:
        """One gradient step over all states and actions."""
        weights = sample_simplex(32, 3, self.rng) if self.training is None else self.training
        w = torch.from_numpy(weights).float()
        rows, m, n = self.inputs(w), len(w), len(self.states)
        with torch.no_grad():
            best = (self.net.values(*rows) @ rows[1][:, :, None])[:, :, 0].argmax(dim=1)
            ahead = of_actions(self.target.values(*rows), best).view(m, n, 3)
            goal = self.reward + torch.einsum("sat,mtk->msak", self.next, ahead)
        self.net.head.update(goal, [self.target.head])
        error = self.net(*rows).view(m, n, 4, 3) - self.net.head.normalise(goal)
        gradient_step(error.square().mean(), self.optimizer)
        follow(self.target, self.net, 0.02)

    def learn(self, updates: int) -> Fitted:
        """Many of them, the step size falling to nothing."""
        for i in range(updates):
            set_learning_rate(self.optimizer, 2e-3 * (1 - i / updates))
            self.update()
        return self

    def regret(self, weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the greedy policies for weights ``(m, K)`` lose, ``(m,)``."""
        w = torch.from_numpy(weights).float()
        rows = self.inputs(w)
        with torch.no_grad():
            actions = (self.net.values(*rows) @ rows[1][:, :, None])[:, :, 0].argmax(dim=1).view(len(w), -1)
        policies = np.zeros((len(w), self.model.n_states), dtype=np.int64)
        policies[:, self.states] = actions.numpy()
        values = evaluate_batch(self.model, policies) / self.span
        best = (weights @ (exact_points() / self.span).T).max(axis=1)
        return np.asarray(best - (weights * values).sum(axis=1))


@cache
def exact_points() -> np.ndarray[Any, Any]:
    """Vertices of the exact convex coverage set, ``(m, K)``."""
    return morl.solve(ENV).points


def compare(seeds: list[int], updates: int) -> None:
    """Print mean and largest regret by way and number of training weights."""
    unseen = sample_simplex(UNSEEN, 3, np.random.default_rng(12345))
    print(f"mean (largest) regret on {UNSEEN} unseen weights, {len(seeds)} seeds, {updates} updates")
    print(f"{'':14s}" + "".join(f"{n:>18s}" for n in ("6 weights", "15 weights", "45 weights", "all")))
    for conditioning in CONDITIONING:
        cells = []
        for training in (simplex_grid(3, 6), simplex_grid(3, 15), simplex_grid(3, 45), None):
            found = np.array([Fitted(conditioning, training, seed).learn(updates).regret(unseen) for seed in seeds])
            cells.append(f"{found.mean():.4f} ({found.max():.3f})")
        print(f"{conditioning:14s}" + "".join(f"{cell:>18s}" for cell in cells), flush=True)


def cost(rounds: int = 200) -> None:
    """Print the time of an update of 15 weights × 9 states, by way, and how many parameters there are."""
    learners = {how: Fitted(how, simplex_grid(3, 15), 0) for how in CONDITIONING}
    times: dict[str, list[float]] = {how: [] for how in learners}
    for i in range(rounds):
        for how, learner in learners.items():  # in turn, so that other load falls on all
            began = time.perf_counter()
            learner.update()
            if i >= rounds // 10:
                times[how].append(time.perf_counter() - began)
    plain = statistics.median(times["concat"])
    for how, learner in learners.items():
        median, size = statistics.median(times[how]), sum(p.numel() for p in learner.net.parameters())
        print(f"{how:14s} {1e6 * median:7.0f} µs  {median / plain:.2f} ×   {size:>7,} parameters")


def main() -> None:
    """Compare, or time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--cost", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"load of the machine {os.getloadavg()[0]:.1f}")
    if given.cost:
        cost()
    else:
        compare(given.seeds, given.updates)


if __name__ == "__main__":
    main()
