"""The vocabulary of the harness: frozen data and Protocols that everything else rests on.

Adapters (`backends/`) and tasks (`tasks/`) import this module of `bench` and no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Params = Mapping[str, Array]

CELLS = ("rnn", "lstm", "gru", "feedforward")
READOUTS = ("last", "every")
LOSSES = ("mse", "cross_entropy")
DTYPES = ("bfloat16", "float32", "float64")
GRU_VARIANTS = ("reset_after", "reset_before")
OPTIMISERS = ("adam", "sgd")
WHOSE = ("ours", "theirs", "impossible")
GATES: Mapping[str, int] = {"rnn": 1, "lstm": 4, "gru": 3, "feedforward": 1}
"""Gate blocks stacked in `w`, `u` and `b`: lstm in the order i, f, g, o; gru r, z, n."""


def _among(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _positive(name: str, value: Any, kind: Any = Real) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < inf:
        noun = "whole number" if kind is Integral else "number"
        raise ValueError(f"{name} must be a positive {noun}, not {value!r}")


class Unsupported(ValueError):
    """The backend cannot express this model, or cannot run on this device; the message says why."""


class Unavailable(Exception):
    """Something the user asked for is not installed or not there; the message says what."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One recurrent network with a linear readout.

    Input is batch-major `(batch, time, inputs)`. Each of `layers` layers has `hidden` units a
    direction; a bidirectional layer hands the concatenation (forward, backward) to the next.
    `readout="last"` maps each direction's own final state to `(batch, outputs)`: the forward
    state at the true end of the sequence and the backward state at step 0. `readout="every"`
    maps the state of every step to `(batch, time, outputs)`.

    Cells, with x the input, h the state and σ the logistic function:

    - `rnn` (Elman 1990): h' = tanh(W x + U h + b)
    - `feedforward`: h' = tanh(W x + b), the rnn with no recurrence
    - `lstm` (Gers, Schmidhuber & Cummins 2000, no peepholes):
      c' = f∘c + i∘g, h' = o∘tanh(c') with i, f, o = σ(·), g = tanh(·)
    - `gru` (Cho et al. 2014, arXiv 1406.1078): h' = (1 − z)∘n + z∘h, with
      n = tanh(W x + b + r∘(U h + b_hn)) for `reset_after` (what cuDNN computes) and
      n = tanh(W x + b + U (r∘h)) for `reset_before`

    Losses: `mse`, the mean over all elements of (prediction − target)², targets that are NaN
    left out when `readout="every"`; `cross_entropy`, the mean over positions of
    −log softmax(prediction)[class], positions labelled −1 left out.

    With `decoder`, the number of steps it writes, the layers are an encoder: their final states
    start those of a second stack of as many layers and units, the decoder, and the readout maps
    the latter's states to `(batch, decoder, outputs)` (Sutskever, Vinyals & Le 2014, arXiv
    1409.3215). The decoder's input has `outputs + 1` features: the previous target (in training:
    teacher forcing) or its own previous output (in `predict`), one-hot for `cross_entropy`, and a
    last feature that is one at the first step only, the begin token. A missing target is fed as
    zeros; of equal outputs the first class counts as the largest.

    dtype `bfloat16` is mixed precision: weights, loss and optimiser are float32, and the layers
    compute on weights, inputs and states rounded to bfloat16.
    """

    cell: str
    inputs: int
    hidden: int
    outputs: int
    layers: int = 1
    bidirectional: bool = False
    readout: str = "last"
    loss: str = "mse"
    dtype: str = "float32"
    gru: str = "reset_after"
    decoder: int = 0

    def __post_init__(self) -> None:
        _among("cell", self.cell, CELLS)
        _among("readout", self.readout, READOUTS)
        _among("loss", self.loss, LOSSES)
        _among("dtype", self.dtype, DTYPES)
        _among("gru", self.gru, GRU_VARIANTS)
        for name in ("inputs", "hidden", "outputs", "layers"):
            _positive(name, getattr(self, name), Integral)
        if self.decoder:
            self._check_decoder()

    def _check_decoder(self) -> None:
        _positive("decoder", self.decoder, Integral)
        if self.cell == "feedforward":
            raise ValueError("the feedforward cell has no state for a decoder to start from")
        if self.bidirectional:
            raise ValueError("a decoder starts from the states of a forward encoder only")
        if self.readout != "every":
            raise ValueError("a decoder's readout is every, not last")

    @property
    def decoding(self) -> "ModelSpec":
        """The decoder as a model of its own, which reads what has been written so far."""
        return replace(self, inputs=self.outputs + 1, decoder=0)

    @property
    def storage(self) -> str:
        """The dtype of weights, inputs and gradients outside the layers."""
        return "float32" if self.dtype == "bfloat16" else self.dtype

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def gates(self) -> int:
        return GATES[self.cell]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a session updates its weights.

    `adam` is Kingma & Ba 2015, algorithm 1: θ ← θ − lr · m̂ / (√v̂ + ε), with ε outside the bias
    correction of v. `sgd` is θ ← θ − lr · g, for which β₁, β₂ and ε do not count. With `clip_norm`
    the gradients of all trained parameters are first scaled by min(1, clip_norm / ‖g‖₂), ‖g‖₂
    being their global norm (Pascanu, Mikolov & Bengio 2013, algorithm 1).
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None
    optimiser: str = "adam"

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"optimiser must be one of {', '.join(OPTIMISERS)}, not {self.optimiser!r}"
            )
        for name in ("learning_rate", "epsilon"):
            _positive(name, getattr(self, name))
        if self.clip_norm is not None:
            _positive("clip_norm", self.clip_norm)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Limit:
    """Something that a backend cannot express, and whose limit that is: `ours` (the adapter's),
    `theirs` (the framework's) or `impossible`. It is false, as in `if supports.layers`."""

    whose: str
    why: str

    def __post_init__(self) -> None:
        _among("whose limit", self.whose, WHOSE)

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.why} ({self.whose})"


NOT_WRITTEN = Limit("ours", "not written")


@dataclass(frozen=True, kw_only=True)
class Supports:
    """What an adapter can express: True, or the `Limit` in its way. `limits` has that of each
    cell, dtype and gru variant that is left out, by its name."""

    cells: Sequence[str] = CELLS
    dtypes: Sequence[str] = ("float32", "float64")
    gru: Sequence[str] = GRU_VARIANTS
    layers: bool | Limit = True
    bidirectional: bool | Limit = True
    lengths: bool | Limit = True
    initial_state: bool | Limit = True
    training: bool | Limit = True
    hidden_gradients: bool | Limit = True
    decoder: bool | Limit = NOT_WRITTEN
    generation: bool | Limit = NOT_WRITTEN
    limits: Mapping[str, Limit] = field(default_factory=dict)

    def limit(self, spec: ModelSpec) -> str | None:
        """What keeps the adapter from this model, and whose limit that is; None where nothing."""
        for value, among in ((spec.cell, self.cells), (spec.dtype, self.dtypes)):
            if value not in among:
                return self._left_out(value)
        if spec.cell == "gru" and spec.gru not in self.gru:
            return self._left_out(spec.gru)
        wanted = {
            "layers": spec.layers > 1,
            "bidirectional": spec.bidirectional,
            "decoder": spec.decoder > 0,
        }
        asked = (self.lacks(name) for name, needed in wanted.items() if needed)
        return next(filter(None, asked), None)

    def lacks(self, name: str) -> str | None:
        """The limit in the way of `layers`, `lengths`, `training`, …; None where there is none."""
        own = getattr(self, name)
        limit = own if isinstance(own, Limit) else NOT_WRITTEN
        return None if own else f"no {name.replace('_', ' ')}: {limit}"

    def check(self, spec: ModelSpec) -> None:
        """Raise `Unsupported` for a model that the adapter cannot express."""
        if limit := self.limit(spec):
            raise Unsupported(limit)

    def _left_out(self, value: str) -> str:
        return f"no {value}: {self.limits.get(value, NOT_WRITTEN)}"


class Session(Protocol):
    """One model with its weights living inside one backend on one device.

    `x` is `(batch, time, inputs)`; `lengths` `(batch,)` integers from 1 to time, the state held
    beyond the end; `initial_state` h0 `(layers × directions, batch, hidden)`, for the lstm the
    pair (h0, c0), in the order layer 0 forward, layer 0 backward, layer 1 forward, ….
    Arrays may be NumPy arrays or what `put` returned.
    """

    def put(self, array: Array) -> Any:
        """Move an array to the device; floats take the model's dtype, integers stay integers."""

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        """The readout as NumPy: `(batch, outputs)` or `(batch, time, outputs)`."""

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        """The last layer's h at every step: `(batch, time, hidden × directions)`."""

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        """The loss, and its gradient by canonical parameter name, with `"x"` for dL/dx."""

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """The total derivative dL/dh_t of the mean loss, everything downstream included,
        for every step of the last layer: `(batch, time, hidden × directions)`."""

    def step(self, x: Any, y: Any, lengths: Any = None) -> Any:
        """One optimiser update. Returns the loss before it, on the device, without waiting."""

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        """Go on from a state: the readout of every step, or of the last, as in `predict`, and
        the state after x, to be handed to the next call. One direction, no decoder."""

    def params(self) -> dict[str, Array]:
        """The current weights by canonical name, as NumPy."""

    def wait(self) -> None:
        """Block until the device has finished all it was given."""

    def executed_path(self) -> str:
        """The kernel that really ran: `cudnn`, `onednn`, `aten`, `xla`, `while_loop`,
        `python-loop`, …, read from the framework's profiler, graph or compiled text."""


class TimedSession(Session, Protocol):
    """What an adapter adds so that the clock sees the framework alone, not copies to NumPy.

    Optional: where they are missing the speed probe times `predict` and `gradients` instead,
    and the record says so.
    """

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """The readout, left on the device and not waited for."""

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        """Loss and all parameter gradients, left on the device and not waited for."""


class RestartedSession(Session, Protocol):
    """What an adapter may add that compiles anew for each session."""

    def restart(self, params: Params) -> None:
        """Go on as a session just opened with these weights: nothing is left of the optimiser's
        state, and what was compiled is kept."""


class Backend(Protocol):
    """A module-like object: a framework's implementation of the model.

    Optional beside it: `unavailable(device) -> str | None`, which says without importing the
    framework why this backend cannot run on that device; `settings(device) -> dict`, the
    framework's own switches (precision, determinism) as they stand; `peak_memory(device)` and
    `reset_peak_memory(device)`, the framework's allocator in bytes; and
    `expected_path(spec, device) -> str`, what `executed_path` says where nothing fell back.
    """

    REQUIRES: Sequence[str]
    SUPPORTS: Supports

    def devices(self) -> Sequence[str]:
        """Devices this backend can use now, such as `cpu`, `cuda:0`. Imports the framework."""

    def open_session(
        self, spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Session:
        """Put the model with these weights on the device."""


class Task(Protocol):
    """One task at one size: a frozen dataclass whose fields are its settings.

    A task file holds `REQUIRES` (pip names of packages its data ships in) and `PROFILES`, a
    mapping from `smoke`, `standard` and `paper` to a task.

    Optional beside what is here: `decoder`, the steps that a second network writes; `asks_next`,
    whether it asks for the input that comes next, which a network that reads backwards has seen;
    `unread`, names of settings that it does not read as it is, refused as options;
    `longer(times) -> Task`, the same with sequences so many times as long, to be scored on;
    `unavailable() -> str | None`, why its data cannot be read; and of text `alphabet`, what the
    classes stand for, with `prompt` `(1, time)`, what a trained model goes on from.
    """

    @property
    def batch(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def steps(self) -> int:
        """Updates of a training run."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def clip_norm(self) -> float | None: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def readout(self) -> str: ...
    @property
    def loss(self) -> str: ...
    @property
    def time(self) -> int:
        """Steps in a sequence."""

    @property
    def metric(self) -> str:
        """The name of the score that decides: lower is better for all of them."""

    @property
    def chance(self) -> float:
        """The score of the best answer that does not look at the sequence."""

    @property
    def threshold(self) -> float:
        """The task counts as solved when the score is below this."""

    @property
    def baselines(self) -> Mapping[str, float]:
        """Scores of classical methods to stand beside, by name; may be empty."""

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A training batch: x `(batch, time, inputs)` float64, and targets as in `ModelSpec`."""

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Held-out sequences, more than a batch; tasks on a fixed series ignore the generator."""

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Named scores of predictions for these targets; holds at least `metric`."""
