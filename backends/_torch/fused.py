"""PyTorch's own layers, nn.RNN, nn.LSTM and nn.GRU."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from backends._torch.loop import feedforward_scan
from backends._torch.stack import Slot, Stack, State, Weights, to_bfloat16
from bench.spec import CELLS, ModelSpec

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def fused_layers(spec: ModelSpec, weights: Weights) -> Any:
    if not CELLS[spec.cell].recurrent:
        return Stack(spec, feedforward_scan, weights)
    return FusedLayers(spec, weights)


def onednn_runs_lstm(dtype: str) -> bool:
    """Whether oneDNN runs nn.LSTM on this CPU: in float32, and in bfloat16 where the processor has
    that."""
    if not torch.backends.mkldnn.is_available():
        return False
    in_bfloat16 = dtype == "bfloat16" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == "float32" or in_bfloat16


class FusedLayers:
    """nn.RNN, nn.LSTM or nn.GRU. Each has two biases a gate: the second stays zero and out of the
    optimiser, except the rows of the gru's that are `b_hn`."""

    def __init__(self, spec: ModelSpec, weights: Weights) -> None:
        self.spec = spec
        like = weights["layers.0.forward.w"]
        self.layer = MODULES[spec.cell](
            spec.inputs,
            spec.hidden,
            num_layers=spec.layers,
            bidirectional=spec.bidirectional,
            batch_first=True,
            device=like.device,
            dtype=like.dtype,
        )
        self.slots = list(_slots(spec, self.layer))
        for name, parameter, index in self.slots:
            parameter.data[index] = weights[name] if name else 0
            if not name and index is ...:
                parameter.requires_grad_(False)

    def __call__(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        if state is not None and self.spec.cell != "lstm":
            state = state[0]
        if lengths is None:
            states, final = self._run(x, state)
        else:
            states, final = self._run_ragged(x, state, lengths)
        return states, final if isinstance(final, tuple) else (final,)

    def _run(self, x: Any, state: Any) -> tuple[Any, Any]:
        if self.spec.dtype != "bfloat16":
            return self.layer(x, state)
        # Rounded weights, not autocast: on a GPU autocast casts cuDNN's layers to float16 whatever
        # dtype it is asked for; on the CPU its lstm always calls oneDNN, which fails where the
        # processor lacks bfloat16.
        weights = to_bfloat16(dict(self.layer.named_parameters()))
        arguments = (x.to(torch.bfloat16), to_bfloat16(state))
        with _without_warning_of_scattered_weights() if x.is_cuda else nullcontext():
            return torch.func.functional_call(self.layer, weights, arguments)

    def _run_ragged(self, x: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
        """Run packed sequences, so that no cell reads padding, then hold states beyond each end."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, final = self._run(packed, state)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        h = final[0] if isinstance(final, tuple) else final
        held_states = [h[-self.spec.directions]]
        if self.spec.bidirectional:
            # The backward direction reads padding first: it holds its initial state there.
            initial = state[0] if isinstance(state, tuple) else state
            held_states.append(
                torch.zeros_like(h[-1]) if initial is None else initial[-1].to(h.dtype)
            )
        padding = (torch.arange(x.shape[1]) >= lengths[:, None])[:, :, None].to(x.device)
        return torch.where(padding, torch.cat(held_states, 1)[:, None], states), final


@contextmanager
def _without_warning_of_scattered_weights() -> Iterator[None]:
    """cuDNN wants all weights in one piece of memory; casting them puts them apart."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single")
        yield


def _slots(spec: ModelSpec, layer: Any) -> Iterator[Slot]:
    for number in range(spec.layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: spec.directions]:
            prefix, end = f"layers.{number}.{direction}.", f"_l{number}{suffix}"
            yield prefix + "w", getattr(layer, "weight_ih" + end), ...
            yield prefix + "u", getattr(layer, "weight_hh" + end), ...
            yield prefix + "b", getattr(layer, "bias_ih" + end), ...
            second_bias = getattr(layer, "bias_hh" + end)
            if spec.cell == "gru":
                yield prefix + "b_hn", second_bias, slice(2 * spec.hidden, None)
                yield "", second_bias, slice(0, 2 * spec.hidden)
            else:
                yield "", second_bias, ...
