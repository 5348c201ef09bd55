"""What policies are worth, measured without touching their training.

On an environment with a finite model, policies that look at the observation alone are evaluated *exactly* by the
Bellman equations, and policies that also look at the accrued reward are evaluated exactly by carrying the whole
distribution of (state, accrued reward) forward. Everything else is sampled: all policies in lock-step, one call per
step for all of them, in copies of the environment that training never sees, with seeds of their own, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.collector import Collector, take
from morl.agents.policies import Memory, PolicySet, Subset
from morl.agents.problem import Problem
from morl.momdp import MOMDP
from morl.spec import AgentError, FloatArray, IntArray, ModelError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Evaluation:
    """Returns of m policies.

    Args:
        mean: ``(m, K)`` expected (or mean) discounted return.
        covariance: ``(m, K, K)`` covariance of the *mean*; zero where exact.
        episodes: ``(m,)`` episodes behind each mean; 0 means exact.
        undiscounted: ``(m, K)`` mean undiscounted return; NaN where it was not asked for or does not exist.
        distributions: per policy, ``(values (n, K), probabilities (n,))`` of the discounted return: the sampled
            episodes, or the exact distribution. ``None`` where only the mean was computed.
        steps: environment steps spent.
        discount: γ of ``mean``.
    """

    mean: FloatArray
    covariance: FloatArray
    episodes: IntArray
    undiscounted: FloatArray
    distributions: tuple[tuple[FloatArray, FloatArray], ...] | None
    steps: int
    discount: float

    @property
    def exact(self) -> bool:
        """True where nothing was sampled."""
        return bool(np.all(self.episodes == 0))


class Evaluator:
    """Measures policies of one problem.

    Args:
        problem: the environment.
        seed: root of the evaluator's own seeds.
        n_envs: copies stepped together when sampling.
        discount: γ of the returns; the problem's by default.

    Attributes:
        steps: environment steps spent so far.
    """

    def __init__(self, problem: Problem, seed: np.random.SeedSequence, n_envs: int = 64) -> None:
        self.problem, self.n_envs = problem, int(n_envs)
        self._seed = seed
        self._calls = 0
        self.steps = 0

    def evaluate(
        self,
        policies: PolicySet,
        episodes: int = 100,
        *,
        discount: float | None = None,
        seed: int | None = None,
        deterministic: bool = True,
        distributions: bool = False,
        exact: bool | None = None,
    ) -> Evaluation:
        """Evaluate every policy of a set.

        Args:
            policies: the set.
            episodes: episodes per policy where sampling is needed.
            discount: γ; the problem's own by default.
            seed: seed of the sampled episodes; a fresh one per call by default.
            deterministic: take the most likely action of stochastic policies.
            distributions: also return the distribution of the return.
            exact: ``True`` demands an exact answer, ``False`` demands samples, ``None`` prefers exact.

        Raises:
            AgentError: an exact answer was demanded and there is none.
        """
        gamma = self.problem.discount if discount is None else float(discount)
        if len(policies) == 0:
            k = self.problem.spec.k
            none = np.zeros((0, k))
            return Evaluation(none, np.zeros((0, k, k)), np.zeros(0, np.int64), none, (), 0, gamma)
        if exact is not False:
            answer = self._exactly(policies, gamma, deterministic, distributions)
            if answer is not None:
                return answer
        if exact:
            raise AgentError(f"{self.problem.id}: these policies cannot be evaluated exactly; give exact=None")
        return self._sampled(policies, episodes, gamma, seed, deterministic)

    # ---- exact -----------------------------------------------------------------------------------------

    def _exactly(self, policies: PolicySet, gamma: float, deterministic: bool, spread: bool) -> Evaluation | None:
        model = self.problem.model
        if model is None:
            return None
        model = model.with_discount(gamma)
        observations = self.problem.model_observations
        own = getattr(policies, "exact_values", None)
        if own is not None and not spread:
            values = own(model)
            if values is not None:
                return _exact_answer(np.asarray(values), gamma)
        mixture = policies.mixture()
        if mixture is not None:
            inner = getattr(policies, "inner", None)
            if inner is None:
                return None
            parts = self._exactly(inner, gamma, deterministic, spread)
            return None if parts is None else _mix(parts, mixture, gamma)
        if policies.has_memory:
            return None
        if policies.needs_accrued or spread:
            return self._distributions(policies, model, observations, gamma, deterministic)
        values = stationary_values(policies, model, observations, deterministic, self.problem.horizon)
        return None if values is None else _exact_answer(values, gamma)

    def _distributions(
        self, policies: PolicySet, model: MOMDP, observations: Array, gamma: float, deterministic: bool
    ) -> Evaluation | None:
        results = []
        for i in range(len(policies)):
            one = return_distribution(
                Subset(policies, np.array([i])), model, observations, deterministic, self.problem.horizon
            )
            if one is None:
                return None
            results.append(one)
        mean = np.array([p @ v for v, p in results])
        answer = _exact_answer(mean, gamma)
        return Evaluation(mean, answer.covariance, answer.episodes, answer.undiscounted, tuple(results), 0, gamma)

    # ---- sampled ---------------------------------------------------------------------------------------

    def _sampled(
        self, policies: PolicySet, episodes: int, gamma: float, seed: int | None, deterministic: bool
    ) -> Evaluation:
        if episodes < 1:
            raise AgentError(f"episodes is {episodes}; expected at least 1")
        root = self._next_seed() if seed is None else np.random.SeedSequence(seed)
        m, k = len(policies), self.problem.spec.k
        jobs = np.tile(np.arange(m), episodes)
        env = self.problem.measuring(int(min(self.n_envs, len(jobs))))
        try:
            discounted, plain, steps = roll_out(env, self.problem, policies, jobs, gamma, root, deterministic)
        finally:
            env.close()
        self.steps += steps
        returns = discounted.reshape(episodes, m, k).transpose(1, 0, 2)
        mean = returns.mean(axis=1)
        centred = returns - mean[:, None]
        covariance = np.einsum("mek,mel->mkl", centred, centred) / (max(episodes - 1, 1) * episodes)
        weights = np.full(episodes, 1.0 / episodes)
        return Evaluation(
            mean,
            covariance,
            np.full(m, episodes, dtype=np.int64),
            plain.reshape(episodes, m, k).mean(axis=0),
            tuple((np.array(r), weights) for r in returns),
            steps,
            gamma,
        )

    def _next_seed(self) -> np.random.SeedSequence:
        self._calls += 1
        return np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, self._calls))


def roll_out(
    env: Any,
    problem: Problem,
    policies: PolicySet,
    jobs: IntArray,
    gamma: float,
    seed: np.random.SeedSequence,
    deterministic: bool,
) -> tuple[FloatArray, FloatArray, int]:
    """Play one episode per entry of ``jobs`` (the number of the policy that plays it), all in lock-step.

    Returns:
        Discounted and undiscounted returns ``(len(jobs), K)`` and the number of environment steps.
    """
    env_seed, policy_seed = seed.spawn(2)
    rng = np.random.default_rng(policy_seed)
    # Policies may depend on the reward accrued under the γ they were trained with, whatever γ is measured.
    collector = Collector(env, problem.spec, problem.discount, problem.id)
    n, k = collector.n, problem.spec.k
    collector.reset(int(env_seed.generate_state(1)[0]))
    discounted, plain = np.zeros((len(jobs), k)), np.zeros((len(jobs), k))
    slot = np.arange(n) % max(len(jobs), 1)
    playing = np.arange(n) < len(jobs)
    upcoming = int(playing.sum())
    which = jobs[slot]
    memory: Memory = policies.start(which, rng)
    steps = 0
    while playing.any():
        actions, memory = policies.act(
            which, collector.obs, memory, collector.accrued, collector.time, rng, deterministic
        )
        out = collector.step(actions)
        rows = out.env
        counted = playing[rows]
        steps += int(counted.sum())
        target = slot[rows[counted]]
        discounted[target] += (gamma ** out.time[counted])[:, None] * out.rewards[counted]
        plain[target] += out.rewards[counted]
        finished = rows[(out.terminated | out.truncated) & counted]
        for i in finished:
            if upcoming < len(jobs):
                slot[i], upcoming = upcoming, upcoming + 1
            else:
                playing[i] = False
        if len(finished):
            which = jobs[slot]
        # A row that begins anew gets a fresh memory: at once where the environment restarts in the same step,
        # after its reset step otherwise.
        fresh = np.flatnonzero(collector.time == 0)
        if memory and len(fresh):
            begun = policies.start(which[fresh], rng)
            for key, value in begun.items():
                memory[key] = memory[key].copy()
                memory[key][fresh] = value
    return discounted, plain, steps


# ---- exact evaluation -----------------------------------------------------------------------------------


def _exact_answer(values: FloatArray, gamma: float) -> Evaluation:
    m, k = values.shape
    plain = values if gamma == 1.0 else np.full_like(values, np.nan)
    return Evaluation(values, np.zeros((m, k, k)), np.zeros(m, dtype=np.int64), plain, None, 0, gamma)


def _mix(parts: Evaluation, mixture: FloatArray, gamma: float) -> Evaluation:
    values = mixture @ parts.mean
    answer = _exact_answer(values, gamma)
    if parts.distributions is None:
        return answer
    spread = []
    for weights in mixture:
        used = np.flatnonzero(weights > 0)
        spread.append(
            (
                np.concatenate([parts.distributions[i][0] for i in used]),
                np.concatenate([weights[i] * parts.distributions[i][1] for i in used]),
            )
        )
    return Evaluation(values, answer.covariance, answer.episodes, answer.undiscounted, tuple(spread), 0, gamma)


def action_probabilities(
    policies: PolicySet,
    i: int,
    model: MOMDP,
    observations: Array,
    accrued: FloatArray,
    time: IntArray,
    deterministic: bool,
) -> FloatArray | None:
    """Probabilities ``(n, A)`` of policy ``i`` at n observations, where actions are numbers; ``None`` otherwise."""
    n = len(accrued)
    which = np.full(n, i, dtype=np.int64)
    width = int(model.n_actions.max())
    if policies.stochastic and not deterministic:
        probabilities = policies.probabilities(which, observations)
        return None if probabilities is None else probabilities[:, :width]
    rng = np.random.default_rng(0)
    actions, _ = policies.act(which, observations, policies.start(which, rng), accrued, time, rng, True)
    actions = np.asarray(actions)
    if actions.shape != (n,) or not np.issubdtype(actions.dtype, np.integer):
        return None
    out = np.zeros((n, width))
    out[np.arange(n), np.clip(actions, 0, width - 1)] = 1.0
    return out


def stationary_values(
    policies: PolicySet, model: MOMDP, observations: Array, deterministic: bool, horizon: int | None
) -> FloatArray | None:
    """Exact start values ``(m, K)`` of policies that look at the observation alone; ``None`` where they cannot be had.

    A policy that never ends an undiscounted episode has no infinite-horizon value; it is then worth what it earns
    within the environment's time limit.
    """
    from morl.exact import evaluate, evaluate_batch

    n, m, k = model.n_states, len(policies), model.k
    accrued, time = np.zeros((n, k)), np.zeros(n, dtype=np.int64)
    live = ~model.terminal
    values = np.full((m, k), np.nan)
    tables = np.zeros((m, n), dtype=np.int64)
    simple = np.zeros(m, dtype=bool)
    for i in range(m):
        chances = action_probabilities(policies, i, model, observations, accrued, time, deterministic)
        if chances is None:
            return None
        width = np.maximum(model.n_actions, 1)[:, None]
        chances = np.where(np.arange(chances.shape[1]) < width, chances, 0.0)
        totals = chances.sum(axis=1)
        if np.any(live & (totals <= 0)):
            return None
        chances = chances / np.where(totals > 0, totals, 1.0)[:, None]
        tables[i] = chances.argmax(axis=1)
        simple[i] = bool(np.all(chances.max(axis=1)[live] == 1.0))
        if not simple[i]:
            action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
            values[i] = _guarded(lambda p=chances[model.row_state, action]: evaluate(model, p).start, k)
    chosen = np.flatnonzero(simple)
    if len(chosen):
        batch = _guarded(lambda: evaluate_batch(model, tables[chosen]), k, len(chosen))
        for j in np.flatnonzero(~np.isfinite(batch).all(axis=1)):
            batch[j] = _guarded(lambda p=tables[chosen[j]]: evaluate(model, p).start, k)
        values[chosen] = batch
    missing = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(missing):
        if horizon is None:
            return None
        for i in missing.tolist():
            chances = action_probabilities(policies, i, model, observations, accrued, time, deterministic)
            assert chances is not None
            values[i] = _finite_horizon(model, chances, horizon)
    return values


def _guarded(compute: Any, k: int, rows: int | None = None) -> FloatArray:
    """The result of a solver, or NaN where it refuses (an improper policy)."""
    try:
        with np.errstate(all="ignore"):
            return np.array(compute(), dtype=np.float64)
    except (ModelError, np.linalg.LinAlgError, RuntimeError):
        return np.full(k if rows is None else (rows, k), np.nan)


def _finite_horizon(model: MOMDP, chances: FloatArray, horizon: int) -> FloatArray:
    """Start value over ``horizon`` steps of a policy given by action probabilities ``(S, A)``."""
    from scipy import sparse

    action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
    weight = chances[model.row_state, action]
    pick = sparse.csr_array((weight, (model.row_state, np.arange(model.n_rows))), shape=(model.n_states, model.n_rows))
    chain, reward = pick @ model.transitions, pick @ model.rewards
    value = np.zeros((model.n_states, model.k))
    for _ in range(horizon):
        value = reward + model.discount * (chain @ value)
    return np.asarray(model.start @ value)


def return_distribution(
    policies: PolicySet,
    model: MOMDP,
    observations: Array,
    deterministic: bool = True,
    horizon: int | None = None,
    *,
    max_atoms: int = 200_000,
    lost: float = 1e-9,
) -> tuple[FloatArray, FloatArray] | None:
    """The exact distribution of the discounted return of one memoryless policy.

    The distribution over (state, accrued reward) is carried forward step by step; equal pairs merge.

    Args:
        policies: a set of one policy; it may look at the accrued reward and the time.
        model: the finite model.
        observations: observation of every state.
        deterministic: as in :meth:`Evaluator.evaluate`.
        horizon: time limit.
        max_atoms: give up (``None``) beyond so many pairs.
        lost: stop when less probability than this is still running; it is counted with what it has accrued.

    Returns:
        ``(values (n, K), probabilities (n,))``, or ``None``.
    """
    states = np.flatnonzero(model.start > 0)
    mass, accrued = model.start[states], np.zeros((len(states), model.k))
    done_values: list[FloatArray] = []
    done_mass: list[FloatArray] = []
    finished = 0
    matrix = model.transitions
    limit = horizon if horizon is not None else 100_000
    gamma_t = 1.0
    for t in range(limit):
        ended = model.terminal[states]
        if ended.any():
            done_values.append(accrued[ended])
            done_mass.append(mass[ended])
            finished += int(ended.sum())
            states, mass, accrued = states[~ended], mass[~ended], accrued[~ended]
        if len(states) == 0 or mass.sum() < lost or gamma_t < 1e-12:
            break
        time = np.full(len(states), t, dtype=np.int64)
        chances = action_probabilities(policies, 0, model, take(observations, states), accrued, time, deterministic)
        if chances is None:
            return None
        chances = np.where(np.arange(chances.shape[1]) < model.n_actions[states][:, None], chances, 0.0)
        atom, action = np.nonzero(chances)
        rows = model.row_ptr[states[atom]] + action
        count = np.diff(matrix.indptr)[rows]
        entry = np.repeat(matrix.indptr[rows] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(
            count.sum()
        )
        parent = np.repeat(atom, count)
        if model.outcome_rewards is not None:
            gain = model.outcome_rewards[entry]
        else:
            gain = np.repeat(model.rewards[rows], count, axis=0)
        mass = mass[parent] * np.repeat(chances[atom, action], count) * matrix.data[entry]
        accrued = accrued[parent] + gamma_t * gain
        states = matrix.indices[entry].astype(np.int64)
        keep = mass > 0
        states, mass, accrued = _merge(states[keep], mass[keep], accrued[keep])
        gamma_t *= model.discount
        if len(states) + finished > max_atoms:
            return None
    if len(states):
        done_values.append(accrued)
        done_mass.append(mass)
    values, mass = np.concatenate(done_values), np.concatenate(done_mass)
    _, mass, values = _merge(np.zeros(len(mass), dtype=np.int64), mass, values)
    return values, mass / mass.sum()


def _merge(states: IntArray, mass: FloatArray, accrued: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Add up the probability of equal (state, accrued) pairs; accrued rewards equal to 1e-9 count as equal."""
    keys = np.concatenate([states[:, None].astype(np.float64), np.round(accrued, 9) + 0.0], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    total = np.zeros(len(first))
    np.add.at(total, inverse.ravel(), mass)
    return states[first], total, accrued[first]
