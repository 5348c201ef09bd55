"""Configuration of a run, as ``config.json`` holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from morl import __version__
from morl.spec import RunError


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
        imports: packages and ``.py`` files that register the environment or the algorithm.
        track: ``"tensorboard"`` or ``None``.
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

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        data = dataclasses.asdict(self)
        return {**data, "options": dict(self.options), "env_options": dict(self.env_options), "morl": __version__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            RunError: fields are missing.
        """
        names = {f.name for f in dataclasses.fields(cls)}
        try:
            known = {key: value for key, value in data.items() if key in names}
            ref = known.get("ref_point")
            known["ref_point"] = None if ref is None else tuple(ref)
            known["imports"] = tuple(known.get("imports", ()))
            return cls(**known)
        except TypeError as error:
            raise RunError(
                f"run configuration cannot be read ({error}); expected a config.json of `morl train`"
            ) from None
