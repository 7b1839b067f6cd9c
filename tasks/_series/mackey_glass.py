"""The chaotic delay equation of Mackey & Glass 1977."""

import numpy as np

from bench.spec import Array


def mackey_glass(count: int = 5000, washout: int = 1000) -> Array:
    """Solve x' = β x(t − τ) / (1 + x(t − τ)ⁿ) − γ x with β = .2, γ = .1, n = 10, τ = 17.

    Fourth-order Runge–Kutta with steps of .1; the delayed value at half a step is the mean of its
    neighbours; x = 1.2 for t ≤ 0. Returns `count` values, one a unit of time, from t = `washout`.
    """
    per_unit, delay = 10, 170
    x = [1.2] * (delay + 1)
    for _ in range((washout + count - 1) * per_unit):
        x.append(_runge_kutta(x[-1], x[-1 - delay], x[-delay], 1 / per_unit))
    return np.array(x[delay + washout * per_unit :: per_unit])


def _runge_kutta(x: float, delayed: float, delayed_next: float, dt: float) -> float:
    half_way = (delayed + delayed_next) / 2
    k1 = _slope(x, delayed)
    k2 = _slope(x + dt / 2 * k1, half_way)
    k3 = _slope(x + dt / 2 * k2, half_way)
    k4 = _slope(x + dt * k3, delayed_next)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _slope(x: float, delayed: float) -> float:
    # Products round the same on every machine. pow() does not, and the series is chaotic.
    second = delayed * delayed
    fourth = second * second
    return 0.2 * delayed / (1 + fourth * fourth * second) - 0.1 * x
