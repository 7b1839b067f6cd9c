"""A session of ONNX Runtime: inference only."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

from backends._onnx.layers import OPERATORS
from backends._onnx.model import model_bytes
from backends._onnx.runtime import PATHS, providers
from backends._threads import available_threads
from bench.spec import CELLS, Array, ModelSpec, Params, Supports, Unsupported, check_one_direction


class OnnxSession:
    """See `bench.spec.Session`.

    Each output, with lengths or initial states or without, is an ONNX model of its own, built
    when it is first needed. Inputs and outputs are bound to the device, not copied.
    """

    def __init__(self, supports: Supports, spec: ModelSpec, params: Params, device: str) -> None:
        self._supports, self._spec, self._device = supports, spec, device
        device_type, _, index = device.partition(":")
        self._placement = (device_type, int(index or 0))
        self._weights = {name: np.array(value, np.float32) for name, value in params.items()}
        self._inference_sessions: dict[tuple[str, ...], Any] = {}
        self._run_step: Callable[..., Any] | None = None
        self._shape: tuple[int, ...] = (1, 2, spec.inputs)
        if device != "cpu":
            onnxruntime.preload_dlls()
        self._inference("readout", ("x",))

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = np.int32 if array.dtype.kind in "iub" else np.float32
        contiguous = np.ascontiguousarray(array, dtype)
        return onnxruntime.OrtValue.ortvalue_from_numpy(contiguous, *self._placement)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _to_numpy(self._run("readout", x, lengths, initial_state)[0])

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self._run("readout", x, lengths)[0]

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _to_numpy(self._run("states", x, lengths, initial_state)[0])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self._spec)
        if self._device == "cpu":
            return self._advance_arrays(x, state)
        x = self._on_device(x)
        initial = self._zero_states(x.shape()[0]) if state is None else state
        value, *final = self._run("advance", x, None, initial)
        return _to_numpy(value), tuple(final) if len(final) > 1 else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        raise Unsupported(str(self._supports.lacks("training")))

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        raise Unsupported(str(self._supports.lacks("hidden_gradients")))

    step = backward = gradients

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._weights.items()}

    def wait(self) -> None:
        """Return at once: ONNX Runtime returns when the work is done."""

    def executed_path(self) -> str:
        """Read from the profile of a run at the last shape: the provider that ran the layers'
        operator or, if that operator is not among them, the operators that ran instead."""
        model = model_bytes(self._spec, self._weights, "readout", ("x",))
        with TemporaryDirectory() as folder:
            options = _session_options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = onnxruntime.InferenceSession(model, options, providers(self._device))
            session.run(None, {"x": np.zeros(self._shape, np.float32)})
            events = json.loads(Path(session.end_profiling()).read_text())
        nodes = [event["args"] for event in events if "provider" in event.get("args", {})]
        operator = OPERATORS[self._spec.cell]
        used = {node["provider"] for node in nodes if node["op_name"] == operator}
        paths = {PATHS.get(name, name) for name in used} or {node["op_name"] for node in nodes}
        return "+".join(sorted(paths))

    def _run(self, output: str, x: Any, lengths: Any = None, initial: Any = None) -> list[Any]:
        """The values of an output, left on the device."""
        x = self._on_device(x)
        self._shape = tuple(x.shape())
        feeds = {"x": x}
        if lengths is not None:
            feeds["lengths"] = self._on_device(lengths)
            initial = self._zero_states(self._shape[0]) if initial is None else initial
        if initial is not None:
            states = map(self._on_device, self._state_arrays(initial))
            feeds |= zip(("h0", "c0"), states, strict=False)
        session = self._inference(output, tuple(feeds))
        binding = session.io_binding()
        for name, value in feeds.items():
            binding.bind_ortvalue_input(name, value)
        for node in session.get_outputs():
            binding.bind_output(node.name, *self._placement)
        session.run_with_iobinding(binding)
        return list(binding.get_outputs())

    def _advance_arrays(self, x: Any, state: Any) -> tuple[Array, Any]:
        """`advance` from NumPy arrays to NumPy arrays: binding inputs and outputs takes longer than
        a small step."""
        if state is None:
            state = self._zero_states(len(x))
        elif not isinstance(state, tuple | list):
            state = (state,)
        # Time-major for the kernels: the transpose of a single step is a view.
        feeds = {"steps": _array(x).swapaxes(0, 1), "h0": _array(state[0])}
        if self._spec.cell == "lstm":
            feeds["c0"] = _array(state[1])
        if self._run_step is None:
            session = self._inference("advance", tuple(feeds))
            self._run_step = partial(session.run, [node.name for node in session.get_outputs()])
        output, *final = self._run_step(feeds)
        return output, tuple(final) if len(final) > 1 else final[0]

    def _inference(self, output: str, inputs: tuple[str, ...]) -> Any:
        """The inference session that computes this output from these inputs."""
        if (session := self._inference_sessions.get((output, *inputs))) is not None:
            return session
        model = model_bytes(self._spec, self._weights, output, inputs)
        preferred = providers(self._device)
        session = onnxruntime.InferenceSession(model, _session_options(), preferred)
        # Without this a run that fails is repeated silently on another provider.
        session.disable_fallback()
        if session.get_providers()[0] != preferred[0][0]:
            raise Unsupported(f"ONNX Runtime finds no device {self._device} here")
        self._inference_sessions[output, *inputs] = session
        return session

    def _on_device(self, value: Any) -> Any:
        return value if isinstance(value, onnxruntime.OrtValue) else self.put(value)

    def _state_arrays(self, state: Any) -> tuple[Any, ...]:
        """(h,) or, for the lstm, (h, c)."""
        arrays = tuple(state) if isinstance(state, tuple | list) else (state,)
        return arrays[: len(CELLS[self._spec.cell].states)]

    def _zero_states(self, batch: int) -> tuple[Any, ...]:
        shape = (self._spec.layers * self._spec.directions, batch, self._spec.hidden)
        return (self.put(np.zeros(shape)),) * len(CELLS[self._spec.cell].states)


def _session_options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = available_threads(), 1
    options.log_severity_level = 3  # errors: nobody reads the warnings on standard error
    return options


def _array(value: Any) -> Array:
    """A value, or what the caller gave, as ONNX Runtime reads it on the CPU."""
    if isinstance(value, onnxruntime.OrtValue):
        value = value.numpy()
    return np.asarray(value, np.float32)


def _to_numpy(value: Any) -> Array:
    return np.array(value.numpy())
