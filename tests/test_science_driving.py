"""Driving: the physics against closed forms and an independent integrator, the sensors against their statistics."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science import driving_physics as p
from morl.envs.science.driving import Driver, DrivingDynamics
from morl.spec import EnvError

Driving = partial(BatchedEnv.of, DrivingDynamics)
DrivingVector = partial(BatchedVectorEnv.of, DrivingDynamics)

RNG = np.random.default_rng


def start(dynamics, n=1, seed=0, **options):
    return dynamics.initial(n, RNG(seed), options)


def episode_returns(policy, n=128, seed=1, gamma=0.99, steps=600, **options):
    """Discounted and undiscounted returns (n, 4) of one episode per copy, and what ended it."""
    env = DrivingVector(n, **options)
    obs, _ = env.reset(seed=seed)
    alive, discounted, plain = np.ones(n, bool), np.zeros((n, 4)), np.zeros((n, 4))
    event = np.zeros(n, int)
    for t in range(steps):
        obs, reward, terminated, truncated, info = env.step(policy(obs))
        discounted += gamma**t * reward * alive[:, None]
        plain += reward * alive[:, None]
        event[terminated & alive] = info["event"][terminated & alive]
        alive &= ~(terminated | truncated)
        if not alive.any():
            break
    return discounted, plain, event


def constant(pedal, wheel):
    return lambda obs: np.tile(np.float32([pedal, wheel]), (len(obs), 1))


# ---- validation facts ---------------------------------------------------------------------------------------


def test_idm_equilibrium_gap_behind_20_m_per_s():
    assert p.idm_gap(20.0) == pytest.approx(35.722, abs=5e-4)
    assert p.idm_acceleration(20.0, p.idm_gap(20.0), 20.0) == pytest.approx(0.0, abs=1e-12)


def test_idm_driver_settles_at_the_equilibrium_gap():
    dynamics = DrivingDynamics(noise=0.0, faults=False, max_curvature=0.0)
    state = start(dynamics, speed=22.0, gap=60.0, lead_speed=20.0, offset=0.0, heading=0.0)
    for _ in range(3000):
        x = state["x"]
        x[:, p.TARGET], x[:, p.TIMER], x[:, p.LEAD] = 20.0, 1e6, 20.0
        accel = p.idm_acceleration(x[:, p.V], x[:, p.GAP], x[:, p.LEAD])
        u = np.where(accel > 0, accel / 2.0, accel / 5.0)
        state = dynamics.step(state, np.stack([u, 0 * u], 1), RNG(0)).state
    assert state["x"][0, p.GAP] == pytest.approx(35.722, abs=0.05)
    assert state["x"][0, p.V] == pytest.approx(20.0, abs=1e-3)


def test_turning_radius_of_a_driven_circle():
    assert p.turning_radius(0.05) == pytest.approx(53.97, abs=5e-3)
    x = np.zeros((24, 1))
    x[p.V], x[p.DELTA], x[p.GAP] = 10.0, 0.05, 1000.0
    xs, ys, px, py = [], [], 0.0, 0.0
    for _ in range(400):  # on a straight road the Frenet frame is the plane
        out = np.zeros_like(x)
        p.move(x, x[p.DELTA], np.zeros(1), out)
        px, py = float(out[p.S, 0]), float(out[p.E, 0])
        xs.append(px), ys.append(py)
        out[p.FROM] = out[p.TO] = out[p.KNOT] = 0.0
        x = out
    a = np.column_stack([xs, ys, np.ones(len(xs))])
    cx, cy, c = np.linalg.lstsq(a, np.square(xs) + np.square(ys), rcond=None)[0]  # least-squares circle
    assert np.sqrt(c + (cx / 2) ** 2 + (cy / 2) ** 2) == pytest.approx(53.97, abs=0.01)


def test_steady_consumption_at_25_m_per_s():
    assert p.consumption(25.0) == pytest.approx(10.96, abs=5e-3)
    dynamics = DrivingDynamics(noise=0.0, faults=False, max_curvature=0.0)
    state = start(dynamics, speed=25.0, gap=900.0, lead_speed=25.0)
    before, energy = state["x"][0, p.S], 0.0
    for _ in range(100):
        moved = dynamics.step(state, np.zeros((1, 2)), RNG(0))
        state, energy = moved.state, energy + moved.rewards[0, 3]
    kwh = -energy / 3600.0
    assert 1e5 * kwh / (state["x"][0, p.S] - before) == pytest.approx(10.96, abs=0.05)


# ---- physics against an independent integrator --------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    e=st.floats(-1.5, 1.5),
    psi=st.floats(-0.2, 0.2),
    v=st.floats(3.0, 33.0),
    delta=st.floats(-0.15, 0.15),
    wheel=st.floats(-1.0, 1.0),
    pedal=st.floats(-1.0, 1.0),
    kappas=st.tuples(st.floats(-0.005, 0.005), st.floats(-0.005, 0.005)),
)
def test_one_step_agrees_with_a_high_order_integrator(e, psi, v, delta, wheel, pedal, kappas):
    x = np.zeros((24, 1))
    x[[p.E, p.PSI, p.V, p.DELTA, p.FROM, p.TO], 0] = e, psi, v, delta, *kappas
    x[p.GAP], x[p.LEAD], x[p.TARGET], x[p.KNOT] = 50.0, 15.0, 28.0, 2.0
    accel = 2.0 * pedal if pedal > 0 else 5.0 * pedal
    end = delta + np.clip(0.15 * wheel - delta, -0.04, 0.04)
    out = np.zeros_like(x)
    p.move(x, np.array([end]), np.array([accel]), out)

    def slope(t, y):
        beta = np.arctan(0.5 * np.tan(delta + (end - delta) * t / 0.1))
        kappa = kappas[0] + (kappas[1] - kappas[0]) * (2.0 + t) / 8.0
        ds = y[2] * np.cos(y[1] + beta) / (1.0 - kappa * y[0])
        turn = y[2] / 1.35 * np.sin(beta) - kappa * ds
        return [y[2] * np.sin(y[1] + beta), turn, accel, 0.73 * (1 - (y[3] / 28.0) ** 4), y[3] - ds]

    truth = solve_ivp(slope, (0, 0.1), [e, psi, v, 15.0, 50.0], rtol=1e-11, atol=1e-12).y[:, -1]
    assert out[[p.E, p.PSI, p.V, p.LEAD, p.GAP], 0] == pytest.approx(truth, abs=2e-4)


def test_car_ahead_follows_the_free_term_and_brakes_comfortably():
    assert p.lead_acceleration(0.0, 20.0) == pytest.approx(0.73)
    assert p.lead_acceleration(20.0, 20.0) == pytest.approx(0.0)
    assert p.lead_acceleration(20.0, 10.0) == pytest.approx(-1.67)
    assert p.lead_acceleration(20.0, 19.5) == pytest.approx(-0.5)
    assert p.lead_acceleration(0.0, 0.0) == 0.0


def test_speed_stays_between_zero_and_36():
    dynamics = DrivingDynamics(faults=False, max_curvature=0.0)
    for pedal, limit in ((-1.0, 0.0), (1.0, 36.0)):
        state = start(dynamics, speed=20.0, gap=1000.0, lead_speed=36.0, offset=0.0, heading=0.0)
        for _ in range(120):
            state = dynamics.step(state, np.array([[pedal, 0.0]]), RNG(0)).state
        assert state["x"][0, p.V] == limit
        assert state["x"][0, p.A] == 0.0  # a car that stands still is not decelerating


# ---- rewards ------------------------------------------------------------------------------------------------


def test_rewards_by_hand():
    x, out, reward = np.zeros(24), np.zeros(24), np.zeros(4)
    x[p.V], x[p.A] = 20.0, 0.5
    out[p.V], out[p.LEAD], out[p.GAP], out[p.A], out[p.E] = 20.0, 10.0, 15.0, 0.0, 0.875
    assert p.rewards(x, out, 0.0, reward) == 0
    assert reward[0] == pytest.approx(20 / 30)
    assert reward[1] == pytest.approx(-((1 - 1.5 / 3) ** 2) - 0.5 * 0.5**4)  # 1.5 s to collision, half way to the edge
    assert reward[2] == pytest.approx(-0.5 * (0.5 / 0.1 / 2.5) ** 2)
    assert reward[3] == pytest.approx(-(0.396 * 20**3 + 0.01 * 1500 * 9.81 * 20) * 0.1 / 1000)


@pytest.mark.parametrize(
    ("gap", "e", "event", "penalty"), [(0.0, 0.0, 1, -50.0), (9.0, 1.8, 2, -20.5), (-1, 2, 3, -70.5)]
)
def test_crashes_and_lane_exits_end_the_episode(gap, e, event, penalty):
    out, reward = np.zeros(24), np.zeros(4)
    out[p.GAP], out[p.E] = gap, e
    assert p.rewards(np.zeros(24), out, 0.0, reward) == event
    assert reward[1] == pytest.approx(penalty)


def test_rewards_stay_in_the_reward_space_under_wild_driving():
    env = DrivingVector(256, max_curvature=0.1, noise=3.0)
    obs, _ = env.reset(seed=3)
    rng, low, high = RNG(0), env.reward_space.low, env.reward_space.high
    for _ in range(300):
        obs, reward, *_ = env.step(rng.choice([-1.0, 1.0], (256, 2)).astype(np.float32))
        assert np.isfinite(obs).all()
        assert ((reward >= low) & (reward <= high)).all()
        assert env.observation_space.contains(obs)


# ---- policies and dominance ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"noise": 0.0, "faults": False}, {}], ids=["perfect sensors", "as shipped"])
def test_braking_gently_to_a_stop_dominates_crashing(options):
    """In every objective, discounted or not: whatever ends the episode early, ending it early is no Pareto point."""
    driver = Driver(Driving())

    def gentle_stop(obs):  # 0.5 m/s², more only where the Intelligent Driver Model would brake
        action = driver(obs)
        action[:, 0] = np.minimum(action[:, 0], -0.1)
        return action

    def ram(obs):
        action = driver(obs)
        action[:, 0] = 1.0
        return action

    stop = episode_returns(gentle_stop, **options)
    ways = (ram, constant(0.0, 0.0), constant(0.0, 1.0), constant(1.0, 1.0), constant(1.0, -1.0), constant(-0.05, 0.1))
    for crash in ways:
        crashed = episode_returns(crash, **options)
        assert (crashed[2] > 0).mean() > 0.9
        for which in (0, 1):
            assert (stop[which].mean(0) > crashed[which].mean(0)).all()


@pytest.mark.parametrize("discrete", [False, True])
def test_random_and_hand_written_policies_lie_inside_the_reference_box(discrete):
    env = DrivingVector(1, discrete=discrete)
    ref = np.array(env.mo_spec.ref_point)
    rng = RNG(0)

    def chance(obs):
        return rng.integers(9, size=len(obs)) if discrete else rng.uniform(-1, 1, (len(obs), 2))

    for policy in (chance, Driver(env)):
        returns = episode_returns(policy, discrete=discrete)[0].mean(0)
        assert (returns > ref).all()
    assert returns[0] > 30.0  # the driver gets somewhere


def test_hand_written_driver_never_crashes_with_healthy_sensors():
    assert (episode_returns(Driver(Driving()), faults=False)[2] == 0).all()


def test_faults_make_the_same_driver_leave_the_lane():
    assert (episode_returns(Driver(Driving()))[2] == 2).mean() > 0.05


# ---- sensors ------------------------------------------------------------------------------------------------


def sensor_run(mode, steps=4000):
    """Readings and truths (steps, 8) of a standing car whose three channels are in one fault mode throughout."""
    dynamics = DrivingDynamics(fault_onset=0.0, fault_recovery=0.0, max_curvature=0.0)
    state = start(dynamics, n=steps, speed=0.0, lead_speed=0.0, lead_target=0.0, gap=30.0, offset=0.3, heading=0.1)
    state["x"][:, p.FAULT : p.FAULT + 3] = mode
    moved = dynamics.step(state, np.zeros((steps, 2)), RNG(1)).state["x"]
    truth = np.array([0.3, 0.1, 0.0, 30.0, 0.0, 0.0, 0.0, 0.0])
    return moved[:, p.READ :] - truth, state["x"][:, p.READ :] - truth


def test_healthy_noise_has_the_stated_standard_deviations():
    error, _ = sensor_run(0)
    assert error.std(0) == pytest.approx(p.SIGMA, rel=0.06)
    assert (np.abs(error.mean(0)) < 5 * p.SIGMA / np.sqrt(len(error))).all()


def test_fault_modes_hold_shake_and_shift():
    dead, before = sensor_run(1)
    assert np.array_equal(dead, before)
    assert sensor_run(2)[0].std(0) == pytest.approx(10 * p.SIGMA, rel=0.06)
    assert sensor_run(3)[0].mean(0) == pytest.approx(5 * p.SIGMA, rel=0.06)


def test_faults_are_markov_with_the_stated_rates():
    dynamics = DrivingDynamics()
    state = start(dynamics, n=20_000)
    rng = RNG(2)
    healthy, modes = [], []
    for _ in range(30):
        moved = dynamics.step(state, np.zeros((20_000, 2)), rng)
        fault = moved.info["fault"]
        was = state["x"][:, p.FAULT : p.FAULT + 3] > 0
        healthy.append(((fault > 0) & ~was).sum() / (~was).sum())
        modes.append(fault[(fault > 0) & ~was])
        state = moved.state
    assert np.mean(healthy) == pytest.approx(0.002, rel=0.1)
    counts = np.bincount(np.concatenate(modes), minlength=4)[1:]
    assert counts / counts.sum() == pytest.approx([1 / 3] * 3, abs=0.04)
    state["x"][:, p.FAULT : p.FAULT + 3] = 2.0
    after = dynamics.step(state, np.zeros((20_000, 2)), rng).info["fault"]
    assert (after == 0).mean() == pytest.approx(0.01, rel=0.15)


def test_flags_are_shown_only_on_request():
    hidden, shown = Driving(fault_onset=1.0), Driving(fault_onset=1.0, expose_fault=True)
    for env, size in ((hidden, 8), (shown, 11)):
        obs, _ = env.reset(seed=0)
        assert obs.shape == (size,)
        obs, *_, info = env.step(np.zeros(2, np.float32))
        assert (info["fault"] > 0).all()
    assert (obs[8:] == 1.0).all()


# ---- one text, two ways to run it ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"discrete": True}, {"max_curvature": 0.05, "noise": 2.0, "fault_onset": 0.2}])
def test_compiled_and_numpy_paths_agree(options):
    fast, plain = DrivingDynamics(**options), DrivingDynamics(compiled=False, **options)
    a = b = start(fast, n=50)
    rng = RNG(0)
    for t in range(100):
        action = rng.integers(9, size=50) if fast.discrete else rng.uniform(-1, 1, (50, 2))
        one, two = fast.step(a, action, RNG(t)), plain.step(b, action, RNG(t))
        assert one.state["x"] == pytest.approx(two.state["x"], rel=1e-9, abs=1e-11)
        assert one.rewards == pytest.approx(two.rewards, rel=1e-7, abs=1e-9)
        assert np.array_equal(one.terminated, two.terminated)
        a, b = one.state, one.state


def test_step_leaves_its_arguments_alone_and_is_reproducible():
    dynamics = DrivingDynamics()
    state, action = start(dynamics, n=8), RNG(1).uniform(-1, 1, (8, 2))
    copy = state["x"].copy(), action.copy()
    first, second = dynamics.step(state, action, RNG(5)), dynamics.step(state, action, RNG(5))
    assert np.array_equal(state["x"], copy[0])
    assert np.array_equal(action, copy[1])
    assert np.array_equal(first.state["x"], second.state["x"])
    assert not np.shares_memory(first.state["x"], state["x"])


def test_curvature_runs_linearly_between_knots_eight_seconds_apart():
    dynamics = DrivingDynamics()
    state = start(dynamics)
    aim = state["x"][0, p.TO]
    for _ in range(80):
        state = dynamics.step(state, np.zeros((1, 2)), RNG(0)).state
    assert state["x"][0, p.FROM] == aim
    assert state["x"][0, p.KNOT] == 0.0
    assert abs(state["x"][0, p.TO]) <= 1 / 200


# ---- bad input and pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_curvature": 0.3}, "no road bends tighter"),
        ({"max_curvature": float("nan")}, "curvature"),
        ({"noise": -1.0}, "noise"),
        ({"noise": "loud"}, "noise is 'loud'"),
        ({"fault_onset": 1.5}, "probability"),
        ({"fault_recovery": -0.1}, "probability"),
    ],
)
def test_impossible_parameters_are_refused(options, words):
    with pytest.raises(EnvError, match=words):
        Driving(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"curvature": 0.5}, "radius of 2 m"),
        ({"speed": -1}, "0 to 36 m/s"),
        ({"gap": "near"}, "number"),
        ({"colour": 1}, "colour"),
    ],
)
def test_impossible_starts_are_refused(options, words):
    with pytest.raises(EnvError, match=words):
        Driving().reset(options=options)


def test_pictures_and_text_show_the_scene():
    env = Driving(render_mode="rgb_array")
    env.reset(seed=0, options={"gap": 20.0, "curvature": 0.004})
    near = env.render()
    env.reset(seed=0, options={"gap": 45.0, "curvature": 0.004})
    far = env.render()
    assert near.shape == (520, 720, 3)
    assert near.dtype == np.uint8
    assert np.abs(near.astype(int) - far).sum() > 1000
    text = Driving(render_mode="ansi")
    text.reset(seed=0, options={"gap": 20.0, "curvature": 0.004})
    assert "left bend, radius 250 m" in text.render()
    assert "20.0 m" in text.render()
