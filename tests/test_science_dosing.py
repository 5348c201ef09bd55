"""Dosing: pharmacology against a published regression and an independent integrator, and the environment around it."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import spearmanr

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science import pharmacology as p
from morl.envs.science.dosing import DAYS, PHENYTOIN, WARFARIN, Clinician, DosingDynamics, simulate
from morl.spec import EnvError

MultiDrugDosing = partial(BatchedEnv.of, DosingDynamics)
MultiDrugDosingVector = partial(BatchedVectorEnv.of, DosingDynamics)

CYP = ("*1/*1", "*1/*2", "*1/*3", "*2/*2", "*2/*3", "*3/*3")
VKORC = ("GG", "GA", "AA")


def iwpc_2009(cyp2c9, vkorc1, age=71.0, height=166.0, weight=78.0, inducer=False):
    """mg per day by the regression of the International Warfarin Pharmacogenetics Consortium (2009); whole decades."""
    cyp = dict(zip(CYP, (0.0, -0.5211, -0.9357, -1.0616, -1.9206, -2.3312), strict=True))
    vkorc = {"GG": 0.0, "GA": -0.8677, "AA": -1.6974}
    root = 5.6044 - 0.2614 * (age // 10) + 0.0087 * height + 0.0128 * weight + cyp[cyp2c9] + vkorc[vkorc1]
    return (root + 1.1816 * inducer) ** 2 / 7


def episode_returns(policy, n=256, seed=1, **options):
    env = MultiDrugDosingVector(n, **options)
    obs, _ = env.reset(seed=seed)
    total = np.zeros((n, 4))
    for _ in range(DAYS):
        obs, reward, terminated, truncated, _info = env.step(policy(obs))
        assert env.observation_space.contains(obs)
        assert np.isfinite(reward).all()
        total += reward
    assert truncated.all()
    assert not terminated.any()
    return total


# ---- validation facts ---------------------------------------------------------------------------------------


def test_doses_for_inr_2_5_agree_with_the_iwpc_regression_over_18_genotype_pairs():
    pairs = list(itertools.product(CYP, VKORC))
    ours = np.array([p.warfarin_dose(2.5, c, v) for c, v in pairs])
    theirs = np.array([iwpc_2009(c, v) for c, v in pairs])
    assert spearmanr(ours, theirs).statistic >= 0.98
    assert spearmanr(ours, theirs).statistic == pytest.approx(0.988, abs=1e-3)
    assert np.corrcoef(np.log(ours), np.log(theirs))[0, 1] == pytest.approx(0.977, abs=1e-3)
    ratio = ours / theirs
    assert (ratio.min(), ratio.max()) == pytest.approx((0.87, 1.40), abs=0.005)


def test_the_other_readings_of_the_warfarin_paper_miss_the_regression():
    """Clearance that rises with age, or the product of the chains, disagrees with how patients are dosed."""
    assert iwpc_2009("*1/*1", "GG", 50.0) > iwpc_2009("*1/*1", "GG", 85.0)
    assert p.warfarin_dose(age=50.0) > p.warfarin_dose(age=85.0)
    ours = np.array([p.warfarin_dose(2.5, c, v) / iwpc_2009(c, v) for c, v in itertools.product(CYP, VKORC)])
    effect = 1.0 - np.sqrt(1.0 - 1.5 / 20.0)  # what the product of the chains needs for INR 2.5
    product = ours * ((effect / (1 - effect)) / ((1.5 / 20) / (1 - 1.5 / 20))) ** (1 / 1.15)
    assert product.max() < 0.8  # too little for every genotype
    assert np.abs(np.log(product)).mean() > 2.0 * np.abs(np.log(ours)).mean()


def test_inr_time_course_at_7_71_mg_a_day():
    assert p.warfarin_dose(2.5) == pytest.approx(7.71, abs=5e-3)
    course = simulate(7.71, days=80)[:, 0]
    assert course[[5, 10, 20]] == pytest.approx([1.99, 2.40, 2.50], abs=0.005)
    assert course[-1] == pytest.approx(2.5, abs=0.01)


def test_phenytoin_steady_states():
    assert p.phenytoin_steady_state(300.0) == pytest.approx(7.6, abs=0.05)
    assert p.phenytoin_steady_state(300.0, factor=0.58) == pytest.approx(405.0, abs=1.0)
    assert p.phenytoin_steady_state(300.0, "*1/*3") == pytest.approx(37.0, abs=0.5)
    assert p.phenytoin_steady_state(500.0, "*3/*3") == np.inf
    before_dose = simulate(0.0, 300.0, days=120)[-1, 1]
    assert 5.0 < before_dose < 7.6  # once a day: the trough lies under the mean


def test_phenytoin_raises_the_inr_first_and_lowers_it_later():
    warfarin, phenytoin = np.full(160, 7.71), np.zeros(160)
    phenytoin[80:] = 440.0
    inr = simulate(warfarin, phenytoin)[80:, 0]
    assert inr[1:8].max() > inr[0] + 0.02
    assert inr[-1] < inr[0] - 0.2
    assert np.argmax(inr) < np.argmin(inr)


def test_net_dose_factor_is_the_inducer_effect_of_the_regression():
    assert p.dose_factor(15.0) == pytest.approx(1.42, abs=0.005)
    assert p.dose_factor(0.0) == 1.0
    induced = [iwpc_2009(c, v, inducer=True) / iwpc_2009(c, v) for c, v in itertools.product(CYP[:2], VKORC[:2])]
    assert min(induced) - 0.02 < 1.42 < max(induced)


# ---- the integrator -----------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(
    warfarin=st.floats(0, 10),
    phenytoin=st.floats(0, 600),
    cyp=st.sampled_from(CYP),
    vkorc=st.sampled_from(VKORC),
    age=st.floats(40, 85),
    weight=st.floats(45, 130),
)
def test_five_days_agree_with_a_high_order_integrator(warfarin, phenytoin, cyp, vkorc, age, weight):
    cl, ec50 = p.s_clearance(cyp, age), p.half_effect(vkorc)
    v_max, volume = p.phenytoin_v_max(cyp, weight) / 24, 0.7 * weight

    def slope(_t, y):
        gw, cs, f1, f2, f3, s1, s2, s3, gp, cp, z = y
        made = 1 / (1 + (max(cs, 0) / ec50) ** 1.15)
        kf, ks = 3 / 28.6, 3 / 118.3
        return [
            -2 * gw,
            (2 * gw - cl * z / (1 + 0.11 * cp / 3.68) * cs) / 14.3,
            *(kf * (made - f1), kf * (f1 - f2), kf * (f2 - f3), ks * (made - s1), ks * (s1 - s2), ks * (s2 - s3)),
            -0.459 * gp,
            (0.459 * gp - v_max * cp / (5.7 + cp)) / volume,
            np.log(2) / 104 * (1 + 1.76 * cp / (10 + cp) - z),
        ]

    y = np.array([0.0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1])
    for _ in range(5):
        y[0] += warfarin / 2
        y[8] += 0.86 * 0.92 * phenytoin
        y = solve_ivp(slope, (0, 24), y, rtol=1e-9, atol=1e-11).y[:, -1]
    ours = simulate(warfarin, phenytoin, cyp2c9=cyp, vkorc1=vkorc, age=age, weight=weight, days=5)[-1]
    assert ours == pytest.approx([1 + 20 * (1 - (y[4] + y[7]) / 2), y[9]], rel=2e-3, abs=2e-3)


def test_compiled_and_numpy_paths_agree():
    fast, plain = DosingDynamics(), DosingDynamics(compiled=False)
    state = fast.initial(40, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for _ in range(20):
        action = rng.integers([9, 5, 2], size=(40, 3))
        one, two = fast.step(state, action, rng), plain.step(state, action, rng)
        assert one.state["x"] == pytest.approx(two.state["x"], rel=1e-9, abs=1e-12)
        assert one.rewards == pytest.approx(two.rewards, rel=1e-7, abs=1e-9)
        state = one.state


def test_months_of_overdose_stay_finite_and_inside_the_reward_space():
    env = MultiDrugDosingVector(64)
    obs, _ = env.reset(seed=0, options={"cyp2c9": "*3/*3", "vkorc1": "AA", "age": 110.0, "weight": 20.0})
    for _ in range(DAYS - 1):
        obs, reward, *_, info = env.step(np.tile([8, 4, 1], (64, 1)))
        assert env.observation_space.contains(obs)
        assert ((reward >= env.reward_space.low) & (reward <= env.reward_space.high)).all()
    assert reward[:, 2].max() == -5.0
    assert (info["inr"] <= 21.0).all()
    assert np.isfinite(info["c_p"]).all()


# ---- patients -----------------------------------------------------------------------------------------------


def test_patients_have_the_stated_frequencies_and_spread():
    x = DosingDynamics().initial(60_000, np.random.default_rng(0))["x"]
    assert x[:, p.STAR2].mean() / 2 == pytest.approx(0.12, abs=0.005)
    assert x[:, p.STAR3].mean() / 2 == pytest.approx(0.08, abs=0.005)
    assert x[:, p.VKORC1_A].mean() / 2 == pytest.approx(0.4, abs=0.005)
    assert (x[:, p.AGE].min(), x[:, p.AGE].max()) == pytest.approx((40, 85), abs=0.1)
    assert (x[:, p.WEIGHT].min(), x[:, p.WEIGHT].max()) == (45.0, 130.0)
    wild = (x[:, p.STAR2] + x[:, p.STAR3] == 0) & (x[:, p.VKORC1_A] == 0)
    age = 1.0 - 0.00571 * (x[wild, p.AGE] - 71.0)
    assert np.log(x[wild, p.CLEARANCE] / (0.348 * age)).var() == pytest.approx(0.089, rel=0.05)
    assert np.log(x[wild, p.EC50] / 4.1).var() == pytest.approx(0.34, rel=0.05)


def test_genotype_can_be_hidden_and_matters():
    shown, hidden = MultiDrugDosing(), MultiDrugDosing(hide_genotype=True)
    options = {"cyp2c9": "*2/*3", "vkorc1": "A/G"}
    assert shown.reset(seed=0, options=options)[0][:3].tolist() == [0.5, 0.5, 0.5]
    assert hidden.reset(seed=0, options=options)[0][:3].tolist() == [-1.0, -1.0, -1.0]
    known, guessed = (episode_returns(Clinician(shown, False), 1024, hide_genotype=h).mean(0) for h in (False, True))
    assert known[0] > guessed[0]  # the same patients: by .6 to 4 days on six seeds of 256
    assert known[2] > guessed[2] - 0.01  # toxicity .4 either way, now and then .1 more


def test_discrete_actions_are_the_same_treatment():
    numbers, triples = MultiDrugDosing(discrete=True, typical=True), MultiDrugDosing(typical=True)
    numbers.reset(seed=0), triples.reset(seed=0)
    for action in ((7, 3, 1), (0, 4, 0), (8, 0, 1)):
        number = (action[0] * 5 + action[1]) * 2 + action[2]
        one, two = numbers.step(number), triples.step(np.array(action))
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])
    assert numbers.action_space.n == len(WARFARIN) * len(PHENYTOIN) * 2


def test_a_test_shows_the_truth_once_and_ages():
    env = MultiDrugDosing()
    env.reset(seed=0)
    obs, reward, *_, info = env.step(np.array([7, 3, 1]))
    assert obs[5:8] == pytest.approx([info["inr"] / 3, info["c_p"] / 20, 0.0], abs=1e-6)
    assert reward[3] == pytest.approx(-1.4)
    stale, reward, *_, later = env.step(np.array([7, 3, 0]))
    assert stale[5] == obs[5]
    assert stale[7] == pytest.approx(1 / 7)
    assert later["inr"] != info["inr"]
    assert reward[3] == 0.0


def test_random_and_hand_written_policies_lie_inside_the_reference_box():
    ref = np.array(MultiDrugDosing().mo_spec.ref_point)
    rng = np.random.default_rng(0)
    chance = episode_returns(lambda obs: rng.integers([9, 5, 2], size=(len(obs), 3))).mean(0)
    doctor = episode_returns(Clinician(MultiDrugDosing())).mean(0)
    assert (chance > ref).all()
    assert (doctor > chance)[[0, 1, 3]].all()  # toxicity is about the same, -0.9 to -1
    assert doctor[0] > 20
    assert doctor[1] > 20


# ---- bad input and pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cyp2c9": "*1/*4"}, r"CYP2C9 genotype is '\*1/\*4'"),
        ({"cyp2c9": "*1"}, "two alleles"),
        ({"vkorc1": "GT"}, "VKORC1 genotype is 'GT'"),
        ({"vkorc1": 7}, "two alleles"),
        ({"age": 5}, "18 to 110"),
        ({"weight": "heavy"}, "number"),
        ({"height": 170}, "height"),
    ],
)
def test_impossible_patients_are_refused(options, words):
    with pytest.raises(EnvError, match=words):
        MultiDrugDosing().reset(options=options)


def test_impossible_doses_are_refused():
    with pytest.raises(EnvError, match="warfarin dose of day 2 is -1 mg"):
        simulate([5.0, -1.0])
    with pytest.raises(EnvError, match="phenytoin dose of day 1 is nan"):
        simulate(5.0, float("nan"))
    with pytest.raises(EnvError, match="phenytoin dose is -300"):
        p.phenytoin_steady_state(-300.0)
    with pytest.raises(EnvError, match=r"INR is 0\.5"):
        p.warfarin_dose(0.5)
    env = MultiDrugDosing()
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"\[8, 4, 1\]"):
        env.step(np.array([9, 0, 0]))


def test_chart_and_text():
    env = MultiDrugDosing(render_mode="rgb_array")
    obs, _ = env.reset(seed=0, options={"cyp2c9": "*1/*3", "vkorc1": "GA"})
    doctor = Clinician(env)
    first = env.render()
    for _ in range(20):
        obs, *_ = env.step(doctor(obs))
    later = env.render()
    assert first.shape == later.shape == (560, 800, 3)
    assert np.abs(later.astype(int) - first).sum() > 1000
    text = MultiDrugDosing(render_mode="ansi")
    text.reset(seed=0, options={"cyp2c9": "*1/*3", "vkorc1": "GA"})
    assert "CYP2C9 *1/*3, VKORC1 GA" in text.render()
    assert "not medical advice" in text.render()
