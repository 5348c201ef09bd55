"""Configuration of a run, as ``config.json`` holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from morl import __version__
from morl.bench.protocols import get, setup_of
from morl.spec import RunError

_NOTHING = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "algo": (str,),
    "env": (str,),
    "steps": (int,),
    "seed": (int,),
    "options": (Mapping,),
    "env_options": (Mapping,),
    "ref_point": (list, tuple, _NOTHING),
    "checkpoint_every": (int,),
    "episodes": (int, _NOTHING),
    "imports": (list, tuple),
    "track": (str, _NOTHING),
    "tuned": (bool,),
    "eval_share": (int, float),
    "protocol": (str, _NOTHING),
}
"""What each field of a file may be."""

_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    tuple: "a tuple",
    Mapping: "a table of names and values",
    _NOTHING: "null",
}


@dataclass(frozen=True)
class RunConfig:
    """Configuration of a run; all of it is in ``config.json``.

    Args:
        algo: name of the algorithm.
        env: environment id.
        steps: environment steps to learn from.
        seed: random seed.
        options: options of the algorithm, by name.
        env_options: arguments of the environment.
        ref_point: reference point that replaces the environment's; costs of minimised objectives are positive in it.
        checkpoint_every: environment steps between checkpoints; 0 saves every few minutes and at the end.
        episodes: episodes per policy for the final evaluation, where sampling is needed; ``None`` is at most 100, and
            as many as take no more steps than learning did.
        eval_share: evaluation steps while learning, for each step of learning, at most; 0 measures at the end only.
        protocol: name of the published protocol under which the front is measured; see :meth:`under`.
        imports: packages and ``.py`` files that register the environment or the algorithm.
        track: ``"tensorboard"``, ``"wandb"``, ``"trackio"``, ``"mlflow"`` or ``None``; see :mod:`morl.runs.trackers`.
        tuned: take over the options that the package ships for the algorithm on this environment.
    """

    algo: str
    env: str
    steps: int
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    env_options: Mapping[str, Any] = field(default_factory=dict)
    ref_point: tuple[float, ...] | None = None
    checkpoint_every: int = 0
    episodes: int | None = None
    imports: tuple[str, ...] = ()
    track: str | None = None
    tuned: bool = True
    eval_share: float = 0.1
    protocol: str | None = None

    @classmethod
    def under(cls, protocol: str, algo: str, env: str | None = None, **fields: Any) -> RunConfig:
        """Configuration of a run that is measured as a publication was (see :mod:`morl.bench.protocols`).

        Args:
            protocol: its name.
            algo: name of the algorithm.
            env: the environment, as the source names it or by its id here; may be left out where there is one only.
            fields: as for the class. ``steps`` and ``episodes`` are the protocol's where they are not given.

        Raises:
            SpecError: a discount, reference point or argument of the environment that is not the protocol's.
            UnknownNameError: no such protocol, or it has no such environment.

        >>> config = RunConfig.under("openrlbenchmark-2023", "CAPQL", "mo-halfcheetah-v4", seed=3)
        >>> config.env, config.steps, config.ref_point, config.options["discount"], config.env_options["effort"]
        ('morl/HalfCheetah-v5', 100000, (-100.0, -100.0), 0.99, 0.1)
        """
        setup = setup_of(protocol, env, fields.get("env_options"))
        options = {**fields.pop("options", {})}
        setup.require(options.get("discount"), fields.pop("ref_point", None), fields.pop("env_options", None))
        wanted: dict[str, Any] = {"steps": setup.steps, "episodes": setup.episodes}
        wanted.update({key: value for key, value in fields.items() if value is not None})
        wanted.update(options={**options, "discount": setup.learned_with}, env_options=dict(setup.env_options))
        return cls(algo, setup.env, ref_point=setup.ref_point, protocol=get(protocol).name, **wanted)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        data = dataclasses.asdict(self)
        return {**data, "options": dict(self.options), "env_options": dict(self.env_options), "morl": __version__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            RunError: fields are missing, or of another kind.
        """
        known = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data}
        for name, value in known.items():
            kinds = _KINDS[name]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                expected = " or ".join(_WORDS[kind] for kind in kinds)
                raise RunError(f"run configuration has {name} {value!r:.100}; expected {expected}")
        try:
            ref = known.get("ref_point")
            known["ref_point"] = None if ref is None else tuple(map(float, ref))
            known["imports"] = tuple(known.get("imports", ()))
            return cls(**known)
        except (TypeError, ValueError, OverflowError) as error:
            raise RunError(
                f"run configuration cannot be read ({error}); expected a config.json of `morl train`"
            ) from None
