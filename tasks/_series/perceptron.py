"""The forecast of a multilayer perceptron on a window."""

from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array

FEWEST_CHECKED = 50
"""With fewer training windows a tenth of them is too few to tell when to stop."""


def perceptron(x: Array, y: Array, windows: Array, seed: int) -> Array:
    """Forecast `(windows, ahead)` from windows by a perceptron fitted to x `(n, length)` and y
    `(n, ahead)`.

    It has 32 tanh units. Scikit-learn's Adam trains it until the error on a tenth that is held
    back stops falling; with fewer than `FEWEST_CHECKED` windows, for a hundred epochs on all.
    """
    from sklearn.neural_network import MLPRegressor  # type: ignore[import-untyped]

    hold_back = len(x) >= FEWEST_CHECKED
    network = MLPRegressor(
        hidden_layer_sizes=(32,),
        activation="tanh",
        learning_rate_init=5e-3,
        max_iter=1000 if hold_back else 100,
        early_stopping=hold_back,
        n_iter_no_change=20,
        random_state=seed,
    )
    with catch_warnings():
        simplefilter("ignore")  # it warns when it stops at max_iter, which is intended
        network.fit(x, y[:, 0] if y.shape[1] == 1 else y)
    return np.asarray(network.predict(windows)).reshape(len(windows), y.shape[1])
