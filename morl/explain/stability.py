"""How far one transition reaches: what changes in every objective's model when a sample of one objective is dropped.

Coupled models share what they learn; then a sample of one objective moves the models of all others too. Uniform
stability (Bousquet & Elisseeff 2002, "Stability and generalization") asks how far a model moves when one sample goes;
here it is asked for each objective, own and other, against the strength γ of the coupling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from morl.agents.tables.coupled import pairwise
from morl.spec import FloatArray, SpecError


@dataclass(frozen=True)
class Stability:
    """Changes of the models, for every strength of the coupling.

    Args:
        coupling: γ ``(G,)``.
        own: ``(G,)`` ‖Δθ_r‖ of the objective that lost a sample, the mean over the samples dropped.
        cross: ``(G,)`` ‖Δθ_s‖, the mean over the other objectives and the samples dropped.
    """

    coupling: FloatArray
    own: FloatArray
    cross: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """cross / own ``(G,)``: 0 where nothing is shared, 1 where there is one model for all."""
        return np.asarray(np.divide(self.cross, self.own, out=np.zeros_like(self.cross), where=self.own > 0))


def stability(
    features: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    coupling: ArrayLike,
    objective: int = 0,
    samples: int = 20,
    penalty: float = 1e-3,
    seed: int = 0,
) -> Stability:
    """Drop one sample of an objective, refit, and measure how far all models move.

    Args:
        features: Φ_t ``(n_t, d)``, one per objective.
        targets: y_t ``(n_t,)``, one per objective; of transitions the regression targets r + γ Q.
        coupling: γ ``(G,)`` ≥ 0 of the models (see :func:`morl.agents.tables.coupled.pairwise`).
        objective: the one that loses a sample.
        samples: how many are dropped, one after the other, drawn without replacement.
        penalty: λ of the models.
        seed: of the draw.

    Raises:
        SpecError: no such objective, or fewer than two samples of it.
        AgentError: γ < 0, or data that does not fit together.
    """
    xs, ys = [np.asarray(x, dtype=np.float64) for x in features], [np.asarray(y, dtype=np.float64) for y in targets]
    if not 0 <= objective < len(xs):
        raise SpecError(f"objective is {objective}; expected 0 to {len(xs) - 1}")
    if len(xs[objective]) < 2:
        raise SpecError(f"objective {objective} has {len(xs[objective])} samples; dropping one takes at least two")
    strengths = np.atleast_1d(np.asarray(coupling, dtype=np.float64))
    rng = np.random.default_rng(seed)
    dropped = rng.permutation(len(xs[objective]))[:samples]
    own, cross = np.zeros(len(strengths)), np.zeros(len(strengths))
    others = np.arange(len(xs)) != objective
    for g, strength in enumerate(strengths.tolist()):
        whole, _ = pairwise(xs, ys, strength, penalty)
        for row in dropped:
            fewer_x, fewer_y = list(xs), list(ys)
            fewer_x[objective] = np.delete(xs[objective], row, axis=0)
            fewer_y[objective] = np.delete(ys[objective], row)
            moved = np.linalg.norm(pairwise(fewer_x, fewer_y, strength, penalty)[0] - whole, axis=1)
            own[g] += moved[objective] / len(dropped)
            cross[g] += moved[others].mean() / len(dropped) if others.any() else 0.0
    return Stability(strengths, own, cross)


def plot_stability(found: Stability, path: str | Path, title: str = "") -> Path:
    """Save the changes, and their ratio, against the strength of the coupling (logarithmic)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    positive = found.coupling > 0
    left.loglog(found.coupling[positive], found.own[positive], "o-", label="objective that lost the sample")
    left.loglog(found.coupling[positive], found.cross[positive], "s--", label="others")
    left.set(xlabel="strength of the coupling γ", ylabel="change of the weights ‖Δθ‖")
    left.legend()
    right.loglog(found.coupling[positive], found.ratio[positive], "o-", color="tab:green")
    right.axhline(1.0, color="0.6", linestyle=":")
    right.set(xlabel="strength of the coupling γ", ylabel="change of others / own change")
    figure.suptitle(title)
    figure.savefig(path, dpi=150)
    return Path(path)
