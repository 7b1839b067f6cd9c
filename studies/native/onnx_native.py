"""Hand-written ONNX: a graph with the operator LSTM, GRU or RNN and Gemm, forward only."""

from typing import Any

import numpy as np

from studies.native.problem import Call, Problem

OPSET = 14


def forward(problem: Problem) -> Call:
    """The forward pass in ONNX Runtime; the loss is computed in NumPy."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = problem.threads
    model = graph(problem).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"x": problem.x}

    def run() -> Any:
        return session.run(None, feed)[0]

    return Call(run, lambda: None, lambda: float(np.square(run() - problem.y).mean()))


def graph(problem: Problem) -> Any:
    """The graph from x `(batch, time, inputs)` to the readout of the last state; inside the graph,
    time comes first."""
    from onnx import helper, numpy_helper
    from onnx.onnx_pb import TensorProto

    spec, (batch, time, inputs) = problem.spec, problem.x.shape
    reset_after = {"linear_before_reset": 1} if spec.cell == "gru" else {}
    recurrent = ["steps", "w", "u", "b"]
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node(
            spec.cell.upper(), recurrent, ["", "h"], hidden_size=spec.hidden, **reset_after
        ),
        helper.make_node("Squeeze", ["h", "zero"], ["last"]),
        helper.make_node("Gemm", ["last", "readout.w", "readout.b"], ["out"], transB=1),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", (batch, time, inputs)), ("out", (batch, spec.outputs)))
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
