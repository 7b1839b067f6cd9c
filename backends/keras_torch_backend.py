"""Keras on PyTorch: Keras' own recurrent layers in the session of the PyTorch backends, whose
readout, losses and optimiser (torch.optim) they share."""

from collections.abc import Iterator, Mapping
from importlib import util
from typing import Any

from backends import _keras_layers, _torch
from backends._torch import devices, peak_memory, reset_peak_memory, settings
from bench.spec import ModelSpec, Params, Supports, Training, Unsupported

__all__ = ["devices", "peak_memory", "reset_peak_memory", "settings"]

REQUIRES = ("torch", "keras")
SUPPORTS = Supports(
    dtypes=_keras_layers.DTYPES, decoder=True, generation=True, limits=_keras_layers.LIMITS
)


def unavailable(device: str) -> str | None:
    return _torch.unavailable(device) if util.find_spec("keras") else "Keras is not installed"


def expected_path(spec: ModelSpec, device: str) -> str:
    """Keras has cuDNN for the lstm and the gru that resets after its product."""
    if spec.cell == "feedforward":
        return "aten"
    fused = spec.cell == "lstm" or (spec.cell == "gru" and spec.gru == "reset_after")
    return "cudnn" if fused and device != "cpu" else "python-loop"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Any:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    _keras_layers.keras_on("torch")
    return _torch.open_session(SUPPORTS, Layers, spec, params, device, training)


class Layers:
    """See `backends._torch`. Parameters lie as Keras reads them, but for its kernels, which are
    the transposes of w and u, so that the rows of each are a canonical weight's."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Any]) -> None:
        self.spec = spec
        self.device = str(next(iter(weights.values())).device)
        self.kernels: list[tuple[Any, bool]] = []
        self.slots: list[_torch.Slot] = []
        with self._on_device():
            self.network = _keras_layers.layers(spec, weights, cudnn=True)
        for prefix, kind in _arrays(spec):
            self._add(prefix, kind, weights)
        for name, parameter, part in self.slots:
            parameter.data[part] = weights[name] if name else 0

    def __call__(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        arrays = [kernel.T if turned else kernel for kernel, turned in self.kernels]
        with self._on_device():
            return _keras_layers.run(self.network, arrays, x, lengths, state)

    def _add(self, prefix: str, kind: str, weights: Mapping[str, Any]) -> None:
        from torch.nn import Parameter

        name, size, rows = prefix + kind, self.spec.hidden, _rows(self.spec)
        second = kind == "b" and prefix + "b_hn" in weights
        like = weights[name]
        kernel = Parameter(like.new_zeros((2, *like.shape) if second else like.shape))
        self.kernels.append((kernel, kind != "b"))
        self.slots.append((name, kernel, (0, rows) if second else rows))
        if second:
            self.slots.append((prefix + "b_hn", kernel, (1, slice(2 * size, None))))
            self.slots.append(("", kernel, (1, slice(0, 2 * size))))

    def _on_device(self) -> Any:
        import keras

        return keras.device(self.device)


def _arrays(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Name prefix and kind of each of Keras' arrays, in its order."""
    for layer in range(spec.layers):
        for direction in ("forward", "backward")[: spec.directions]:
            for kind in "wb" if spec.cell == "feedforward" else "wub":
                yield f"layers.{layer}.{direction}.", kind


def _rows(spec: ModelSpec) -> Any:
    """Where r, z and n of the gru stand among Keras' rows: z, r, n; the lstm's are Keras' own."""
    if spec.cell != "gru":
        return ...
    size = spec.hidden
    return [*range(size, 2 * size), *range(size), *range(2 * size, 3 * size)]
