"""The physics of the minecart, compiled: one function moves one cart, and every caller loops over it.

The arithmetic follows the published implementation operation for operation (degrees times π over 180, heading
kept unreduced after a bounce, speed re-measured from the displacement). That matters: the base, the mines and the
walls are hard thresholds, and carts that differ in the last bit part ways after a few hundred episodes. Cosines
come from a table that Python's own ``math`` fills, because headings are whole degrees; this is also several times
faster than evaluating them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from morl.compiled import jit
from morl.spec import BoolArray, FloatArray, IntArray

MINE, LEFT, RIGHT, ACCELERATE, BRAKE, NOTHING = range(6)
X, Y, SPEED, HEADING, ORE_0, ORE_1, DEPARTED = range(7)

STOPPED = 0.001  # below this speed the cart does not move, and can mine
TURN = 10.0  # degrees per frame
ACCELERATION = 0.0075  # speed gained per frame
BRAKING = 1.0  # speed lost per frame: a full stop
TOP_SPEED = 1.0
MINE_RADIUS = 0.14
BASE_RADIUS = 0.15
FUEL_IDLE, FUEL_ACCELERATE, FUEL_MINE = -0.005, -0.025, -0.05  # per frame

_TURNS = 720  # the tables cover headings of ±720°; farther ones (endless bouncing) are computed
_DEGREES = range(-_TURNS, _TURNS + 1)
_COS = np.array([math.cos(d * math.pi / 180) for d in _DEGREES])
_SIN = np.array([math.sin(d * math.pi / 180) for d in _DEGREES])
_SEEN_COS = np.array([math.cos(math.radians(d)) for d in _DEGREES], dtype=np.float32)
_SEEN_SIN = np.array([math.sin(math.radians(d)) for d in _DEGREES], dtype=np.float32)


@jit
def _direction(heading: float) -> tuple[float, float]:
    """Cosine and sine of a heading in whole degrees."""
    i = int(heading) + _TURNS
    if 0 <= i < _COS.size:
        return _COS[i], _SIN[i]
    return math.cos(heading * math.pi / 180), math.sin(heading * math.pi / 180)


@jit
def _clip(value: float, low: float, high: float) -> float:
    return low if value <= low else high if value >= high else value


@jit
def _roll(cart: FloatArray) -> None:
    """Move one cart by one frame; a cart that hits a wall at an angle slides along it and turns away."""
    speed = cart[SPEED]
    if speed < STOPPED:
        return
    cos, sin = _direction(cart[HEADING])
    vx, vy = speed * cos, speed * sin
    x, y = cart[X], cart[Y]
    if y != 0 and y != 1 and abs(vy) > STOPPED:
        if x == 1 and vx > 0:
            cart[HEADING] += math.copysign(TURN, vy)
        if x == 0 and vx < 0:
            cart[HEADING] -= math.copysign(TURN, vy)
    if x != 0 and x != 1 and abs(vx) > STOPPED:
        if y == 1 and vy > 0:
            cart[HEADING] -= math.copysign(TURN, vx)
        if y == 0 and vy < 0:
            cart[HEADING] += math.copysign(TURN, vx)
    cart[X], cart[Y] = _clip(x + vx, 0.0, 1.0), _clip(y + vy, 0.0, 1.0)
    dx, dy = x - cart[X], y - cart[Y]
    cart[SPEED] = math.sqrt(dx * dx + dy * dy)


@jit
def _dig(cart: FloatArray, mines: FloatArray, capacity: float, noise: FloatArray, at: int) -> None:
    """Mine for one frame with the two normal deviates ``noise[at]``; what exceeds the capacity is left behind."""
    if cart[SPEED] >= STOPPED:
        return
    nearest, best = 0, math.inf
    for m in range(mines.shape[0]):
        dx, dy = cart[X] - mines[m, 0], cart[Y] - mines[m, 1]
        distance = math.sqrt(dx * dx + dy * dy)
        if distance < best:
            nearest, best = m, distance
    if best > MINE_RADIUS:
        return
    mine = mines[nearest]
    first = max(0.0, mine[2] + mine[3] * noise[at, 0])
    second = max(0.0, mine[4] + mine[5] * noise[at, 1])
    total, free = first + second, capacity - (cart[ORE_0] + cart[ORE_1])
    if total > free and total > 0.0:  # rounding may leave less than no room, and two mines may yield nothing
        scale = free / total
        first, second = first * scale, second * scale
    cart[ORE_0] += first
    cart[ORE_1] += second


@jit
def _act(
    cart: FloatArray, action: int, mines: FloatArray, capacity: float, frames: int, noise: FloatArray, at: int
) -> tuple[float, float, float, bool]:
    """Repeat one action for some frames, changing ``cart``; return its three rewards and if the trip ended."""
    fuel = FUEL_IDLE * frames
    if action == ACCELERATE:
        fuel += FUEL_ACCELERATE * frames
    elif action == MINE:
        fuel += FUEL_MINE * frames
    ended, first, second = False, 0.0, 0.0
    for frame in range(frames):
        if action == LEFT:
            cart[HEADING] = (cart[HEADING] - TURN) % 360.0
        elif action == RIGHT:
            cart[HEADING] = (cart[HEADING] + TURN) % 360.0
        elif action == ACCELERATE:
            cart[SPEED] = _clip(cart[SPEED] + ACCELERATION, 0.0, TOP_SPEED)
        elif action == BRAKE:
            cart[SPEED] = _clip(cart[SPEED] - BRAKING, 0.0, TOP_SPEED)
        elif action == MINE:
            _dig(cart, mines, capacity, noise, at + frame)
        if ended:
            break  # sold: the cart still obeys the wheel for this frame, but does not roll on
        _roll(cart)
        if math.sqrt(cart[X] * cart[X] + cart[Y] * cart[Y]) >= BASE_RADIUS:
            cart[DEPARTED] = 1.0
        elif cart[DEPARTED] != 0.0:
            ended, first, second = True, cart[ORE_0], cart[ORE_1]
            cart[ORE_0], cart[ORE_1] = 0.0, 0.0
    return first, second, fuel, ended


@jit
def step_carts(
    carts: FloatArray,
    actions: IntArray,
    mines: FloatArray,
    capacity: float,
    frames: int,
    noise: FloatArray,
    rewards: FloatArray,
    terminated: BoolArray,
) -> FloatArray:
    """Move n carts by one action each; fill ``rewards`` and ``terminated``, return the new carts.

    Args:
        carts: ``(n, 7)`` x, y, speed, heading (°), two ores, departed (0 or 1). Left as it is.
        actions: ``(n,)`` integers 0 to 5.
        mines: ``(m, 6)`` x, y, then mean and standard deviation of each ore per frame.
        capacity: what a cart holds.
        frames: how often each action is repeated.
        noise: ``(frames * mining carts, 2)`` standard normal deviates, used in the order of the carts that mine.
        rewards: ``(n, 3)``, filled.
        terminated: ``(n,)``, filled.
    """
    moved = carts.copy()
    at = 0
    for i in range(moved.shape[0]):
        first, second, fuel, ended = _act(moved[i], actions[i], mines, capacity, frames, noise, at)
        rewards[i, 0], rewards[i, 1], rewards[i, 2] = first, second, fuel
        terminated[i] = ended
        if actions[i] == MINE:
            at += frames
    return moved


@jit
def observe_carts(carts: FloatArray, capacity: float, seen: NDArray[np.float32]) -> None:
    """Fill ``seen`` (n, 7) float32 with x, y, speed, sin and cos of the heading, and the two ores per capacity."""
    for i in range(carts.shape[0]):
        cart = carts[i]
        seen[i, 0], seen[i, 1], seen[i, 2] = cart[X], cart[Y], cart[SPEED]
        j = int(cart[HEADING]) + _TURNS
        if 0 <= j < _COS.size:
            seen[i, 3], seen[i, 4] = _SEEN_SIN[j], _SEEN_COS[j]
        else:
            seen[i, 3], seen[i, 4] = math.sin(math.radians(cart[HEADING])), math.cos(math.radians(cart[HEADING]))
        seen[i, 5], seen[i, 6] = cart[ORE_0] / capacity, cart[ORE_1] / capacity


@jit
def replay_carts(
    sequences: IntArray, mines: FloatArray, capacity: float, frames: int, discount: float
) -> tuple[FloatArray, IntArray]:
    """Discounted returns ``(n, 3)`` of action sequences ``(n, steps)`` without noise, and the steps each used.

    A sequence ends where the cart is back at the base, at its end, or at a negative action; one that never comes
    back has used -1 steps.
    """
    n, longest = sequences.shape
    returns, used = np.zeros((n, 3)), np.full(n, -1)
    cart, noise = np.zeros(7), np.zeros((frames, 2))
    for i in range(n):
        cart[:] = 0.0
        cart[HEADING] = 45.0
        scale = 1.0
        for t in range(longest):
            if sequences[i, t] < 0:
                break
            first, second, fuel, ended = _act(cart, sequences[i, t], mines, capacity, frames, noise, 0)
            returns[i, 0] += scale * first
            returns[i, 1] += scale * second
            returns[i, 2] += scale * fuel
            scale *= discount
            if ended:
                used[i] = t + 1
                break
    return returns, used
