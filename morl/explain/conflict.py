"""Where in the state space objectives want different actions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import BoolArray, FloatArray, SpecError


@dataclass(frozen=True)
class Conflicts:
    """How objectives disagree in each of S states.

    Args:
        correlation: ``(S, K, K)`` of the objectives' values over the actions: −1 where one objective's best action is
            the other's worst, NaN where an objective does not care which action is taken.
        differ: ``(S, K, K)`` no action is best for both objectives.
        loss: ``(S, K)`` share of its own range of values that an objective loses where the action follows the mean of
            all objectives, each standardised over the actions.
    """

    correlation: FloatArray
    differ: BoolArray
    loss: FloatArray

    def strongest(self, i: int, j: int, n: int = 5) -> list[int]:
        """The states where objectives ``i`` and ``j`` disagree most, those with the lowest correlation first."""
        column = self.correlation[:, i, j]
        known = np.flatnonzero(np.isfinite(column))
        return [int(s) for s in known[np.argsort(column[known], kind="stable")][:n]]


def conflicts(values: ArrayLike) -> Conflicts:
    """Compare what objectives want, state by state.

    Args:
        values: ``(S, A, K)`` expected returns after each action; NaN where an action does not exist.

    Raises:
        SpecError: not of that shape.

    >>> found = conflicts([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [0.0, 0.0]]])
    >>> found.correlation[:, 0, 1].round(3), found.differ[:, 0, 1]
    (array([-1.,  1.]), array([ True, False]))
    """
    q = np.asarray(values, dtype=np.float64)
    if q.ndim != 3:
        raise SpecError(f"values have shape {q.shape}; expected (states, actions, objectives)")
    exists = np.asarray(~np.isnan(q).any(axis=2, keepdims=True))
    n = np.maximum(exists.sum(axis=1, keepdims=True), 1)
    filled = np.where(exists, q, 0.0)
    centred = np.where(exists, filled - filled.sum(axis=1, keepdims=True) / n, 0.0)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    standard = np.divide(centred, size, out=np.zeros_like(centred), where=size > 1e-12)
    correlation = np.einsum("sak,saj->skj", standard, standard)
    cares = size[:, 0] > 1e-12
    correlation[~(cares[:, :, None] & cares[:, None, :])] = np.nan
    low, high = np.where(exists, q, np.inf).min(axis=1), np.where(exists, q, -np.inf).max(axis=1)
    best = exists & (np.where(exists, q, -np.inf) >= (high - 1e-12 * np.abs(high))[:, None])  # (S, A, K)
    differ = ~np.einsum("sak,saj->skj", best, best).astype(bool)
    shared = np.where(exists[:, :, 0], standard.sum(axis=2), -np.inf).argmax(axis=1)
    got = np.take_along_axis(filled, shared[:, None, None], axis=1)[:, 0]
    span = high - low
    loss = np.divide(high - got, span, out=np.zeros_like(got), where=np.isfinite(span) & (span > 1e-12))
    return Conflicts(correlation, differ, loss)


def plot_conflicts(
    found: Conflicts, i: int, j: int, path: str | Path, shape: tuple[int, int] | None = None, title: str = ""
) -> Path:
    """Save a map of the correlation of two objectives over the states.

    Args:
        found: what :func:`conflicts` gave.
        i, j: the objectives.
        path: of the picture.
        shape: rows and columns of a grid of states, where they form one; else a strip.
        title: above it.

    Raises:
        SpecError: the grid does not hold all states.
    """
    from matplotlib.figure import Figure

    column = found.correlation[:, i, j]
    rows, columns = shape or (1, len(column))
    if rows * columns != len(column):
        raise SpecError(f"a grid of {rows} × {columns} does not hold {len(column)} states")
    figure = Figure(figsize=(max(3.0, 0.45 * columns + 1.5), max(1.6, 0.45 * rows + 1.0)), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(np.ma.masked_invalid(column.reshape(rows, columns)), vmin=-1, vmax=1, cmap="RdBu")
    ax.set_facecolor("0.85")  # states where one of the two does not care
    ax.set_title(title)
    figure.colorbar(image, ax=ax, label="correlation over actions")
    figure.savefig(path, dpi=150)
    return Path(path)
