"""Names of algorithms, mapped to the modules that hold them; each is imported on first use."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.agents.core.info import AlgoInfo
from morl.spec import AgentError, MorlError, RunError, UnknownNameError

if TYPE_CHECKING:
    from morl.agents.base import Agent

BUILT_IN: dict[str, str] = {
    "CAPQL": "morl.agents.capql",
    "CMORL": "morl.agents.cmorl",
    "ConditionedPPO": "morl.agents.conditioned_ppo",
    "ESRQLearning": "morl.agents.esr_q",
    "EUPG": "morl.agents.eupg",
    "Envelope": "morl.agents.envelope",
    "ExactPlanner": "morl.agents.exact_planner",
    "GPILS": "morl.agents.gpi_ls",
    "LinearScalarization": "morl.agents.linear",
    "MultiWeightQLearning": "morl.agents.multi_weight_q",
    "PCN": "morl.agents.pcn",
    "PGMORL": "morl.agents.pgmorl",
    "ParetoEvolution": "morl.agents.evolution",
    "ParetoQLearning": "morl.agents.pareto_q",
    "QuantileDQN": "morl.agents.quantile_dqn",
    "VectorQLambda": "morl.agents.vector_q_lambda",
    "WorstCase": "morl.agents.worst_case",
}
ENTRY_POINT_GROUP = "morl.agents"


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").casefold()


def _third_party() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _elsewhere(name: str) -> str | None:
    """Where an algorithm of another library is to be found here."""
    if _plain(name) in {"ppo", "a2c", "dqn", "sac", "td3", "ddpg"}:
        upper = name.upper()
        return (
            f"it learns one objective; LinearScalarization(algorithm={upper!r}) learns a policy with it for each of "
            f"several weights (--algo LinearScalarization --set algorithm={upper})"
        )
    known = {
        "envelopeq": "Envelope", "eqlearning": "Envelope", "gpils": "GPILS", "gpipd": "GPILS", "pql": "ParetoQLearning",
        "moqlearning": "MultiWeightQLearning", "qlearning": "MultiWeightQLearning", "nsga2": "ParetoEvolution",
        "nsgaii": "ParetoEvolution", "ols": "LinearScalarization", "qrdqn": "QuantileDQN", "exact": "ExactPlanner",
    }  # fmt: skip
    return None if _plain(name) not in known else f"did you mean {known[_plain(name)]}?"


def names() -> list[str]:
    """Every algorithm that can be used here: built in, registered at run time, and from other packages."""
    own = {name for name, module in BUILT_IN.items() if _exists(module)}
    return sorted(own | set(_registered) | set(_third_party()))


_registered: dict[str, type[Agent]] = {}


def register(agent: type[Agent]) -> type[Agent]:
    """Register an agent class under its ``info.name``; works as a decorator.

    Raises:
        AgentError: the name belongs to another class.
    """
    name = agent.info.name
    if _registered.get(name, agent) is not agent or name in BUILT_IN:
        raise AgentError(f"an algorithm called {name!r} exists already; give AlgoInfo another name")
    _registered[name] = agent
    return agent


def info(name: str) -> AlgoInfo:
    """What an algorithm says of itself (``Agent.info``).

    That of a built-in algorithm is read from the text of its file, as importing it may import torch, which takes
    seconds.

    Raises:
        UnknownNameError: no such algorithm; the message suggests the nearest.

    >>> info("EUPG").criterion
    ('ESR',)
    """
    match = _known(name)
    found = importlib.util.find_spec(BUILT_IN[match]) if match in BUILT_IN else None
    if found is None or found.origin is None:
        return get(match).info
    for node in ast.walk(ast.parse(Path(found.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == AlgoInfo.__name__:
            said = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
            if said.get("name") == match:
                return AlgoInfo(**said)
    return get(match).info


def _known(name: str) -> str:
    """The name of an algorithm as it spells itself."""
    known = names()
    match = next((n for n in known if _plain(n) == _plain(name)), None)
    if match is None:
        raise UnknownNameError("algorithm", name, known, hint=_elsewhere(name))
    return match


def get(name: str) -> type[Agent]:
    """The class of an algorithm. Case, hyphens and underscores do not matter.

    Raises:
        UnknownNameError: no such algorithm; the message suggests the nearest.

    >>> get("pareto-q-learning").__name__
    'ParetoQLearning'
    """
    match = _known(name)
    if match in _registered:
        return _registered[match]
    if match in BUILT_IN:
        found: type[Agent] = getattr(importlib.import_module(BUILT_IN[match]), match)
        return found
    loaded = _third_party()[match].load()
    from morl.agents.base import Agent

    if not (isinstance(loaded, type) and issubclass(loaded, Agent)):
        raise AgentError(f"entry point {match!r} gives {loaded!r}; expected a subclass of morl.agents.Agent")
    return loaded


def resolve(algorithm: type[Agent] | str) -> type[Agent]:
    """The class of an algorithm that is given by name or as a class."""
    return get(algorithm) if isinstance(algorithm, str) else algorithm


def load(path: str | Path, env: Any, **more: Any) -> Agent:
    """An agent of whatever algorithm was saved in ``path``; see :meth:`morl.agents.Agent.load`, which ``more`` is for.

    Raises:
        RunError: no checkpoint there, or of an algorithm that is not here.
    """
    from morl.agents.core import checkpoint

    name = checkpoint.load_meta(path).get("algorithm")
    try:
        kind = get(str(name))
    except MorlError as error:
        raise RunError(f"checkpoint {str(path)!r} is of an algorithm that is not here: {error}") from None
    return kind.load(path, env, **more)
