"""Hand-written ONNX: graphs with the operator LSTM, GRU or RNN and Gemm, forward only."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.native.problem import Call, Problem

OPSET = 14
Shapes = Mapping[str, Sequence[int]]


def forward(problem: Problem) -> Call:
    """The forward pass in ONNX Runtime; the loss is computed in NumPy."""
    session, feed = open_session(problem, graph(problem)), {"x": problem.x}

    def run() -> Any:
        return session.run(None, feed)[0]

    return Call(run, lambda: None, lambda: float(np.square(run() - problem.y).mean()))


def open_session(problem: Problem, model: Any) -> Any:
    """ONNX Runtime's session of a model, on the threads of the problem."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = problem.threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def graph(problem: Problem) -> Any:
    """The model from x `(batch, time, inputs)` to the readout of the last state; inside, time
    comes first."""
    from onnx import helper

    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        _layer(problem, ["steps", "w", "u", "b"], ["", "h"]),
        *_readout("h"),
    ]
    outputs = {"out": (len(problem.x), problem.spec.outputs)}
    return _model(problem, nodes, {"x": problem.x.shape}, outputs)


def step_graph(problem: Problem) -> Any:
    """The model from x `(1, 1, inputs)` and the states h and, for the lstm, c `(1, 1, hidden)` to
    the readout and the states after x."""
    spec = problem.spec
    names = ["h", "c"] if spec.cell == "lstm" else ["h"]
    after = [f"next {name}" for name in names]
    layer = _layer(problem, ["x", "w", "u", "b", "", *names], ["", *after])
    state = (1, 1, spec.hidden)
    inputs = {"x": (1, 1, spec.inputs), **dict.fromkeys(names, state)}
    outputs = {"out": (1, spec.outputs), **dict.fromkeys(after, state)}
    return _model(problem, [layer, *_readout(after[0])], inputs, outputs)


def _layer(problem: Problem, inputs: list[str], outputs: list[str]) -> Any:
    from onnx import helper

    spec = problem.spec
    reset_after = {"linear_before_reset": 1} if spec.cell == "gru" else {}
    operator = spec.cell.upper()
    return helper.make_node(operator, inputs, outputs, hidden_size=spec.hidden, **reset_after)


def _readout(state: str) -> list[Any]:
    from onnx import helper

    return [
        helper.make_node("Squeeze", [state, "zero"], ["last"]),
        helper.make_node("Gemm", ["last", "readout.w", "readout.b"], ["out"], transB=1),
    ]


def _model(problem: Problem, nodes: list[Any], inputs: Shapes, outputs: Shapes) -> Any:
    from onnx import helper, numpy_helper
    from onnx.onnx_pb import TensorProto

    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in e.items()]
        for e in (inputs, outputs)
    ]
    arrays = {
        **_onnx_order(problem),
        "readout.w": problem.readout[0],
        "readout.b": problem.readout[1],
        "zero": np.zeros(1, np.int64),
    }
    constants = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        helper.make_graph(nodes, "model", *ends, constants), opset_imports=opset, ir_version=8
    )


def _onnx_order(problem: Problem) -> dict[str, Any]:
    """w, u and both biases of one direction, gates in the order of ONNX: lstm i, o, f, c; gru z, r,
    n."""
    layer, spec = problem.layer, problem.spec
    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[spec.cell]
    second_bias = np.zeros_like(layer["b"])
    if spec.cell == "gru":
        second_bias[-spec.hidden :] = layer["b_hn"]

    def ordered(array: Any) -> Any:
        blocks = array.reshape(spec.gates, spec.hidden, -1)[order]
        return np.ascontiguousarray(blocks.reshape(array.shape))

    biases = np.concatenate([ordered(layer["b"]), ordered(second_bias)])
    return {"w": ordered(layer["w"])[None], "u": ordered(layer["u"])[None], "b": biases[None]}
