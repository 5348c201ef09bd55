"""Handing one policy over: networks as ONNX files, tables as .npz or JSON, to be run where this package is not."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.spec import AgentError, MissingExtraError, SpecError
from morl.storage import write_atomic

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.acting import PolicyHandle
    from morl.agents.core.policies import PolicySet
    from morl.agents.neural.deployed import Mixed, Network

NETWORKS, TABLES = (".onnx",), (".npz", ".json")
OPSET = 17


def export(agent: Agent, policy: PolicyHandle | None, file: str | Path, **facts: Any) -> Path:
    """Write one policy of an agent to a file, whole or not at all.

    ``.onnx`` holds a network with everything around it: encoding and normalisation of observations, the preference
    and the mapping of actions. Its inputs are named ``observation`` (or ``observation.KEY`` for each part of a Dict),
    with the observation's own shape and type behind a batch dimension; ``preference`` where no policy is given;
    ``accrued`` (the discounted reward so far) and ``time`` where the policy looks at them; and what is drawn outside,
    so that whoever runs the file has the seed: ``noise`` for each step where the policy draws its actions, and
    ``component`` for each episode where it is a mixture. Its output is ``action``.
    ``.npz`` and ``.json`` hold a table: the action of each observation.

    Args:
        agent: owner of the policy.
        policy: a policy of a point; ``None`` takes the preference as an input.
        file: ``policy.onnx``, ``policy.npz`` or ``policy.json``.
        facts: added to what the file says of itself: numbers and texts.

    Raises:
        AgentError: the policy is no network, or no table.
        MissingExtraError: the extra ``export`` is not installed.
        SpecError: another ending.
    """
    path = Path(file)
    ending = path.suffix.lower()
    if ending not in NETWORKS + TABLES:
        raise SpecError(f"file {str(path)!r} ends in {path.suffix!r}; expected one of {', '.join(NETWORKS + TABLES)}")
    known = {**described(agent), **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending in NETWORKS:
        return write_atomic(path, as_onnx(agent, policy, known))
    if policy is None:
        raise SpecError(f"{str(path)!r} is to hold a table, which is of one policy; give a point")
    table = as_table(agent, policy)
    if ending == ".json":
        data = {**known, **{key: value.tolist() for key, value in table.items()}}
        return write_atomic(path, json.dumps(data, allow_nan=False) + "\n")
    out = io.BytesIO()
    np.savez_compressed(out, facts=np.array(json.dumps(known, allow_nan=False)), **table)
    return write_atomic(path, out.getvalue())


def described(agent: Agent) -> dict[str, Any]:
    """What a file says of the policy in it."""
    return {
        "format": "morl-policy-1",
        "algorithm": agent.info.name,
        "env": agent.problem.id,
        "objectives": [o.to_dict() for o in agent.spec.objectives],
        "discount": agent.discount,
    }


# ---- networks -------------------------------------------------------------------------------------------------


def deployed(agent: Agent, policy: PolicyHandle | None) -> Any:
    """The policy as a :class:`morl.agents.neural.deployed.Deployed` module.

    Raises:
        AgentError: it is no network.
    """
    from morl.agents.core.preferences import return_range
    from morl.agents.neural.deployed import Deployed

    policies = agent._policies(None) if policy is None else policy.policies
    number = 0 if policy is None else policy.number
    try:
        network = _network(policies, number)
    except AgentError as error:
        raise AgentError(f"{agent.info.name} on {agent.problem.id}: {error}") from None
    if policy is None and not network.takes_weights:
        raise AgentError(f"{agent.info.name} takes no preference; choose a policy: --point ID")
    span = return_range(agent.spec)
    return Deployed(agent.observation_space, network, agent.actions, agent.k, span, policy is None)


def _network(policies: PolicySet, number: int) -> Network | Mixed:
    """One policy in tensors; a mixture from its components."""
    from morl.agents.core.policies import Subset
    from morl.agents.neural.deployed import Mixed

    if isinstance(policies, Subset):
        return _network(policies.inner, int(policies.chosen[number]))
    shares = policies.mixture()
    if shares is None or policies.inner is None:
        found: Network = policies.network(number)
        return found
    used = np.flatnonzero(shares[number] > 0)
    chances = shares[number][used] / shares[number][used].sum()
    return Mixed([policies.inner.network(int(i)) for i in used], chances.tolist())


def as_onnx(agent: Agent, policy: PolicyHandle | None, facts: Mapping[str, Any]) -> bytes:
    """The bytes of an ONNX file."""
    import torch

    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing ONNX files", "export") from None
    module = deployed(agent, policy).cpu().eval()
    axes = {name: {0: "n"} for name in (*module.names, "action")}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that the tracer is an old one, and sees constants
        torch.onnx.export(
            module,
            tuple(module.examples()),
            Path(folder) / "policy.onnx",
            input_names=module.names,
            output_names=["action"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(Path(folder) / "policy.onnx"))
    for key, value in {**facts, **module.facts}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


# ---- tables ---------------------------------------------------------------------------------------------------


def as_table(agent: Agent, policy: PolicyHandle) -> dict[str, Any]:
    """A policy as arrays: ``observations (S, ...)`` and what is done in each.

    ``actions (S,)`` or, for a policy that looks at the time, ``(T, S)``, whose last row goes on; or
    ``probabilities (S, A)`` where it draws. A mixture has a leading axis, and ``shares`` by which it is drawn at the
    start of an episode. ``default`` is done where nothing is known. Actions are the environment's.

    Raises:
        AgentError: the policy is no table.
    """
    try:
        table = policy.policies.table(policy.number)
    except AgentError as error:
        raise AgentError(f"{agent.info.name} on {agent.problem.id}: {error}") from None
    for key in ("actions", "default"):
        if key in table:
            chosen = np.asarray(table[key])
            table[key] = agent.actions.to_env(chosen.ravel()).reshape(
                (*chosen.shape, *(agent.action_space.shape or ()))
            )
    if "probabilities" in table and agent.action_space.shape != ():
        raise AgentError(f"{agent.info.name} draws among several actions, which no table holds; choose another point")
    if "probabilities" in table:
        table["first_action"] = agent.actions.to_env(np.zeros(1, dtype=np.int64))
    return table
