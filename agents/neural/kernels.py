"""Compiled loops of networks and their optimizer, where torch needs several calls and passes over the same memory.

All arrays are float32 and contiguous. Sums may be taken in another order than written, which lets the compiler use
vector instructions; what is not a number stays so.
"""

from __future__ import annotations

import functools

import numpy as np

from morl.compiled import jit

compiled = functools.partial(jit, fastmath=frozenset({"reassoc", "contract", "nsz", "arcp"}))
F = np.float32


@compiled
def relu_backward(grad, out, bias_grad):  # type: ignore[no-untyped-def]
    """Through ReLU, in place: ``grad (n, h)`` where ``out (n, h)`` is positive; its sum over rows is ``bias_grad``."""
    n, h = grad.shape
    bias_grad[:] = 0
    for i in range(n):
        for j in range(h):
            g = grad[i, j] if out[i, j] > 0 else F(0)
            grad[i, j] = g
            bias_grad[j] += g


@compiled
def norm_relu(raw, scale, shift, out, mean, rstd):  # type: ignore[no-untyped-def]
    """``relu(scale · (raw − mean) / deviation + shift)`` of each row (Ba, Kiros & Hinton 2016).

    Fills ``out (n, h)`` and, for the gradient, the ``mean`` and inverse deviation ``rstd`` of each row ``(n,)``.
    """
    n, h = raw.shape
    share = F(1) / F(h)
    for i in range(n):
        total, squares = F(0), F(0)
        for j in range(h):
            total += raw[i, j]
        m = total * share
        for j in range(h):
            squares += (raw[i, j] - m) * (raw[i, j] - m)
        r = F(1) / np.sqrt(squares * share + F(1e-5))
        mean[i], rstd[i] = m, r
        for j in range(h):
            value = (raw[i, j] - m) * r * scale[j] + shift[j]
            out[i, j] = F(0) if value < 0 else value


@compiled
def norm_relu_backward(grad, out, raw, scale, mean, rstd, scale_grad, shift_grad, bias_grad):  # type: ignore[no-untyped-def]
    """Through ReLU and the normalisation: ``grad (n, h)`` becomes that of ``raw``, in place; its sum is ``bias_grad``.

    With x the normalised row and g its gradient: ``rstd · (g − mean(g) − x · mean(g·x))``.
    """
    n, h = grad.shape
    share = F(1) / F(h)
    scale_grad[:] = 0
    shift_grad[:] = 0
    bias_grad[:] = 0
    for i in range(n):
        m, r = mean[i], rstd[i]
        total, product = F(0), F(0)
        for j in range(h):
            x = (raw[i, j] - m) * r
            g = grad[i, j] if out[i, j] > 0 else F(0)
            shift_grad[j] += g
            scale_grad[j] += g * x
            g *= scale[j]
            grad[i, j] = g
            total += g
            product += g * x
        total *= share
        product *= share
        for j in range(h):
            x = (raw[i, j] - m) * r
            g = r * (grad[i, j] - total - x * product)
            grad[i, j] = g
            bias_grad[j] += g


@compiled
def chosen(features, weight, bias, actions, out):  # type: ignore[no-untyped-def]
    """Outputs of one action per row: ``out (n, K)`` from ``features (n, h)``, ``weight (A·K, h)``, ``bias (A·K,)``."""
    n, h = features.shape
    k = out.shape[1]
    for i in range(n):
        for c in range(k):
            row = actions[i] * k + c
            total = bias[row]
            for j in range(h):
                total += features[i, j] * weight[row, j]
            out[i, c] = total


@compiled
def chosen_backward(grad, features, weight, actions, weight_grad, bias_grad, features_grad):  # type: ignore[no-untyped-def]
    """The gradient of :func:`chosen` for ``grad (n, K)``."""
    n, h = features.shape
    k = grad.shape[1]
    weight_grad[:] = 0
    bias_grad[:] = 0
    features_grad[:] = 0
    for i in range(n):
        for c in range(k):
            row, g = actions[i] * k + c, grad[i, c]
            bias_grad[row] += g
            for j in range(h):
                weight_grad[row, j] += g * features[i, j]
                features_grad[i, j] += g * weight[row, j]


@compiled
def squared(values):  # type: ignore[no-untyped-def]
    """Sum of squares of a vector."""
    total = F(0)
    for i in range(len(values)):
        total += values[i] * values[i]
    return total


@compiled
def adam(values, gradients, first, second, share, rate, unbias):  # type: ignore[no-untyped-def]
    """Adam (Kingma & Ba 2015) with β = (0.9, 0.999) on vectors, in place.

    ``share`` of the gradients is used (clipping), ``rate`` is the step size over the first moment's correction, and
    ``unbias`` the inverse root of the second moment's.
    """
    share, rate, unbias = F(share), F(rate), F(unbias)
    for i in range(len(values)):
        g = gradients[i] * share
        first[i] += F(1 - 0.9) * (g - first[i])
        second[i] = F(0.999) * second[i] + F(1 - 0.999) * g * g
        values[i] -= rate * first[i] / (np.sqrt(second[i]) * unbias + F(1e-8))


@compiled
def new_units(rows, moments, step, tolerance, units):  # type: ignore[no-untyped-def]
    """Move running ``moments (2, K)``, of values and of their squares, by ``step`` towards those of ``rows (n, K)``.

    Returns whether ``units (2, K)``, mean and standard deviation in use, are off by more than a share ``tolerance`` of
    a deviation; they are then replaced by the present ones.
    """
    n, k = rows.shape
    present, off = np.empty_like(units), False
    for c in range(k):
        total, squares = 0.0, 0.0
        for i in range(n):
            x = np.float64(rows[i, c])
            total += x
            squares += x * x
        moments[0, c] += step * (total / n - moments[0, c])
        moments[1, c] += step * (squares / n - moments[1, c])
        mean, square = moments[0, c], moments[1, c]
        # Never below 1e-4 of the typical magnitude: an objective that is constant so far must not be blown up.
        std = max(np.sqrt(max(square - mean * mean, 0.0)), 1e-4 * max(np.sqrt(square), 1e-6))
        off |= max(abs(mean - units[0, c]), abs(std - units[1, c])) > tolerance * std
        present[0, c], present[1, c] = mean, std
    if off:
        units[:] = present
    return off


@compiled
def best_of_all(outputs, weights, rows, actions):  # type: ignore[no-untyped-def]
    """For each transition and weight the (row, action) whose output has the largest utility, over all its rows.

    Args:
        outputs: ``(n, m, A, K)``, of n transitions under m conditions.
        weights: ``(m, K)``, the utilities asked for.
        rows: filled with numbers ``(n, m)`` of rows i·m + j'.
        actions: filled with actions ``(n, m)``.
    """
    n, m, count, k = outputs.shape
    for i in range(n):
        for j in range(m):
            best = F(-np.inf)
            for other in range(m):
                for a in range(count):
                    utility = F(0)
                    for c in range(k):
                        utility += weights[j, c] * outputs[i, other, a, c]
                    if utility > best:
                        best = utility
                        rows[i, j], actions[i, j] = i * m + other, a


@compiled
def best_of_smaller(first, second, weights, out):  # type: ignore[no-untyped-def]
    """The vector of ``argmax_a min(w · first[a], w · second[a])``, from the critic that says less.

    Outputs ``(n, A, K)``, weights ``(n, K)``; fills ``out (n, K)``.
    """
    n, count, k = first.shape
    for i in range(n):
        best = F(-np.inf)
        for a in range(count):
            one, two = F(0), F(0)
            for c in range(k):
                one += weights[i, c] * first[i, a, c]
                two += weights[i, c] * second[i, a, c]
            utility = min(one, two)
            if utility > best or a == 0:
                best = utility
                out[i] = first[i, a] if one <= two else second[i, a]
