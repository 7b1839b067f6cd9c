"""What the PyTorch backends share: devices, layers made of passes over one direction, the
session.

A backend hands `open_session` the function that makes its layers from their weights. Layers
have `slots`, which say where each canonical weight lives, and are called as
`layers(x, state=None, lengths=None)` with x `(batch, time, features)` and a state `(h,)` or
`(h, c)` of `(layers × directions, batch, hidden)`; they return h of every step
`(batch, time, hidden × directions)` and the final state. Weights, states and x come in
`spec.storage`; in bfloat16 the layers round them, and return bfloat16.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata, util
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

Slot = tuple[str, Any, Any]
"""(canonical name, parameter, its part); the name is empty for a part that stays zero."""

DTYPES = ("bfloat16", "float32", "float64")
SCAN = "AtenScan"
"""The name under which the profiler sees the autograd function of torch-scan."""


def devices() -> tuple[str, ...]:
    import torch

    return ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))


def unavailable(device: str) -> str | None:
    if util.find_spec("torch") is None:
        return "PyTorch is not installed"
    if not device.startswith("cuda"):
        return None if device == "cpu" else f"PyTorch has no device {device!r} here"
    version = metadata.version("torch")
    if version.endswith("+cpu"):
        return f"PyTorch {version} is a build without CUDA"
    return None


def settings(device: str) -> dict[str, Any]:
    """PyTorch's switches that change what is computed or how fast, as they stand."""
    import torch

    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    if device.startswith("cuda"):
        return found | {
            "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
            "tf32_cudnn": torch.backends.cudnn.allow_tf32,
            "cudnn": torch.backends.cudnn.version(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
    return found | {"onednn": torch.backends.mkldnn.enabled}


def reset_peak_memory(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.init()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int | None:
    import torch

    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


def open_session(
    supports: Supports,
    layers: Callable[[ModelSpec, Mapping[str, Any]], Any],
    spec: ModelSpec,
    params: Params,
    device: str,
    training: Training,
) -> "TorchSession":
    if reason := unavailable(device):
        raise Unsupported(reason)
    supports.check(spec)
    import torch

    # TF32 is on by default in cuDNN's recurrent layers: float32 would not be float32.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return TorchSession(spec, layers, params, device, training)


# ---- layers made of passes over one direction -----------------------------------------------
# A scan is one pass of one direction of one layer, time-major, in the direction's own order:
# `scan(x, state, weights, keep) -> (states, final)` with x `(T, B, D)`, state and final `(h,)`
# or `(h, c)` of `(B, H)`, weights by their short names, `keep` `(T, B, 1)` false where a
# sequence has ended and its state is held (None: none ends early), states `(T, B, H)`.

Scan = Callable[[Any, tuple[Any, ...], Mapping[str, Any], Any], tuple[Any, tuple[Any, ...]]]


class Stack:
    """Layers made of scans. `rows` is the order in which the scan reads the gates' rows: the
    parameters lie so in memory."""

    def __init__(
        self, spec: ModelSpec, scan: Scan, weights: Mapping[str, Any], rows: Any = ...
    ) -> None:
        from torch.nn import Parameter

        self.spec, self.scan = spec, scan
        self.slots: list[Slot] = []
        self.weights: dict[str, dict[str, Any]] = {}
        for name, value in weights.items():
            prefix, kind = name.rsplit(".", 1)
            part = ... if kind == "b_hn" else rows
            parameter = Parameter(value.clone())
            parameter.data[part] = value
            self.slots.append((name, parameter, part))
            self.weights.setdefault(prefix, {})[kind] = parameter

    def __call__(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        return stacked(self.spec, self.scan, self.weights, x, state, lengths)


def by_direction(slots: Sequence[Slot]) -> dict[str, dict[str, Any]]:
    """Canonical weights for a scan, by prefix and short name."""
    found: dict[str, dict[str, Any]] = {}
    for name, parameter, part in slots:
        if name:
            prefix, kind = name.rsplit(".", 1)
            found.setdefault(prefix, {})[kind] = parameter if part is ... else parameter[part]
    return found


def stacked(
    spec: ModelSpec,
    scan: Scan,
    weights: Mapping[str, Mapping[str, Any]],
    x: Any,
    state: Any = None,
    lengths: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """Run the scan over all directions and layers; padding is never seen."""
    import torch

    if spec.dtype == "bfloat16":
        weights, x, state = rounded((weights, x, state))
    below, keep, final = x.transpose(0, 1), None, []
    if lengths is not None:
        keep = (torch.arange(x.shape[1])[:, None] < lengths)[:, :, None].to(x.device)
        below = torch.where(keep, below, 0)
    initial = _initial(spec, state, x)
    for layer in range(spec.layers):
        parts = []
        for name, turn in (("forward", _same), ("backward", _flipped))[: spec.directions]:
            own = weights[f"layers.{layer}.{name}"]
            states, last = scan(turn(below), next(initial), own, turn(keep))
            parts.append(turn(states))
            final.append(last)
        below = torch.cat(parts, dim=2) if len(parts) == 2 else parts[0]
    return below.transpose(0, 1), tuple(_joined(part) for part in zip(*final, strict=True))


def rounded(value: Any) -> Any:
    """To bfloat16, whatever it is nested in."""
    import torch

    if isinstance(value, Mapping):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(rounded(part) for part in value)
    return None if value is None else value.to(torch.bfloat16)


def _initial(spec: ModelSpec, state: Any, x: Any) -> Any:
    """The initial state of each layer and direction in turn."""
    count = spec.layers * spec.directions
    if state is not None:
        return zip(*(part.unbind(0) for part in state), strict=True)
    zeros = x.new_zeros(len(x), spec.hidden)
    return iter([(zeros, zeros) if spec.cell == "lstm" else (zeros,)] * count)


def _same(sequence: Any) -> Any:
    return sequence


def _flipped(sequence: Any) -> Any:
    return None if sequence is None else sequence.flip(0)


def _joined(parts: Sequence[Any]) -> Any:
    import torch

    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def feedforward(
    x: Any, state: tuple[Any, ...], weights: Mapping[str, Any], keep: Any
) -> tuple[Any, tuple[Any, ...]]:
    """The scan of the cell with no recurrence: all steps at once."""
    import torch

    states = torch.tanh(torch.nn.functional.linear(x, weights["w"], weights["b"]))
    if keep is not None:
        steps = torch.arange(1, len(x) + 1, device=x.device)[:, None, None]
        latest = torch.where(keep, steps, 0).cummax(0).values.expand_as(states)
        states = torch.cat([state[0][None], states]).gather(0, latest)
    return states, (states[-1], *state[1:])


def loop(spec: ModelSpec) -> Scan:
    """The scan that calls PyTorch's cell at every step from Python."""
    import torch

    if spec.cell == "feedforward":
        return feedforward

    def scan(
        x: Any, state: tuple[Any, ...], weights: Mapping[str, Any], keep: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        found = list(steps(spec, x, state, weights, keep))
        return torch.stack([step[0] for step in found]), found[-1]

    return scan


def steps(
    spec: ModelSpec, x: Any, state: tuple[Any, ...], weights: Mapping[str, Any], keep: Any
) -> Any:
    """The state after each step."""
    import torch

    cell = _cell(spec, weights)
    for t, xt in enumerate(x.unbind(0)):
        new = cell(xt, state)
        if keep is not None:
            pairs = zip(new, state, strict=True)
            new = tuple(torch.where(keep[t], later, held) for later, held in pairs)
        state = new
        yield state


def _cell(spec: ModelSpec, p: Mapping[str, Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    """What nn.RNNCell, nn.LSTMCell and nn.GRUCell call, with one bias."""
    import torch

    linear, w, u, b = torch.nn.functional.linear, p["w"], p.get("u"), p["b"]
    if spec.cell == "feedforward":
        return lambda x, state: (torch.tanh(linear(x, w, b)), *state[1:])
    if spec.cell == "rnn":
        return lambda x, state: (torch.rnn_tanh_cell(x, *state, w, u, b),)
    if spec.cell == "lstm":
        second = torch.zeros_like(b) if b.is_cuda else None  # CUDA's has no gradient without
        return lambda x, state: torch.lstm_cell(x, state, w, u, b, second)
    if spec.gru == "reset_before":
        return lambda x, state: (_reset_before(x, *state, w, u, b),)
    second = torch.nn.functional.pad(p["b_hn"], (2 * spec.hidden, 0))
    return lambda x, state: (torch.gru_cell(x, *state, w, u, b, second),)


def _reset_before(x: Any, h: Any, w: Any, u: Any, b: Any) -> Any:
    """n = tanh(W x + b + U (r∘h)), h' = (1 − z)∘n + z∘h (Cho et al. 2014)."""
    import torch

    linear, size = torch.nn.functional.linear, h.shape[1]
    a = linear(x, w, b)
    r, z = torch.sigmoid(a[:, : 2 * size] + linear(h, u[: 2 * size])).chunk(2, 1)
    n = torch.tanh(a[:, 2 * size :] + linear(r * h, u[2 * size :]))
    return torch.lerp(n, h, z)


# ---- the session ----------------------------------------------------------------------------


def optimiser(trained: Sequence[Any], training: Training) -> Any:
    """See `Training`; without clipping, which comes before it."""
    import torch

    rate = training.learning_rate
    if training.optimiser == "sgd":
        return torch.optim.SGD(trained, lr=rate, fused=True)
    betas = training.beta1, training.beta2
    return torch.optim.Adam(trained, lr=rate, betas=betas, eps=training.epsilon, fused=True)


class TorchSession:
    """See `bench.spec.Session`. Trained with torch's own optimisers, fused."""

    def __init__(
        self, spec: ModelSpec, layers: Any, params: Params, device: str, training: Training
    ) -> None:
        import torch

        self.torch, self.spec, self.device, self.training = torch, spec, device, training
        self.dtype = getattr(torch, spec.storage)
        weights = {name: self.put(value) for name, value in params.items()}
        self.encoder = layers(spec, _part(weights, ""))
        self.decoder = layers(spec.decoding, _part(weights, "decoder.")) if spec.decoder else None
        self.readout = tuple(torch.nn.Parameter(weights[f"readout.{n}"].clone()) for n in "wb")
        self.slots = self._slots()
        self.trained = list(dict.fromkeys(p for _, p, _ in self.slots if p.requires_grad))
        self.frozen = [(p, part) for name, p, part in self.slots if p.requires_grad and not name]
        self.optimiser = optimiser(self.trained, training)
        self._seen: tuple[Any, ...] = (np.zeros((1, 2, spec.inputs)), None, None)

    def put(self, array: Any) -> Any:
        tensor = self.torch.as_tensor(np.ascontiguousarray(array))
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else self.torch.long)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        with self.torch.no_grad():
            return self._numpy(self._predict(self._on(x), lengths, initial_state))

    def forward(self, x: Any, lengths: Any = None) -> Any:
        with self.torch.no_grad():
            return self._predict(self._on(x), lengths)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        with self.torch.no_grad():
            return self._numpy(self._encode(self._on(x), lengths, initial_state)[0])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.spec.bidirectional or self.spec.decoder:
            raise Unsupported("only a forward model without a decoder goes on from a state")
        with self.torch.no_grad():
            states, final = self._encode(self._on(x), None, state)
            readout = self._numpy(self._read(self._features(states, final)))
        return readout, final if self.spec.cell == "lstm" else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        x = self._on(x).detach().requires_grad_()
        loss = self._loss(x, self._on(y), lengths)
        grads = self.torch.autograd.grad(loss, [x, *self.trained])
        named = dict(zip(self.trained, grads[1:], strict=True))
        found = {name: self._numpy(named[p][part]) for name, p, part in self.slots if name}
        return loss.item(), {**found, "x": self._numpy(grads[0])}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        loss = self._loss(self._on(x), self._on(y), lengths)
        return loss, self.torch.autograd.grad(loss, self.trained)

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """A layer hides h_t: the encoder's weights run in the loop, where each is a node."""
        x, y, passes = self._on(x), self._on(y), []

        def scan(*given: Any) -> Any:
            found = list(steps(self.spec, *given))
            passes.append([state[0] for state in found])
            return self.torch.stack(passes[-1]), found[-1]

        states, final = stacked(self.spec, scan, by_direction(self.encoder.slots), x)
        top = passes[-self.spec.directions :]
        nodes = [h for states in top for h in states]
        loss = self._error(self._onwards(states, final, y), y)
        grads = self.torch.autograd.grad(loss, nodes, materialize_grads=True)
        each = self.torch.stack(grads, dim=1).unflatten(1, (len(top), -1)).unbind(1)
        turned = [each[0], *(part.flip(1) for part in each[1:])]
        return self._numpy(self.torch.cat(turned, dim=2))

    def step(self, x: Any, y: Any, lengths: Any = None) -> Any:
        for parameter in self.trained:
            parameter.grad = None
        loss = self._loss(self._on(x), self._on(y), lengths)
        loss.backward()
        for parameter, part in self.frozen:
            parameter.grad[part] = 0
        if self.training.clip_norm is not None:
            self._clip(self.training.clip_norm)
        self.optimiser.step()
        return loss.detach()

    def params(self) -> dict[str, Array]:
        return {name: self._numpy(p.detach()[part]) for name, p, part in self.slots if name}

    def wait(self) -> None:
        if self.device != "cpu":
            self.torch.cuda.synchronize(self.device)

    def executed_path(self) -> str:
        """Read from the profiler while the last pass is run once more."""
        cpu = self.torch.profiler.ProfilerActivity.CPU  # ATen's calls; CUPTI stays detached
        x, y, lengths = self._seen
        with self.torch.profiler.profile(activities=[cpu], acc_events=True) as profile:
            self.forward(x, lengths) if y is None else self.backward(x, y, lengths)
        return executed({event.key: event.count for event in profile.key_averages()}, self.spec)

    def _on(self, array: Any) -> Any:
        return array if self.torch.is_tensor(array) else self.put(array)

    def _numpy(self, tensor: Any) -> Array:
        return np.array(tensor.detach().to("cpu", self.dtype).numpy())

    def _encode(self, x: Any, lengths: Any = None, state: Any = None) -> tuple[Any, Any]:
        if lengths is not None:
            lengths = self.torch.as_tensor(lengths).cpu()
        if state is not None:
            parts = state if isinstance(state, tuple | list) else (state,)
            state = tuple(self._on(part) for part in parts)
        return self.encoder(x, state, lengths)

    def _predict(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        self._seen = (x, None, lengths)
        return self._onwards(*self._encode(x, lengths, state))

    def _loss(self, x: Any, y: Any, lengths: Any = None) -> Any:
        self._seen = (x, y, lengths)
        return self._error(self._onwards(*self._encode(x, lengths), y), y)

    def _onwards(self, states: Any, final: Any, y: Any = None) -> Any:
        """From the encoder to the prediction; with targets y the decoder is taught by them."""
        if self.decoder is None:
            return self._read(self._features(states, final))
        if y is None:
            return self._written(final)
        return self._read(self.decoder(self._taught(y), final)[0])

    def _features(self, states: Any, final: Any) -> Any:
        """What the readout sees: all states, or each direction's own final one."""
        if self.spec.readout == "every":
            return states
        h = final[0]
        return self.torch.cat((h[-2], h[-1]), dim=1) if self.spec.bidirectional else h[-1]

    def _read(self, features: Any) -> Any:
        linear = self.torch.nn.functional.linear
        if self.spec.dtype == "bfloat16":
            return linear(features, *rounded(self.readout)).to(self.dtype)
        return linear(features, *self.readout)

    def _taught(self, y: Any) -> Any:
        """The decoder's inputs in training: the begin flag, then target t − 1."""
        inputs = self._begin(len(y), self.spec.decoder)
        inputs[:, 1:, :-1] = self._fed(y[:, :-1])
        return inputs

    def _written(self, state: Any) -> Any:
        """The decoder running free, each output its next input."""
        inputs, written = self._begin(state[0].shape[1], 1), []
        for _ in range(self.spec.decoder):
            states, state = self.decoder(inputs, state)
            written.append(self._read(states))
            fed = written[-1]
            if self.spec.loss == "cross_entropy":
                fed = fed.argmax(dim=2)
            inputs = self.torch.nn.functional.pad(self._fed(fed), (0, 1))
        return self.torch.cat(written, dim=1)

    def _begin(self, batch: int, time: int) -> Any:
        shape = (batch, time, self.spec.outputs + 1)
        inputs = self.torch.zeros(shape, device=self.device, dtype=self.dtype)
        inputs[:, 0, -1] = 1
        return inputs

    def _fed(self, targets: Any) -> Any:
        """Targets as the decoder reads them: classes one-hot; what is missing as zeros."""
        if self.spec.loss == "mse":
            return self.torch.where(targets.isnan(), 0, targets)
        classes = self.torch.arange(self.spec.outputs, device=self.device)
        return (targets[:, :, None] == classes).to(self.dtype)

    def _error(self, prediction: Any, y: Any) -> Any:
        functional = self.torch.nn.functional
        if self.spec.loss == "cross_entropy":
            rows = prediction.reshape(-1, prediction.shape[-1])
            return functional.cross_entropy(rows, y.reshape(-1), ignore_index=-1)
        if self.spec.readout == "last":
            return functional.mse_loss(prediction, y)
        seen = ~y.isnan()
        return self.torch.where(seen, prediction - y, 0).square().sum() / seen.sum().clamp(min=1)

    def _clip(self, limit: float) -> None:
        """min(1, limit / ‖g‖); torch's own clip_grad_norm_ adds 1e-6 to the norm."""
        grads = [p.grad for p in self.trained]
        norm = self.torch.nn.utils.get_total_norm(grads, foreach=True)
        self.torch._foreach_mul_(grads, (limit / norm).clamp(max=1.0))

    def _slots(self) -> list[Slot]:
        written = self.decoder.slots if self.decoder else []
        return [
            *self.encoder.slots,
            *((name and f"decoder.{name}", p, part) for name, p, part in written),
            *((f"readout.{n}", p, ...) for n, p in zip("wb", self.readout, strict=True)),
        ]


def _part(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The weights of one stack of layers, by their names within it."""
    start = prefix + "layers."
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(start)}


def executed(calls: Mapping[str, int], spec: ModelSpec) -> str:
    """The path that left these calls, by name, in the profiler."""
    if any("cudnn_rnn" in name for name in calls):
        return "cudnn"
    if any("mkldnn_rnn" in name for name in calls):
        return "onednn"
    if SCAN in calls:
        return "aten-scan"
    if calls.keys() & {"aten::lstm", "aten::gru", "aten::rnn_tanh"}:
        return "aten"
    eager = sum(calls.get(f"aten::{name}", 0) for name in ("tanh", "lstm_cell", "gru_cell"))
    if not eager and any("CompiledFxGraph" in name for name in calls):
        return "inductor"
    at_once = spec.cell == "feedforward" and eager <= spec.layers * spec.directions
    return "aten" if at_once else "python-loop"
