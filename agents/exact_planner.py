"""The exact solver behind the agent interface: a reference front wherever an agent is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from morl.agents.base import Agent, Array
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.errors import warn
from morl.agents.core.identity import policy_identities
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import StateIndex
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.momdp import MOMDP
from morl.pareto.front import Front
from morl.spec import AgentError, FloatArray, IntArray


@dataclass(frozen=True)
class PlannerConfig(AgentConfig):
    """Options of :class:`ExactPlanner`."""

    policies: str = option(
        "stationary", "policy class to solve for", choices=("mixture", "stationary", "markov", "history")
    )
    epsilon: float = option(0.0, "additive error allowed in every objective", low=0.0)
    time_limit: float | None = option(
        60.0, "seconds; what is certified by then is returned, with a warning; None: the solver decides", low=0.0
    )


class ExactPlanner(Agent):
    """Solves the environment's finite model and acts by the policies found.

    ``learn`` plans; its steps are counted as zero environment steps taken, because none are.
    """

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="ExactPlanner",
        summary="The exact front of a finite environment, behind the interface of an agent.",
        criterion=("SER",),
        policy_class="user-selected: mixture, stationary, markov or history-dependent deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="White 1982; Wiering & de Jong 2007; Roijers & Whiteson 2017 (see morl.exact)",
        formula="V(s) = ND ∪_a [ r(s,a) + γ ⊕_s' P(s'|s,a) V(s') ]",
        avoid="the environment has no momdp(), or too many states",
        needs_model=True,
    )
    Config = PlannerConfig

    def _setup(self) -> None:
        self._front: Front | None = None

    def _learn(self, until: int) -> None:
        self._solve()
        self.num_timesteps = until  # planning takes no environment steps, but whoever asked for them is answered
        self.advance(0)

    def _solve(self) -> Front:
        if self._front is None:
            from morl.exact import solve

            given: dict[str, Any] = {"time_limit": self.config.time_limit}
            if self.config.epsilon > 0:
                given["epsilon"] = self.config.epsilon
            assert self.problem.model is not None  # the algorithm says that it needs one
            front: Front = solve(self.problem.model, policies=self.config.policies, **given)
            if front.policies is None:
                raise AgentError(f"the exact solver gave no policies for policies={self.config.policies!r}")
            if not front.complete:
                warn(
                    f"after {front.provenance.get('seconds', 0.0):.3g} s the front of {self.problem.id} for "
                    f"policies={self.config.policies!r} is not complete: {_certified(front)}; give a longer "
                    "time_limit, an epsilon, or another class of policies ('mixture' is the quickest)"
                )
            self._front = front
        return self._front

    def status(self) -> dict[str, float]:
        """The number of points found."""
        return {} if self._front is None else {"points": float(len(self._front))}

    def front(
        self,
        episodes: int = 100,
        seed: int | None = None,
        *,
        discount: float | None = None,
        exact: bool | None = None,
        budget: int | None = None,
    ) -> Front:
        """The solver's own front with its certificate, or its policies measured under another discount."""
        solved = self._solve()
        if exact is False or (discount is not None and discount != solved.discount):
            return super().front(episodes, seed, discount=discount, exact=exact, budget=budget)
        from morl.agents.core.acting import PolicyHandle

        policies = self._policies(None)
        facts = {**solved.provenance, "algorithm": self.info.name, "solver": solved.provenance.get("algorithm")}
        facts.update(env=self.problem.id, seed=self.seed, steps=0, seconds=round(self.seconds, 6))
        front = solved.with_spec(self.spec).replace(
            policies=tuple(PolicyHandle(self, policies, i) for i in range(len(solved))),
            identities=policy_identities(self, policies, np.arange(len(solved))),
            episodes=np.zeros(len(solved), dtype=np.int64),
            provenance=facts,
        )
        return self._keep(front)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        front = self._solve()
        assert front.policies is not None
        assert self.problem.model is not None
        chosen = np.arange(len(front)) if preferences is None else (preferences @ front.points.T).argmax(axis=1)
        index = StateIndex(self.observation_space, self.problem.model_observations)
        return PlannedPolicies(self.problem.model, index, [front.policies[i] for i in chosen], preferences)

    def _measured_facts(self) -> None:
        return None  # the front is solved again, and predict plays its best policy anyway

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        self._front = None  # solved again when it is needed: the answer is a function of the model


def _certified(front: Front) -> str:
    """What is known of a front that is not complete."""
    if front.epsilon is None:
        return f"it has {len(front)} points so far"
    return f"its {len(front)} points may miss up to {front.epsilon:.3g} in every objective"


class PlannedPolicies(PolicySet):
    """Policies of any kind that the exact solver returns, acting on observations.

    Observations must tell states apart (a model's own states do not need to).
    """

    has_memory = True
    stochastic = True
    whole = True

    def __init__(self, model: MOMDP, index: StateIndex, plans: list[Any], preferences: FloatArray | None) -> None:
        self.model, self.index, self.plans, self.preferences = model, index, plans, preferences

    def __len__(self) -> int:
        return len(self.plans)

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """A draw for mixtures; nothing visited yet."""
        n = len(which)
        component = np.zeros(n, dtype=np.int64)
        for i, number in enumerate(which):
            component[i] = draw_component(self.plans[number], rng)
        node = np.full(n, -2, dtype=np.int64)  # −2: not begun, −1: the plan has ended
        return {"component": component, "node": node, "step": np.zeros(n, dtype=np.int64)}

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Follow each plan one step."""
        states = self.index.lookup(decision.observations, grow=False)
        memory, rng = decision.memory, decision.rng
        node, step = memory["node"].copy(), memory["step"].copy()
        actions = np.zeros(len(decision.which), dtype=np.int64)
        for i, number in enumerate(decision.which):
            if states[i] < 0 or self.model.n_actions[states[i]] == 0:
                continue
            plan = component_of(self.plans[number], int(memory["component"][i]))
            actions[i], node[i] = self._one(plan, int(states[i]), int(node[i]), int(step[i]), rng)
        return actions, {"component": memory["component"], "node": node, "step": step + 1}

    def _one(self, plan: Any, state: int, node: int, step: int, rng: np.random.Generator) -> tuple[int, int]:
        from morl.exact import HistoryPolicy

        if isinstance(plan, HistoryPolicy):
            return follow(plan, state, node)
        table = np.asarray(plan)
        if table.ndim == 2:
            table = table[min(step, len(table) - 1)]
        if np.issubdtype(table.dtype, np.integer):
            return int(table[state]), node
        first, last = int(self.model.row_ptr[state]), int(self.model.row_ptr[state + 1])
        chances = table[first:last] / table[first:last].sum()
        return int(rng.choice(last - first, p=chances)), node

    def table(self, number: int) -> dict[str, Array]:
        """The plan by observations, as :func:`morl.runs.export.as_table` says.

        Raises:
            AgentError: a plan that depends on the states visited, or a mixture of several kinds.
        """
        from morl.exact import HistoryPolicy, Mixture

        plan = self.plans[number]
        parts = plan.policies if isinstance(plan, Mixture) else (plan,)
        if any(isinstance(part, HistoryPolicy) for part in parts):
            raise AgentError("this policy acts on the states that it has visited, which no table holds")
        kinds = [self._states_table(np.asarray(part)) for part in parts]
        names = {name for name, _ in kinds}
        if len(names) > 1:
            raise AgentError("this mixture has policies that draw actions and others that do not; choose another point")
        ((name, _),) = {(name, 0) for name in names}
        tables = np.stack([table for _, table in kinds])
        found = {"observations": self.index.table(), "default": np.array(0)}
        if isinstance(plan, Mixture):
            return {**found, name: tables, "shares": plan.probabilities}
        return {**found, name: tables[0]}

    def _states_table(self, part: Array) -> tuple[str, Array]:
        """Actions ``(..., S)`` or probabilities ``(..., S, A)`` of a deterministic or a stochastic table."""
        if np.issubdtype(part.dtype, np.integer):
            return "actions", part
        model, rows = self.model, np.atleast_2d(part)
        action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
        chances = np.zeros((len(rows), model.n_states, int(model.n_actions.max())))
        chances[:, model.row_state, action] = rows
        return "probabilities", chances if part.ndim == 2 else chances[0]

    def content(self, number: int) -> tuple[Any, ...]:
        """The plan's tables."""
        return plan_content(self.plans[number])

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """Exact values of plans that the solver itself can evaluate; ``None`` where one of them needs sampling."""
        from morl.exact import HistoryPolicy, evaluate

        if any(isinstance(part, HistoryPolicy) for plan in self.plans for part in getattr(plan, "policies", (plan,))):
            return None
        return np.array([evaluate(model, plan).start for plan in self.plans])


def plan_content(plan: Any) -> tuple[Any, ...]:
    """Everything that a plan is, as numbers and arrays."""
    from morl.exact import HistoryPolicy, Mixture

    if isinstance(plan, Mixture):
        parts = [part for policy in plan.policies for part in ("part", *plan_content(policy))]
        return (plan.probabilities, *parts)
    if isinstance(plan, HistoryPolicy):
        nodes = plan.plan
        tables = (nodes.state, nodes.action, nodes.ptr, nodes.successors, nodes.children, nodes.tail, *nodes.tails)
        return (*(part for root in sorted(plan.roots.items()) for part in root), *tables)
    return (np.asarray(plan),)


def draw_component(plan: Any, rng: np.random.Generator) -> int:
    """The component of a mixture for one episode; 0 for anything else."""
    chances = getattr(plan, "probabilities", None)
    return 0 if chances is None else int(rng.choice(len(chances), p=chances))


def component_of(plan: Any, number: int) -> Any:
    """A component of a mixture, or the plan itself."""
    parts = getattr(plan, "policies", None)
    return plan if parts is None else parts[number]


def follow(policy: Any, state: int, node: int) -> tuple[int, int]:
    """One step of a history-dependent plan without touching its own pointer.

    Args:
        policy: a ``HistoryPolicy``.
        state: the present state.
        node: the node that acted last; −2 at the beginning of an episode.

    Returns:
        The action, and the node that took it.
    """
    plan = policy.plan
    if node == -2:
        here = int(policy.roots[state])
    elif plan.action[node] < 0:
        here = node  # a leaf hands over to a stationary policy, which never ends
    else:
        here = plan.next_node(node, state)
    if plan.action[here] < 0:
        tail = int(plan.tail[here])
        return (int(plan.tails[tail][state]) if tail >= 0 else 0), here
    return int(plan.action[here]), here
