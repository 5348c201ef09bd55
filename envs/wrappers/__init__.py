"""Wrappers for vector rewards, single and vector (the vector forms begin with ``Vector``).

Each of them describes what it does to the rewards in ``reward_space`` and ``mo_spec``, leaves the arrays of the
environment it wraps alone, and refuses scalar rewards. Gymnasium's own wrappers work on top of them and below.
"""

from __future__ import annotations

from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper
from morl.envs.wrappers.esr import ESRReward, VectorESRReward
from morl.envs.wrappers.faulty import FaultyReward, VectorFaultyReward
from morl.envs.wrappers.flatten import FlattenObservation, VectorFlattenObservation
from morl.envs.wrappers.limits import MaxAndSkip, TimeLimit, VectorMaxAndSkip, VectorTimeLimit
from morl.envs.wrappers.normalise import NormaliseReward, VectorNormaliseReward
from morl.envs.wrappers.nuisance import NuisanceObservation, VectorNuisanceObservation
from morl.envs.wrappers.partial import PartialReward, VectorPartialReward
from morl.envs.wrappers.preference import PreferenceObservation, VectorPreferenceObservation
from morl.envs.wrappers.rewards import (
    ClipReward,
    LinearReward,
    NegateObjectives,
    SelectObjectives,
    UtilityReward,
    VectorClipReward,
    VectorLinearReward,
    VectorNegateObjectives,
    VectorSelectObjectives,
    VectorUtilityReward,
)
from morl.envs.wrappers.statistics import RecordStatistics, VectorRecordStatistics

__all__ = [
    "ClipReward",
    "ESRReward",
    "FaultyReward",
    "FlattenObservation",
    "LinearReward",
    "MOVectorWrapper",
    "MOWrapper",
    "MaxAndSkip",
    "NegateObjectives",
    "NormaliseReward",
    "NuisanceObservation",
    "PartialReward",
    "PreferenceObservation",
    "RecordStatistics",
    "SelectObjectives",
    "TimeLimit",
    "UtilityReward",
    "VectorClipReward",
    "VectorESRReward",
    "VectorFaultyReward",
    "VectorFlattenObservation",
    "VectorLinearReward",
    "VectorMaxAndSkip",
    "VectorNegateObjectives",
    "VectorNormaliseReward",
    "VectorNuisanceObservation",
    "VectorPartialReward",
    "VectorPreferenceObservation",
    "VectorRecordStatistics",
    "VectorSelectObjectives",
    "VectorTimeLimit",
    "VectorUtilityReward",
]
