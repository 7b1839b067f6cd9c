"""What is said of recurrent networks, put to the test: grids of settings, and claims about pairs of
them."""

from collections.abc import Sequence
from math import prod

from bench.spec import CELLS
from studies.rows import SCORE, SOLVED, Claim, Experiment, Study

ADDING = "adding:standard"
ORDER = "temporal-order:standard:steps=2000"
LAG = "long-lag:standard"
RATES = ("0.001", "0.003", "0.01")
BIASES = (0.0, 1.0, 3.0, 5.0)
SCHEMES = ("uniform", "orthogonal", "identity")
NORMS = ("none", "1", "0.1")
LENGTHS = (25, 50, 100, 200, 400)
UNITS = 32
DEPTHS = (1, 2, 3)


def weights(cell: str, inputs: int, hidden: int, layers: int = 1) -> int:
    """How many a stack of layers has, without its readout."""
    read = [inputs, *[hidden] * (layers - 1)]
    shapes = [CELLS[cell].shapes(n, hidden, "reset_after").values() for n in read]
    return sum(prod(shape) for layer in shapes for shape in layer)


def as_many(cell: str, inputs: int, wanted: int, layers: int = 1) -> int:
    """The most units with which it has no more weights than wanted."""
    hidden = 1
    while weights(cell, inputs, hidden + 1, layers) <= wanted:
        hidden += 1
    return hidden


def biases() -> Sequence[Experiment]:
    return [
        Experiment(
            group=f"Forget bias and learning rate: {what}",
            name=f"{what}: forget bias {bias:g}, rate {rate}",
            task=f"{task}:learning_rate={rate}",
            cells=("lstm",),
            forget_bias=bias,
            seeds=8,
        )
        for what, task, rates in (
            ("adding, T = 50", ADDING, RATES),
            ("2c, p = q = 50", LAG, RATES[1:]),
        )
        for bias in BIASES
        for rate in rates
    ]


def initialisations() -> Sequence[Experiment]:
    return [
        Experiment(
            group=f"Initialisation of the rnn: {what}",
            name=f"{what}: {scheme}, rate {rate}",
            task=f"{task}:learning_rate={rate}",
            cells=("rnn",),
            init=scheme,
            seeds=8,
        )
        for what, task in (("adding, T = 50", ADDING), ("temporal order", ORDER))
        for scheme in SCHEMES
        for rate in RATES[:2]
    ]


def clipping() -> Sequence[Experiment]:
    return [
        Experiment(
            group="Clipping the gradient's norm: temporal order",
            name=f"clipped at {norm}, rate {rate}",
            task=f"{ORDER}:clip_norm={norm}:learning_rate={rate}",
            cells=("rnn", "lstm"),
            seeds=8,
        )
        for norm in NORMS
        for rate in ("0.001", "0.005")
    ]


def cells() -> Sequence[Experiment]:
    found = []
    for what, task, inputs in (
        ("adding, T = 50", ADDING, 2),
        ("temporal order", ORDER, 6),
        ("sunspots", "forecasting:standard", 1),
    ):
        most = weights("lstm", inputs, UNITS)
        sizes = {
            f"{UNITS} units each": dict.fromkeys(("rnn", "lstm", "gru"), UNITS),
            "as many weights": {c: as_many(c, inputs, most) for c in ("rnn", "lstm", "gru")},
        }
        for size, hidden in sizes.items():
            row = Experiment(
                group=f"Cell against cell: {UNITS} units, or as many weights as the LSTM with them",
                name=f"{what}: {size}",
                task=task,
                hidden=hidden,
                seeds=8,
            )
            found.append(row)
    return found


def depths() -> Sequence[Experiment]:
    return [
        Experiment(
            group="Depth with as many weights as one layer of 64 units: adding, T = 50",
            name=f"{count} layers" if count > 1 else "1 layer",
            task=ADDING,
            cells=("lstm", "gru"),
            layers=count,
            probes=("learning", "speed"),
            hidden={c: as_many(c, 2, weights(c, 2, 64), count) for c in ("lstm", "gru")},
            seeds=8,
        )
        for count in DEPTHS
    ]


def lengths() -> Sequence[Experiment]:
    return [
        Experiment(
            group="Length: adding, 64 units, 2,000 updates",
            name=f"T = {length}",
            task=f"adding:paper:length={length}:steps=2000",
            seeds=5,
        )
        for length in LENGTHS
    ]


def longer() -> Sequence[Experiment]:
    return [
        Experiment(
            group="Trained short, tested longer",
            name=what,
            task=task,
            probes=("learning", "lengths"),
            seeds=5,
        )
        for what, task in (
            ("adding, T = 50, 100, 200", ADDING),
            ("memory, lag 10, 40, 100", "memory:standard"),
            ("temporal order, 50, 100, 200", ORDER),
        )
    ]


CLAIMS = Study(
    about="what is said of cells, initialisation, clipping, depth and length, over many seeds",
    grid=True,
    others=(),
    rows=(
        *longer(),
        *biases(),
        *initialisations(),
        *cells(),
        *clipping(),
        *lengths(),
        *depths(),
    ),
    claims=(
        Claim(
            says="An LSTM learns sooner with a forget bias of 1 than of 0 (Jozefowicz 2015)",
            better=("adding, T = 50: forget bias 1, rate 0.003", "lstm"),
            worse=("adding, T = 50: forget bias 0, rate 0.003", "lstm"),
        ),
        Claim(
            says="A long lag needs a forget bias far above 1 (Tallec & Ollivier 2018)",
            better=("2c, p = q = 50: forget bias 5, rate 0.003", "lstm"),
            worse=("2c, p = q = 50: forget bias 1, rate 0.003", "lstm"),
            by=SOLVED,
        ),
        Claim(
            says="The identity makes a plain rnn learn to add (Le 2015, there with ReLU)",
            better=("adding, T = 50: identity, rate 0.001", "rnn"),
            worse=("adding, T = 50: uniform, rate 0.001", "rnn"),
            by=SOLVED,
        ),
        Claim(
            says="Orthogonal recurrent weights, with their scheme's others, help a plain rnn over "
            "long lags (Saxe 2014)",
            better=("temporal order: orthogonal, rate 0.001", "rnn"),
            worse=("temporal order: uniform, rate 0.001", "rnn"),
        ),
        Claim(
            says="Clipping makes a plain rnn learn temporal order (Pascanu 2013)",
            better=("clipped at 1, rate 0.005", "rnn"),
            worse=("clipped at none, rate 0.005", "rnn"),
            by=SOLVED,
        ),
        Claim(
            says="The GRU learns to add sooner than the LSTM with as many weights",
            better=("adding, T = 50: as many weights", "gru"),
            worse=("adding, T = 50: as many weights", "lstm"),
        ),
        Claim(
            says="Gates learn to add sooner than a plain rnn with as many weights",
            better=("adding, T = 50: as many weights", "lstm"),
            worse=("adding, T = 50: as many weights", "rnn"),
        ),
        Claim(
            says="After 1,000 updates the LSTM forecasts sunspots better than a plain rnn with as "
            "many weights",
            better=("sunspots: as many weights", "lstm"),
            worse=("sunspots: as many weights", "rnn"),
            by=SCORE,
        ),
        Claim(
            says="Two layers learn to add sooner than one with as many weights",
            better=("2 layers", "lstm"),
            worse=("1 layer", "lstm"),
        ),
    ),
)
