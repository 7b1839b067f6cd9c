"""A session of LiteRT: inference only."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from backends._litert.model import model_bytes
from backends._threads import available_threads
from bench.spec import CELLS, Array, ModelSpec, Params, Supports, Unsupported

MOST_STEPS = 16
"""Steps of the longest model: its conversion takes longer the more it has."""
PACKED_BYTES = 1 << 20
"""XNNPACK packs the weights anew for each step of a model. Together they shall not take more: about
half of what a core's own cache holds."""

FLOAT32 = np.dtype(np.float32)


class Runner(NamedTuple):
    """An interpreter, and the places of its inputs and outputs: first x or the output, then the
    states; the mask last."""

    interpreter: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __call__(self, *arrays: Array) -> list[Array]:
        for place, array in zip(self.inputs, arrays, strict=True):
            if array.dtype != FLOAT32 and array.dtype != bool:
                array = array.astype(FLOAT32)
            self.interpreter.set_tensor(place, array)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(place) for place in self.outputs]


class LiteRtSession:
    """See `bench.spec.Session`. Each output and shape is a model of its own, converted when it is
    first needed. A sequence longer than a `block` of steps runs block by block, its state carried.
    """

    def __init__(self, supports: Supports, spec: ModelSpec, params: Params) -> None:
        self._supports, self._spec = supports, spec
        self._weights = {name: np.array(value, np.float32) for name, value in params.items()}
        size = sum(value.nbytes for value in self._weights.values())
        self.block = max(1, min(MOST_STEPS, PACKED_BYTES // size))
        self._runners: dict[Any, Runner] = {}
        self._single_steps: dict[tuple[int, ...], Runner] = {}

    def put(self, array: Any) -> Array:
        array = np.asarray(array)
        dtype = np.int32 if array.dtype.kind in "iub" else np.float32
        return np.ascontiguousarray(array, dtype)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        states = self._states(initial_state, len(x))
        return self._join(self._run("readout", x, lengths, states)[0])

    forward = predict

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        states = self._states(initial_state, len(x))
        return np.concatenate(self._run("states", x, lengths, states)[0], 1)

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        runner = self._single_steps.get(x.shape)
        if runner is None or state is None:
            return self._advance(x, state)
        output, *final = runner(x, state) if isinstance(state, np.ndarray) else runner(x, *state)
        return output, tuple(final) if len(final) > 1 else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        raise Unsupported(str(self._supports.lacks("training")))

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        raise Unsupported(str(self._supports.lacks("hidden_gradients")))

    step = backward = gradients

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._weights.items()}

    def wait(self) -> None:
        """Return at once: LiteRT returns when the work is done."""

    def executed_path(self) -> str:
        """Read from the nodes of the interpreters: see `path_of`."""
        if not self._runners:
            self.predict(np.zeros((1, 1, self._spec.inputs)))
        return "+".join(sorted({path_of(runner) for runner in self._runners.values()}))

    def _run(
        self, output: str, x: Any, lengths: Any, states: Sequence[Array]
    ) -> tuple[list[Array], Sequence[Array]]:
        """The output of each block, and the final states."""
        x, blocks = np.asarray(x, np.float32), []
        mask = None
        if lengths is not None:
            mask = (np.arange(x.shape[1]) < np.asarray(lengths)[:, None])[:, :, None]
        for start in range(0, x.shape[1], self.block):
            steps = slice(start, start + self.block)
            piece, masks = x[:, steps], () if mask is None else (mask[:, steps],)
            runner = self._runner(output, len(x), piece.shape[1], mask is not None)
            block, *states = runner(piece, *states, *masks)
            blocks.append(block)
        return blocks, states

    def _advance(self, x: Any, state: Any) -> tuple[Array, Any]:
        """`advance` from any kind of state; a single step is then ready for the next call."""
        if x.shape[1] == 1:
            self._single_steps[x.shape] = self._runner("readout", len(x), 1, False)
        blocks, final = self._run("readout", x, None, self._states(state, len(x)))
        return self._join(blocks), tuple(final) if len(final) > 1 else final[0]

    def _join(self, blocks: Sequence[Array]) -> Array:
        """The readout of every step, or of the last one."""
        return np.concatenate(blocks, 1) if self._spec.readout == "every" else blocks[-1]

    def _runner(self, output: str, batch: int, steps: int, masked: bool) -> Runner:
        key = (output, batch, steps, masked)
        if (runner := self._runners.get(key)) is None:
            model = model_bytes(self._spec, self._weights, *key)
            runner = self._runners[key] = _load(model, CELLS[self._spec.cell].states, masked)
        return runner

    def _states(self, state: Any, batch: int) -> Sequence[Array]:
        """h and, for the lstm, c; zeros for None."""
        if state is None:
            shape = (self._spec.layers, batch, self._spec.hidden)
            return [np.zeros(shape, np.float32)] * len(CELLS[self._spec.cell].states)
        if not isinstance(state, tuple | list):
            state = (state,)
        return [np.asarray(array, np.float32) for array in state]


def _load(model: bytes, states: tuple[str, ...], masked: bool) -> Runner:
    """The interpreter of a model, ready to run."""
    interpreter = Interpreter(model_content=model, num_threads=available_threads())
    interpreter.allocate_tensors()
    inputs = {node["name"]: node["index"] for node in interpreter.get_input_details()}
    names = ("x", *states, "mask") if masked else ("x", *states)
    return Runner(
        interpreter,
        tuple(inputs[name] for name in names),
        tuple(node["index"] for node in interpreter.get_output_details()),
    )


def path_of(runner: Runner) -> str:
    """`xnnpack` if the delegate runs the products and the gates, else LiteRT's own kernels."""
    nodes = runner.interpreter._get_ops_details()  # the only way to see them
    return "xnnpack" if any(node["op_name"] == "DELEGATE" for node in nodes) else "litert"
