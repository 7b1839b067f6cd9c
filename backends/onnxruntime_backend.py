"""ONNX Runtime: inference of the same weights, written as an ONNX model of its RNN, LSTM and GRU
operators. Batch-major outside, time-major between recurrent operators: its kernels for the CPU
know no other layout."""

import json
import os
import re
from importlib import metadata, util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from bench.spec import Array, Limit, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("onnx", "onnxruntime")
SUPPORTS = Supports(
    dtypes=("float32",),
    training=Limit("theirs", "ONNX Runtime runs models, it does not train them"),
    hidden_gradients=Limit("theirs", "ONNX Runtime has no gradients"),
    decoder=True,
    generation=True,
    limits={
        "float64": Limit("theirs", "ONNX Runtime's recurrent kernels compute in float32"),
        "bfloat16": Limit("theirs", "ONNX Runtime's recurrent kernels compute in float32"),
    },
)

OPSET, IR_VERSION = 17, 8
"""Of 2022, which every release since 1.12 reads; no later operator is needed."""

PATHS = {"CPUExecutionProvider": "onnxruntime", "CUDAExecutionProvider": "onnxruntime-cuda"}
OPERATORS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "feedforward": "MatMul"}
BLOCKS = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Where ONNX's gate blocks, lstm i, o, f, g and gru z, r, n, stand in canonical weights."""


def devices() -> tuple[str, ...]:
    import onnxruntime

    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return ("cpu", "cuda:0") if cuda else ("cpu",)


def unavailable(device: str) -> str | None:
    if missing := [name for name in REQUIRES if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if device == "cpu":
        return None
    if not re.fullmatch(r"cuda(:\d+)?", device):
        return f"ONNX Runtime runs here on cpu, cuda or cuda:N, not on {device}"
    if any(metadata.distributions(name="onnxruntime-gpu")):
        return None
    return "the installed onnxruntime is built without CUDA (onnxruntime-gpu has it)"


def settings(device: str) -> dict[str, Any]:
    """ONNX Runtime's switches as the sessions here set them."""
    return {
        "providers": ", ".join(name for name, _ in _providers(device)),
        "intra_threads": threads(),
        "inter_threads": 1,
        "graph_optimisation": "all",
        "opset": OPSET,
        "tf32": False,
    }


def expected_path(spec: ModelSpec, device: str) -> str:
    return PATHS[_providers(device)[0][0]]


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> "OnnxSession":
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    return OnnxSession(spec, params, device)


def threads() -> int:
    """What OMP_NUM_THREADS says, else the processors that this process may use."""
    if said := os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]:
        return int(said)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _providers(device: str) -> list[tuple[str, dict[str, str]]]:
    cpu: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    if device == "cpu":
        return [cpu]
    index = device.partition(":")[2] or "0"
    return [("CUDAExecutionProvider", {"device_id": index, "use_tf32": "0"}), cpu]


class OnnxSession:
    """See `bench.spec.Session`. Each output, with lengths or initial states or without, is a
    model of its own, built when first wanted; inputs and outputs are bound, not copied."""

    def __init__(self, spec: ModelSpec, params: Params, device: str) -> None:
        import onnxruntime

        self._ort, self._spec, self._device = onnxruntime, spec, device
        kind, _, index = device.partition(":")
        self._place = (kind, int(index or 0))
        self._weights = {name: np.array(value, np.float32) for name, value in params.items()}
        self._programs: dict[tuple[str, ...], Any] = {}
        self._shape: tuple[int, ...] = (1, 2, spec.inputs)
        if device != "cpu":
            onnxruntime.preload_dlls()
        self._program("readout", ("x",))

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = np.int32 if array.dtype.kind in "iub" else np.float32
        own = np.ascontiguousarray(array, dtype)
        return self._ort.OrtValue.ortvalue_from_numpy(own, *self._place)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _numpy(self._run("readout", x, lengths, initial_state)[0])

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self._run("readout", x, lengths)[0]

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _numpy(self._run("states", x, lengths, initial_state)[0])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self._spec.bidirectional or self._spec.decoder:
            raise Unsupported("only a model of one direction without a decoder goes on")
        x = self._on(x)
        given = self._zeros(x.shape()[0]) if state is None else state
        written, *after = self._run("advance", x, None, given)
        return _numpy(written), tuple(after) if self._spec.cell == "lstm" else after[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        raise Unsupported(str(SUPPORTS.lacks("training")))

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        raise Unsupported(str(SUPPORTS.lacks("hidden_gradients")))

    step = backward = gradients

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._weights.items()}

    def wait(self) -> None:
        """ONNX Runtime returns when the work is done."""

    def executed_path(self) -> str:
        """The provider that ran the layers' operator, from the profile of a run at the shape last
        seen; the operators that ran instead, were the layers' own not among them."""
        model = written(self._spec, self._weights, "readout", ("x",))
        with TemporaryDirectory() as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._ort.InferenceSession(model, options, _providers(self._device))
            session.run(None, {"x": np.zeros(self._shape, np.float32)})
            events = json.loads(Path(session.end_profiling()).read_text())
        ran = [event["args"] for event in events if "provider" in event.get("args", {})]
        own = {a["provider"] for a in ran if a["op_name"] == OPERATORS[self._spec.cell]}
        paths = {PATHS.get(name, name) for name in own} or {a["op_name"] for a in ran}
        return "+".join(sorted(paths))

    def _run(self, output: str, x: Any, lengths: Any = None, initial: Any = None) -> list[Any]:
        x = self._on(x)
        self._shape = tuple(x.shape())
        feeds = {"x": x}
        if lengths is not None:
            feeds["lengths"] = self._on(lengths)
            initial = self._zeros(self._shape[0]) if initial is None else initial
        if initial is not None:
            feeds |= zip(("h0", "c0"), map(self._on, self._parts(initial)), strict=False)
        session = self._program(output, tuple(feeds))
        binding = session.io_binding()
        for name, value in feeds.items():
            binding.bind_ortvalue_input(name, value)
        for made in session.get_outputs():
            binding.bind_output(made.name, *self._place)
        session.run_with_iobinding(binding)
        return list(binding.get_outputs())

    def _program(self, output: str, inputs: tuple[str, ...]) -> Any:
        """The inference session that computes this output from these inputs."""
        if (found := self._programs.get((output, *inputs))) is not None:
            return found
        model = written(self._spec, self._weights, output, inputs)
        wanted = _providers(self._device)
        made = self._ort.InferenceSession(model, self._options(), wanted)
        made.disable_fallback()
        if made.get_providers()[0] != wanted[0][0]:
            raise Unsupported(f"ONNX Runtime finds no device {self._device} here")
        self._programs[output, *inputs] = made
        return made

    def _options(self) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
        options.log_severity_level = 3  # errors: warnings on standard error are of no use here
        return options

    def _on(self, value: Any) -> Any:
        return value if isinstance(value, self._ort.OrtValue) else self.put(value)

    def _parts(self, state: Any) -> tuple[Any, ...]:
        parts = tuple(state) if isinstance(state, tuple | list) else (state,)
        return parts if self._spec.cell == "lstm" else parts[:1]

    def _zeros(self, batch: int) -> tuple[Any, ...]:
        shape = (self._spec.layers * self._spec.directions, batch, self._spec.hidden)
        return (self.put(np.zeros(shape)),) * (2 if self._spec.cell == "lstm" else 1)


def _numpy(value: Any) -> Array:
    return np.array(value.numpy())


# ---- the model as ONNX -----------------------------------------------------------------------


class Graph:
    """An ONNX graph in the making. What a node takes is the name of a value, or an array, which
    becomes a constant; names begin with `prefix`, since those of a loop's body must differ."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *taken: str | Array | int, **attributes: Any) -> str:
        return self.add_many(operator, 1, *taken, **attributes)[0]

    def add_many(
        self, operator: str, count: int, *taken: str | Array | int, **attributes: Any
    ) -> list[str]:
        from onnx import helper

        name = f"{self.prefix}{operator}.{len(self.nodes)}"
        made = [f"{name}.{number}" for number in range(count)]
        names = [value if isinstance(value, str) else self._constant(value) for value in taken]
        self.nodes.append(helper.make_node(operator, names, made, name, **attributes))
        return made

    def proto(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
        from onnx import helper

        infos = [
            [helper.make_tensor_value_info(name, *value) for name, value in values.items()]
            for values in (inputs, outputs)
        ]
        name = self.prefix or "model"
        return helper.make_graph(self.nodes, name, *infos, initializer=self.constants)

    def _constant(self, value: Array | int) -> str:
        from onnx import numpy_helper

        name = f"{self.prefix}constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


class Value(NamedTuple):
    """Element type, of onnx.TensorProto, and sizes or their names; None where they are open."""

    kind: int
    shape: tuple[int | str, ...] | None = None


FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9


def written(spec: ModelSpec, weights: Params, output: str, inputs: tuple[str, ...]) -> bytes:
    """The model from `x` `(batch, time, inputs)` and, where they are among the inputs, `lengths`
    and the initial `h0` and `c0`, to the `readout`, the last layer's `states`, or, to `advance`,
    the readout and the states after."""
    from onnx import helper

    graph = Graph()
    lengths = "lengths" if "lengths" in inputs else ""
    initial = [name for name in ("h0", "c0") if name in inputs]
    run = _encoded(graph, spec, weights, "x", lengths, initial)
    if output == "states":
        results = [_every(graph, spec, run, lengths)]
    elif spec.decoder:
        results = [_decoded(graph, spec, weights, run)]
    else:
        results = [_readout(graph, weights, _features(graph, spec, run, lengths))]
    if output == "advance":
        results += [_stacked(graph, part) for part in run.after]
    state = Value(FLOAT, (spec.layers * spec.directions, "batch", spec.hidden))
    kinds = {"x": Value(FLOAT, ("batch", "time", spec.inputs)), "lengths": Value(INT32, ("batch",))}
    taken = {name: kinds.get(name, state) for name in inputs}
    proto = graph.proto(taken, {name: Value(FLOAT) for name in results})
    opsets = [helper.make_opsetid("", OPSET)]
    return bytes(
        helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
    )


class Run(NamedTuple):
    """The last layer's h at every step, `(time, directions, batch, hidden)`, that of the
    feedforward cell `(batch, time, directions × hidden)`; and by kind, h or c, the final states
    of each layer `(directions, batch, hidden)`."""

    top: str
    after: list[list[str]]


def _encoded(
    graph: Graph, spec: ModelSpec, weights: Params, x: str, lengths: str, initial: list[str]
) -> Run:
    if spec.cell == "feedforward":
        return _feedforward(graph, spec, weights, x, lengths)
    below = graph.add("Transpose", x, perm=(1, 0, 2))
    return _recurrent(graph, spec, weights, below, lengths, initial)


def _recurrent(
    graph: Graph,
    spec: ModelSpec,
    weights: Params,
    below: str,
    lengths: str,
    initial: list[str],
    prefix: str = "",
) -> Run:
    """The layers on `below` `(time, batch, inputs)`."""
    kinds = 2 if spec.cell == "lstm" else 1
    starts = [_unstacked(graph, spec, name) for name in initial]
    after: list[list[str]] = [[] for _ in range(kinds)]
    attributes: dict[str, Any] = {
        "hidden_size": spec.hidden,
        "direction": "bidirectional" if spec.bidirectional else "forward",
    }
    if spec.cell == "gru":
        attributes["linear_before_reset"] = int(spec.gru == "reset_after")
    top = ""
    for layer in range(spec.layers):
        below = _joined(graph, spec, top) if layer else below
        own = [_native(spec, weights, f"{prefix}layers.{layer}.", kind) for kind in "wub"]
        given = [start[layer] for start in starts]
        top, *final = graph.add_many(
            OPERATORS[spec.cell], 1 + kinds, below, *own, lengths, *given, **attributes
        )
        for part, value in zip(after, final, strict=True):
            part.append(value)
    return Run(top, after)


def _native(spec: ModelSpec, weights: Params, prefix: str, kind: str) -> Array:
    """W `(directions, G·H, inputs)`, R or B `(directions, 2·G·H)` of a layer for ONNX, whose
    second bias is zero but for the candidate's of the gru."""
    found = []
    for direction in ("forward", "backward")[: spec.directions]:
        own = f"{prefix}{direction}."
        array = _reordered(spec, weights[own + kind])
        if kind == "b":
            second = np.zeros_like(array)
            if own + "b_hn" in weights:
                second[-spec.hidden :] = weights[own + "b_hn"]
            array = np.concatenate([array, second])
        found.append(array)
    return np.stack(found)


def _reordered(spec: ModelSpec, array: Array) -> Array:
    blocks = array.reshape(spec.gates, spec.hidden, -1)
    return blocks[list(BLOCKS[spec.cell])].reshape(array.shape)


def _feedforward(graph: Graph, spec: ModelSpec, weights: Params, x: str, lengths: str) -> Run:
    """The layers on x `(batch, time, inputs)`, time staying where it is."""
    after = []
    for layer in range(spec.layers):
        states, final = [], []
        for direction in ("forward", "backward")[: spec.directions]:
            prefix = f"layers.{layer}.{direction}."
            a = graph.add("MatMul", x, np.ascontiguousarray(weights[prefix + "w"].T))
            h = graph.add("Tanh", graph.add("Add", a, weights[prefix + "b"]))
            states.append(h)
            end = _at_end(graph, h, lengths) if direction == "forward" else _at(graph, h, 0, 1)
            final.append(graph.add("Unsqueeze", end, np.array([0])))
        x = graph.add("Concat", *states, axis=2)
        after.append(graph.add("Concat", *final, axis=0))
    return Run(x, [after])


def _at(graph: Graph, array: str, index: int, axis: int) -> str:
    return graph.add("Gather", array, np.array(index), axis=axis)


def _at_end(graph: Graph, states: str, lengths: str) -> str:
    """States `(batch, time, hidden)` at the end of each sequence."""
    if not lengths:
        return _at(graph, states, -1, 1)
    last = graph.add("Sub", graph.add("Cast", lengths, to=INT64), np.array(1))
    where = graph.add("Unsqueeze", last, np.array([1]))
    return graph.add("GatherND", states, where, batch_dims=1)


def _unstacked(graph: Graph, spec: ModelSpec, states: str) -> list[str]:
    """States `(layers × directions, batch, hidden)` by layer."""
    if spec.layers == 1:
        return [states]
    sizes = np.full(spec.layers, spec.directions)
    return graph.add_many("Split", spec.layers, states, sizes, axis=0)


def _stacked(graph: Graph, layers: list[str]) -> str:
    return graph.add("Concat", *layers, axis=0)


def _joined(graph: Graph, spec: ModelSpec, states: str) -> str:
    """States `(time, directions, batch, hidden)` as `(time, batch, directions × hidden)`."""
    if not spec.bidirectional:
        return graph.add("Squeeze", states, np.array([1]))
    turned = graph.add("Transpose", states, perm=(0, 2, 1, 3))
    return graph.add("Reshape", turned, np.array([0, 0, -1]))


def _features(graph: Graph, spec: ModelSpec, run: Run, lengths: str) -> str:
    """What the readout maps: each direction's final state, or the states of every step."""
    if spec.readout == "every":
        return _every(graph, spec, run, lengths)
    final = run.after[0][-1]
    turned = graph.add("Transpose", final, perm=(1, 0, 2))
    return graph.add("Reshape", turned, np.array([0, -1]))


def _every(graph: Graph, spec: ModelSpec, run: Run, lengths: str) -> str:
    """`(batch, time, directions × hidden)`, held beyond the end, where ONNX has zeros."""
    states = run.top
    if spec.cell != "feedforward":
        turned = graph.add("Transpose", states, perm=(2, 0, 1, 3))
        states = graph.add("Reshape", turned, np.array([0, 0, -1]))
    if not lengths:
        return states
    edges = [_at(graph, run.after[0][-1], 0, 0)]
    if spec.bidirectional:
        edges.append(_at(graph, "h0", -1, 0))
    edge = graph.add("Unsqueeze", graph.add("Concat", *edges, axis=1), np.array([1]))
    return graph.add("Where", _mask(graph, states, lengths), states, edge)


def _mask(graph: Graph, states: str, lengths: str) -> str:
    """`(batch, time, 1)`, true before the end of each sequence."""
    time = _at(graph, graph.add("Shape", states), 1, 0)
    steps = graph.add("Range", np.array(0), time, np.array(1))
    ends = graph.add("Unsqueeze", graph.add("Cast", lengths, to=INT64), np.array([1]))
    return graph.add("Unsqueeze", graph.add("Less", steps, ends), np.array([2]))


def _readout(graph: Graph, weights: Params, features: str) -> str:
    product = graph.add("MatMul", features, np.ascontiguousarray(weights["readout.w"].T))
    return graph.add("Add", product, weights["readout.b"])


def _decoded(graph: Graph, spec: ModelSpec, weights: Params, run: Run) -> str:
    """What the decoder writes, `(batch, decoder, outputs)`, each step reading the one before."""
    start = np.zeros((1, spec.outputs + 1), np.float32)
    start[0, -1] = 1
    states = [_stacked(graph, part) for part in run.after]
    batch = graph.add("Slice", graph.add("Shape", states[0]), np.array([1]), np.array([2]))
    shape = graph.add("Concat", batch, np.array([spec.outputs + 1]), axis=0)
    begin = graph.add("Expand", start, shape)
    *_, steps = graph.add_many(
        "Loop",
        len(states) + 2,
        np.array(spec.decoder),
        np.array(True),
        begin,
        *states,
        body=_writing(spec, weights),
    )
    return graph.add("Transpose", steps, perm=(1, 0, 2))


def _writing(spec: ModelSpec, weights: Params) -> Any:
    """One step of the decoder as the body of an ONNX Loop: from the step's number, whether to go
    on, what was written before and the states, to the same and what is written."""
    body = Graph("decoder.")
    states = ["decoder.h", "decoder.c"][: 2 if spec.cell == "lstm" else 1]
    below = body.add("Unsqueeze", "decoder.read", np.array([0]))
    run = _recurrent(body, spec.decoding, weights, below, "", states, "decoder.")
    prediction = _readout(body, weights, _at(body, run.after[0][-1], 0, 0))
    results = [
        body.add("Identity", "decoder.on"),
        _read_next(body, spec, prediction),
        *(_stacked(body, part) for part in run.after),
        prediction,
    ]
    taken = {"decoder.number": Value(INT64, ()), "decoder.on": Value(BOOL, ())}
    taken |= {name: Value(FLOAT) for name in ("decoder.read", *states)}
    made = {name: Value(FLOAT) for name in results[1:]}
    return body.proto(taken, {results[0]: Value(BOOL, ()), **made})


def _read_next(body: Graph, spec: ModelSpec, prediction: str) -> str:
    """The prediction as the next step's input `(batch, outputs + 1)`, not the first one's."""
    if spec.loss == "mse":
        return body.add("Pad", prediction, np.array([0, 0, 0, 1]))
    written = body.add("ArgMax", prediction, axis=1, keepdims=0)
    values = np.array([0, 1], np.float32)
    return body.add("OneHot", written, np.array(spec.outputs + 1), values)
