"""Whom does an agent follow, the words or the voice? Plain training against marginal and conditional reversal.

Answer-only policy gradient on SpeakerCommand's first observation: a small network with a trunk, a head for the answer,
and, reversed (Ganin et al. 2016), an adversary that reads the speaker from the trunk. The *conditional* adversary also
sees the goal, recovered from (action, reward): the right answer is the action if it was rewarded, the other one if not.
At ρ = .95 the words themselves predict the voice through the goal, so that purging the voice without conditioning
purges the words.

A Bayesian who knows ρ = .95 and uses everything reaches .955 in training and .589 in the test (`bayes`); a plain agent
is somewhere between the voice alone (.500) and that, depending on how long it is trained.

    python benchmarks/study_speaker.py [--seeds 5] [--rho 0.95]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.special import ndtr
from torch import nn

from morl.agents.neural.adversary import Adversary
from morl.envs.science.speaker import STRENGTH, SpeakerDynamics

KINDS = ("plain", "marginal", "conditional")


def bayes(rho: float, test_rho: float) -> float:
    """Exact accuracy, at ``test_rho``, of the optimal answer for ρ when the voice is understood without error.

    The words have the log-odds 2·0.8416·y and the voice ±log(ρ / (1 − ρ)): y must exceed their ratio to overrule it.
    """
    edge = np.log(rho / (1.0 - rho)) / (2.0 * STRENGTH)
    return float(test_rho * ndtr(STRENGTH + edge) + (1.0 - test_rho) * ndtr(STRENGTH - edge))


def batch(dynamics: SpeakerDynamics, n: int, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Observations (content and code, 16 numbers), goals and speakers of n fresh episodes."""
    state = dynamics.initial(n, rng)
    x = np.concatenate([state["first"], state["code"]], axis=1)
    goal, speaker = (torch.as_tensor(state[key], dtype=torch.float32) for key in ("goal", "speaker"))
    return torch.as_tensor(x, dtype=torch.float32), goal, speaker


def train(
    kind: str, seed: int = 0, rho: float = 0.95, steps: int = 1500, size: int = 256, strength: float = 6.0
) -> dict[str, float]:
    """Accuracy of one agent on speakers as in training, uninformative (ρ = ½) and reversed (1 − ρ)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    world = SpeakerDynamics(rho=rho)
    trunk = nn.Sequential(nn.Linear(16, 32), nn.Tanh())
    head = nn.Linear(32, 1)
    adversary = Adversary(32, condition=2 if kind == "conditional" else 0)
    agent = torch.optim.Adam([*trunk.parameters(), *head.parameters()], 1e-3)
    rival = torch.optim.Adam(adversary.parameters(), 3e-3)
    for step in range(steps):
        x, goal, speaker = batch(world, size, rng)
        hidden = trunk(x)
        logit = head(hidden)[:, 0]
        action = torch.bernoulli(torch.sigmoid(logit.detach()))
        reward = (action == goal).float()
        recovered = torch.where(reward > 0, action, 1.0 - action)
        advantage = 2.0 * reward - 1.0 - (2.0 * reward - 1.0).mean()
        total = -(advantage * -nn.functional.softplus((1.0 - 2.0 * action) * logit)).mean()  # log π(action)
        if kind != "plain":
            shown = nn.functional.one_hot(recovered.long(), 2).float() if kind == "conditional" else None
            warm = strength * min(1.0, step / (steps / 4))
            total = total + adversary.loss(hidden, speaker.long(), shown, warm)
        agent.zero_grad()
        rival.zero_grad()
        total.backward()
        agent.step()
        rival.step()
    result = {}
    for name, test_rho in (("train", rho), ("test", 0.5), ("reversed", 1.0 - rho)):
        x, goal, _ = batch(SpeakerDynamics(rho=test_rho), 20_000, np.random.default_rng([seed, 1]))
        with torch.no_grad():
            result[name] = float(((head(trunk(x))[:, 0] > 0).float() == goal).float().mean())
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rho", type=float, default=0.95)
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = [bayes(args.rho, r) for r in (args.rho, 0.5, 1.0 - args.rho)]
    print(f"| rho={args.rho:g}, {args.seeds} seeds | train | test (.5) | reversed |\n|---|---|---|---|")
    for kind in KINDS:
        rows = [train(kind, seed, args.rho) for seed in range(args.seeds)]
        cells = []
        for column in ("train", "test", "reversed"):
            values = np.array([row[column] for row in rows])
            cells.append(f"{values.mean():.3f} ± {values.std(ddof=1) if len(values) > 1 else 0:.3f}")
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    print("| Bayes, knowing rho (exact) | " + " | ".join(f"{v:.3f}" for v in known) + " |")


if __name__ == "__main__":
    main()
