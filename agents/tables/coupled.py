"""Linear models of several objectives that share a part: Q_t = φ·w + φ·v_t + b_t.

What is common to all objectives (or patients, drugs, driver types) goes into w, what is special to one into v_t
(Evgeniou & Pontil 2004, "Regularized multi-task learning")::

    min Σ_t ‖y_t − Φ_t (w + v_t) − b_t‖² + λ_w ‖w‖² + λ_v Σ_t ‖v_t‖²

λ_v = ∞ is one model for all, λ_w = ∞ is T models that share nothing. With λ_w = 0 it is the same as coupling every pair
of models by γ ‖θ_t − θ_s‖² over ordered pairs, with γ = λ_v / (2T), where θ_t = w + v_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import AgentError, FloatArray, IntArray


@dataclass(frozen=True)
class Coupled:
    """A fitted model.

    Args:
        shared: w ``(d,)``.
        specific: v ``(T, d)``.
        intercept: b ``(T,)``.
        objective: what was minimised, after every sweep (never larger than before), or at the solution.
    """

    shared: FloatArray
    specific: FloatArray
    intercept: FloatArray
    objective: tuple[float, ...]

    @property
    def weights(self) -> FloatArray:
        """θ_t = w + v_t, ``(T, d)``."""
        return self.shared + self.specific

    def predict(self, features: ArrayLike) -> FloatArray:
        """φ·θ_t + b_t of every task, ``(..., T)`` for features ``(..., d)``."""
        return np.asarray(np.asarray(features) @ self.weights.T + self.intercept)


def fit(
    features: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    shared_penalty: float = 1.0,
    specific_penalty: float = 1.0,
    *,
    sweeps: int = 1000,
    tolerance: float = 1e-12,
    start: Coupled | None = None,
) -> Coupled:
    """Fit by block coordinate descent: (v_t, b_t) of each task for fixed w, w for fixed v, and moves between them.

    Args:
        features: Φ_t ``(n_t, d)``, one per task.
        targets: y_t ``(n_t,)``, one per task.
        shared_penalty: λ_w ≥ 0.
        specific_penalty: λ_v > 0: without it, w and v_t could not be told apart.
        sweeps: at most.
        tolerance: relative decrease of the objective at which sweeps end.
        start: a model to begin with, such as that of the last round of fitted Q.

    Raises:
        AgentError: no task, a task without rows, shapes that do not agree, or a penalty out of range.

    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> fit([x, x], [x[:, 0], 3 * x[:, 0]], 1e-6, 1e-6).weights.round(3).tolist()
    [[1.0], [3.0]]
    """
    data = _checked(features, targets, shared_penalty, specific_penalty)
    t, d = len(data), data[0][0].shape[1]
    w, v, b = (start.shared, start.specific, start.intercept) if start else (np.zeros(d), np.zeros((t, d)), np.zeros(t))
    v, b = v.copy(), b.copy()
    centred = [(x - x.mean(axis=0), y - y.mean(), x.mean(axis=0), y.mean()) for x, y in data]
    own = [np.linalg.inv(x.T @ x + specific_penalty * np.eye(d)) for x, _, _, _ in centred]
    # Intercepts are free: for any w and v_t the best b_t leaves the centred data.
    common = np.linalg.inv(sum(x.T @ x for x, *_ in centred) + (shared_penalty + 1e-12) * np.eye(d))
    history: list[float] = []
    for _ in range(max(1, sweeps)):
        for i, (x, y, _, _) in enumerate(centred):
            v[i] = own[i] @ (x.T @ (y - x @ w))
        w = common @ sum(x.T @ (y - x @ v[i]) for i, (x, y, _, _) in enumerate(centred))
        # What is moved from all v to w changes no prediction: the best such move at once, not in a thousand sweeps.
        move = (specific_penalty * v.sum(axis=0) - shared_penalty * w) / (shared_penalty + t * specific_penalty)
        w, v = w + move, v - move
        b = np.array([mean - middle @ (w + v[i]) for i, (_, _, middle, mean) in enumerate(centred)])
        history.append(_objective(data, w, v, b, shared_penalty, specific_penalty))
        if len(history) > 1 and history[-2] - history[-1] <= tolerance * max(1.0, abs(history[-1])):
            break
    return Coupled(w, v, b, tuple(history))


def solve(
    features: Sequence[ArrayLike], targets: Sequence[ArrayLike], shared_penalty: float, specific_penalty: float
) -> Coupled:
    """The same minimum by one linear system of size d(T + 1): the closed form.

    Raises:
        AgentError: as for :func:`fit`.
    """
    data = _checked(features, targets, shared_penalty, specific_penalty)
    t, d = len(data), data[0][0].shape[1]
    matrix, right = np.zeros(((t + 1) * d, (t + 1) * d)), np.zeros((t + 1) * d)
    matrix[:d, :d] = shared_penalty * np.eye(d)
    for i, (x, y) in enumerate(data):
        x, y = x - x.mean(axis=0), y - y.mean()
        gram, moment, mine = x.T @ x, x.T @ y, slice((i + 1) * d, (i + 2) * d)
        matrix[:d, :d] += gram
        matrix[:d, mine], matrix[mine, :d] = gram, gram
        matrix[mine, mine] = gram + specific_penalty * np.eye(d)
        right[:d] += moment
        right[mine] = moment
    answer = np.linalg.lstsq(matrix, right, rcond=None)[0]
    w, v = answer[:d], answer[d:].reshape(t, d)
    b = np.array([y.mean() - x.mean(axis=0) @ (w + v[i]) for i, (x, y) in enumerate(data)])
    return Coupled(w, v, b, (_objective(data, w, v, b, shared_penalty, specific_penalty),))


def pairwise(
    features: Sequence[ArrayLike], targets: Sequence[ArrayLike], coupling: float, penalty: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Models that are pulled together pair by pair: θ ``(T, d)`` and b ``(T,)`` of ::

        min Σ_t ‖y_t − Φ_t θ_t − b_t‖² + λ Σ_t ‖θ_t‖² + γ Σ_{t≠s} ‖θ_t − θ_s‖²        (ordered pairs)

    Args:
        features: Φ_t ``(n_t, d)``, one per task.
        targets: y_t ``(n_t,)``, one per task.
        coupling: γ ≥ 0; with 0 the models share nothing.
        penalty: λ ≥ 0.

    Raises:
        AgentError: γ or λ below 0, or data as for :func:`fit`.
    """
    if coupling < 0:
        raise AgentError(f"coupling γ is {coupling}; expected a number ≥ 0")
    data = _checked(features, targets, penalty, 1.0)
    t, d = len(data), data[0][0].shape[1]
    centred = [(x - x.mean(axis=0), y - y.mean()) for x, y in data]
    if coupling == 0.0:  # exactly T separate fits
        theta = np.stack([np.linalg.solve(x.T @ x + penalty * np.eye(d), x.T @ y) for x, y in centred])
    else:
        laplacian = 2 * coupling * (t * np.eye(t) - np.ones((t, t)))
        matrix = np.kron(laplacian, np.eye(d)) + penalty * np.eye(t * d)
        for i, (x, _) in enumerate(centred):
            matrix[i * d : (i + 1) * d, i * d : (i + 1) * d] += x.T @ x
        theta = np.linalg.solve(matrix, np.concatenate([x.T @ y for x, y in centred])).reshape(t, d)
    return theta, np.array([y.mean() - x.mean(axis=0) @ theta[i] for i, (x, y) in enumerate(data)])


@dataclass(frozen=True)
class Batch:
    """Transitions with features of actions, for fitted Q.

    Args:
        features: φ(s, a) ``(n, d)``.
        rewards: ``(n, K)``.
        next_features: φ(s', a') of every action ``(n, A, d)``.
        terminated: ``(n,)`` nothing follows.
    """

    features: FloatArray
    rewards: FloatArray
    next_features: FloatArray
    terminated: FloatArray


def fitted_q(
    batch: Batch,
    weights: ArrayLike,
    discount: float,
    shared_penalty: float = 1e-3,
    specific_penalty: float = 1e-3,
    *,
    rounds: int = 100,
    tolerance: float = 1e-9,
) -> Coupled:
    """Fitted Q iteration (Ernst et al. 2005) with a coupled linear model of the K objectives.

    Each round regresses y_k = r_k + γ Q_k(s', a*), a* = argmax_a w·Q(s', a), from where the last round left off.

    Args:
        batch: transitions.
        weights: ``(K,)`` of the objectives.
        discount: γ in ``[0, 1)``.
        shared_penalty, specific_penalty: as for :func:`fit`.
        rounds: at most.
        tolerance: largest change of a value at which rounds end.

    Raises:
        AgentError: a batch without transitions, or of shapes that do not agree.
    """
    w = np.asarray(weights, dtype=np.float64)
    n, k = batch.rewards.shape
    if not n or w.shape != (k,) or batch.next_features.shape[0] != n or batch.features.shape[0] != n:
        sizes = f"{batch.features.shape[0]} features, {n} rewards of {k} objectives, weights {w.shape}"
        raise AgentError(f"a batch has {sizes}; expected as many rows of each, at least one, and K weights")
    going = 1.0 - np.asarray(batch.terminated, dtype=np.float64)[:, None]
    model, values = None, np.zeros((n, k))
    for _ in range(rounds):
        targets = batch.rewards if model is None else batch.rewards + discount * going * _ahead(model, batch, w)
        columns = [targets[:, i] for i in range(k)]
        model = fit([batch.features] * k, columns, shared_penalty, specific_penalty, start=model)
        found = model.predict(batch.features)
        change, values = float(np.abs(found - values).max()), found
        if change <= tolerance:
            break
    assert model is not None
    return model


def _ahead(model: Coupled, batch: Batch, weights: FloatArray) -> FloatArray:
    """Q(s', a*) ``(n, K)``."""
    q = model.predict(batch.next_features)
    best: IntArray = (q @ weights).argmax(axis=1)
    return np.asarray(q[np.arange(len(q)), best])


def _objective(
    data: Sequence[tuple[FloatArray, FloatArray]],
    w: FloatArray,
    v: FloatArray,
    b: FloatArray,
    shared_penalty: float,
    specific_penalty: float,
) -> float:
    error = sum(float(((y - x @ (w + v[i]) - b[i]) ** 2).sum()) for i, (x, y) in enumerate(data))
    return error + shared_penalty * float(w @ w) + specific_penalty * float((v * v).sum())


def _checked(
    features: Sequence[ArrayLike], targets: Sequence[ArrayLike], shared_penalty: float, specific_penalty: float
) -> list[tuple[FloatArray, FloatArray]]:
    if not shared_penalty >= 0 or not specific_penalty > 0:
        raise AgentError(f"λ_w is {shared_penalty} and λ_v is {specific_penalty}; expected λ_w ≥ 0 and λ_v > 0")
    if not len(features) or len(features) != len(targets):
        raise AgentError(f"{len(features)} tables of features and {len(targets)} of targets; expected one per task")
    data: list[tuple[FloatArray, FloatArray]] = []
    for i, (given, wanted) in enumerate(zip(features, targets, strict=True)):
        x, y = np.asarray(given, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
        width = data[0][0].shape[1] if data else x.shape[-1]
        if x.ndim != 2 or y.shape != (len(x),) or not len(x) or x.shape[1] != width:
            shapes = f"features {x.shape} and targets {y.shape}"
            raise AgentError(f"task {i} has {shapes}; expected (n, {width}) and (n,), with n ≥ 1")
        data.append((x, y))
    return data
