"""Tasks never trained on: how should the description of a task enter a network? Regret against the exact optimum.

A family of finite problems, like dosing to a target: the level s in 0 … 8 is to be near a target 8 z₁, and every change
of the dose costs z₂. Rewards are −|s − 8 z₁| / 8 and −z₂ |a|, for a in {−1, 0, 1}; after it the level moves by a with
probability .8, and falls by one, never below 0, with probability z₃ / 2. γ = .9, start anywhere.

A network Q(s, a; w, z) is fitted to exact Bellman targets of some tasks under preferences from the whole simplex. Its
greedy policies are valued exactly on 40 tasks and 10 preferences never trained on (zero-shot). Then it is fitted for a
few more updates on one such task alone (few-shot, mean over five), as is a fresh network (from scratch). Regret is what
the best policy earns more, in per cent of what it earns more than the worst.

    python benchmarks/task_families.py [--seeds 0 1 2] [--only film] [--out tasks.jsonl]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import record

from morl.agents.core.preferences import sample_simplex
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.networks import VectorNet, of_actions
from morl.agents.neural.training import adam, follow, gradient_step, seeded, set_learning_rate, target_of

LEVELS, ACTIONS, DISCOUNT = 9, 3, 0.9
Array = np.ndarray[Any, Any]


def draw(n: int, rng: np.random.Generator) -> Array:
    """Descriptions z ``(n, 3)`` of tasks, each number in [0, 1]."""
    return rng.random((n, 3))


def models(tasks: Array) -> tuple[Array, Array]:
    """Chances ``(n, S, A, S)`` and rewards ``(n, S, A, 2)`` of tasks ``(n, 3)``."""
    n, level = len(tasks), np.arange(LEVELS)
    chances = np.zeros((n, LEVELS, ACTIONS, LEVELS))
    for a in range(ACTIONS):
        for moved, p in ((a - 1, 0.8), (0, 0.2)):
            for drift in (0, 1):
                chance = p * (0.5 * tasks[:, 2] if drift else 1 - 0.5 * tasks[:, 2])
                chances[:, level, a, np.clip(level + moved - drift, 0, LEVELS - 1)] += chance[:, None]
    near = -np.abs(level - 8 * tasks[:, :1]) / 8
    effort = -tasks[:, 1, None, None] * np.abs(np.arange(ACTIONS) - 1)[None, None]
    rewards = np.stack(np.broadcast_arrays(near[:, :, None], effort), axis=3)
    return chances, rewards


def optimum(chances: Array, rewards: Array, weights: Array) -> Array:
    """w·V* ``(n, m)`` of the best policies of n tasks for m weights, mean over starts; with −rewards, of the worst."""
    utility = np.einsum("nsak,mk->nmsa", rewards, weights)
    values = np.zeros(utility.shape[:3])
    for _ in range(400):
        values = (utility + DISCOUNT * np.einsum("nsat,nmt->nmsa", chances, values)).max(axis=3)
    return np.asarray(values.mean(axis=2))


class Fitted:
    """A network fitted to the Bellman targets of some tasks.

    Args:
        conditioning: how w and z enter the network.
        tasks: z ``(n, 3)`` of the tasks trained on.
        seed: of the network and of what is drawn.
    """

    def __init__(self, conditioning: str, tasks: Array, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        with seeded(seed):
            self.net = VectorNet(LEVELS + 3, 2, ACTIONS, (64, 64), conditioning=conditioning, task=3)
        self.target, self.optimizer = target_of(self.net), adam(self.net, 2e-3)
        self.take(tasks)

    def take(self, tasks: Array) -> Fitted:
        """Go on with these tasks."""
        self.tasks = torch.from_numpy(tasks).float()
        self.chances, self.rewards = (torch.from_numpy(part).float() for part in models(tasks))
        return self

    def learn(self, updates: int, step_size: float = 2e-3) -> Fitted:
        """Gradient steps on 16 tasks, each under a new weight, in all states and actions; the step size falls to 0."""
        for i in range(updates):
            set_learning_rate(self.optimizer, step_size * (1 - i / updates))
            which = torch.from_numpy(self.rng.integers(len(self.tasks), size=16))
            weights = torch.from_numpy(sample_simplex(16, 2, self.rng)).float()
            rows = inputs(self.tasks[which], weights)
            with torch.no_grad():
                best = (self.net.values(*rows) @ rows[1][:, :, None])[..., 0].argmax(dim=1)
                ahead = of_actions(self.target.values(*rows), best).view(16, LEVELS, 2)
                goal = self.rewards[which] + DISCOUNT * torch.einsum("nsat,ntk->nsak", self.chances[which], ahead)
            self.net.head.update(goal, [self.target.head])
            error = self.net(*rows).view(goal.shape) - self.net.head.normalise(goal)
            gradient_step(error.square().mean(), self.optimizer)
            follow(self.target, self.net, 0.02)
        return self

    def regret(self, tasks: Array, weights: Array) -> float:
        """Mean regret of the greedy policies for all tasks ``(n, 3)`` and weights ``(m, 2)``, in per cent."""
        chances, rewards = models(tasks)
        best, worst = optimum(chances, rewards, weights), -optimum(chances, -rewards, weights)
        n, m = len(tasks), len(weights)
        pairs = np.repeat(tasks, m, axis=0), np.tile(weights, (n, 1))
        rows = inputs(*(torch.from_numpy(part).float() for part in pairs))
        with torch.no_grad():
            actions = (self.net.values(*rows) @ rows[1][:, :, None])[..., 0].argmax(dim=1).view(n, m, LEVELS).numpy()
        which, level = np.arange(n)[:, None, None], np.arange(LEVELS)
        utility = (rewards[which, level, actions] * weights[None, :, None]).sum(axis=3)
        system = np.eye(LEVELS) - DISCOUNT * chances[which, level, actions]
        earned = np.linalg.solve(system, utility[..., None])[..., 0].mean(axis=2)
        return float(100 * ((best - earned) / (best - worst)).mean())


def inputs(tasks: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A row for every pair of task and weight ``(n, ...)`` and level: levels and z side by side, and weights."""
    rows = torch.cat([torch.eye(LEVELS).repeat(len(tasks), 1), tasks.repeat_interleave(LEVELS, dim=0)], dim=1)
    return rows, weights.repeat_interleave(LEVELS, dim=0)


def run(conditioning: str, n_tasks: int, seed: int, updates: int, few: int) -> dict[str, float]:
    """Zero-shot and few-shot regret of one network."""
    rng = np.random.default_rng([seed, 99])
    unseen, weights = draw(40, rng), sample_simplex(10, 2, rng)
    fitted = Fitted(conditioning, draw(n_tasks, np.random.default_rng(seed)), seed).learn(updates)
    found = {"trained on": fitted.regret(fitted.tasks.numpy().astype(float), weights)}
    found["zero-shot"] = fitted.regret(unseen, weights)
    start = {name: value.clone() for name, value in fitted.net.state_dict().items()}
    tuned, fresh = [], []
    for task in unseen[:5, None]:
        fitted.net.load_state_dict(start)
        fitted.target, fitted.optimizer = target_of(fitted.net), adam(fitted.net, 5e-4)
        tuned.append(fitted.take(task).learn(few, 5e-4).regret(task, weights))
        fresh.append(Fitted(conditioning, task, seed).learn(few).regret(task, weights))
    return {**found, "few-shot": float(np.mean(tuned)), "from scratch": float(np.mean(fresh))}


def main() -> None:
    """Run, and add a line for each network to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--only", nargs="*", default=CONDITIONING)
    parser.add_argument("--tasks", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for conditioning in given.only:
        for n_tasks in given.tasks:
            for seed in given.seeds:
                found = run(conditioning, n_tasks, seed, given.updates, given.few)
                rounded = {what: round(x, 3) for what, x in found.items()}
                record({"conditioning": conditioning, "tasks": n_tasks, "seed": seed, **rounded}, given.out)


if __name__ == "__main__":
    main()
