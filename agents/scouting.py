"""Episodes to begin with: evolution looks for good ones before a network learns from them."""

from __future__ import annotations

from morl.agents.base import Agent
from morl.agents.core.callbacks import Callback
from morl.agents.core.config import tuned_options
from morl.agents.core.episodes import Episode
from morl.agents.evolution import ParetoEvolution
from morl.agents.search import sequences
from morl.spec import AgentError


def scout(agent: Agent, steps: int) -> tuple[list[Episode], int]:
    """Let :class:`ParetoEvolution` search for ``steps`` steps where ``agent`` is to learn.

    A network that explores by its own policy finds a front one neighbour at a time, and whether it ever finds the far
    ones is luck. Sequences played in bulk are thirty times as fast and care for dominance alone.

    Args:
        agent: who will learn; its environment, discount and seed are used.
        steps: environment steps to spend.

    Returns:
        The episodes on the front that was found, and the steps spent (playing these episodes included).

    Raises:
        AgentError: the environment is random or cannot be played in bulk.
    """
    problem = agent.problem
    if sequences.dynamics_of(problem) is None:
        raise AgentError(
            f"option scout needs an environment with batched dynamics or a finite model; {problem.id} has neither: "
            "set scout=0"
        )
    options = {"genotype": "sequence", **tuned_options(ParetoEvolution.info.name, problem.registered)}
    search = ParetoEvolution(
        problem.env, {**options, "discount": agent.discount}, seed=agent.integer_seed("sample", 0)
    ).learn(steps, callback=_WhileCertain())
    if search.noisy:
        raise AgentError(
            f"option scout needs certain returns, because an episode shows what it can be had for; {problem.id} is "
            "random: set scout=0"
        )
    episodes = search.episodes()
    return episodes, search.num_timesteps + sum(map(len, episodes))


class _WhileCertain(Callback):
    """Ends a search in the generation in which the environment draws its first random number."""

    def on_step(self, agent: Agent) -> bool:
        assert isinstance(agent, ParetoEvolution)
        return not agent.noisy
