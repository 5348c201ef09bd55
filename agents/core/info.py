"""What an algorithm is for, in the words and symbols that ``morl algo show`` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlgoInfo:
    """Facts about an algorithm that a person needs to choose it.

    Args:
        name: the class name.
        summary: one sentence: what it optimises, and for whom.
        criterion: ``"SER"`` (utility of the expected return), ``"ESR"`` (expected utility of the return), or both.
        policy_class: what its policies are, for example ``"stationary deterministic"``.
        actions: kinds of action space: ``"discrete"``, ``"continuous"``.
        observations: kinds of observation: ``"discrete"`` (integer-valued), ``"vector"`` (any that can be flattened).
        paper: author, year and title.
        formula: the update in one line.
        avoid: when not to use it, in one sentence.
        multi_policy: true where it learns a set of policies and ``predict`` takes a preference.
        needs_model: true where the environment must have ``momdp()``.
        several_actions: true where several discrete actions may be taken at once (a ``MultiDiscrete`` space); others
            choose one of all combinations.
    """

    name: str
    summary: str
    criterion: tuple[str, ...]
    policy_class: str
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    paper: str
    formula: str
    avoid: str = ""
    multi_policy: bool = True
    needs_model: bool = False
    several_actions: bool = False
