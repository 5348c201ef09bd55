"""MultiDrugDosing-v0: eight weeks of warfarin and phenytoin for a patient whose one enzyme clears both.

Every day: choose both doses and whether to take blood. The INR should stay at 2–3 and phenytoin at 10–20 mg/L, without
toxicity and without a burden of tests and changes. The two aims share CYP2C9, effects lag by days, and the genotype can
be hidden. **A teaching model, not medical advice.** Equations and their sources: :mod:`morl.envs.science.pharmacology`.

Assumptions of this project: ages U(40, 85), weights N(78, 15²) cut to 45–130 kg; CYP2C9 allele frequencies .80/.12/.08
and VKORC1 G .6 (near those that Hamberg et al. 2010 report); doses are taken on the hour and never forgotten; a test
is exact, is taken at the end of its day, and its result is there the next morning; bleeding risk 0.007 % per day at
INR 2.5, doubling per unit. Between-patient variances of clearance (0.089) and EC₅₀ (0.34), log-normal: Hamberg 2010.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science import pharmacology as p
from morl.spec import EnvError, FloatArray, MOSpec, Objective

WARFARIN = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0])
PHENYTOIN = np.array([0.0, 100.0, 200.0, 300.0, 400.0])
DAYS = 56
_ALLELES = ("*1", "*2", "*3")
_FREQUENCIES = np.array([0.80, 0.92, 1.0])  # cumulative
_G_FREQUENCY = 0.6
_CL_SD, _EC50_SD = float(np.sqrt(0.089)), float(np.sqrt(0.34))
_SPEC = MOSpec(
    (
        Objective("inr", "days in 2–3", 0.0, 1.0, "fraction of the day with INR between 2 and 3"),
        Objective("phenytoin", "days in 10–20", 0.0, 1.0, "fraction of the day with phenytoin at 10 to 20 mg/L"),
        Objective("toxicity", "% risk", -5.0, 0.0, "daily bleeding risk in %, and phenytoin above 20 mg/L in 10 mg/L"),
        Objective("burden", "tests", -1.4, 0.0, "blood tests, and a fifth of one for each changed dose"),
    ),
    discount=1.0,
    horizon=DAYS,
    ref_point=(0.0, 0.0, -100.0, -80.0),
    return_scale=((0.0, 0.0, -20.0, -40.0), (56.0, 56.0, 0.0, 0.0)),
)
_LOW = np.array([-1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0], np.float32)
_HIGH = np.array([1, 1, 1, 1.5, 2, 7, 10, 8, 1, 1, 1], np.float32)


class DosingDynamics(Dynamics):
    """State ``x`` of shape ``(n, 26)``, its columns named by ``pharmacology.FIELDS``.

    Action: (warfarin 0–8, phenytoin 0–4, test 0–1), indices into :data:`WARFARIN` and :data:`PHENYTOIN` in mg.
    Observation ``(11,)``: share of alleles *2, *3 and VKORC1 A (−1 where hidden), age / 100, weight / 100 kg, last INR
    / 3, last phenytoin / 20 mg/L, its age / 7 days, last doses / 10 and 400 mg, day / 56.

    Args:
        hide_genotype: show −1 for the genotypes.
        discrete: one number instead of three, ``(warfarin·5 + phenytoin)·2 + test`` of 90.
        typical: no differences between patients of the same genotype, age and weight.
        record: keep the daily history in the state; ``None`` does where the environment is drawn.
        compiled: use the numba kernel; ``False`` is the same text run by numpy.
    """

    mo_spec = _SPEC
    max_steps = DAYS
    render_fps = 4
    reset_options = ("cyp2c9", "vkorc1", "age", "weight")

    def __init__(
        self,
        *,
        hide_genotype: bool = False,
        discrete: bool = False,
        typical: bool = False,
        record: bool | None = None,
        compiled: bool = True,
    ) -> None:
        self.hide_genotype, self.discrete, self.typical = hide_genotype, discrete, typical
        self.record, self.compiled = record, compiled
        self.observation_space = spaces.Box(_LOW, _HIGH, dtype=np.float32)
        counts = [len(WARFARIN), len(PHENYTOIN), 2]
        self.action_space = spaces.Discrete(int(np.prod(counts))) if discrete else spaces.MultiDiscrete(counts)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """New patients, untreated, with a first blood test.

        Options: ``cyp2c9`` such as ``"*1/*3"``, ``vkorc1`` such as ``"GA"``, ``age`` in years, ``weight`` in kg.
        """
        given = options or {}
        x = np.zeros((n, len(p.FIELDS)))
        uniform, normal = rng.random((n, 5)), rng.standard_normal((n, 3))
        alleles = np.searchsorted(_FREQUENCIES, uniform[:, :2], side="right")
        a_count = (uniform[:, 2:4] >= _G_FREQUENCY).sum(axis=1)
        if "cyp2c9" in given:
            alleles[:] = [_ALLELES.index(a) for a in p.alleles(given["cyp2c9"], p.CYP2C9, "CYP2C9")]
        if "vkorc1" in given:
            a_count[:] = p.alleles(given["vkorc1"], p.VKORC1, "VKORC1").count("A")
        x[:, p.AGE] = 40.0 + 45.0 * uniform[:, 4]
        x[:, p.WEIGHT] = np.clip(78.0 + 15.0 * normal[:, 0], 45.0, 130.0)
        for name, column, low, high in (("age", p.AGE, 18.0, 110.0), ("weight", p.WEIGHT, 20.0, 200.0)):
            if name in given:
                x[:, column] = p.check_range(name, given[name], low, high)
        between = np.zeros((n, 2)) if self.typical else normal[:, 1:]
        per_allele = np.array([p.CYP2C9[a] for a in _ALLELES])[alleles].sum(axis=1)
        x[:, p.CLEARANCE] = per_allele * (1.0 - p.AGE_SLOPE * (x[:, p.AGE] - p.AGE_CENTRE))
        x[:, p.CLEARANCE] *= np.exp(_CL_SD * between[:, 0])
        x[:, p.EC50] = ((2 - a_count) * p.VKORC1["G"] + a_count * p.VKORC1["A"]) * np.exp(_EC50_SD * between[:, 1])
        activity = per_allele / (2.0 * p.CYP2C9["*1"])
        x[:, p.V_MAX] = p.V_MAX_70 * (x[:, p.WEIGHT] / 70.0) ** 0.6 * (0.9 * activity + 0.1) / 24.0
        x[:, p.VOLUME_P] = p.VOLUME_PER_KG * x[:, p.WEIGHT]
        x[:, p.STAR2], x[:, p.STAR3] = (alleles == 1).sum(axis=1), (alleles == 2).sum(axis=1)
        x[:, p.VKORC1_A] = a_count
        x[:, p.FAST : p.FAST + 6] = 1.0
        x[:, p.Z] = x[:, p.SEEN_INR] = 1.0
        state: State = {"x": x}
        if self.record:
            history = np.full((n, DAYS + 1, 5), np.nan)
            history[:, 0] = (1.0, 0.0, 0.0, 0.0, 1.0)  # INR, C_p, doses of the day, tested
            state["history"] = history
        return state

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Give the doses, live a day, test if asked; ``info`` has the true ``inr`` and ``c_p`` (mg/L)."""
        x = state["x"]
        if self.discrete:
            actions = np.stack([actions // 10, actions // 2 % 5, actions % 2], axis=1)
        dose = np.stack([WARFARIN[actions[:, 0]], PHENYTOIN[actions[:, 1]]], axis=1)
        tested = actions[:, 2] == 1
        new, day = x.copy(), np.empty((len(x), 3))
        live = p.live_rows if self.compiled else p.live_arrays
        live(x, dose, new[:, : p.MOVING], day)
        inr = np.asarray(p.inr_of(new.T))
        changed = (dose != x[:, [p.LAST_W, p.LAST_P]]).sum(axis=1)
        rewards = np.empty((len(x), 4))
        np.minimum(day[:, :2], 1.0, out=rewards[:, :2])
        rewards[:, 2] = -np.minimum(5.0, day[:, 2])
        rewards[:, 3] = -(tested + 0.2 * changed)
        new[:, [p.LAST_W, p.LAST_P]] = dose
        new[:, p.DAY] += 1.0
        new[:, p.SINCE] = np.where(tested, 0.0, x[:, p.SINCE] + 1.0)
        new[:, p.SEEN_INR] = np.where(tested, inr, x[:, p.SEEN_INR])
        new[:, p.SEEN_C_P] = np.where(tested, new[:, p.C_P], x[:, p.SEEN_C_P])
        state = {"x": new} | self._history(state, new, inr, dose, tested)
        info = {"inr": inr, "c_p": new[:, p.C_P].copy()}
        return Transition(state, rewards, np.zeros(len(x), bool), info)

    def _history(self, state: State, new: FloatArray, inr: FloatArray, dose: FloatArray, tested: Any) -> State:
        if not self.record:
            return {}
        history = state["history"].copy()
        rows = np.minimum(new[:, p.DAY].astype(int), DAYS)
        history[np.arange(len(new)), rows] = np.column_stack([inr, new[:, p.C_P], dose, tested])
        return {"history": history}

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """What the doctor sees, ``(n, 11)`` float32."""
        x = state["x"]
        columns = (p.STAR2, p.STAR3, p.VKORC1_A, p.AGE, p.WEIGHT, p.SEEN_INR, p.SEEN_C_P, p.SINCE, p.LAST_W, p.LAST_P)
        out = np.empty((len(x), 11))
        out[:, :10] = x[:, columns] / (2.0, 2.0, 2.0, 100.0, 100.0, 3.0, 20.0, 7.0, 10.0, 400.0)
        out[:, 10] = x[:, p.DAY] / DAYS
        if self.hide_genotype:
            out[:, :3] = -1.0
        return np.clip(out, _LOW, _HIGH).astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The patient's history: both levels, doses and tests."""
        from morl.envs.science.dosing_render import render

        return render(state, mode)

    def drawn(self) -> DosingDynamics:
        """The same dynamics with the daily history in the state, unless it was refused."""
        if self.record is not None:
            return self
        twin = copy.copy(self)
        twin.record = True
        return twin


def simulate(
    warfarin: Any,
    phenytoin: Any = 0.0,
    *,
    cyp2c9: str = "*1/*1",
    vkorc1: str = "GG",
    age: float = p.AGE_CENTRE,
    weight: float = 70.0,
    days: int | None = None,
) -> FloatArray:
    """A typical patient under any daily doses: ``(days + 1, 2)`` of INR and phenytoin in mg/L, day 0 untreated.

    Args:
        warfarin: mg per day, a number or one per day.
        phenytoin: the same; the longer of the two sets the number of days unless ``days`` does.
        days: number of days.

    Raises:
        EnvError: a negative or non-finite dose, or a genotype that does not exist.

    >>> simulate(7.71, days=20)[[5, 10, 20], 0].round(2).tolist()
    [1.99, 2.4, 2.5]
    """
    doses = [np.atleast_1d(np.asarray(d, float)) for d in (warfarin, phenytoin)]
    n = max(len(d) for d in doses) if days is None else int(days)
    table = np.stack([np.full(n, d[0]) if len(d) == 1 else np.resize(d, n) for d in doses], axis=1)
    for name, column in zip(("warfarin", "phenytoin"), table.T, strict=True):
        bad = ~((column >= 0.0) & np.isfinite(column))
        if bad.any():
            i = int(np.argmax(bad))
            raise EnvError(f"{name} dose of day {i + 1} is {column[i]:g} mg; expected a finite dose of at least 0")
    dynamics = DosingDynamics(typical=True)
    options = {"cyp2c9": cyp2c9, "vkorc1": vkorc1, "age": age, "weight": weight}
    x = dynamics.initial(1, np.random.default_rng(0), options)["x"]
    moved, out, result = np.empty((1, p.MOVING)), np.empty((1, 3)), [(1.0, 0.0)]
    for dose in table:
        p.live_rows(x, dose[None], moved, out)
        x[:, : p.MOVING] = moved
        result.append((float(p.inr_of(x[0])), float(x[0, p.C_P])))
    return np.array(result)


class Clinician:
    """A hand-written policy: start from the genotype (or the commonest one), test weekly, move one step at a time.

    Args:
        env: the environment (for its kind of action).
        phenytoin: start 300 mg of phenytoin too; ``False`` leaves the second objective alone.
        every: days between tests.
    """

    def __init__(self, env: Any, phenytoin: bool = True, every: int = 7) -> None:
        self.discrete = isinstance(getattr(env, "single_action_space", env.action_space), spaces.Discrete)
        self.phenytoin, self.every = phenytoin, every

    def __call__(self, observation: Any) -> Any:
        """Actions for observations ``(n, 11)`` or one ``(11,)``."""
        obs = np.atleast_2d(np.asarray(observation, float))
        hidden = obs[:, 0] < 0
        stars = np.where(hidden[:, None], (0.12, 0.08, 0.4), obs[:, :3]) * 2.0
        clearance = (2.0 - stars[:, 0] - stars[:, 1]) * 0.174 + stars[:, 0] * 0.0879 + stars[:, 1] * 0.0422
        ec50 = (2.0 - stars[:, 2]) * 2.05 + stars[:, 2] * 0.96
        goal = p.warfarin_dose(2.5) * clearance / p.s_clearance() * ec50 / p.half_effect()
        start_w = np.abs(goal[:, None] - WARFARIN).argmin(axis=1)
        start_p = np.full(len(obs), 3 if self.phenytoin else 0)
        warfarin = np.abs(obs[:, 8:9] * 10.0 - WARFARIN).argmin(axis=1)
        drug = np.abs(obs[:, 9:10] * 400.0 - PHENYTOIN).argmin(axis=1)
        first = obs[:, 10] < 0.5 / DAYS
        news = (obs[:, 7] < 0.01) & ~first
        inr, c_p = obs[:, 5] * 3.0, obs[:, 6] * 20.0
        warfarin = warfarin + np.where(news, (inr < 1.9).astype(int) - (inr > 3.1) - (inr > 4.5), 0)
        drug = drug + np.where(news & self.phenytoin, (c_p < 9.0).astype(int) - (c_p > 17.0) - (c_p > 25.0), 0)
        warfarin = np.clip(np.where(first, start_w, warfarin), 0, len(WARFARIN) - 1)
        drug = np.clip(np.where(first, start_p, drug), 0, len(PHENYTOIN) - 1)
        test = (np.round(obs[:, 10] * DAYS).astype(int) % self.every == self.every - 1).astype(int)
        action = (warfarin * 5 + drug) * 2 + test if self.discrete else np.stack([warfarin, drug, test], axis=1)
        if np.ndim(observation) > 1:
            return action
        return int(action[0]) if self.discrete else action[0]
