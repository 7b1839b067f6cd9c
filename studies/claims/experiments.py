"""The grids of settings that decide the claims."""

from collections.abc import Sequence
from dataclasses import replace

from bench.spec import Task
from studies.claims.weight_count import units_within, weight_count
from studies.experiment import Experiment
from tasks import adding, forecasting, long_lag, memory, temporal_order

ADDING = adding.PROFILES["standard"]
ORDER = replace(temporal_order.PROFILES["standard"], steps=2000)
LAG = long_lag.PROFILES["standard"]
RATES = (0.001, 0.003, 0.01)
BIASES = (0.0, 1.0, 3.0, 5.0)
SCHEMES = ("uniform", "orthogonal", "identity")
CLIP_NORMS = {"not clipped": None, "clipped at 1": 1.0, "clipped at 0.1": 0.1}
LENGTHS = (25, 50, 100, 200, 400)
UNITS = 32
DEPTHS = (1, 2, 3)
CELLS = ("rnn", "lstm", "gru")


def forget_biases() -> list[Experiment]:
    """The lstm with each forget bias at each learning rate, on two tasks."""
    grids = (
        ("adding, T = 50", "adding", ADDING, RATES),
        ("2c, p = q = 50", "long-lag", LAG, RATES[1:]),
    )
    return [
        Experiment(
            group=f"Forget bias and learning rate: {title}",
            name=f"{title}: forget bias {bias:g}, rate {rate:g}",
            task_name=task_name,
            task=replace(task, learning_rate=rate),
            cells=("lstm",),
            forget_bias=bias,
            seeds=8,
        )
        for title, task_name, task, rates in grids
        for bias in BIASES
        for rate in rates
    ]


def initialisations() -> list[Experiment]:
    """The rnn with each initialisation at two learning rates, on two tasks."""
    grids: Sequence[tuple[str, str, adding.Adding | temporal_order.TemporalOrder]] = (
        ("adding, T = 50", "adding", ADDING),
        ("temporal order", "temporal-order", ORDER),
    )
    return [
        Experiment(
            group=f"Initialisation of the rnn: {title}",
            name=f"{title}: {scheme}, rate {rate:g}",
            task_name=task_name,
            task=replace(task, learning_rate=rate),
            cells=("rnn",),
            init=scheme,
            seeds=8,
        )
        for title, task_name, task in grids
        for scheme in SCHEMES
        for rate in RATES[:2]
    ]


def clipping() -> list[Experiment]:
    """Two cells without clipping and with two clipping norms, at two learning rates."""
    return [
        Experiment(
            group="Clipping the norm of the gradient: temporal order",
            name=f"{title}, rate {rate:g}",
            task_name="temporal-order",
            task=replace(ORDER, clip_norm=norm, learning_rate=rate),
            cells=("rnn", "lstm"),
            seeds=8,
        )
        for title, norm in CLIP_NORMS.items()
        for rate in (0.001, 0.005)
    ]


def cells() -> list[Experiment]:
    """Every cell with equally many units, and with equally many weights, on three tasks."""
    grids: Sequence[tuple[str, str, Task]] = (
        ("adding, T = 50", "adding", ADDING),
        ("temporal order", "temporal-order", ORDER),
        ("sunspots", "forecasting", forecasting.PROFILES["standard"]),
    )
    return [
        Experiment(
            group=f"Comparison of cells: {UNITS} units, or as many weights as the LSTM with "
            f"{UNITS} units",
            name=f"{title}: {size}",
            task_name=task_name,
            task=task,
            hidden=hidden,
            seeds=8,
        )
        for title, task_name, task in grids
        for size, hidden in (
            (f"{UNITS} units each", dict.fromkeys(CELLS, UNITS)),
            ("as many weights", _equal_weights(task.inputs)),
        )
    ]


def _equal_weights(inputs: int) -> dict[str, int]:
    """Units by cell: as many weights as the LSTM with `UNITS` units, or just below."""
    most = weight_count("lstm", inputs, UNITS)
    return {cell: units_within(cell, inputs, most) for cell in CELLS}


def depths() -> list[Experiment]:
    """One to three layers with as many weights as one layer of 64 units, timed as well."""
    return [
        Experiment(
            group="Depth, with as many weights as one layer of 64 units: adding, T = 50",
            name=f"{layers} layers" if layers > 1 else "1 layer",
            task_name="adding",
            task=ADDING,
            cells=("lstm", "gru"),
            layers=layers,
            probes=("learning", "speed"),
            hidden={
                cell: units_within(cell, 2, weight_count(cell, 2, 64), layers)
                for cell in ("lstm", "gru")
            },
            seeds=8,
        )
        for layers in DEPTHS
    ]


def lengths() -> list[Experiment]:
    """Every cell on the adding problem at each length."""
    return [
        Experiment(
            group="Length: adding, 64 units, 2,000 updates",
            name=f"T = {length}",
            task_name="adding",
            task=replace(adding.PROFILES["paper"], length=length, steps=2000),
            seeds=5,
        )
        for length in LENGTHS
    ]


def longer_sequences() -> list[Experiment]:
    """Every cell on three tasks, tested on sequences longer than in training."""
    grids: Sequence[tuple[str, str, Task]] = (
        ("adding, T = 50, 100, 200", "adding", ADDING),
        ("memory, lag 10, 40, 100", "memory", memory.PROFILES["standard"]),
        ("temporal order, 50, 100, 200", "temporal-order", ORDER),
    )
    return [
        Experiment(
            group="Trained on short sequences, tested on longer ones",
            name=title,
            task_name=task_name,
            task=task,
            probes=("learning", "lengths"),
            seeds=5,
        )
        for title, task_name, task in grids
    ]


ALL = (
    *longer_sequences(),
    *forget_biases(),
    *initialisations(),
    *cells(),
    *clipping(),
    *lengths(),
    *depths(),
)
