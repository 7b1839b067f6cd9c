"""A decoder that reads its own outputs, as an ONNX Loop."""

from typing import Any

import numpy as np

from backends._onnx.graph import BOOL, FLOAT, INT64, Graph, ValueType
from backends._onnx.layers import Encoded, join_layers, readout, recurrent_layers
from bench.spec import CELLS, ModelSpec, Params


def decoder_outputs(graph: Graph, spec: ModelSpec, weights: Params, encoded: Encoded) -> str:
    """The decoder's outputs `(batch, decoder, outputs)` from the encoder's final states."""
    begin_token = np.zeros((1, spec.outputs + 1), np.float32)
    begin_token[0, -1] = 1
    states = [join_layers(graph, layers) for layers in encoded.final]
    batch = graph.add("Slice", graph.add("Shape", states[0]), np.array([1]), np.array([2]))
    shape = graph.add("Concat", batch, np.array([spec.outputs + 1]), axis=0)
    first_input = graph.add("Expand", begin_token, shape)
    *_, outputs = graph.add_many(
        "Loop",
        len(states) + 2,
        np.array(spec.decoder),
        np.array(True),
        first_input,
        *states,
        body=_one_step(spec, weights),
    )
    return graph.add("Transpose", outputs, perm=(1, 0, 2))


def _one_step(spec: ModelSpec, weights: Params) -> Any:
    """The body of the Loop: one step of the decoder.

    It takes the step's number, the condition to go on, the decoder's input `(batch, outputs + 1)`
    and the states; it returns the condition, the next input, the next states and the output.
    """
    body = Graph("decoder.")
    states = [f"decoder.{state}" for state in CELLS[spec.cell].states]
    below = body.add("Unsqueeze", "decoder.input", np.array([0]))
    encoded = recurrent_layers(body, spec.decoding, weights, below, "", states, "decoder.")
    output = readout(body, weights, body.at(encoded.final[0][-1], 0, 0))
    results = [
        body.add("Identity", "decoder.condition"),
        _next_input(body, spec, output),
        *(join_layers(body, layers) for layers in encoded.final),
        output,
    ]
    inputs = {"decoder.number": ValueType(INT64, ()), "decoder.condition": ValueType(BOOL, ())}
    inputs |= {name: ValueType(FLOAT) for name in ("decoder.input", *states)}
    outputs = {name: ValueType(FLOAT) for name in results[1:]}
    return body.proto(inputs, {results[0]: ValueType(BOOL, ()), **outputs})


def _next_input(body: Graph, spec: ModelSpec, output: str) -> str:
    """The output as the next step reads it, `(batch, outputs + 1)`, without the begin flag."""
    if spec.loss == "mse":
        return body.add("Pad", output, np.array([0, 0, 0, 1]))
    largest = body.add("ArgMax", output, axis=1, keepdims=0)
    values = np.array([0, 1], np.float32)
    return body.add("OneHot", largest, np.array(spec.outputs + 1), values)
