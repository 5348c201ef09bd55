"""Names of options: what they were called before, and what other libraries call them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from morl.agents.core.errors import warn
from morl.spec import AgentError, listed, nearest

EVERY = "every algorithm"
RENAMED: Mapping[str, Mapping[str, str]] = {
    EVERY: {
        "lr": "learning_rate",
        "batch": "batch_size",
        "buffer": "buffer_size",
        "start": "learning_starts",
        "hidden": "net_arch",
        "train_every": "train_freq",
        "mix": "conditioning",
    },
    "CAPQL": {"actor_every": "policy_delay"},
    "ESRQLearning": {"chunk": "n_steps"},
    "EUPG": {"steps": "n_steps", "epochs": "n_epochs", "entropy": "ent_coef"},
    "GPILS": {"box_lr": "learning_rate_continuous"},
    "MultiWeightQLearning": {"chunk": "n_steps"},
    "PCN": {
        "segment": "n_steps",
        "updates": "gradient_steps",
        "warmup": "learning_starts",
        "scout": "evolution_steps",
        "lessons": "demonstration_rounds",
        "boldness": "command_noise",
    },
    "ParetoQLearning": {"chunk": "n_steps"},
    "ParetoEvolution": {"brood": "offspring"},
    "QuantileDQN": {"warm_up": "learning_starts", "target_every": "target_update_interval"},
    "WorstCase": {"round_steps": "n_steps", "rate": "learning_rate", "warm_up": "warm_up_rounds"},
    "VectorQLambda": {"steps": "n_steps", "epochs": "n_epochs"},
}
"""Options that have another name now: what they were called → what they are called, by algorithm.

Checkpoints, config files, ``--set`` and keywords are read under either name. An entry counts where the old name is no
option and the new one is.
"""


def renamed(algorithm: str, known: Collection[str]) -> dict[str, str]:
    """Former names of an algorithm's options ``known``, and the present ones.

    >>> renamed("PCN", ["n_steps", "learning_rate"])
    {'lr': 'learning_rate', 'segment': 'n_steps'}
    """
    table = {**RENAMED[EVERY], **RENAMED.get(algorithm, {})}
    return {old: new for old, new in table.items() if old not in known and new in known}


def present_names(algorithm: str, known: Collection[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their present names.

    Raises:
        AgentError: one option under both of its names.
    """
    table = renamed(algorithm, known)
    for old in values:
        if old in table and table[old] in values:
            raise AgentError(f"{algorithm} option {old} is called {table[old]} now; both were given, leave out {old}")
    return {table.get(name, name): value for name, value in values.items()}


def renaming_note(algorithm: str, known: Collection[str], values: Mapping[str, Any]) -> str | None:
    """One line about the former names among given options; ``None`` where there are none.

    >>> renaming_note("PCN", ["n_steps", "learning_rate"], {"lr": 1e-3, "segment": 8})
    'options of PCN have other names now: lr is learning_rate, segment is n_steps'
    """
    table = renamed(algorithm, known)
    pairs = ", ".join(f"{old} is {table[old]}" for old in values if old in table)
    return f"options of {algorithm} have other names now: {pairs}" if pairs else None


def warn_of_former_names(algorithm: str, known: Collection[str], values: Mapping[str, Any]) -> None:
    """Warn the code outside of this package that gave options under former names (:class:`DeprecationWarning`)."""
    note = renaming_note(algorithm, known, values)
    if note is not None:
        warn(note, DeprecationWarning)


_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(words.split())
    for words in (
        "lr learning_rate step_size alpha_lr rate",
        "batch batch_size minibatch_size",
        "buffer buffer_size replay_size replay_buffer_size memory_size",
        "start warmup warm_up learning_starts start_steps initial_steps",
        "steps n_steps segment round_steps num_steps rollout_length rollout_steps",
        "epochs n_epochs num_epochs update_epochs",
        "minibatches n_minibatches num_minibatches",
        "updates gradient_steps gradient_updates n_updates",
        "train_every train_freq train_frequency update_every",
        "mix conditioning preference_input",
        "hidden net_arch hidden_sizes hidden_size layer_sizes network_size n_hidden policy_kwargs",
        "discount gamma",
        "n_envs num_envs n_env nenvs num_workers copies",
        "entropy ent_coef entropy_coef entropy_coefficient",
        "lam gae_lambda lambda td_lambda",
        "clip_range clip_eps clip_coef clip_ratio",
        "tau polyak target_update_tau soft_update",
        "target_every target_update_interval target_network_frequency",
        "epsilon eps exploration_initial_eps epsilon_start initial_epsilon",
        "epsilon_end exploration_final_eps final_epsilon eps_end min_epsilon epsilon_final",
        "exploration exploration_fraction epsilon_decay_steps",
        "n_weights num_weights n_preferences number_of_weights sample_size",
        "weights weight preference preferences scalarization_weights",
        "front_weights eval_weights",
        "population pop_size population_size n_pop",
        "utility scalarization scalarisation utility_function",
        "power learning_rate_power",
        "alpha level cvar_alpha",
        "eval_episodes support_episodes search_episodes n_eval_episodes",
    )
)
"""Options of one meaning under their several names, here and in other libraries."""

_ELSEWHERE = {
    "seed": "it is seed=... beside the options (--seed)",
    "total_timesteps": "it is what learn() is told (-n, --steps)",
    "timesteps": "it is what learn() is told (-n, --steps)",
    "verbose": "learn(progress_bar=True) and learn(log_interval=...) show progress",
    "progress_bar": "it is an argument of learn()",
    "callback": "it is an argument of learn()",
    "tensorboard_log": "set agent.logger to a morl.agents.core.logger.TensorboardLogger (--track tensorboard)",
    "policy": "networks are made to fit the environment; leave it out",
    "device": "agents learn on the processor; leave it out",
    "env": "it is the first argument",
    "ref_point": "it belongs to the environment (--ref-point), or to Front.replace(ref_point=...)",
}
"""Names that are no options, and where what they mean is said."""

OF_SOME: Mapping[str, tuple[str, ...]] = {
    "sharing": ("Envelope", "VectorQLambda"),
    "pull": ("Envelope", "VectorQLambda"),
    "balance": ("CAPQL", "ConditionedPPO", "Envelope", "GPILS", "VectorQLambda"),
    "loss_weights": ("CAPQL", "ConditionedPPO", "Envelope", "GPILS", "VectorQLambda"),
    "auxiliary": ("Envelope",),
    "auxiliary_coef": ("Envelope",),
    "auxiliary_window": ("Envelope",),
    "task_size": ("Envelope", "VectorQLambda"),
}
"""Options of multi-task learning, and the algorithms that can honour them."""

_SB3 = frozenset(
    [
        "batch_size",
        "buffer_size",
        "clip_range",
        "clip_range_vf",
        "ent_coef",
        "exploration_fraction",
        "exploration_final_eps",
        "exploration_initial_eps",
        "gae_lambda",
        "gradient_steps",
        "learning_rate",
        "learning_starts",
        "max_grad_norm",
        "n_epochs",
        "n_steps",
        "normalize_advantage",
        "optimize_memory_usage",
        "policy_delay",
        "policy_kwargs",
        "target_kl",
        "target_policy_noise",
        "target_update_interval",
        "tau",
        "train_freq",
        "use_rms_prop",
        "use_sde",
        "vf_coef",
    ]
)


def suggestion(name: str, known: Collection[str]) -> str | None:
    """What to say about an option that does not exist: by what it means first; ``None`` leaves it to the spelling.

    >>> suggestion("step_size", ["learning_rate", "persistence"])
    'did you mean learning_rate?'
    """
    plain = name.casefold().replace("-", "_")
    if plain in OF_SOME and plain not in known:
        return f"it is an option of {listed(OF_SOME[plain])}"
    if plain in _ELSEWHERE:
        return _ELSEWHERE[plain]
    same = sorted(option for words in _SAME if plain in words for option in words & set(known))
    own = sorted(_SB3 & {plain, *(word for words in _SAME if plain in words for word in words)})
    if "sb3" in known and own and not same:
        named = own[0] if plain not in own else plain
        return f"it is an argument of the stable-baselines3 class: sb3={{{json.dumps(named)}: ...}}"
    if same:
        return f"did you mean {' or '.join(same)}?"
    near = nearest(plain, known, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {listed(sorted(known), most=40)}"
