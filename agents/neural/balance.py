"""Balancing the gradients of several objectives in the parameters that they share.

K losses pull at a shared trunk; a balance says in which direction it goes. With g_k = ∂L_k/∂θ and J the matrix of these
rows, the trunk follows d(J) instead of Σ_k g_k, while everything that belongs to one objective alone follows its own
loss. Directions are scaled such that equal gradients give the plain sum.

============== ====================================================================================================
none           Σ_k g_k
weights        Σ_k w_k g_k with w given (Caruana 1997)
gradnorm       Σ_k w_k g_k, w learned: norms of w_k g_k alike, larger where learning lags (Chen et al. 2018)
uncertainty    Σ_k w_k g_k, w_k = 1/σ_k² learned: the inverse of what each loss stays at (Kendall et al. 2018)
mgda           the shortest vector of the convex hull of g_1 … g_K (Désidéri 2012; Sener & Koltun 2018)
pcgrad         Σ_k of g_k without what points against another objective (Yu et al. 2020)
cagrad         near the mean, best for the objective that gains least (Liu et al. 2021a)
nash           the Nash bargaining solution (Navon et al. 2022)
upgrad         the mean of g_k projected into the cone in which no objective loses (Quinton & Rey 2024)
imtl_g         equal projections on all g_k (Liu et al. 2021b, IMTL-G)
============== ====================================================================================================

PCGrad, CAGrad, UPGrad and IMTL-G come from TorchJD (extra ``balance``). Needs torch; import it lazily.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from morl.agents.neural import directions
from morl.agents.neural.training import check_gradient, gradient_step, seeded
from morl.spec import AgentError, FloatArray, MissingExtraError, UnknownNameError

BALANCES = ("none", "weights", "gradnorm", "uncertainty", "mgda", "pcgrad", "cagrad", "nash", "upgrad", "imtl_g")
"""What the option ``balance`` may name."""

_EXACT: dict[str, Callable[[FloatArray], FloatArray]] = {"mgda": directions.mgda, "nash": directions.nash}
_LIBRARY: dict[str, tuple[str, dict[str, float], float]] = {
    # TorchJD's class, its arguments, and what it makes of equal gradients, as a multiple of one.
    "pcgrad": ("PCGrad", {}, 0.0),
    "cagrad": ("CAGrad", {"c": 0.4}, 1.4),
    "upgrad": ("UPGrad", {}, 1.0),
    "imtl_g": ("IMTLG", {}, 1.0),
}


class Balance(nn.Module):
    """How K losses share a trunk.

    Args:
        kind: one of :data:`BALANCES`.
        k: objectives.
        weights: ``(K,)`` for ``"weights"``: multiples of each loss, as they are.
        asymmetry: α of GradNorm: 0 makes all norms alike, larger values favour objectives that lag.
        step_size: of GradNorm's weights.

    Attributes:
        weights: ``(K,)`` multiples of the losses in use.

    Raises:
        UnknownNameError: no such balance.
        AgentError: weights that are missing, of the wrong length, negative or not asked for.
        MissingExtraError: TorchJD, or what it needs for that balance, is not installed.
    """

    weights: Tensor
    first: Tensor
    count: Tensor

    def __init__(
        self,
        kind: str,
        k: int,
        weights: Sequence[float] | None = None,
        *,
        asymmetry: float = 0.12,
        step_size: float = 0.025,
    ) -> None:
        super().__init__()
        if kind not in BALANCES:
            raise UnknownNameError("balance", kind, BALANCES)
        if (weights is not None) != (kind == "weights"):
            raise AgentError(f"balance is {kind!r} and loss weights are {weights}; give both 'weights', or neither")
        given = torch.ones(k) if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        if given.shape != (k,) or not bool((torch.isfinite(given) & (given >= 0)).all()) or float(given.sum()) <= 0:
            raise AgentError(f"loss weights are {weights}; expected {k} numbers ≥ 0, not all 0")
        self.kind, self.k, self.asymmetry, self.step_size = kind, k, asymmetry, step_size
        self._direction = _direction(kind, k)
        self._norms, self._cosine = [0.0] * k, 1.0
        self.register_buffer("weights", given.clone())
        self.register_buffer("first", torch.zeros(k))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    @property
    def plain(self) -> bool:
        """Whether one gradient of the (weighted) sum is all that is needed."""
        return self.kind in ("none", "weights", "uncertainty")

    def step(
        self,
        losses: Tensor,
        optimizer: torch.optim.Optimizer,
        shared: Sequence[nn.Parameter],
        rest: Tensor | None = None,
        max_grad_norm: float = 10.0,
    ) -> None:
        """One step of the optimizer down Σ_k L_k and ``rest``, balanced in what is shared.

        Args:
            losses: ``(K,)`` one per objective; their plain sum is what ``"none"`` minimises.
            optimizer: of all parameters.
            shared: parameters in which the objectives are balanced.
            rest: one more loss that is not balanced, such as a policy's.
            max_grad_norm: largest norm of the whole gradient.

        Raises:
            DivergedError: the gradient is NaN or infinite; parameters stay as they were.
        """
        if self.kind == "none":
            gradient_step(losses.sum() if rest is None else losses.sum() + rest, optimizer, max_grad_norm)
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad()
        self.count += 1
        rows = None if self.plain else self._gradients(losses, shared)
        if rows is not None and self.kind == "gradnorm":
            self._learn_weights(rows, losses.detach())
        if self.kind == "uncertainty":
            self._learn_uncertainty(losses.detach())
        total = (self.weights * losses).sum() + (0.0 if rest is None else rest)
        total.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        if rows is not None and self._direction is not None:
            with seeded(int(self.count)):  # PCGrad takes the objectives in random order
                _add(self._direction(rows) - rows.sum(dim=0), shared)
        check_gradient(float(nn.utils.clip_grad_norm_(parameters, max_grad_norm)), "the losses")
        optimizer.step()

    def report(self) -> dict[str, float]:
        """For logs: the lowest cosine between two objectives' gradients, their norms and weights, as last seen."""
        learned = self.kind in ("gradnorm", "uncertainty")
        seen = {} if self.plain else {"conflict_cosine": self._cosine}
        norms = {} if self.plain else {f"gradient_{k}": norm for k, norm in enumerate(self._norms)}
        weights = {f"loss_weight_{k}": float(w) for k, w in enumerate(self.weights)} if learned else {}
        return {**seen, **norms, **weights}

    def _gradients(self, losses: Tensor, shared: Sequence[nn.Parameter]) -> Tensor:
        """J ``(K, P)``: the gradient of each loss in the shared parameters; norms and cosines are remembered."""
        rows = []
        for loss in losses:
            found = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
            rows.append(torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten()
                                   for p, g in zip(shared, found, strict=True)]))  # fmt: skip
        jacobian = torch.stack(rows)
        norms = jacobian.norm(dim=1)
        check_gradient(float(norms.sum()), "the losses")
        self._norms, self._cosine = norms.tolist(), lowest_cosine(jacobian)
        return jacobian

    @torch.no_grad()
    def _learn_weights(self, rows: Tensor, losses: Tensor) -> None:
        """One step down Σ_k |w_k ‖g_k‖ − Ḡ r_k^α| in log w, so that weights become as small as they must; Σ w = K."""
        if int(self.count) == 1:
            self.first.copy_(losses.clamp(min=1e-12))
        weighted = self.weights * rows.norm(dim=1)
        lag = losses / self.first
        goal = weighted.mean() * (lag / lag.mean().clamp(min=1e-12)).pow(self.asymmetry)
        moved = self.weights * torch.exp(-self.step_size * torch.sign(weighted - goal))
        self.weights.copy_(moved * self.k / moved.sum())

    @torch.no_grad()
    def _learn_uncertainty(self, losses: Tensor) -> None:
        """One step down Σ_k ½ (w_k L_k − log w_k) in log w, whose minimum is w_k = 1 / L_k."""
        slope = (self.weights * losses - 1.0).clamp(-1.0, 1.0)
        self.weights.mul_(torch.exp(-self.step_size * slope))


def lowest_cosine(jacobian: Tensor) -> float:
    """The lowest cosine between two rows ``(K, P)``; 1 where there are no two that are not zero."""
    rows = jacobian[jacobian.norm(dim=1) > 0]
    if len(rows) < 2:
        return 1.0
    unit = nn.functional.normalize(rows, dim=1)
    cosines = unit @ unit.T
    return float(cosines[~torch.eye(len(rows), dtype=torch.bool, device=rows.device)].min())


def _add(change: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Add a flat vector to the gradients of parameters."""
    parts = torch.split(change, [p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        more = part.view_as(parameter)
        parameter.grad = more.clone() if parameter.grad is None else parameter.grad + more


def _direction(kind: str, k: int) -> Callable[[Tensor], Tensor] | None:
    """From J ``(K, P)`` to d ``(P,)``, for kinds that are no weighted sum."""
    exact = _EXACT.get(kind)
    if exact is not None:
        factor = float(k) if kind == "mgda" else 1.0

        def combine(rows: Tensor) -> Tensor:
            wide = rows.double()
            weights = factor * exact((wide @ wide.T).cpu().numpy())
            return torch.as_tensor(weights, dtype=rows.dtype, device=rows.device) @ rows

        return combine
    if kind not in _LIBRARY:
        return None
    name, arguments, of_equal = _LIBRARY[kind]
    try:
        library = importlib.import_module("torchjd.aggregation")
        # The library's own margin of 1e-4 lets objectives lose two percent; in double precision 1e-9 is enough.
        projector = importlib.import_module("torchjd.linalg").QuadprogProjector
        more = {"projector": projector(norm_eps=1e-12, reg_eps=1e-9)} if kind == "upgrad" else {}
        aggregate = getattr(library, name)(**arguments, **more)
    except ImportError:
        raise MissingExtraError(f"balance {kind!r}", "balance") from None
    scale = k / of_equal if of_equal else 1.0
    return lambda rows: scale * aggregate(rows.double()).to(rows.dtype)
