"""The Protocols that adapters and tasks fulfil."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from bench.spec.model import Array, ModelSpec, Params, Training
from bench.spec.supports import Supports


class Session(Protocol):
    """One model with its weights living inside one backend on one device.

    `x` is `(batch, time, inputs)`; `lengths` `(batch,)` integers from 1 to time, the state held
    beyond the end; `initial_state` h0 `(layers × directions, batch, hidden)`, for the lstm the
    pair (h0, c0), in the order layer 0 forward, layer 0 backward, layer 1 forward, ….
    Arrays may be NumPy arrays or results of `put`. `CheckedSession` stands in front of it: an
    adapter gets no empty batch, no wrong shape, dtype, length or label, and no array that somebody
    else may change.

    Arrays that a method returns belong to the caller: no later call changes them. Each call
    computes on the arguments that it is given.

    What stands in padding, NaN too, changes nothing, and a batch without a target has the loss 0
    and gradients that are 0. A NaN in a real step reaches every output that depends on it, unless
    `Supports.nan_propagation` declares that it does not.
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
        the state after x, to be handed to the next call. None stands for zeros; an
        `initial_state` is accepted too. One direction, no decoder: otherwise `Unsupported`."""

    def params(self) -> dict[str, Array]:
        """The current weights by canonical name, as NumPy."""

    def wait(self) -> None:
        """Block until the device has finished all work that was submitted to it."""

    def executed_path(self) -> str:
        """The kernel that really ran: `cudnn`, `onednn`, `aten`, `xla`, `while_loop`,
        `python-loop`, …, read from the framework's profiler, graph or compiled text."""


class TimedSession(Session, Protocol):
    """What an adapter adds so that the clock sees the framework alone, not copies to NumPy.
    `wait` waits for the results. The speed probe reads and compares them before it times the calls.

    Optional: where they are missing the speed probe times `predict` and `gradients` instead,
    and the record says so.
    """

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """The readout, left on the device and not waited for."""

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        """Loss and all parameter gradients, left on the device and not waited for."""


class RestartedSession(Session, Protocol):
    """What an adapter may add if it compiles anew for each session."""

    def restart(self, params: Params) -> None:
        """Go on as a session just opened with these weights: nothing is left of the optimiser's
        state, and what was compiled is kept."""


class Operands(NamedTuple):
    """Two matrices of NumPy, whose product is computed so many `times`. A transposed view stays one
    wherever the framework has such views."""

    a: Array
    b: Array
    times: int


class Backend(Protocol):
    """A module-like object: a framework's implementation of the model.

    A backend may also have these functions. Only the last five entries may import the framework:

    - `SPEED_VARIABLES`: patterns, as in `MINE_*`, of more environment variables that decide its
      speed and are recorded;
    - `unavailable(device) -> str | None`: why this backend cannot run on that device;
    - `environment(threads) -> Mapping[str, str]`: the environment variables that the framework
      must find before it is imported, in a worker with this number of threads;
    - `compilation_cache(folder) -> Mapping[str, str]`: the variables by which the framework keeps
      compiled code in a folder, for the next process;
    - `expected_path(spec, device) -> str`: what `executed_path` says where nothing fell back;
    - `settings(device) -> dict`: the framework's switches (precision, determinism) as they stand;
    - `instruction_sets() -> Mapping[str, str | None]`: the instruction set that the framework and
      its libraries really use on this processor, by library, from their own reports;
    - `peak_memory(device)`, `reset_peak_memory(device)`: the framework's allocator, in bytes;
    - `matrix_products(operands, dtype, device) -> Callable[[], None]`: a call that computes a @ b
      for each of these `Operands`, as often as it says and one after the other, with the
      framework's own library, and returns when the device is done. The floor of a time is measured
      by it, beside NumPy's library. Raises `Unsupported` where it is not worth trying.
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

    A task file holds `REQUIRES` (pip names of the packages that its data ship in) and `PROFILES`, a
    mapping from `smoke`, `standard` and `paper` to a task. All sizes are of one class: a worker
    makes the task from the settings in its case.

    A task may also have these attributes:

    - `decoder`: the number of steps that a decoder writes;
    - `asks_next`: whether the target is the next input, which a network that also reads backwards
      has already read;
    - `unread`: the names of settings that have no effect at this size; as options they are refused;
    - `longer(times) -> Task`: the task with sequences `times` as long, on which the lengths probe
      scores a trained model;
    - `unavailable() -> str | None`: why its data cannot be read;
    - `notes`: sentences on how its data were read, which a run prints first;
    - `forecasts(predictions) -> Mapping[str, Array]`: for a series, what a record keeps of the
      predictions: one-dimensional arrays of equal length, in the unit of the series. `step` is the
      place in the series, `time` or `unix_time` (seconds) its time if there is one, `actual` the
      value that came, `forecast` the prediction, all others are classical forecasts;
    - for text, `alphabet`: the character of each class; and `prompt` `(1, time)`: the classes that
      a trained model continues.
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
