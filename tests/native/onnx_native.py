"""ONNX Runtime by hand: a graph with the operator LSTM, GRU or RNN and Gemm, forward only."""

from typing import Any

import numpy as np

from .problem import Call, Problem

OPSET = 14


def forward(given: Problem) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    model = graph(given).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"x": given.x}

    def run() -> Any:
        return session.run(None, feed)[0]

    return Call(run, lambda: None, lambda: float(np.square(run() - given.y).mean()))


def graph(given: Problem) -> Any:
    """x `(batch, time, inputs)` to the readout of the last state; inside, time comes first."""
    from onnx import helper, numpy_helper
    from onnx.onnx_pb import TensorProto

    spec, (batch, time, inputs) = given.spec, given.x.shape
    more = {"linear_before_reset": 1} if spec.cell == "gru" else {}
    recurrent = ["steps", "w", "u", "b"]
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node(spec.cell.upper(), recurrent, ["", "h"], hidden_size=spec.hidden, **more),
        helper.make_node("Squeeze", ["h", "zero"], ["last"]),
        helper.make_node("Gemm", ["last", "readout.w", "readout.b"], ["out"], transB=1),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", (batch, time, inputs)), ("out", (batch, spec.outputs)))
    ]
    arrays = {
        **_onnx_order(given),
        "readout.w": given.readout[0],
        "readout.b": given.readout[1],
        "zero": np.zeros(1, np.int64),
    }
    constants = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        helper.make_graph(nodes, "model", *ends, constants), opset_imports=opset, ir_version=8
    )


def _onnx_order(given: Problem) -> dict[str, Any]:
    """w, u and both biases of one direction; gates in ONNX' order: lstm i, o, f, c; gru z, r, n."""
    own, spec = given.layer, given.spec
    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[spec.cell]
    second = np.zeros_like(own["b"])
    if spec.cell == "gru":
        second[-spec.hidden :] = own["b_hn"]

    def ordered(array: Any) -> Any:
        blocks = array.reshape(spec.gates, spec.hidden, -1)[order]
        return np.ascontiguousarray(blocks.reshape(array.shape))

    both = np.concatenate([ordered(own["b"]), ordered(second)])
    return {"w": ordered(own["w"])[None], "u": ordered(own["u"])[None], "b": both[None]}
