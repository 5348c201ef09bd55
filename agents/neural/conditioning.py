"""How a preference enters the hidden layers of a network. Needs torch; import it lazily.

- ``concat`` appends it to the input: h = f(W [x, w] + b).
- ``film`` scales and shifts each hidden layer by it (Perez et al. 2018, "FiLM: Visual reasoning with a general
  conditioning layer"): h = f((1 + γ(w)) ⊙ (W x + b) + β(w)), with γ = β = 0 to begin with.
- ``hypernetwork`` makes each layer's weights from it (Ha, Dai & Le 2017, "HyperNetworks"; Navon et al. 2021, "Learning
  the Pareto front with hypernetworks"): h = f(W(w) x + b(w)), W(w) = W₀ + Σ_i e_i(w) W_i with a learned code e(w).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from morl.agents.neural.layers import linear

CONDITIONING = ("concat", "film", "hypernetwork")
"""Ways in which a preference enters a network."""

CODE = 8
"""Numbers of the code e(w) from which a hypernetwork makes weights."""


class Film(nn.Module):
    """Scales and shifts a layer by a preference; at first it changes nothing.

    Args:
        size: of the layer.
        preference: size of the preference.
        members: networks side by side; see :class:`~morl.agents.neural.networks.Trunk`.
    """

    def __init__(self, size: int, preference: int, members: int | None = None) -> None:
        super().__init__()
        self.gate = linear(preference, 2 * size, members)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, layer: Tensor, preference: Tensor) -> Tensor:
        """``(..., n, size)`` for a layer ``(..., n, size)`` and preferences ``(n, K)``."""
        scale, shift = self.gate(preference).chunk(2, dim=-1)
        return torch.addcmul(layer + shift, layer, scale)


class Code(nn.Module):
    """The code e(w) ``(n, CODE)`` of preferences ``(n, K)``, in (−1, 1), that the layers of a hypernetwork share."""

    def __init__(self, preference: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(preference, 32), nn.Tanh(), nn.Linear(32, CODE), nn.Tanh())

    def forward(self, preference: Tensor) -> Tensor:
        """See the class."""
        code: Tensor = self.layers(preference)
        return code


class HyperLinear(nn.Module):
    """A linear layer whose weights and biases are affine in a code: (W₀ + Σ_i e_i W_i) x + b₀ + Σ_i e_i b_i.

    The weights of a row are never made: each W_i x is computed for all rows at once, and weighted by e_i.

    Args:
        inputs, outputs: sizes.
        members: networks side by side; see :class:`~morl.agents.neural.networks.Trunk`.
        orthogonal: begin with an orthogonal W₀.
    """

    def __init__(self, inputs: int, outputs: int, members: int | None = None, orthogonal: bool = False) -> None:
        super().__init__()
        self.base = linear(inputs, outputs, members, orthogonal)
        self.basis = linear(inputs, CODE * outputs, members)
        with torch.no_grad():  # all parts together begin as large as one layer
            for parameter in self.basis.parameters():
                parameter.div_(math.sqrt(CODE))

    def forward(self, inputs: Tensor, code: Tensor) -> Tensor:
        """``(..., n, outputs)`` for inputs ``(..., n, inputs)`` and codes ``(n, CODE)``."""
        parts = self.basis(inputs).unflatten(-1, (CODE, -1))
        out: Tensor = self.base(inputs) + (code[:, None] @ parts).squeeze(-2)
        return out
