"""A perceptron and its gradient as one autograd operation. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# torch multiplies float32 matrices with MKL, which is slow on processors that are not Intel's: 94 GFLOP/s at 256³ on
# one core of an AMD EPYC with AVX-512, where oneDNN, which torch also brings, has 190. Its call costs 10 µs more, so it
# is for large products.
_LARGE = 2**20


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


def _forward(inputs: Tensor, normed: bool, parameters: Sequence[Tensor], kept: list[Tensor] | None = None) -> Tensor:
    """Outputs ``(n, o)`` of a perceptron with ReLU; ``kept`` receives what the gradient needs."""
    stride, last = 4 if normed else 2, len(parameters) - 2
    for i in range(0, last, stride):
        hidden = product(inputs, parameters[i], parameters[i + 1])
        if kept is not None:
            kept.append(inputs)
        if normed:
            raw = hidden
            hidden, mean, rstd = torch.native_layer_norm(raw, raw.shape[1:], parameters[i + 2], parameters[i + 3], 1e-5)
            if kept is not None:
                kept += [raw, mean, rstd]
        inputs = hidden.relu_()
    if kept is not None:
        kept.append(inputs)
    return product(inputs, parameters[last], parameters[last + 1])


class _Perceptron(torch.autograd.Function):
    """The whole network as one operation: the calls that a small one consists of cost as much as its arithmetic."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, normed: bool, *parameters: Tensor) -> Tensor:
        kept: list[Tensor] = []
        out = _forward(inputs, normed, parameters, kept)
        ctx.normed, ctx.count = normed, len(kept)
        ctx.save_for_backward(*kept, *parameters)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        kept, parameters = list(saved[: ctx.count]), saved[ctx.count :]
        stride, last = 4 if ctx.normed else 2, len(parameters) - 2
        learns, passes = ctx.needs_input_grad[2], ctx.needs_input_grad[0]
        out: list[Tensor | None] = [None] * len(parameters)
        for i in range(last, -1, -stride):
            inputs = kept.pop()
            if learns:
                out[i], out[i + 1] = product(grad.t(), inputs.t()), grad.sum(dim=0)
            if i > 0 or passes:
                grad = product(grad, parameters[i].t())
            if i > 0:
                grad = torch.ops.aten.threshold_backward(grad, inputs, 0.0)
            if i > 0 and ctx.normed:
                rstd, mean, raw = kept.pop(), kept.pop(), kept.pop()
                scale, shift = parameters[i - 2 : i]
                grad, out[i - 2], out[i - 1] = torch.ops.aten.native_layer_norm_backward(
                    grad, raw, raw.shape[1:], mean, rstd, scale, shift, [True, learns, learns]
                )
        return (grad if passes else None, None, *out)


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
    return _forward(inputs, normed, parameters)
