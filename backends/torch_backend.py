"""PyTorch's own layers, nn.RNN, nn.LSTM and nn.GRU: what most people use.

In bfloat16 the layers run on rounded weights rather than under autocast: on a GPU that casts
cuDNN's layers to float16 whatever it is asked for, and on the CPU its lstm always calls oneDNN,
which fails where the processor lacks bfloat16.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from backends import _torch
from backends._torch import devices, peak_memory, reset_peak_memory, settings, unavailable
from bench.spec import Limit, ModelSpec, Params, Supports, Training

__all__ = ["devices", "peak_memory", "reset_peak_memory", "settings", "unavailable"]

REQUIRES = ("torch",)
SUPPORTS = Supports(
    dtypes=_torch.DTYPES,
    gru=("reset_after",),
    decoder=True,
    generation=True,
    limits={"reset_before": Limit("theirs", "nn.GRU computes reset_after only")},
)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _torch.TorchSession:
    return _torch.open_session(SUPPORTS, layers, spec, params, device, training)


def expected_path(spec: ModelSpec, device: str) -> str:
    """oneDNN has the lstm in float32, and in bfloat16 where the processor has that; it does not
    take sequences of unequal lengths."""
    if spec.cell == "feedforward":
        return "aten"
    if device.startswith("cuda"):
        return "cudnn"
    return "onednn" if spec.cell == "lstm" and _onednn_has(spec.dtype) else "aten"


def _onednn_has(dtype: str) -> bool:
    import torch

    if not torch.backends.mkldnn.is_available():
        return False
    rounds = dtype == "bfloat16" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == "float32" or rounds


def layers(spec: ModelSpec, weights: Mapping[str, Any]) -> Any:
    if spec.cell == "feedforward":
        return _torch.Stack(spec, _torch.feedforward, weights)
    return Fused(spec, weights)


class Fused:
    """nn.RNN, nn.LSTM or nn.GRU. Each has two biases a gate: the second stays zero but for the
    part of the gru that is `b_hn`."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Any]) -> None:
        import torch

        self.spec = spec
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[spec.cell]
        some = weights["layers.0.forward.w"]
        self.layer = kind(
            spec.inputs,
            spec.hidden,
            num_layers=spec.layers,
            bidirectional=spec.bidirectional,
            batch_first=True,
            device=some.device,
            dtype=some.dtype,
        )
        self.slots = list(_slots(spec, self.layer))
        for name, parameter, part in self.slots:
            parameter.data[part] = weights[name] if name else 0
            if not name and part is ...:
                parameter.requires_grad_(False)

    def __call__(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        if state is not None and self.spec.cell != "lstm":
            state = state[0]
        if lengths is None:
            states, final = self._run(x, state)
        else:
            states, final = self._ragged(x, state, lengths)
        return states, final if isinstance(final, tuple) else (final,)

    def _run(self, x: Any, state: Any) -> tuple[Any, Any]:
        if self.spec.dtype != "bfloat16":
            return self.layer(x, state)
        import torch

        weights = _torch.rounded(dict(self.layer.named_parameters()))
        given = (x.to(torch.bfloat16), _torch.rounded(state))
        with _in_pieces() if x.is_cuda else nullcontext():
            return torch.func.functional_call(self.layer, weights, given)

    def _ragged(self, x: Any, state: Any, lengths: Any) -> tuple[Any, Any]:
        """Packed, so that cells never see padding; then states are held beyond each end."""
        import torch

        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, final = self._run(packed, state)
        states, _ = rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        h = final[0] if isinstance(final, tuple) else final
        held = [h[-self.spec.directions]]
        if self.spec.bidirectional:
            first = state[0] if isinstance(state, tuple) else state
            held.append(torch.zeros_like(h[-1]) if first is None else first[-1].to(h.dtype))
        beyond = (torch.arange(x.shape[1]) >= lengths[:, None])[:, :, None].to(x.device)
        return torch.where(beyond, torch.cat(held, 1)[:, None], states), final


@contextmanager
def _in_pieces() -> Iterator[None]:
    """cuDNN wants the weights in one piece, which casting takes apart, here as under autocast."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single")
        yield


def _slots(spec: ModelSpec, layer: Any) -> Iterator[_torch.Slot]:
    for number in range(spec.layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: spec.directions]:
            prefix, end = f"layers.{number}.{direction}.", f"_l{number}{suffix}"
            yield prefix + "w", getattr(layer, "weight_ih" + end), ...
            yield prefix + "u", getattr(layer, "weight_hh" + end), ...
            yield prefix + "b", getattr(layer, "bias_ih" + end), ...
            second = getattr(layer, "bias_hh" + end)
            if spec.cell == "gru":
                yield prefix + "b_hn", second, slice(2 * spec.hidden, None)
                yield "", second, slice(0, 2 * spec.hidden)
            else:
                yield "", second, ...
