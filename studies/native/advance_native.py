"""Hand-written single steps of a running sequence, as a service would run them.

Each function returns a call that takes the next input as NumPy, carries the state itself, and
returns the readout as NumPy. The weights are constants.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from studies.native import jax_native, onnx_native, torch_native
from studies.native.problem import Call, Problem

Advance = Callable[[Any, Any], tuple[Any, Any]]
"""Takes x `(1, 1, inputs)` and a state, None at first; returns the readout and the next state."""


def running_call(problem: Problem, advance: Advance) -> Call:
    """One step after the other; the loss is that of one more step."""
    x, state = np.ascontiguousarray(problem.x[:1, :1]), None

    def run() -> Any:
        nonlocal state
        output, state = advance(x, state)
        return output

    return Call(run, lambda: None, lambda: float(np.square(run() - problem.y[:1]).mean()))


def zero_states(problem: Problem, *leading: int) -> tuple[Any, ...]:
    """h and, for the lstm, c: zeros `(*leading, hidden)`."""
    zeros = np.zeros((*leading, problem.spec.hidden), np.float32)
    return (zeros, zeros) if problem.spec.cell == "lstm" else (zeros,)


def numpy_steps(problem: Problem) -> Call:
    """Each cell on vectors."""
    layer, size = problem.layer, problem.spec.hidden
    w, u, b = layer["w"], layer["u"], layer["b"]
    readout_w, readout_b = problem.readout

    def rnn(x: Any, h: Any) -> Any:
        return (np.tanh(u @ h + (w @ x + b)),)

    def lstm(x: Any, h: Any, c: Any) -> Any:
        a = u @ h + (w @ x + b)
        g = np.tanh(a[2 * size : 3 * size])
        a = 1 / (1 + np.exp(-a))
        c = a[size : 2 * size] * c + a[:size] * g
        return a[3 * size :] * np.tanh(c), c

    def gru(x: Any, h: Any) -> Any:
        a, uh = w @ x + b, u @ h
        rz = 1 / (1 + np.exp(-(a[: 2 * size] + uh[: 2 * size])))
        n = np.tanh(a[2 * size :] + rz[:size] * (uh[2 * size :] + layer["b_hn"]))
        return (n + rz[size:] * (h - n),)

    cell = {"rnn": rnn, "lstm": lstm, "gru": gru}[problem.spec.cell]

    def advance(x: Any, state: Any) -> Any:
        state = cell(x[0, 0], *(state or zero_states(problem)))
        return (readout_w @ state[0] + readout_b)[None], state

    return running_call(problem, advance)


def torch_steps(problem: Problem) -> Call:
    """nn.LSTM, nn.GRU or nn.RNN, and nn.Linear, in inference mode."""
    import torch

    spec = problem.spec
    layer_class = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[spec.cell]
    layer = layer_class(spec.inputs, spec.hidden, batch_first=True)
    readout = torch.nn.Linear(spec.hidden, spec.outputs)
    torch_native.load(problem, layer, readout)

    def advance(x: Any, state: Any) -> Any:
        with torch.inference_mode():
            states, state = layer(torch.from_numpy(x), state)
            return readout(states[:, -1]).numpy(), state

    return running_call(problem, advance)


def jax_steps(problem: Problem) -> Call:
    """The cell written out, compiled with its weights as constants."""
    import jax
    import jax.numpy as jnp

    layer = {name: jnp.array(value) for name, value in problem.layer.items()}
    cell, (readout_w, readout_b) = jax_native.CELLS[problem.spec.cell], problem.readout

    @jax.jit
    def step(x: Any, state: Any) -> Any:
        state = cell(layer, x[:, 0] @ layer["w"].T + layer["b"], *state)
        return state[0] @ readout_w.T + readout_b, state

    def advance(x: Any, state: Any) -> Any:
        output, state = step(x, state or tuple(map(jnp.array, zero_states(problem, 1))))
        return np.asarray(output), state

    return running_call(problem, advance)


def tensorflow_steps(problem: Problem) -> Call:
    """The cell written out, as a concrete function."""
    import tensorflow as tf

    step = tensorflow_step(problem)

    def advance(x: Any, state: Any) -> Any:
        state = state or map(tf.constant, zero_states(problem, 1))
        output, *state = step(tf.constant(x), *state)
        return output.numpy(), state

    return running_call(problem, advance)


def tensorflow_step(problem: Problem) -> Any:
    """The concrete function of x and the states `(1, hidden)`; it returns the readout and the
    states after x. Its weights are constants."""
    import tensorflow as tf

    spec, layer = problem.spec, problem.layer
    w, u = tf.constant(layer["w"].T), tf.constant(layer["u"].T)
    joined, b = tf.concat([w, u], 0), tf.constant(layer["b"])
    readout_w, readout_b = tf.constant(problem.readout[0].T), tf.constant(problem.readout[1])

    def rnn(x: Any, h: Any) -> Any:
        return (tf.tanh(tf.matmul(tf.concat([x, h], 1), joined) + b),)

    def lstm(x: Any, h: Any, c: Any) -> Any:
        i, f, g, o = tf.split(tf.matmul(tf.concat([x, h], 1), joined) + b, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c

    def gru(x: Any, h: Any) -> Any:
        ar, az, an = tf.split(tf.matmul(x, w) + b, 3, 1)
        ur, uz, un = tf.split(tf.matmul(h, u), 3, 1)
        r, z = tf.sigmoid(ar + ur), tf.sigmoid(az + uz)
        n = tf.tanh(an + r * (un + layer["b_hn"]))
        return (n + z * (h - n),)

    cell = {"rnn": rnn, "lstm": lstm, "gru": gru}[spec.cell]

    @tf.function(autograph=False)
    def step(x: Any, *state: Any) -> Any:
        state = cell(x[:, 0], *state)
        return tf.matmul(state[0], readout_w) + readout_b, *state

    states = [tf.TensorSpec((1, spec.hidden))] * len(zero_states(problem))
    return step.get_concrete_function(tf.TensorSpec((1, 1, spec.inputs)), *states)


def onnx_steps(problem: Problem) -> Call:
    """The operator LSTM, GRU or RNN and Gemm, in ONNX Runtime."""
    session = onnx_native.open_session(problem, onnx_native.step_graph(problem))
    inputs = [node.name for node in session.get_inputs()]
    outputs = [node.name for node in session.get_outputs()]

    def advance(x: Any, state: Any) -> Any:
        arrays = (x, *(state or zero_states(problem, 1, 1)))
        output, *state = session.run(outputs, dict(zip(inputs, arrays, strict=True)))
        return output, state

    return running_call(problem, advance)


def litert_steps(problem: Problem) -> Call:
    """The step of TensorFlow, converted for LiteRT's interpreter."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    converter = tf.lite.TFLiteConverter.from_concrete_functions([tensorflow_step(problem)])
    interpreter = Interpreter(model_content=converter.convert(), num_threads=problem.threads)
    interpreter.allocate_tensors()
    inputs = [node["index"] for node in interpreter.get_input_details()]
    outputs = [node["index"] for node in interpreter.get_output_details()]

    def advance(x: Any, state: Any) -> Any:
        for place, array in zip(inputs, (x, *(state or zero_states(problem, 1))), strict=True):
            interpreter.set_tensor(place, array)
        interpreter.invoke()
        output, *state = map(interpreter.get_tensor, outputs)
        return output, state

    return running_call(problem, advance)
