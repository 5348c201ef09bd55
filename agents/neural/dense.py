"""A conditioned network as arrays: what it says and the gradient of its loss, without autograd. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from morl.agents.neural.kernels import chosen, chosen_backward
from morl.agents.neural.networks import VectorNet
from morl.agents.neural.perceptron import backward, forward, times

Array = np.ndarray[Any, Any]


class Dense:
    """A :class:`VectorNet` with a preference, on arrays that share its memory.

    Losses concern the output of one action per row, so only that output is computed and differentiated.

    Args:
        net: its parameters stay where they are from now on, and so do their gradients, if it has any.
    """

    def __init__(self, net: VectorNet) -> None:
        self.net, self.k, self.shape = net, net.head.k, (-1, net.head.outputs, net.head.k)
        parameters = [] if net.trunk.film else net.body.ordered[:-2]
        self._hidden = [p.detach().numpy() for p in parameters]
        self._hidden_grads = [p.grad.numpy() for p in parameters if p.grad is not None]
        head = net.head.linear
        self._weight, self._bias = (p.detach().numpy() for p in head.parameters())
        self._head_grads = [p.grad.numpy() for p in head.parameters() if p.grad is not None]
        self.mean, self.std = net.head.mean.numpy(), net.head.std.numpy()

    def join(self, inputs: Array, weights: Array) -> Array:
        """Rows ``(n, inputs + K)`` of what broadcasts: inputs ``(..., inputs)`` and weights ``(..., K)``."""
        size = inputs.shape[-1]
        out = np.empty((*np.broadcast(inputs[..., 0], weights[..., 0]).shape, size + self.k), dtype=np.float32)
        out[..., :size], out[..., size:] = inputs, weights
        return out.reshape(-1, size + self.k)

    def features(self, rows: Array, kept: list[Any] | None = None) -> Array:
        """What the hidden layers make of rows ``(n, inputs + K)``; ``kept`` receives what :meth:`backward` needs."""
        if self.net.trunk.film:
            return self._film(rows, kept)
        return forward(rows, self.net.body.normed, self._hidden, kept)

    def outputs(self, features: Array) -> Array:
        """Normalised outputs of all actions, ``(n, A, K)``."""
        return times(features, self._weight, self._bias).reshape(self.shape)

    def chosen(self, features: Array, actions: Array) -> Array:
        """Normalised outputs ``(n, K)`` of one action per row."""
        out = np.empty((len(features), self.k), dtype=np.float32)
        chosen(features, self._weight, self._bias, actions, out)
        return out

    def values(self, inputs: Array, weights: Array) -> Array:
        """Values ``(n, A, K)`` in the unit of the returns."""
        return self.in_returns(self.outputs(self.features(self.join(inputs, weights))))

    def in_returns(self, outputs: Array) -> Array:
        """Outputs ``(..., K)`` in the unit of the returns."""
        return np.asarray(outputs * self.std + self.mean)

    def normalised(self, values: Array) -> Array:
        """The inverse of :meth:`in_returns`."""
        return np.asarray((values - self.mean) / self.std)

    def backward(self, grad: Array, features: Array, actions: Array, kept: list[Any]) -> None:
        """Fill the gradients of all parameters from that of :meth:`chosen`, ``grad (n, K)``."""
        below = np.empty_like(features)
        chosen_backward(grad, features, self._weight, actions, *self._head_grads, below)
        if self.net.trunk.film:
            self._film_backward(below, kept)
        else:
            backward(below, self.net.body.normed, self._hidden, kept, self._hidden_grads)

    # ---- layers scaled and shifted by the weight are left to autograd ----------------------------------------

    def _film(self, rows: Array, kept: list[Any] | None) -> Array:
        inputs, weights = torch.from_numpy(rows[:, : -self.k]), torch.from_numpy(rows[:, -self.k :])
        with torch.set_grad_enabled(kept is not None):
            out = self.net.trunk(inputs, weights)
        if kept is not None:
            kept.append(out)
        return np.asarray(out.detach().numpy())

    def _film_backward(self, grad: Array, kept: list[Any]) -> None:
        parameters = list(self.net.trunk.parameters())
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad.zero_()
        torch.autograd.backward([kept.pop()], [torch.from_numpy(grad)], inputs=parameters)
