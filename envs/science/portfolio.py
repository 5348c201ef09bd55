"""Portfolio-v0: rebalance three assets every month for two years: return against risk against turnover.

Three correlated geometric Brownian motions, drifts μ = .04, .06, .10 and volatilities σ = .06, .12, .20 a year,
correlations .3 (1, 2), .2 (1, 3), .5 (2, 3). The action is three logits; their softmax is the portfolio, so that
nothing is sold short. Rewards of a month: the portfolio's simple return in %; −½ w'Σw·100 with Σ the *monthly*
covariance σσ'ρ/12, the mean-variance penalty in the same unit (Markowitz 1952); −turnover Σ|w − w before|.

Without the turnover objective the months are independent and both rewards are concave in w, so a constant portfolio is
best (Jensen) and the front is Markowitz's efficient frontier: :func:`pareto_front` computes it, and
:func:`morl.envs.science.portfolio_market.frontier` gives the textbook's parabola with short sales. Assumptions: the
parameters above; the start is an equal portfolio; no costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science.convex_front import half_spaces, sandwich
from morl.envs.science.portfolio_market import CORRELATION, DRIFT, MONTHS, VOLATILITY, best_constant, monthly_mean
from morl.pareto import Front
from morl.spec import EnvError, FloatArray, MOSpec, Objective, check_weights

LOGIT = 5.0
"""Actions are logits in ±5: the largest weight is 0.9999."""
_OBJECTIVES = (
    Objective("return", "%", -100.0, 100.0, "simple return of the month"),
    Objective("risk", "%", -10.0, 0.0, "minus half the monthly variance, in %"),
    Objective("turnover", "", -2.0, 0.0, "minus the sum of absolute weight changes"),
)
_REF = (-50.0, -20.0, -48.0)
_LOW, _HIGH = (0.0, -4.0, -12.0), (20.0, 0.0, 0.0)


def _three(name: str, value: Any) -> FloatArray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != (3,) or not np.isfinite(array).all() or (np.abs(array) > 2.0).any():
        raise EnvError(f"{name} is {value!r}; expected three yearly numbers of at most 2 in size")
    return array


class PortfolioDynamics(Dynamics):
    """The pure dynamics of ``morl/Portfolio-v0``.

    State: ``weights`` ``(n, 3)`` after the market moved, last month's ``returns`` ``(n, 3)``, ``month`` ``(n,)``.

    Observation ``(7,)``: weights, last returns × 10, month / 24. Action: three logits in ±5.

    Args:
        turnover: pay the third objective; without it the front is known.
        drift: three yearly drifts μ.
        volatility: three yearly volatilities σ > 0.
    """

    max_steps = MONTHS
    render_fps = 4
    reset_options = ("weights",)

    def __init__(
        self, *, turnover: bool = True, drift: Any = tuple(DRIFT), volatility: Any = tuple(VOLATILITY)
    ) -> None:
        self.k = 3 if turnover else 2
        self.no_front = ""
        if turnover:  # then yesterday's portfolio matters, and no formula is known
            self.no_front = "Portfolio-v0 with the turnover objective has no known front; make it with turnover=False"
        self.drift, self.volatility = _three("drift", drift), _three("volatility", volatility)
        if not (self.volatility > 0.0).all():
            raise EnvError(f"volatility is {self.volatility.tolist()}; expected three numbers above 0")
        self.covariance = np.outer(self.volatility, self.volatility) * CORRELATION / 12.0
        self._root = np.linalg.cholesky(self.covariance)
        self._shift = self.drift / 12.0 - 0.5 * np.diag(self.covariance)
        k = self.k
        self.mo_spec = MOSpec(_OBJECTIVES[:k], 1.0, MONTHS, _REF[:k], (_LOW[:k], _HIGH[:k]))
        low = np.array([0, 0, 0, -10, -10, -10, 0], np.float32)
        high = np.array([1, 1, 1, 10, 10, 10, 1], np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)
        self.action_space = spaces.Box(-LOGIT, LOGIT, (3,), np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """An equal portfolio, or ``options["weights"]``."""
        weights = np.full((n, 3), 1.0 / 3.0)
        if options and "weights" in options:
            try:
                weights[:] = check_weights(options["weights"], 3, "portfolio")
            except ValueError as error:
                raise EnvError(str(error)) from None
        return {"weights": weights, "returns": np.zeros((n, 3)), "month": np.zeros(n), "value": np.ones(n)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Rebalance to softmax(action), then let the market move for a month."""
        target = np.exp(actions - actions.max(axis=1, keepdims=True))
        target /= target.sum(axis=1, keepdims=True)
        log_moves = self._shift + rng.standard_normal((len(target), 3)) @ self._root.T
        returns = np.clip(np.expm1(log_moves), -1.0, 1.0)
        earned = (target * returns).sum(axis=1)
        grown = target * (1.0 + returns)
        total = grown.sum(axis=1, keepdims=True)
        rewards = np.empty((len(target), 3))
        rewards[:, 0] = 100.0 * earned
        rewards[:, 1] = -np.minimum(10.0, 50.0 * np.einsum("ni,ij,nj->n", target, self.covariance, target))
        rewards[:, 2] = -np.minimum(2.0, np.abs(target - state["weights"]).sum(axis=1))
        new = {
            "weights": np.where(total > 0.0, grown / np.maximum(total, 1e-300), target),
            "returns": returns,
            "month": state["month"] + 1.0,
            "value": state["value"] * (1.0 + earned),
        }
        return Transition(new, rewards[:, : self.k], np.zeros(len(target), bool), {"portfolio": target})

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Weights, last returns × 10, month / 24: ``(n, 7)`` float32."""
        month = np.minimum(state["month"] / MONTHS, 1.0)[:, None]
        return np.concatenate([state["weights"], 10.0 * state["returns"], month], axis=1).astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The portfolio on the plane of risk and return, beside the efficient frontier."""
        from morl.envs.science.portfolio_render import render

        return render(state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """Markowitz's efficient frontier, where turnover is off; see :func:`pareto_front`."""
        return None if self.no_front else pareto_front(self, max_steps or MONTHS, discount)


def pareto_front(dynamics: PortfolioDynamics, months: int = MONTHS, discount: float = 1.0, points: int = 65) -> Front:
    """The exact efficient frontier of expected returns, long-only, for the environment without turnover.

    Points are optimal for as many weights; ε certifies what lies between them. The policies are constant portfolios;
    the returns are those of portfolios on the simplex, which softmax reaches to 1e-4.
    """
    mean, covariance = monthly_mean(dynamics.drift), dynamics.covariance
    total = float(np.sum(discount ** np.arange(months)))
    share = np.concatenate([[0.0], np.geomspace(1e-3, 0.999, points - 2), [1.0]])
    weights = np.column_stack([share, 1.0 - share])
    holdings = [best_constant(w, mean, covariance) for w in share]
    values = total * np.array([[mean @ x, -50.0 * x @ covariance @ x] for x in holdings])
    keep = np.concatenate([[True], np.abs(np.diff(values, axis=0)).max(axis=1) > 1e-12])
    return Front(
        values[keep],
        dynamics.mo_spec.objectives,
        dynamics.mo_spec.ref_point,
        discount,
        policies=[x for x, k in zip(holdings, keep, strict=True) if k],
        weights=weights[keep],
        supported=np.ones(int(keep.sum()), bool),
        episodes=np.zeros(int(keep.sum()), int),
        epsilon=sandwich(values, weights),
        complete=True,
        outer=half_spaces(values, weights),
        scale=dynamics.mo_spec.return_scale,
        provenance={
            "algorithm": "mean-variance optimisation by supports",
            "policy_class": "mixture",
            "criterion": "SER",
            "env": "morl/Portfolio-v0",
            "months": months,
        },
    )


class ConstantPortfolio:
    """A hand-written policy: hold fixed weights.

    Args:
        weights: three numbers on the simplex.
    """

    def __init__(self, weights: Any = (0.6, 0.25, 0.15)) -> None:
        w = check_weights(weights, 3, "portfolio")
        logits = np.log(np.maximum(w, np.exp(-2 * LOGIT)))
        self.action = np.clip(logits - logits.max() + LOGIT, -LOGIT, LOGIT).astype(np.float32)

    def __call__(self, observation: Any) -> Any:
        """Actions for observations ``(n, 7)`` or one ``(7,)``."""
        return np.broadcast_to(self.action, (*np.shape(observation)[:-1], 3)).copy()
