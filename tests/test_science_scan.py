"""Active scanning: overlap and Dice by hand, what can be found, and what a glimpse costs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.scan import (
    DECLARE,
    DOWN,
    FOVEA,
    HORIZON,
    INK,
    LEFT,
    MOVE,
    PLACES,
    RIGHT,
    SIZE,
    STOP,
    UP,
    PeripheryScanner,
    ScanDynamics,
    overlap,
    seen_pixels,
)
from morl.spec import EnvError, MissingExtraError

ActiveScan = partial(BatchedEnv.of, ScanDynamics)
ActiveScanVec = partial(BatchedVectorEnv.of, ScanDynamics)

pytest.importorskip("sklearn")


def test_overlap_equals_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = rng.integers(0, SIZE - FOVEA + 1, (2, 2))
        boxes = np.zeros((2, SIZE, SIZE), dtype=bool)
        for box, (y, x) in zip(boxes, (a, b), strict=True):
            box[y : y + FOVEA, x : x + FOVEA] = True
        expected = (boxes[0] & boxes[1]).sum() / (boxes[0] | boxes[1]).sum()
        assert overlap(a, b) == pytest.approx(expected)


def test_digits_do_not_overlap_and_can_all_be_declared() -> None:
    state = ScanDynamics().initial(500, np.random.default_rng(0))
    corner = state["corner"]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.all(np.abs(corner[:, i] - corner[:, j]).max(axis=1) >= FOVEA)
    places = MOVE * np.stack(np.meshgrid(*[np.arange(PLACES)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    best = overlap(corner[:, :, None, :], places[None, None]).max(axis=2)
    assert best.min() >= 0.5
    assert set(state["present"].sum(axis=1)) == {1, 2, 3}


def test_ink_is_where_the_digits_are() -> None:
    state = ScanDynamics().initial(50, np.random.default_rng(1))
    for b in range(50):
        inside = np.zeros((SIZE, SIZE), dtype=bool)
        for (y, x), on in zip(state["corner"][b], state["present"][b], strict=True):
            if on:
                inside[y : y + FOVEA, x : x + FOVEA] = True
        assert state["ink"][b].any()
        assert not (state["ink"][b] & ~inside).any()
        noise = (state["canvas"][b] - state["ink"][b])[~inside]
        assert abs(noise.std() - 0.2) < 0.03


def test_rewards_by_hand() -> None:
    env = ActiveScan()
    env.reset(seed=0)
    state = env.state
    target = np.rint(state["corner"][0] / MOVE).astype(int)
    moves = [DOWN if target[0] > 3 else UP] * abs(target[0] - 3) + [RIGHT if target[1] > 3 else LEFT] * abs(
        target[1] - 3
    )
    for move in moves:
        _, reward, _, _, _ = env.step(move)
        np.testing.assert_allclose(reward, [0, 0, -0.02])
    assert env.state["place"].tolist() == target.tolist()
    np.testing.assert_array_equal(env.step(DECLARE)[1], [1, 0, 0])
    np.testing.assert_array_equal(env.step(DECLARE)[1], [-1, 0, 0])  # found already
    seen = np.zeros((SIZE, SIZE), dtype=bool)
    for y, x in np.argwhere(env.state["seen"]):
        seen[y * MOVE : y * MOVE + FOVEA, x * MOVE : x * MOVE + FOVEA] = True
    claimed, ink = (state["canvas"] > INK) & seen, state["ink"]
    dice = 2 * (claimed & ink).sum() / (claimed.sum() + ink.sum())
    _, reward, ended, _, _ = env.step(STOP)
    assert ended
    np.testing.assert_allclose(reward, [0, dice, 0])


def test_seen_pixels_are_the_union_of_foveas() -> None:
    rng = np.random.default_rng(3)
    seen = rng.random((20, PLACES, PLACES)) < 0.1
    expected = np.zeros((20, SIZE, SIZE), dtype=bool)
    for b, y, x in np.argwhere(seen):
        expected[b, y * MOVE : y * MOVE + FOVEA, x * MOVE : x * MOVE + FOVEA] = True
    np.testing.assert_array_equal(seen_pixels(seen), expected)


def test_the_fovea_stays_on_the_canvas_and_time_runs_out() -> None:
    env = ActiveScan()
    env.reset(seed=1)
    for step in range(HORIZON):
        _, _, ended, truncated, _ = env.step(LEFT)
        assert not ended
        assert truncated == (step == HORIZON - 1)
    assert env.state["place"].tolist() == [3, 0]


def test_the_observation_shows_the_fovea_with_its_surroundings_around_it() -> None:
    env = ActiveScan()
    observation, _ = env.reset(seed=2)
    canvas = env.state["canvas"]
    np.testing.assert_allclose(observation[:64].reshape(8, 8), canvas[12:20, 12:20], rtol=1e-6)
    for action in (UP, DECLARE, RIGHT, RIGHT):
        observation = env.step(action)[0]
    assert env.observation_space.contains(observation)
    y, x = env.state["place"]
    assert (y, x) == (2, 5)
    coarse = observation[64 : 64 + 14**2].reshape(14, 14)
    seen, declared = observation[64 + 14**2 : -4].reshape(2, 13, 13)
    np.testing.assert_allclose(coarse[6:8, 6:8], canvas[8:16, 20:28].reshape(2, 4, 2, 4).mean(axis=(1, 3)), rtol=1e-5)
    np.testing.assert_allclose(coarse[6 - y : 14 - y, 6 - x : 14 - x].mean(), canvas.mean(), rtol=1e-4)
    assert np.all(coarse[: 6 - y] == 0)
    assert np.all(coarse[:, : 6 - x] == 0)
    assert np.argwhere(seen).tolist() == [[6, 4], [6, 5], [6, 6], [7, 4]]
    assert np.argwhere(declared).tolist() == [[6, 4]]


def test_baselines_lie_inside_the_reference_box() -> None:
    env = ActiveScan()
    ref, totals = np.array(env.mo_spec.ref_point), []
    for episode in range(60):
        observation, _ = env.reset(seed=episode)
        scanner, total, ended = PeripheryScanner(), np.zeros(3), False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(scanner.act(observation))
            total += reward
            ended = terminated or truncated
        totals.append(total)
    mean = np.mean(totals, axis=0)
    assert np.all(totals > ref)
    assert mean[0] > 1.3
    assert mean[1] > 0.7
    venv = ActiveScanVec(64)
    venv.reset(seed=0)
    random, alive = np.zeros((64, 3)), np.ones(64, dtype=bool)
    for _ in range(HORIZON):
        _, rewards, ended, truncated, _ = venv.step(venv.action_space.sample())
        random += rewards * alive[:, None]
        alive &= ~(ended | truncated)
    assert np.all(random > ref)
    assert random[:, 0].mean() < 0


def test_bad_options_and_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvError, match="1 to 3"):
        ActiveScan(4)
    import sys

    from morl.envs.science import scan

    scan.digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match="science"):
        ActiveScan()
    scan.digits.cache_clear()


def test_pictures_and_text() -> None:
    env = morl.make("morl/ActiveScan-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.step(UP)
    assert env.render().shape == (420, 760, 3)
    text = morl.make("morl/ActiveScan-v0", render_mode="ansi")
    text.reset(seed=0)
    assert len(text.render().splitlines()) == SIZE + 1
