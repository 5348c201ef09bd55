"""Warfarin and phenytoin in one patient: absorption, elimination, effect on clotting, and what one does to the other.

Both drugs are cleared by the enzyme CYP2C9. Phenytoin competes for it at once and induces it over days, so that adding
phenytoin first raises the INR and then lowers it. **A teaching model, not medical advice.**

Sources. Warfarin: Hamberg et al. 2010 (clearance per allele, EC₅₀ per allele, two chains of three transit compartments,
INR_max 20). Phenytoin: Grasela et al. 1983 (V_max, K_m); volume 0.7 L/kg is the textbook value for adults; absorption
0.459/h, bioavailability 0.86 and unbound fraction 0.11 are those of a population model of 2016 (Ther Drug Monit 38:728)
and of the studies it cites; the sodium salt is 92 % phenytoin; CYP2C9 carries 90 % of its elimination (Giancarlo et al.
2001). The interaction: competitive inhibition with K_i = 3.68 mg/L, the unbound K_m.

Two public implementations of the Hamberg models disagree on the sign of age and on how the chains combine. Here
clearance *falls* with age, as doses do in the IWPC 2009 regression, and INR = 1 + 20·(1 − mean of the chains): the
product of the chains, which the 2007 model of the same group uses with other parameters, would need 0.54 of each dose
and fall 25 to 53 % short of that regression for every genotype, where the mean is within 0.87 to 1.40 of it.

Assumptions: enzyme turnover with a half-life of 104 h and an induction constant of 10 mg/L; the maximal induction 1.76
is calibrated so that the net maintenance dose at 15 mg/L rises by 1.42, the enzyme-inducer effect of IWPC 2009.

Functions work on numbers and, fields first, on arrays (see :mod:`morl.compiled`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.compiled import jit, select, shared
from morl.spec import EnvError, FloatArray

FIELDS = (
    "gut_w", "c_s", "fast1", "fast2", "fast3", "slow1", "slow2", "slow3", "gut_p", "c_p", "z",  # what moves
    "clearance", "ec50", "v_max", "volume_p",  # the patient: L/h, mg/L, mg/h, L
    "star2", "star3", "vkorc1_a", "age", "weight",  # allele counts, years, kg
    "seen_inr", "seen_c_p", "since", "last_w", "last_p", "day",  # last measurement, its age, last doses (mg), day
)  # fmt: skip
GUT_W, C_S, FAST, SLOW, GUT_P, C_P, Z = 0, 1, 2, 5, 8, 9, 10
MOVING = 11
CLEARANCE, EC50, V_MAX, VOLUME_P = 11, 12, 13, 14
STAR2, STAR3, VKORC1_A, AGE, WEIGHT = 15, 16, 17, 18, 19
SEEN_INR, SEEN_C_P, SINCE, LAST_W, LAST_P, DAY = 20, 21, 22, 23, 24, 25

CYP2C9 = {"*1": 0.174, "*2": 0.0879, "*3": 0.0422}
"""S-warfarin clearance of one allele at age 71, L/h (Hamberg et al. 2010)."""
VKORC1 = {"G": 2.05, "A": 0.96}
"""EC₅₀ of one allele, mg/L (Hamberg et al. 2010)."""
AGE_SLOPE, AGE_CENTRE = 0.00571, 71.0
V_S, KA_W, HILL = 14.3, 2.0, 1.15
K_FAST, K_SLOW = 3.0 / 28.6, 3.0 / 118.3
INR_MAX = 20.0
V_MAX_70, K_M, VOLUME_PER_KG = 415.0, 5.7, 0.7  # mg/day at 70 kg, mg/L, L/kg
KA_P, BIO_P, SALT = 0.459, 0.86, 0.92
UNBOUND, K_I = 0.11, 3.68
K_ENZYME, INDUCTION, INDUCTION_50 = float(np.log(2.0) / 104.0), 1.76, 10.0
STEPS, HOURS = 48, 0.5  # Runge–Kutta steps a day, and their length


@shared
def inr_of(y: Any) -> Any:
    """INR of a state: 1 + 20·(1 − (fast₃ + slow₃)/2)."""
    return 1.0 + INR_MAX * (1.0 - 0.5 * (y[FAST + 2] + y[SLOW + 2]))


@shared
def derivative(y: Any, patient: Any, d: Any) -> None:
    """Rates per hour of the eleven moving quantities ``y`` of a patient, written into ``d``."""
    absorbed_w = KA_W * y[GUT_W]
    clearance = patient[CLEARANCE] * y[Z] / (1.0 + UNBOUND * y[C_P] / K_I)
    d[GUT_W] = -absorbed_w
    d[C_S] = (absorbed_w - clearance * y[C_S]) / V_S
    effect = (np.maximum(y[C_S], 0.0) / patient[EC50]) ** HILL
    made = 1.0 / (1.0 + effect)  # 1 − E
    d[FAST] = K_FAST * (made - y[FAST])
    d[FAST + 1] = K_FAST * (y[FAST] - y[FAST + 1])
    d[FAST + 2] = K_FAST * (y[FAST + 1] - y[FAST + 2])
    d[SLOW] = K_SLOW * (made - y[SLOW])
    d[SLOW + 1] = K_SLOW * (y[SLOW] - y[SLOW + 1])
    d[SLOW + 2] = K_SLOW * (y[SLOW + 1] - y[SLOW + 2])
    absorbed_p = KA_P * y[GUT_P]
    c_p = np.maximum(y[C_P], 0.0)
    d[GUT_P] = -absorbed_p
    d[C_P] = (absorbed_p - patient[V_MAX] * c_p / (K_M + c_p)) / patient[VOLUME_P]
    d[Z] = K_ENZYME * (1.0 + INDUCTION * c_p / (INDUCTION_50 + c_p) - y[Z])


@shared
def live_one_day(x: Any, dose: Any, y: Any, k: Any, out: Any) -> None:
    """Take the day's doses and live 24 h (RK4 at 0.5 h): writes the new state and the day's three averages.

    Args:
        x: patient and state, ``(26,)`` or ``(26, n)``.
        dose: warfarin and phenytoin, mg, ``(2,)`` or ``(2, n)``.
        y: scratch ``(22, …)``: the moving state and a copy for the stages.
        k: scratch ``(44, …)``: the four slopes.
        out: ``(3, …)``: fraction of the day with INR 2–3, with C_p 10–20 mg/L, and mean toxicity.
    """
    for j in range(MOVING):
        y[j] = x[j] + 0.0
    y[GUT_W] = y[GUT_W] + 0.5 * dose[0]  # half of warfarin is the S-enantiomer
    y[GUT_P] = y[GUT_P] + BIO_P * SALT * dose[1]
    for j in range(3):
        out[j] = 0.0 * x[C_P]
    for _ in range(STEPS):
        derivative(y, x, k[:MOVING])
        for stage in range(3):
            h = HOURS if stage == 2 else 0.5 * HOURS
            for j in range(MOVING):
                y[MOVING + j] = y[j] + h * k[stage * MOVING + j]
            derivative(y[MOVING:], x, k[(stage + 1) * MOVING : (stage + 2) * MOVING])
        for j in range(MOVING):
            slope = k[j] + 2.0 * k[MOVING + j] + 2.0 * k[2 * MOVING + j] + k[3 * MOVING + j]
            y[j] = y[j] + HOURS / 6.0 * slope
        inr = inr_of(y)
        c_p = y[C_P]
        out[0] = out[0] + select((inr >= 2.0) & (inr <= 3.0), 1.0, 0.0) / STEPS
        out[1] = out[1] + select((c_p >= 10.0) & (c_p <= 20.0), 1.0, 0.0) / STEPS
        out[2] = out[2] + (0.007 * 2.0 ** (inr - 2.5) + np.maximum(0.0, (c_p - 20.0) / 10.0)) / STEPS


@jit
def live_rows(x: Any, dose: Any, moved: Any, out: Any) -> None:
    """:func:`live_one_day` compiled, over rows: ``moved`` ``(n, 11)`` and ``out`` ``(n, 3)`` are written."""
    y, k = np.empty(2 * MOVING), np.empty(4 * MOVING)
    for i in range(x.shape[0]):
        live_one_day(x[i], dose[i], y, k, out[i])
        for j in range(MOVING):
            moved[i, j] = y[j]


def live_arrays(x: FloatArray, dose: FloatArray, moved: FloatArray, out: FloatArray) -> None:
    """:func:`live_one_day` as plain numpy, same arguments as :func:`live_rows`."""
    n = len(x)
    y, k = np.empty((2 * MOVING, n)), np.empty((4 * MOVING, n))
    live_one_day(x.T, dose.T, y, k, out.T)
    moved[:] = y[:MOVING].T


# ---- the patient's parameters and the steady state, in closed form ------------------------------------------


def alleles(genotype: str, known: dict[str, float], gene: str) -> tuple[str, str]:
    """The two alleles of a genotype such as ``"*1/*3"`` (CYP2C9) or ``"GA"``, ``"G/A"`` (VKORC1).

    Raises:
        EnvError: a genotype that does not exist in this model.
    """
    parts = genotype.replace("/", "").replace("*", "/*").strip("/").split("/") if isinstance(genotype, str) else []
    if gene == "VKORC1" and isinstance(genotype, str):
        parts = list(genotype.replace("/", ""))
    if len(parts) != 2 or any(p not in known for p in parts):
        example = "'*1/*3'" if gene == "CYP2C9" else "'GA'"
        raise EnvError(
            f"{gene} genotype is {genotype!r}; expected two alleles of {', '.join(known)}, for example {example}"
        )
    return parts[0], parts[1]


def s_clearance(cyp2c9: str = "*1/*1", age: float = AGE_CENTRE) -> float:
    """Typical clearance of S-warfarin in L/h: the sum over alleles, 0.57 % less per year of age (Hamberg 2010).

    >>> round(s_clearance("*1/*1"), 3), round(s_clearance("*1/*3"), 4)
    (0.348, 0.2162)
    """
    a, b = alleles(cyp2c9, CYP2C9, "CYP2C9")
    return (CYP2C9[a] + CYP2C9[b]) * (1.0 - AGE_SLOPE * (check_range("age", age, 18.0, 110.0) - AGE_CENTRE))


def half_effect(vkorc1: str = "GG") -> float:
    """Typical EC₅₀ of S-warfarin in mg/L: the sum over alleles (Hamberg 2010)."""
    a, b = alleles(vkorc1, VKORC1, "VKORC1")
    return VKORC1[a] + VKORC1[b]


def phenytoin_v_max(cyp2c9: str = "*1/*1", weight: float = 70.0, factor: float | None = None) -> float:
    """Maximal elimination of phenytoin in mg/day: 415·(weight/70)^0.6 times 0.9·g + 0.1, g the enzyme's activity.

    Args:
        factor: overrides the genotype's factor 0.9·g + 0.1.
    """
    a, b = alleles(cyp2c9, CYP2C9, "CYP2C9")
    g = (CYP2C9[a] + CYP2C9[b]) / (2.0 * CYP2C9["*1"])
    share = 0.9 * g + 0.1 if factor is None else factor
    return float(V_MAX_70 * (check_range("weight", weight, 20.0, 300.0) / 70.0) ** 0.6 * share)


def phenytoin_steady_state(
    dose: float, cyp2c9: str = "*1/*1", weight: float = 70.0, factor: float | None = None
) -> float:
    """Mean concentration in mg/L that a daily dose in mg settles to, from V_max·C/(K_m + C) = intake; may be inf.

    >>> round(phenytoin_steady_state(300.0), 1)
    7.6
    """
    intake = BIO_P * SALT * check_range("phenytoin dose", dose, 0.0, 5000.0)
    v_max = phenytoin_v_max(cyp2c9, weight, factor)
    return float("inf") if intake >= v_max else K_M * intake / (v_max - intake)


def dose_factor(c_p: float) -> float:
    """Clearance of S-warfarin at a steady phenytoin concentration in mg/L, relative to none: induction over inhibition.

    >>> round(dose_factor(15.0), 2)
    1.42
    """
    induced = 1.0 + INDUCTION * c_p / (INDUCTION_50 + c_p)
    return induced / (1.0 + UNBOUND * c_p / K_I)


def warfarin_dose(
    inr: float = 2.5, cyp2c9: str = "*1/*1", vkorc1: str = "GG", age: float = AGE_CENTRE, c_p: float = 0.0
) -> float:
    """Daily warfarin in mg whose mean concentration holds an INR, without fluctuation within the day.

    >>> round(warfarin_dose(2.5), 2)
    7.71

    Raises:
        EnvError: an INR not between 1 and 21, or a genotype or age that does not exist.
    """
    effect = (check_range("INR", inr, 1.0, 1.0 + INR_MAX - 1e-9) - 1.0) / INR_MAX
    concentration = half_effect(vkorc1) * (effect / (1.0 - effect)) ** (1.0 / HILL)
    return float(2.0 * 24.0 * s_clearance(cyp2c9, age) * dose_factor(c_p) * concentration)


def check_range(name: str, value: Any, low: float, high: float) -> float:
    """A number in a range, or an :class:`EnvError` that names value and range."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise EnvError(f"{name} is {value!r}; expected a number from {low:g} to {high:g}") from None
    if not low <= number <= high:
        raise EnvError(f"{name} is {number:g}; expected {low:g} to {high:g}")
    return number
