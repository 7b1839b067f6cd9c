"""Forecasts that networks stand beside: least squares on lags, and a perceptron on a window."""

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array

MOST_UNCHECKED = 50
"""Windows below which a tenth of them shows nothing."""


def lagged(series: Array, targets: Array, lags: Sequence[int]) -> Array:
    """`series[t − lag]` for every target step t: `(targets, lags)`."""
    return np.asarray(series[targets[:, None] - np.asarray(lags)])


def autoregression(series: Array, train: int, targets: Array, lags: Sequence[int]) -> Array:
    """Forecasts at `targets` of the linear model on these lags and a constant, fitted by least
    squares to every step of `series[:train]` whose lags lie within it; the same whatever the unit
    and the zero of the series, of which `series[:train]` must change."""
    zero, unit = series[:train].mean(), series[:train].std()
    scaled = (series - zero) / unit

    def design(steps: Array) -> Array:
        return np.column_stack((np.ones(len(steps)), lagged(scaled, steps, lags)))

    fitted = np.arange(max(lags), train)
    coefficients = np.linalg.lstsq(design(fitted), scaled[fitted], rcond=None)[0]
    return np.asarray(zero + unit * (design(targets) @ coefficients))


def perceptron(x: Array, y: Array, asked: Array, seed: int) -> Array:
    """Forecasts `(asked, ahead)` from whole windows `(asked, length)` of a multilayer perceptron
    that was fitted to `x` and `y`: 32 tanh units, trained by scikit-learn's Adam until what it
    holds back gets no better, or, where that would be too little, for a hundred rounds."""
    from sklearn.neural_network import MLPRegressor  # type: ignore[import-untyped]

    held_back = len(x) >= MOST_UNCHECKED
    net = MLPRegressor(
        hidden_layer_sizes=(32,),
        activation="tanh",
        learning_rate_init=5e-3,
        max_iter=1000 if held_back else 100,
        early_stopping=held_back,
        n_iter_no_change=20,
        random_state=seed,
    )
    with catch_warnings():
        simplefilter("ignore")  # that it has not converged is what is wanted
        net.fit(x, y[:, 0] if y.shape[1] == 1 else y)
    return np.asarray(net.predict(asked)).reshape(len(asked), y.shape[1])
