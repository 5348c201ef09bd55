"""Algorithms compared over seeds and environments: by hand for small fronts, and by properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from morl.cli import main
from morl.pareto import Front
from morl.spec import MorlError
from morl.studies.comparison import INDICATORS, StudyComparison, compare_fronts
from morl.studies.figures import attained_levels, staircase
from morl.studies.report import render, sheets, shown_interval
from morl.studies.statistics import Interval, attainment_surfaces
from tests_tiny import whole as whole  # noqa: PLC0414

EXACT = Front([[0, 4], [4, 0]], ["a", "b"], [0, 0], 1.0, scale=([0, 0], [4, 4]))
