"""PyTorch's own layers: nn.RNN, nn.LSTM, nn.GRU and nn.Linear, trained with torch.optim.Adam."""

from collections.abc import Iterator
from importlib import metadata, util
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("torch",)
SUPPORTS = Supports(gru=("reset_after",))


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
        found |= {
            "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
            "tf32_cudnn": torch.backends.cudnn.allow_tf32,
            "cudnn": torch.backends.cudnn.version(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
    return found


def reset_peak_memory(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.init()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int | None:
    import torch

    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> "TorchSession":
    if reason := unavailable(device):
        raise Unsupported(reason)
    if spec.cell == "gru" and spec.gru not in SUPPORTS.gru:
        raise Unsupported("nn.GRU computes reset_after only")
    import torch

    # TF32 is on by default in cuDNN's recurrent layers: float32 would not be float32.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return TorchSession(spec, params, device, training)


class TorchSession:
    """See `bench.spec.Session`."""

    def __init__(self, spec: ModelSpec, params: Params, device: str, training: Training) -> None:
        import torch

        self.torch, self.spec, self.device, self.training = torch, spec, device, training
        self.dtype = getattr(torch, spec.dtype)
        layer = feedforward if spec.cell == "feedforward" else recurrent
        self.layer = layer(spec).to(device, self.dtype)
        width = spec.hidden * spec.directions
        self.readout = torch.nn.Linear(width, spec.outputs, device=device, dtype=self.dtype)
        self._load(params)
        self.trained = list(dict.fromkeys(p for _, p, _ in self._slots() if p.requires_grad))
        self.optimiser = torch.optim.Adam(
            self.trained,
            lr=training.learning_rate,
            betas=(training.beta1, training.beta2),
            eps=training.epsilon,
            fused=True,
        )
        self._shape = (1, 2, spec.inputs)

    def put(self, array: Any) -> Any:
        tensor = self.torch.as_tensor(np.ascontiguousarray(array))
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else self.torch.long)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        with self.torch.no_grad():
            return self._numpy(self._predict(self._on(x), lengths, initial_state))

    def forward(self, x: Any) -> Any:
        with self.torch.no_grad():
            return self._predict(self._on(x))

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        with self.torch.no_grad():
            return self._numpy(self._states(self._on(x), lengths, initial_state)[0])

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        x = self._on(x).detach().requires_grad_()
        loss = self._loss(self._predict(x, lengths), self._on(y))
        grads = self.torch.autograd.grad(loss, [x, *self.trained])
        named = dict(zip(self.trained, grads[1:], strict=True))
        found = {name: self._numpy(named[p][part]) for name, p, part in self._slots() if name}
        return loss.item(), {**found, "x": self._numpy(grads[0])}

    def backward(self, x: Any, y: Any) -> Any:
        loss = self._loss(self._predict(self._on(x)), self._on(y))
        return loss, self.torch.autograd.grad(loss, self.trained)

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """The fused layer hides h_t, so the same weights run step by step in torch's cells."""
        top = unrolled(self.spec, self.layer, self._on(x))
        states = [self.torch.cat(pair, dim=1) for pair in zip(*top, strict=True)]
        features = self.torch.stack(states, dim=1)
        if self.spec.readout == "last":
            features = self.torch.cat([top[0][-1], *(d[0] for d in top[1:])], dim=1)
        loss = self._loss(self.readout(features), self._on(y))
        flat = [state for direction in top for state in direction]
        grads = self.torch.autograd.grad(loss, flat, materialize_grads=True)
        per_direction = [
            self.torch.stack(grads[k : k + len(states)], dim=1)
            for k in range(0, len(grads), len(states))
        ]
        return self._numpy(self.torch.cat(per_direction, dim=2))

    def step(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(self._predict(self._on(x)), self._on(y))
        loss.backward()
        if self.training.clip_norm is not None:
            self._clip(self.training.clip_norm)
        self.optimiser.step()
        return loss.detach()

    def params(self) -> dict[str, Array]:
        return {name: self._numpy(p.detach()[part]) for name, p, part in self._slots() if name}

    def wait(self) -> None:
        if self.device != "cpu":
            self.torch.cuda.synchronize(self.device)

    def executed_path(self) -> str:
        """Read from the profiler over a training pass at the shape last seen."""
        x = self.torch.zeros(self._shape, device=self.device, dtype=self.dtype)
        cpu = self.torch.profiler.ProfilerActivity.CPU  # ATen's calls; CUPTI stays detached
        with self.torch.profiler.profile(activities=[cpu]) as profile:
            self._predict(x.requires_grad_()).sum().backward()
        ran = {event.key for event in profile.key_averages()}
        if any("cudnn_rnn" in key for key in ran):
            return "cudnn"
        return "onednn" if any("mkldnn_rnn" in key for key in ran) else "aten"

    def _on(self, array: Any) -> Any:
        return array if self.torch.is_tensor(array) else self.put(array)

    def _host(self, array: Any) -> Array:
        return self._numpy(array) if self.torch.is_tensor(array) else np.asarray(array)

    @staticmethod
    def _numpy(tensor: Any) -> Array:
        return np.array(tensor.detach().cpu().numpy())

    def _predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Any:
        states, last = self._states(x, lengths, initial_state)
        return self.readout(last if self.spec.readout == "last" else states)

    def _states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> tuple[Any, Any]:
        """The last layer's states of every step, and each direction's own final one."""
        self._shape = tuple(x.shape)
        given = self._given(initial_state)
        if lengths is None:
            states, final = self.layer(x, given)
        else:
            states, final = self._ragged(x, self._host(lengths), given)
        h = final[0] if isinstance(final, tuple) else final
        last = (
            self.torch.cat(tuple(h[-self.spec.directions :]), dim=1)
            if (self.spec.bidirectional)
            else h[-1]
        )
        return states, last

    def _ragged(self, x: Any, lengths: Array, given: Any) -> tuple[Any, Any]:
        """Packed, so that cells never see padding; then states are held beyond each end."""
        if self.spec.cell == "feedforward":
            states, final = self.layer(x)
            rows = self.torch.arange(len(lengths))
            final[-self.spec.directions] = states[rows, lengths - 1, : self.spec.hidden]
        else:
            rnn = self.torch.nn.utils.rnn
            ends = self.torch.as_tensor(lengths)
            packed = rnn.pack_padded_sequence(x, ends, batch_first=True, enforce_sorted=False)
            packed_states, final = self.layer(packed, given)
            states, _ = rnn.pad_packed_sequence(packed_states, True, total_length=x.shape[1])
        h = final[0] if isinstance(final, tuple) else final
        held = [h[-self.spec.directions]]
        if self.spec.bidirectional:
            first = given[0] if isinstance(given, tuple) else given
            held.append(self.torch.zeros_like(h[-1]) if first is None else first[-1])
        beyond = self.torch.arange(x.shape[1])[None, :] >= self.torch.as_tensor(lengths)[:, None]
        beyond = beyond[:, :, None].to(self.device)
        return self.torch.where(beyond, self.torch.cat(held, 1)[:, None], states), final

    def _given(self, initial_state: Any) -> Any:
        if initial_state is None:
            return None
        if self.spec.cell == "lstm":
            return tuple(self._on(part) for part in initial_state)
        pair = isinstance(initial_state, tuple | list)
        return self._on(initial_state[0] if pair else initial_state)

    def _loss(self, prediction: Any, y: Any) -> Any:
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

    def _slots(self) -> list[tuple[str, Any, Any]]:
        """(canonical name, parameter, its part); the name is empty for the second bias."""
        return [
            *slots(self.spec, self.layer),
            ("readout.w", self.readout.weight, ...),
            ("readout.b", self.readout.bias, ...),
        ]

    def _load(self, params: Params) -> None:
        with self.torch.no_grad():
            for name, parameter, part in self._slots():
                parameter[part] = self.put(params[name]) if name else 0
        for name, parameter, part in self._slots():
            if not name and part is not ...:
                parameter.register_post_accumulate_grad_hook(_zero_gradient(part))
            elif not name:
                parameter.requires_grad_(False)


def _zero_gradient(part: Any) -> Any:
    def hook(parameter: Any) -> None:
        parameter.grad[part] = 0

    return hook


def slots(spec: ModelSpec, layer: Any) -> Iterator[tuple[str, Any, Any]]:
    """Canonical name, parameter and part for a recurrent layer. PyTorch carries two biases a
    gate: the second stays zero, but for the part of the gru that is `b_hn`."""
    size = spec.hidden
    for number in range(spec.layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: spec.directions]:
            prefix, end = f"layers.{number}.{direction}.", f"_l{number}{suffix}"
            yield prefix + "w", getattr(layer, "weight_ih" + end), ...
            yield prefix + "b", getattr(layer, "bias_ih" + end), ...
            if spec.cell == "feedforward":
                continue
            yield prefix + "u", getattr(layer, "weight_hh" + end), ...
            second = getattr(layer, "bias_hh" + end)
            if spec.cell == "gru":
                yield prefix + "b_hn", second, slice(2 * size, None)
                yield "", second, slice(0, 2 * size)
            else:
                yield "", second, ...


def recurrent(spec: ModelSpec) -> Any:
    from torch import nn

    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[spec.cell]
    return kind(
        spec.inputs,
        spec.hidden,
        num_layers=spec.layers,
        bidirectional=spec.bidirectional,
        batch_first=True,
    )


def feedforward(spec: ModelSpec) -> Any:
    """The rnn layer with no recurrence, with the same parameter names and results as nn.RNN."""
    import torch

    class Feedforward(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number in range(spec.layers):
                inputs = spec.hidden * spec.directions if number else spec.inputs
                for suffix in ("", "_reverse")[: spec.directions]:
                    dense = torch.nn.Linear(inputs, spec.hidden)
                    setattr(self, f"weight_ih_l{number}{suffix}", dense.weight)
                    setattr(self, f"bias_ih_l{number}{suffix}", dense.bias)

        def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
            final = []
            for number in range(spec.layers):
                parts = [self.one(x, f"_l{number}{s}") for s in ("", "_reverse")[: spec.directions]]
                final += [parts[0][:, -1], *(p[:, 0] for p in parts[1:])]
                x = torch.cat(parts, dim=2) if len(parts) == 2 else parts[0]
            return x, torch.stack(final)

        def one(self, x: Any, end: str) -> Any:
            weight, bias = getattr(self, "weight_ih" + end), getattr(self, "bias_ih" + end)
            return torch.tanh(torch.nn.functional.linear(x, weight, bias))

    return Feedforward()


def unrolled(spec: ModelSpec, layer: Any, x: Any) -> list[list[Any]]:
    """The last layer's h by direction and step, each a node of its own in the graph."""
    import torch

    cell = {"rnn": torch.rnn_tanh_cell, "lstm": torch.lstm_cell, "gru": torch.gru_cell}
    steps = list(x.unbind(1))
    top: list[list[Any]] = []
    for number in range(spec.layers):
        top = []
        for suffix in ("", "_reverse")[: spec.directions]:
            end = f"_l{number}{suffix}"
            if spec.cell == "feedforward":
                top.append([layer.one(step[:, None], end)[:, 0] for step in steps])
                continue
            weights = [getattr(layer, kind + end) for kind in _KINDS]
            order = steps[::-1] if suffix else steps
            states = list(_scan(cell[spec.cell], order, weights, spec))
            top.append(states[::-1] if suffix else states)
        steps = [torch.cat(pair, dim=1) for pair in zip(*top, strict=True)]
    return top


_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _scan(cell: Any, steps: list[Any], weights: list[Any], spec: ModelSpec) -> Iterator[Any]:
    h = steps[0].new_zeros(len(steps[0]), spec.hidden)
    state: Any = (h, h) if spec.cell == "lstm" else h
    for step in steps:
        state = cell(step, state, *weights)
        yield state[0] if spec.cell == "lstm" else state
