"""A model as ONNX: batch-major outside, whatever the layers use inside."""

import numpy as np
from onnx import helper

from backends._onnx.decoder import decoder_outputs
from backends._onnx.graph import FLOAT, INT32, INT64, Graph, ValueType
from backends._onnx.layers import (
    Encoded,
    feedforward_layers,
    join_layers,
    readout,
    recurrent_layers,
)
from backends._onnx.runtime import IR_VERSION, OPSET
from bench.spec import CELLS, ModelSpec, Params


def model_bytes(spec: ModelSpec, weights: Params, output: str, inputs: tuple[str, ...]) -> bytes:
    """The serialised model that computes one output.

    `inputs` are `x` `(batch, time, inputs)`, or time-major `steps` `(time, batch, inputs)`, and any
    of `lengths` `(batch,)` and the initial states `h0` and `c0`, `(layers × directions, batch,
    hidden)`. `output` is `readout`, the last layer's `states`, or `advance`, the readout followed
    by the final states.
    """
    graph = Graph()
    results = _outputs(graph, spec, weights, output, inputs)
    states = ValueType(FLOAT, (spec.layers * spec.directions, "batch", spec.hidden))
    types = {
        "x": ValueType(FLOAT, ("batch", "time", spec.inputs)),
        "steps": ValueType(FLOAT, ("time", "batch", spec.inputs)),
        "lengths": ValueType(INT32, ("batch",)),
    }
    proto = graph.proto(
        {name: types.get(name, states) for name in inputs},
        {name: ValueType(FLOAT) for name in results},
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _outputs(
    graph: Graph, spec: ModelSpec, weights: Params, output: str, inputs: tuple[str, ...]
) -> list[str]:
    lengths = "lengths" if "lengths" in inputs else ""
    initial = [name for name in ("h0", "c0") if name in inputs]
    recurrent = CELLS[spec.cell].recurrent
    x = inputs[0]
    if recurrent == (x == "x"):
        x = graph.add("Transpose", x, perm=(1, 0, 2))
    layers = recurrent_layers if recurrent else feedforward_layers
    encoded = layers(graph, spec, weights, x, lengths, initial)
    if output == "states":
        return [_states_of_every_step(graph, spec, encoded, lengths)]
    if spec.decoder:
        results = [decoder_outputs(graph, spec, weights, encoded)]
    else:
        features = _readout_features(graph, spec, encoded, lengths)
        results = [readout(graph, weights, features)]
    if output == "advance":
        results += [join_layers(graph, layers) for layers in encoded.final]
    return results


def _readout_features(graph: Graph, spec: ModelSpec, encoded: Encoded, lengths: str) -> str:
    """What the readout maps: each direction's final h, or h of every step."""
    if spec.readout == "every":
        return _states_of_every_step(graph, spec, encoded, lengths)
    final = encoded.final[0][-1]
    if not spec.bidirectional:
        return graph.add("Squeeze", final, np.array([0]))
    transposed = graph.add("Transpose", final, perm=(1, 0, 2))
    return graph.add("Reshape", transposed, np.array([0, -1]))


def _states_of_every_step(graph: Graph, spec: ModelSpec, encoded: Encoded, lengths: str) -> str:
    """The last layer's h, `(batch, time, directions × hidden)`, held beyond the end."""
    states = encoded.top
    if CELLS[spec.cell].recurrent:
        transposed = graph.add("Transpose", states, perm=(2, 0, 1, 3))
        states = graph.add("Reshape", transposed, np.array([0, 0, -1]))
    if not lengths:
        return states
    # ONNX leaves zeros beyond the end. The backward direction holds its initial state there.
    edges = [graph.at(encoded.final[0][-1], 0, 0)]
    if spec.bidirectional:
        edges.append(graph.at("h0", -1, 0))
    edge = graph.add("Unsqueeze", graph.add("Concat", *edges, axis=1), np.array([1]))
    return graph.add("Where", _sequence_mask(graph, states, lengths), states, edge)


def _sequence_mask(graph: Graph, states: str, lengths: str) -> str:
    """`(batch, time, 1)`, true where a step is real: before the end of its sequence."""
    time = graph.at(graph.add("Shape", states), 1, 0)
    steps = graph.add("Range", np.array(0), time, np.array(1))
    ends = graph.add("Unsqueeze", graph.add("Cast", lengths, to=INT64), np.array([1]))
    return graph.add("Unsqueeze", graph.add("Less", steps, ends), np.array([2]))
