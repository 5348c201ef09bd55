"""Three objectives share a trunk and one is a hundred times larger: who learns what, and what a step costs.

Regression of three functions of eight inputs by a shared trunk with one linear head each; the targets of the second
objective are multiplied by 100. Reported is the root mean square error of each objective in units of its own standard
deviation, on fresh inputs, and the milliseconds of an update. ``popart`` normalises the targets of each objective (what
every agent does by default); the other rows leave them as they are and balance gradients instead, or do both.

    python benchmarks/balance.py [--seeds 5] [--updates 2000] [--out docs/methods/balance.json]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from records import as_json

from morl.agents.neural.balance import BALANCES, Balance
from morl.agents.neural.networks import PopArt, Trunk
from morl.agents.neural.training import adam

SCALE = torch.tensor([1.0, 100.0, 1.0])


def functions(x: torch.Tensor) -> torch.Tensor:
    """Three targets ``(n, 3)`` with features in common; the third wants what the first does not."""
    a, b = torch.sin(2 * x[:, 0]) * x[:, 1], torch.tanh(2 * x[:, 2] - x[:, 3])
    c = torch.cos(1.5 * (x[:, 4] + x[:, 5]))
    return torch.stack([a + b, 0.5 * a - c + x[:, 6], -a + 0.3 * c * x[:, 7]], dim=1)


def run(kind: str, popart: bool, seed: int, updates: int) -> tuple[list[float], float]:
    """Errors ``(3,)`` in standard deviations, and milliseconds per update."""
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    trunk = Trunk(8, (64, 64))
    head = PopArt(64, 3, beta=0.01)
    optimizer = adam([*trunk.parameters(), *head.parameters()], 1e-3)
    balance = Balance(kind, 3, [1.0, 1e-4, 1.0] if kind == "weights" else None)
    shared = list(trunk.parameters())
    begin = time.perf_counter()
    for _ in range(updates):
        x = torch.randn(64, 8, generator=rng)
        goal = functions(x) * SCALE
        if popart:
            head.update(goal)
        losses = (head(trunk(x))[:, 0] - head.normalise(goal)).square().mean(dim=0)
        balance.step(losses, optimizer, shared)
    spent = time.perf_counter() - begin
    x = torch.randn(4000, 8, generator=rng)
    goal = functions(x) * SCALE
    with torch.no_grad():
        error = (head.denormalise(head(trunk(x))[:, 0]) - goal).square().mean(dim=0).sqrt() / goal.std(dim=0)
    return error.tolist(), spent / updates * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for popart in (False, True):
        for kind in given.only or BALANCES:
            if popart and kind == "weights":
                continue  # the weights undo the factor of 100 once
            results = [run(kind, popart, seed, given.updates) for seed in range(given.seeds)]
            errors = np.array([errors for errors, _ in results])
            name = {(True, "none"): "popart", (False, "none"): "plain sum"}.get((popart, kind), kind)
            name = f"popart + {kind}" if popart and kind != "none" else name
            cost = float(np.median([ms for _, ms in results]))
            half = 1.96 * errors.std(axis=0, ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else np.zeros(3)
            rows.append({"name": name, "rmse": errors.mean(axis=0).round(3).tolist(), "half": half.round(3).tolist(),
                         "ms": round(cost, 2)})  # fmt: skip
            cells = "  ".join(f"{e:.2f} ± {h:.2f}" for e, h in zip(errors.mean(axis=0), half, strict=True))
            print(f"| {name:22} | {cells} | {cost:.2f} ms |", flush=True)
    if given.out:
        given.out.write_text(as_json({"seeds": given.seeds, "updates": given.updates, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
