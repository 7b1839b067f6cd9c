"""Canonical weights as the arrays of Keras' variables, and back.

For each direction of each layer Keras has a kernel `(D, G·H)`, a recurrent kernel `(H, G·H)` and
a bias `(G·H,)`, the transposes of w and u, and b. The gates of its gru come in the order z, r, n;
those of its lstm in the canonical order i, f, g, o. The bias of a gru that resets after the
product is `(2, 3·H)`: b, and a second bias inside that product, of which the model has the
candidate's, `b_hn`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from bench.spec import CELLS, Array, ModelSpec, Params


def variable_names(spec: ModelSpec) -> list[str]:
    """The canonical name of each Keras variable, in Keras' order and without the readout's.

    `b_hn` has no variable of its own: it lies in the second row of that of b.
    """
    short_names = "wub" if CELLS[spec.cell].recurrent else "wb"
    return [prefix + short_name for prefix in _prefixes(spec) for short_name in short_names]


def to_keras(spec: ModelSpec, params: Params) -> list[Array]:
    """The arrays of the Keras variables, those of the readout last, from canonical weights."""
    arrays = []
    for name in variable_names(spec):
        array = reorder_gates(spec, params[name]).T
        if f"{name}_hn" in params:
            second = np.zeros_like(array)
            second[-spec.hidden :] = params[f"{name}_hn"]
            array = np.stack([array, second])
        arrays.append(array)
    return [*arrays, np.transpose(params["readout.w"]), np.asarray(params["readout.b"])]


def to_canonical(spec: ModelSpec, arrays: Sequence[Array]) -> dict[str, Array]:
    """The inverse of `to_keras`, for weights and for their gradients."""
    *layer_arrays, readout_w, readout_b = arrays
    canonical = {"readout.w": np.ascontiguousarray(readout_w.T), "readout.b": readout_b}
    for name, array in zip(variable_names(spec), layer_arrays, strict=True):
        if name.endswith(".b") and array.ndim == 2:
            canonical[f"{name}_hn"] = array[1, -spec.hidden :].copy()
            array = array[0]
        canonical[name] = np.ascontiguousarray(reorder_gates(spec, array.T))
    return canonical


def reorder_gates(spec: ModelSpec, array: Array) -> Array:
    """Rows `(G·H, …)` of the canonical gates in Keras' order, and equally the other way round."""
    array = np.asarray(array)
    if spec.cell != "gru":
        return array
    return array.reshape(3, spec.hidden, -1)[[1, 0, 2]].reshape(array.shape)


def _prefixes(spec: ModelSpec) -> Iterator[str]:
    for layer in range(spec.layers):
        for direction in ("forward", "backward")[: spec.directions]:
            yield f"layers.{layer}.{direction}."
    if spec.decoder:
        yield from (f"decoder.{prefix}" for prefix in _prefixes(spec.decoding))
