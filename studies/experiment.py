"""What a study consists of: experiments, the published figures beside them, and claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.spec import Task

SEQUENCES, SCORE, SOLVED = "sequences", "score", "solved"
"""The quantities of published figures: training sequences until solved, the score at the end of
training, and the share of seeds solved."""
UPDATES = "updates"
CRITERIA = (UPDATES, SOLVED, SCORE)
"""What may decide a claim: updates until solved, the share of seeds solved, or the score."""
TOLERANCE_FACTOR = 2.0
"""A figure published without a range counts as reached from half of it to twice as much."""
OTHER_SEEDS = 3
"""Seeds that the other backends train unless the experiment says otherwise."""


@dataclass(frozen=True)
class PublishedFigure:
    """A published number for one cell, and the range in which our figure agrees with it."""

    cell: str
    quantity: str
    value: float
    low: float
    high: float
    is_range: bool = False
    """Whether the paper itself gives the range."""
    weights: str = ""
    """The number of weights of the published network, where it follows from sizes in the paper."""


def single_value(cell: str, quantity: str, value: float, weights: str = "") -> PublishedFigure:
    """A figure that the paper gives without a range."""
    low, high = value / TOLERANCE_FACTOR, value * TOLERANCE_FACTOR
    return PublishedFigure(cell, quantity, value, low, high, weights=weights)


def value_range(
    cell: str, quantity: str, low: float, high: float, weights: str = ""
) -> PublishedFigure:
    """A figure that the paper gives as a range."""
    middle = (low + high) / 2
    return PublishedFigure(cell, quantity, middle, low, high, is_range=True, weights=weights)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One task at one size with its settings, trained with several seeds.

    The main backend of the study trains `seeds` seeds, counted from `first_seed`. Each other
    backend trains `other_seeds` of the same seeds.
    """

    name: str
    task_name: str
    task: Task
    group: str = ""
    """The heading under which its table stands."""
    cells: Sequence[str] = ("rnn", "lstm", "gru")
    hidden: Mapping[str, int] | None = None
    """Units by cell, where the cells have different numbers of units."""
    layers: int = 1
    directions: int = 1
    init: str = "orthogonal"
    forget_bias: float | None = None
    optimiser: str = "adam"
    probes: Sequence[str] = ("learning",)
    seeds: int = 10
    other_seeds: int = OTHER_SEEDS
    first_seed: int = 0
    other_cells: Mapping[str, Sequence[str]] | None = None
    """The cells that each other backend trains on a CPU, by backend; None: every backend trains
    all cells, as it does on a GPU."""
    series: str = ""
    """The row of a table of forecasts that shows its scores. Either all experiments of a group
    name a series or none does."""
    published: Sequence[PublishedFigure] = ()
    differences: Sequence[str] = ()
    """How the settings differ from the paper's: a row of the table names them, whatever its
    verdict."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement from the literature: one setting learns better than another.

    A setting is the name of an experiment and a cell. `criterion` decides which one is better.
    """

    statement: str
    better: tuple[str, str]
    worse: tuple[str, str]
    criterion: str = UPDATES

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            choices = ", ".join(CRITERIA)
            raise ValueError(f"criterion must be one of {choices}, not {self.criterion!r}")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Experiments that are reported together.

    `main_backend` trains the most seeds; `other_backends` are expected to agree with it. The table
    has a row for each published figure or, where `grid` is true, a row for each experiment.
    """

    about: str
    experiments: Sequence[Experiment]
    grid: bool = False
    claims: Sequence[Claim] = ()
    main_backend: str = "jax"
    other_backends: Sequence[str] = ("numpy", "torch", "tensorflow")
    sources: Mapping[str, str] = field(default_factory=dict)
    """The title of the paper, by the heading of a group."""
