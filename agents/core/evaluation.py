"""What policies are worth, measured without touching their training.

On an environment with a finite model, policies that look at the observation alone are evaluated *exactly* by the
Bellman equations, and policies that also look at the accrued reward are evaluated exactly by carrying the whole
distribution of (state, accrued reward) forward. Everything else is sampled: all policies in lock-step, one call per
step for all of them, in environments of its own that training never sees, with seeds of their own, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.core.errors import NoPolicyError
from morl.agents.core.exact_values import return_distribution, stationary_values
from morl.agents.core.policies import Decision, Memory, PolicySet, Subset
from morl.agents.core.problem import Problem
from morl.momdp import MOMDP
from morl.spec import AgentError, EnvError, FloatArray, IntArray

LONGEST = 100_000
"""Steps after which an episode of an environment without a time limit is taken for one that never ends."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Evaluation:
    """Returns of m policies.

    Args:
        mean: ``(m, K)`` expected (or mean) discounted return.
        covariance: ``(m, K, K)`` covariance of the *mean*; zero where exact.
        episodes: ``(m,)`` episodes behind each mean; 0 means exact.
        undiscounted: ``(m, K)`` mean undiscounted return; NaN where it was not measured or does not exist.
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
        seed: random seed of the sampled episodes.
        n_envs: parallel environments when sampling.
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
        seed: int | np.random.SeedSequence | None = None,
        deterministic: bool = True,
        distributions: bool = False,
        exact: bool | None = None,
        budget: int | None = None,
    ) -> Evaluation:
        """Evaluate every policy of a set.

        Args:
            policies: the set.
            episodes: episodes per policy where sampling is needed; with a budget, at most.
            discount: γ; the problem's own by default.
            seed: seed of the sampled episodes; a fresh one per call by default.
            deterministic: take the most likely action of stochastic policies.
            distributions: also return the distribution of the return.
            exact: ``True`` demands an exact answer, ``False`` demands samples, ``None`` prefers exact.
            budget: environment steps to spend; one episode of each policy is played in any case, and further ones
                while they fit, by how long the episodes before them were.

        Raises:
            AgentError: an exact answer was demanded and there is none.
            NoPolicyError: the set is empty. (An empty front would pass for an exact one.)
        """
        gamma = self.problem.discount if discount is None else float(discount)
        if len(policies) == 0:
            raise NoPolicyError(f"{self.problem.id}: there is no policy to measure; learn for longer")
        if exact is not False:
            answer = self._exactly(policies, gamma, deterministic, distributions)
            if answer is not None:
                return answer
        if exact:
            raise AgentError(f"{self.problem.id}: these policies cannot be evaluated exactly; give exact=None")
        return self._sampled(policies, episodes, gamma, seed, deterministic, budget)

    # ---- exact -----------------------------------------------------------------------------------------

    def _exactly(self, policies: PolicySet, gamma: float, deterministic: bool, spread: bool) -> Evaluation | None:
        model = self.problem.model
        if model is None:
            return None
        model = model.with_discount(gamma)
        observations = self.problem.model_observations
        if not spread:
            values = policies.exact_values(model)
            if values is not None:
                return _exact_answer(np.asarray(values), gamma)
        mixture = policies.mixture()
        if mixture is not None:
            if policies.inner is None:
                return None
            parts = self._exactly(policies.inner, gamma, deterministic, spread)
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
        self,
        policies: PolicySet,
        episodes: int,
        gamma: float,
        seed: int | np.random.SeedSequence | None,
        deterministic: bool,
        budget: int | None,
    ) -> Evaluation:
        if episodes < 1:
            raise AgentError(f"episodes is {episodes}; expected at least 1")
        if seed is None:
            root = self._next_seed()
        else:
            root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        m, k = len(policies), self.problem.spec.k
        parts: list[tuple[FloatArray, FloatArray]] = []
        played = steps = 0
        more = episodes if budget is None else 1
        while more > 0:
            jobs, part = np.tile(np.arange(m), more), root if played == 0 else root.spawn(1)[0]
            env = self.problem.measuring(int(min(self.n_envs, len(jobs))))
            try:
                *both, spent = roll_out(env, self.problem, policies, jobs, gamma, part, deterministic)
            finally:
                env.close()
            parts.append((both[0].reshape(more, m, k), both[1].reshape(more, m, k)))
            played, steps = played + more, steps + spent
            fit = 0 if budget is None else int((budget - steps) * played / max(steps, 1))
            more = min(episodes - played, played, fit)
        self.steps += steps
        discounted, plain = (np.concatenate(some) for some in zip(*parts, strict=True))
        returns = discounted.transpose(1, 0, 2)
        mean = returns.mean(axis=1)
        centred = returns - mean[:, None]
        covariance = np.einsum("mek,mel->mkl", centred, centred) / (max(played - 1, 1) * played)
        weights = np.full(played, 1.0 / played)
        return Evaluation(
            mean,
            covariance,
            np.full(m, played, dtype=np.int64),
            plain.mean(axis=0),
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
    *,
    limit: int | None = None,
) -> tuple[FloatArray, FloatArray, int]:
    """Play one episode per entry of ``jobs`` (the number of the policy that plays it), all in lock-step.

    Returns:
        Discounted and undiscounted returns ``(len(jobs), K)`` and the number of environment steps, at most ``limit``.
        Returns of episodes that are not over by then are NaN.

    Raises:
        EnvError: an episode does not end: it passed the time limit, or :data:`LONGEST` steps where there is none.
    """
    env_seed, policy_seed = seed.spawn(2)
    rng = np.random.default_rng(policy_seed)
    # Policies may depend on the reward accrued under the γ they were trained with, whatever γ is measured.
    collector = problem.collector(env)
    n, k = collector.n, problem.spec.k
    collector.reset(int(env_seed.generate_state(1)[0]))
    discounted, plain = np.zeros((len(jobs), k)), np.zeros((len(jobs), k))
    slot = np.arange(n) % max(len(jobs), 1)
    playing = np.arange(n) < len(jobs)
    upcoming = int(playing.sum())
    steps = 0
    if not len(jobs):
        return discounted, plain, steps
    which = jobs[slot]
    memory: Memory = policies.start(which, rng)
    while playing.any():
        _require_ending(problem, int(collector.time[playing].max()))
        if limit is not None and steps + int(playing.sum()) > limit:
            surplus = np.flatnonzero(playing)[limit - steps :]
            discounted[slot[surplus]] = plain[slot[surplus]] = np.nan
            playing[surplus] = False
            continue
        actions, memory = policies.act(
            Decision(which, collector.obs, memory, collector.accrued, collector.time, rng, deterministic)
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
        _renew(memory, policies, which, np.flatnonzero(collector.time == 0), rng)
    discounted[upcoming:] = plain[upcoming:] = np.nan
    return discounted, plain, steps


def _require_ending(problem: Problem, time: int) -> None:
    """Refuse an episode that passed the time limit, or :data:`LONGEST` steps where there is none."""
    longest = max(problem.horizon or 0, LONGEST)
    if time > longest:
        raise EnvError(
            f"{problem.id}: an episode did not end within {longest:,} steps; give it a time limit "
            "(max_steps=... where it is registered), or a state that ends it"
        )


def _renew(memory: Memory, policies: PolicySet, which: IntArray, fresh: IntArray, rng: np.random.Generator) -> None:
    """Give rows that begin anew a fresh memory: at once where the environment restarts in the same step, after its
    reset step otherwise."""
    if memory and len(fresh):
        for key, value in policies.start(which[fresh], rng).items():
            memory[key] = memory[key].copy()
            memory[key][fresh] = value


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
