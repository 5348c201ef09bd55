"""Scientific Discovery: survey, run trials, remodel and publish; accuracy against money against interpretability.

A small project in which every trade-off is exact: nine states, four actions, 4⁹ stationary deterministic policies,
15 of them Pareto-optimal, 8 of those in dents of the front that no linear weight finds. Accuracies, costs and
interpretabilities are stylised teaching values, chosen to make such a front, not measurements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.classic.grids import name_states
from morl.envs.finite import FiniteProblem
from morl.momdp import MOMDP, Outcome
from morl.spec import MOSpec, Objective

MODELS = ("mechanistic", "hybrid", "black-box")
ACCURACY = ((0.50, 0.58, 0.64), (0.50, 0.66, 0.78), (0.50, 0.72, 0.96))
"""Accuracy of each model class with evidence 0, 1 and 2."""
INTERPRETABILITY = (1.0, 0.5, 0.1)
PUBLISH, SURVEY, TRIAL, REMODEL = range(4)
COST = {SURVEY: 1.0, TRIAL: 3.0, REMODEL: 1.0}
PROGRESS = {SURVEY: 0.45, TRIAL: 0.90}
"""Chance that a survey or a trial adds to the evidence."""
LOST = 0.05
"""Chance per action that the project is lost, so that γ = 1 and yet every policy ends."""

OBJECTIVES = (
    Objective("accuracy", "above chance", 0.0, 0.5, "accuracy of the published model, less one half"),
    Objective("money", "k$", -3.0, 0.0, "what surveys, trials and remodelling cost"),
    Objective("interpretability", "", 0.0, 1.0, "how well the published model can be understood"),
)


def scientific_discovery(random_start: bool = False, max_steps: int = 200) -> FiniteProblem:
    """The problem. Observation: 3 · model class + evidence. Actions: publish, survey, trial, remodel.

    Publishing pays (accuracy − ½, 0, interpretability) and ends the episode. The other actions pay (0, −cost, 0); with
    probability 0.05 the project is then lost; otherwise a survey adds evidence with probability 0.45, a trial with
    0.90 (up to 2), and remodelling turns mechanistic into hybrid into black-box into mechanistic.

    Args:
        random_start: begin in any of the nine states with equal chance, not in (mechanistic, no evidence).
        max_steps: time limit.
    """

    def outcomes(state: Any, action: int) -> list[Outcome]:
        model, evidence = divmod(state, 3)
        if action == PUBLISH:
            return [(1.0, state, (ACCURACY[model][evidence] - 0.5, 0.0, INTERPRETABILITY[model]), True)]
        reward = (0.0, -COST[action], 0.0)
        results: list[Outcome] = [(LOST, state, reward, True)]
        if action == REMODEL:
            return [*results, (1.0 - LOST, 3 * ((model + 1) % 3) + evidence, reward, False)]
        if evidence == 2:
            return [*results, (1.0 - LOST, state, reward, False)]
        gain = PROGRESS[action]
        better = ((1.0 - LOST) * gain, state + 1, reward, False)
        return [*results, better, ((1.0 - LOST) * (1.0 - gain), state, reward, False)]

    starts: Any = [(1.0 / 9.0, s) for s in range(9)] if random_start else 0
    model, states = MOMDP.from_simulator(
        starts, 4, outcomes, discount=1.0, objectives=OBJECTIVES, action_names=("publish", "survey", "trial", "remodel")
    )
    spec = MOSpec(
        OBJECTIVES,
        discount=1.0,
        ref_point=(-0.05, -12.0, -0.05),
        return_scale=((0.0, -12.0, 0.0), (0.5, 0.0, 1.0)),
    )
    observations = np.array(states, dtype=np.int64)
    ended = model.terminal

    def render(state: int, mode: str) -> Any:
        from morl.envs.science.discovery_render import draw_project

        return draw_project(int(observations[state]), bool(ended[state]), mode)

    named = name_states(model, [f"{MODELS[s // 3]}, evidence {s % 3}" for s in observations.tolist()])
    return FiniteProblem(named, spec, observations, spaces.Discrete(9), max_steps, render)
