"""Commands: the return that a policy is told to reach, what is left of it, and which ones to explore with."""

from __future__ import annotations

import numpy as np

from morl.agents.core.episodes import ReturnArchive
from morl.spec import FloatArray, IntArray


def remaining(
    wanted: FloatArray, steps: FloatArray, accrued: FloatArray, time: IntArray, discount: float
) -> tuple[FloatArray, FloatArray]:
    """``(R − accrued) / γᵗ`` and the steps left: the recursion Rₜ₊₁ = (Rₜ − rₜ)/γ in closed form.

    Args:
        wanted: ``(n, K)`` discounted returns, from the beginning of the episode.
        steps: ``(n,)`` steps in which they are wanted.
        accrued: ``(n, K)`` discounted rewards so far.
        time: ``(n,)`` steps so far.
        discount: γ.
    """
    power = np.maximum(float(discount) ** time, 1e-12)[:, None] if discount > 0 else np.ones((len(time), 1))
    return (wanted - accrued) / power, np.maximum(steps - time, 1.0)


class CommandSampler:
    """What each of n environments is told to reach while exploring: a known best return, and a bit more.

    Args:
        archive: what is known.
        n: environments.
        noise: how much more, in standard deviations of the known returns.
        discount: γ.
        rng: draws the commands.
    """

    def __init__(self, archive: ReturnArchive, n: int, noise: float, discount: float, rng: np.random.Generator) -> None:
        self.archive, self.noise, self.discount, self.rng = archive, noise, discount, rng
        self.wanted, self.steps = np.zeros((n, archive.k)), np.ones(n)
        self.refresh()
        self.renew(np.arange(n))

    def refresh(self) -> None:
        """Learn what is known by now; once per round, because it costs more than a step."""
        self.returns, self.lengths = self.archive.best()

    def renew(self, rows: IntArray) -> None:
        """Draw commands for environments whose episode has ended."""
        returns, k = self.returns, self.archive.k
        if len(rows) == 0 or len(returns) == 0:
            return
        pick = self.rng.integers(len(returns), size=len(rows))
        spread = returns.std(axis=0) * self.noise
        more = np.zeros((len(rows), k))
        more[np.arange(len(rows)), self.rng.integers(k, size=len(rows))] = 1.0
        self.wanted[rows] = returns[pick] + more * self.rng.random((len(rows), 1)) * spread
        self.steps[rows] = self.lengths[pick]

    def remaining(self, accrued: FloatArray, time: IntArray) -> tuple[FloatArray, FloatArray]:
        """What is left to reach, and in how many steps."""
        return remaining(self.wanted, self.steps, accrued, time, self.discount)
