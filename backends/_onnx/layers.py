"""The layers of a model as ONNX's RNN, LSTM and GRU operators, and the readout.

Between the layers sequences are time-major, `(time, batch, ·)`: the operators' kernels for the
CPU know no other layout.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backends._onnx.graph import INT64, Graph
from bench.spec import CELLS, Array, ModelSpec, Params

OPERATORS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "feedforward": "MatMul"}
"""The operator that runs the layers of each cell."""

GATE_ORDER = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""The canonical gate at each of ONNX's places: i, o, f, g for the lstm, z, r, n for the gru."""


class Encoded(NamedTuple):
    """What a stack of layers computes.

    `top` is the last layer's h at every step, `(time, directions, batch, hidden)`, for the
    feedforward cell `(batch, time, directions × hidden)`. `final` has for h, and for the lstm
    for c, the final states of each layer, `(directions, batch, hidden)`.
    """

    top: str
    final: list[list[str]]


def recurrent_layers(
    graph: Graph,
    spec: ModelSpec,
    weights: Params,
    below: str,
    lengths: str,
    initial: Sequence[str],
    prefix: str = "",
) -> Encoded:
    """The recurrent layers on `below` `(time, batch, inputs)`, from the initial h and, for
    the lstm, c, or from zeros if there are none; `lengths` is empty if all sequences are whole."""
    state_count = len(CELLS[spec.cell].states)
    initial_by_layer = [_split_layers(graph, spec, name) for name in initial]
    final: list[list[str]] = [[] for _ in range(state_count)]
    top = ""
    for layer in range(spec.layers):
        below = _time_major(graph, spec, top) if layer else below
        arrays = [_operator_weights(spec, weights, f"{prefix}layers.{layer}.", n) for n in "wub"]
        states = [by_layer[layer] for by_layer in initial_by_layer]
        top, *final_states = graph.add_many(
            OPERATORS[spec.cell],
            1 + state_count,
            below,
            *arrays,
            lengths,
            *states,
            **_attributes(spec),
        )
        for layers, name in zip(final, final_states, strict=True):
            layers.append(name)
    return Encoded(top, final)


def feedforward_layers(
    graph: Graph,
    spec: ModelSpec,
    weights: Params,
    x: str,
    lengths: str,
    initial: Sequence[str],
) -> Encoded:
    """The layers h' = tanh(W x + b) on x `(batch, time, inputs)`."""
    final = []
    for layer in range(spec.layers):
        states, ends = [], []
        for direction in ("forward", "backward")[: spec.directions]:
            prefix = f"layers.{layer}.{direction}."
            product = graph.add("MatMul", x, np.ascontiguousarray(weights[prefix + "w"].T))
            h = graph.add("Tanh", graph.add("Add", product, weights[prefix + "b"]))
            states.append(h)
            end = _last_real(graph, h, lengths) if direction == "forward" else graph.at(h, 0, 1)
            ends.append(graph.add("Unsqueeze", end, np.array([0])))
        x = graph.add("Concat", *states, axis=2)
        final.append(graph.add("Concat", *ends, axis=0))
    return Encoded(x, [final])


def readout(graph: Graph, weights: Params, features: str) -> str:
    """The linear readout of features `(…, directions × hidden)`."""
    product = graph.add("MatMul", features, np.ascontiguousarray(weights["readout.w"].T))
    return graph.add("Add", product, weights["readout.b"])


def join_layers(graph: Graph, layers: list[str]) -> str:
    """States of each layer as `(layers × directions, batch, hidden)`."""
    return graph.add("Concat", *layers, axis=0) if len(layers) > 1 else layers[0]


def _split_layers(graph: Graph, spec: ModelSpec, states: str) -> list[str]:
    """The inverse of `join_layers`."""
    if spec.layers == 1:
        return [states]
    sizes = np.full(spec.layers, spec.directions)
    return graph.add_many("Split", spec.layers, states, sizes, axis=0)


def _attributes(spec: ModelSpec) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "hidden_size": spec.hidden,
        "direction": "bidirectional" if spec.bidirectional else "forward",
    }
    if spec.cell == "gru":
        attributes["linear_before_reset"] = int(spec.gru == "reset_after")
    return attributes


def _operator_weights(spec: ModelSpec, weights: Params, prefix: str, name: str) -> Array:
    """ONNX's W `(directions, G·H, inputs)`, R `(directions, G·H, H)` or B `(directions, 2·G·H)`
    from w, u or b. Half of B is a second bias, zero but for the candidate's of the gru."""
    arrays = []
    for direction in ("forward", "backward")[: spec.directions]:
        array = _reorder_gates(spec, weights[f"{prefix}{direction}.{name}"])
        if name == "b":
            second = np.zeros_like(array)
            if (b_hn := f"{prefix}{direction}.b_hn") in weights:
                second[-spec.hidden :] = weights[b_hn]
            array = np.concatenate([array, second])
        arrays.append(array)
    return np.stack(arrays)


def _reorder_gates(spec: ModelSpec, array: Array) -> Array:
    blocks = array.reshape(spec.gates, spec.hidden, -1)
    return blocks[list(GATE_ORDER[spec.cell])].reshape(array.shape)


def _time_major(graph: Graph, spec: ModelSpec, states: str) -> str:
    """States `(time, directions, batch, hidden)` as `(time, batch, directions × hidden)`."""
    if not spec.bidirectional:
        return graph.add("Squeeze", states, np.array([1]))
    transposed = graph.add("Transpose", states, perm=(0, 2, 1, 3))
    return graph.add("Reshape", transposed, np.array([0, 0, -1]))


def _last_real(graph: Graph, states: str, lengths: str) -> str:
    """States `(batch, time, hidden)` at the end of each sequence."""
    if not lengths:
        return graph.at(states, -1, 1)
    last = graph.add("Sub", graph.add("Cast", lengths, to=INT64), np.array(1))
    indices = graph.add("Unsqueeze", last, np.array([1]))
    return graph.add("GatherND", states, indices, batch_dims=1)
