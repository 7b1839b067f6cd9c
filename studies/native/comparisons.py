"""Which candidates are compared, at which models, in which phase, and with which target."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from studies.native.floor import FLOORS, OURS, THEIRS, floor_target

PARTS: Mapping[str, str] = {
    "a": "an adapter costs nothing over the same model hand-written",
    "b": "`jax` with its own backward pass is the fastest of JAX",
    "c": "`torch-scan` is faster than torch.nn where that is slow, and never far behind",
    "d": "the fastest of the TensorFlow family is no slower than Keras' own fit",
    "e": "NumPy keeps up with the frameworks, and with the machine's products of matrices",
    "f": "a single step of a running sequence costs little over the same step hand-written",
    "g": "the fastest of this project's backward passes is close to the floor, the matrix products "
    "that a training step cannot avoid",
}
"""The claims that are tested, by letter."""
FAMILIES: Mapping[str, Sequence[str]] = {
    "torch": ("torch", "torch-scan", "torch-loop", "torch-compile", "native torch", "floor torch"),
    "tensorflow": (
        "tensorflow",
        "tensorflow-xla",
        "tensorflow-loop",
        "native tensorflow",
        "Keras fit",
    ),
    "jax": (
        "jax",
        "jax-autodiff",
        "flax",
        "equinox",
        "keras-jax",
        "native jax",
        "native jax-autodiff",
        "native flax",
        "native equinox",
    ),
    "jax-split": ("jax-split",),
    "onnxruntime": ("onnxruntime", "native onnxruntime"),
    "litert": ("litert", "native litert"),
    "numpy": ("numpy", "native numpy", "np.matmul", "floor numpy"),
    "onednn": ("onednn",),
}
"""The candidates that share a process, where their samples alternate. oneDNN has its own: the idle
threads of NumPy's library would take the processors from its threads. So has `jax-split`: in its
process JAX has a device for each thread."""

NATIVE_PHASES = {
    "torch": "step",
    "tensorflow": "step",
    "jax-autodiff": "step",
    "flax": "step",
    "equinox": "step",
    "onnxruntime": "forward",
}
"""The adapters with a hand-written counterpart, and the phase that is compared."""

SINGLE_STEPS = ("numpy", "torch", "tensorflow", "jax", "onnxruntime", "litert")
"""The adapters whose single steps have a hand-written counterpart."""
SINGLE_STEP_TARGET = 1.15

LACKING = {("flax", "gru"), ("equinox", "rnn")}
"""Cells that a framework does not have, or not with these equations."""

TENSORFLOW = ("tensorflow", "tensorflow-xla", "tensorflow-loop")
FASTEST = ("torch", "torch-scan", *TENSORFLOW, "jax", "jax-autodiff")
SHORT = ("tiny", "small")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The time of `tested` over the time of `base`, which should be at most `target`. `part` is the
    letter of the claim.

    Where a side names several candidates, the fastest stands for it. With `rate`, the rates of
    operations are compared, and `tested` over `base` should be at least `target`. Without a target
    the ratio is only reported.
    """

    part: str
    tested: Sequence[str]
    base: Sequence[str]
    phase: str = "step"
    target: float | None = None
    rate: bool = False


def family(name: str) -> str:
    """The family of a candidate."""
    return next(family for family, names in FAMILIES.items() if name in names)


def comparisons(
    shape: str, cell: str, parts: Sequence[str], families: Sequence[str]
) -> Iterator[Comparison]:
    """The comparisons of these parts, with the candidates of these families; a comparison needs a
    candidate on each side."""
    for comparison in _all_comparisons(shape, cell):
        tested, base = (
            tuple(n for n in side if family(n) in families and (n, cell) not in LACKING)
            for side in (comparison.tested, comparison.base)
        )
        if comparison.part in parts and tested and base:
            yield replace(comparison, tested=tested, base=base)


def _all_comparisons(shape: str, cell: str) -> Iterator[Comparison]:
    if shape == "products":
        yield from _product_rates() if cell == "lstm" else ()
        return
    if shape == "single-step":
        yield from _single_steps()
        return
    for name, phase in NATIVE_PHASES.items():
        yield Comparison(part="a", tested=[name], base=[f"native {name}"], phase=phase, target=1.02)
    for phase in ("gradients", "step"):
        for rival in ("jax-autodiff", "flax", "equinox", "keras-jax"):
            yield Comparison(part="b", tested=["jax"], base=[rival], phase=phase, target=1.0)
    torch_is_slow = shape in SHORT and cell in ("gru", "rnn")
    target = 1.0 if torch_is_slow else 1.1
    yield Comparison(part="c", tested=["torch-scan"], base=["torch"], target=target)
    for name in ("torch-loop", "torch-compile") if shape == "tiny" else ():
        yield Comparison(part="c", tested=[name], base=["torch"])
    for name in TENSORFLOW:
        yield Comparison(part="d", tested=[name], base=["Keras fit"])
    yield Comparison(part="d", tested=TENSORFLOW, base=["Keras fit"], target=1.0)
    if shape == "fastrnns":
        yield Comparison(part="e", tested=["numpy"], base=FASTEST, target=1.3)
    yield Comparison(part="g", tested=OURS, base=FLOORS, target=floor_target(shape, cell))
    for name in (*OURS, *THEIRS):
        yield Comparison(part="g", tested=[name], base=FLOORS)


def _single_steps() -> Iterator[Comparison]:
    for name in SINGLE_STEPS:
        yield Comparison(
            part="f",
            tested=[name],
            base=[f"native {name}"],
            phase="advance",
            target=SINGLE_STEP_TARGET,
        )


def _product_rates() -> Iterator[Comparison]:
    """The share of np.matmul's rate that this project's own implementations of the lstm reach."""
    for name in ("numpy", "jax", "torch-scan", "tensorflow-loop"):
        target = 0.6 if name == "numpy" else None
        yield Comparison(part="e", tested=[name], base=["np.matmul"], target=target, rate=True)
