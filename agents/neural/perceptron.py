"""A perceptron with ReLU and its gradient: layer by layer on arrays, and as one autograd operation.

Small networks spend as much time in the calls they consist of as in their arithmetic. Here both passes are written out:
a product by the fastest library at hand, then one loop for all that a layer does besides. Needs torch, so import it
lazily.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.neural.kernels import norm_relu, norm_relu_backward, relu_backward

Array = np.ndarray[Any, Any]

# torch multiplies float32 matrices with MKL, which is slow on processors that are not Intel's: 94 GFLOP/s at 256³ on
# one core of an AMD EPYC with AVX-512, where oneDNN, which torch also brings, has 190. Its call costs 10 µs more, so it
# is for large products; and for the smallest ones calling torch costs more than the product.
_LARGE, _SMALL = 2**19, 2**17


def _find_onednn() -> Any:
    """oneDNN's product, or ``None`` where this build of torch has none, or has it under other arguments."""
    operation: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    try:
        return operation if operation(torch.zeros(1, 1), torch.zeros(1, 1), None, "none", [], "").numel() else None
    except (TypeError, RuntimeError):
        return None


_ONEDNN = _find_onednn()


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ rightᵀ + bias`` for ``(n, i)`` and ``(o, i)``, by the faster of two libraries."""
    if _ONEDNN is not None and left.shape[0] * right.numel() >= _LARGE:
        out: Tensor = _ONEDNN(left, right, bias, "none", [], "")
        return out
    return nn.functional.linear(left, right, bias)


def times(left: Array, right: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """The same for arrays, always in new memory, and ReLU of it where asked for."""
    if len(left) * right.size <= _SMALL:
        out: Array = np.dot(left, right.T)
        if bias is not None:
            out += bias
        if relu:
            np.maximum(out, 0, out=out)
        return out
    shift = None if bias is None else torch.from_numpy(bias)
    large = product(torch.from_numpy(left), torch.from_numpy(right), shift)
    return np.asarray((large.relu_() if relu else large).numpy())


def forward(inputs: Array, normed: bool, parameters: Sequence[Array], kept: list[Array] | None = None) -> Array:
    """Features ``(n, h)`` after the hidden layers, of inputs ``(n, i)``.

    Args:
        inputs: rows.
        normed: hidden layers are normalised before ReLU.
        parameters: weight and bias (and scale and shift of the normalisation) of each hidden layer in turn.
        kept: receives what :func:`backward` needs.
    """
    stride = 4 if normed else 2
    for i in range(0, len(parameters), stride):
        raw = times(inputs, parameters[i], parameters[i + 1], relu=not normed)
        saved = [inputs]
        if normed:
            out, mean, rstd = np.empty_like(raw), np.empty(len(raw), np.float32), np.empty(len(raw), np.float32)
            norm_relu(raw, parameters[i + 2], parameters[i + 3], out, mean, rstd)
            saved += [raw, mean, rstd]
        else:
            out = raw
        if kept is not None:
            kept += [*saved, out]
        inputs = out
    return inputs


def backward(
    grad: Array,
    normed: bool,
    parameters: Sequence[Array],
    kept: list[Array],
    gradients: Sequence[Array] | None,
    passes: bool = False,
) -> Array | None:
    """Fill ``gradients`` of all ``parameters`` from that of the features, ``grad (n, h)``, which is overwritten.

    Args:
        grad: gradient of what :func:`forward` returned.
        normed: as in :func:`forward`.
        parameters: as in :func:`forward`.
        kept: what :func:`forward` kept; used up.
        gradients: an array for each parameter; ``None`` where the gradient merely passes through.
        passes: whether the gradient of the inputs ``(n, i)`` is wanted, and returned.
    """
    stride = 4 if normed else 2
    for i in range(len(parameters) - stride, -1, -stride):
        into = [np.empty_like(p) for p in parameters[i + 1 : i + stride]] if gradients is None else gradients[i + 1 :]
        out = kept.pop()
        if normed:
            rstd, mean, raw = kept.pop(), kept.pop(), kept.pop()
            norm_relu_backward(grad, out, raw, parameters[i + 2], mean, rstd, into[1], into[2], into[0])
        else:
            relu_backward(grad, out, into[0])
        inputs = kept.pop()
        if gradients is not None:
            outer(grad, inputs, gradients[i])
        if i > 0 or passes:
            grad = times(grad, parameters[i].T)
    return grad if passes else None


def outer(grad: Array, inputs: Array, out: Array) -> None:
    """``gradᵀ @ inputs`` into ``out``: the gradient of a layer's weights."""
    if inputs.shape[1] < grad.shape[1]:  # libraries are faster with the longer side last
        np.copyto(out, times(inputs.T, grad.T).T)
    else:
        np.copyto(out, times(grad.T, inputs.T))


class _Perceptron(torch.autograd.Function):
    """The whole network as one operation of autograd."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, normed: bool, *parameters: Tensor) -> Tensor:
        arrays = [p.detach().numpy() for p in parameters]
        kept: list[Array] = []
        features = forward(inputs.detach().numpy(), normed, arrays[:-2], kept)
        ctx.normed, ctx.arrays, ctx.kept, ctx.features = normed, arrays, kept, features
        return torch.from_numpy(times(features, arrays[-2], arrays[-1]))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        above, arrays = grad.numpy(), ctx.arrays
        passes, _, *learns = ctx.needs_input_grad
        gradients = [np.empty_like(p) for p in arrays] if any(learns) else None
        if gradients is not None:
            outer(above, ctx.features, gradients[-2])
            gradients[-1][:] = above.sum(axis=0)
        into = None if gradients is None else gradients[:-2]
        below = backward(times(above, arrays[-2].T), ctx.normed, arrays[:-2], list(ctx.kept), into, passes)
        learned = [None] * len(arrays) if gradients is None else [torch.from_numpy(g) for g in gradients]
        return (None if below is None else torch.from_numpy(below), None, *learned)


def perceptron(inputs: Tensor, normed: bool, parameters: Sequence[Tensor]) -> Tensor:
    """Outputs ``(n, o)`` of a perceptron with ReLU for inputs ``(n, i)``.

    Args:
        inputs: rows.
        normed: hidden layers are normalised before ReLU (Ba, Kiros & Hinton 2016).
        parameters: in the order of use: weight and bias (and scale and shift of the normalisation) of each hidden
            layer, then weight and bias of the output.
    """
    if torch.is_grad_enabled():
        out: Tensor = _Perceptron.apply(inputs, normed, *parameters)  # type: ignore[no-untyped-call]
        return out
    arrays = [p.detach().numpy() for p in parameters]
    return torch.from_numpy(times(forward(inputs.numpy(), normed, arrays[:-2]), arrays[-2], arrays[-1]))
