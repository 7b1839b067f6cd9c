"""What a study is made of: settings to train at, and what papers report of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.select import Request

SEQUENCES, SCORE, SOLVED = "sequences", "score", "solved"
"""What a figure counts: sequences until solved, the score at the end, the share of seeds solved."""
BY = ("updates", SOLVED, SCORE)
ANYWHERE = 3
"""Seeds in each of the other backends on a GPU, also of rows that take too long there on a CPU."""
LAUNCHES = 5
"""Fresh processes in which a step is timed, of a row that asks for its speed."""
ALIKE = 2.0
"""A figure that stands alone counts as a range from a half of it to twice as much."""


@dataclass(frozen=True)
class Figure:
    """A published number of one cell, with the range in which ours counts as the same."""

    cell: str
    what: str
    value: float
    low: float
    high: float
    spread: bool = False
    """Whether the paper itself gives the range."""


def about(cell: str, what: str, value: float) -> Figure:
    """A figure that is given without a spread."""
    return Figure(cell, what, value, value / ALIKE, value * ALIKE)


def between(cell: str, what: str, low: float, high: float) -> Figure:
    """A figure that is given as a range."""
    return Figure(cell, what, (low + high) / 2, low, high, spread=True)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting. `seeds` of it, from `first_seed` on, are trained in the study's main backend,
    `other_seeds` of the same ones in each of the rest. `differs` says in what its settings are not
    those of the paper, `why` has the reasons where ours is outside."""

    name: str
    task: str
    group: str = ""
    cells: Sequence[str] = ("rnn", "lstm", "gru")
    seeds: int = 10
    other_seeds: int = 3
    first_seed: int = 0
    init: str | None = None
    forget_bias: float | None = None
    optimiser: str | None = None
    layers: int | None = None
    directions: int | None = None
    hidden: Mapping[str, int] | None = None
    """Units by cell, where they differ."""
    probes: Sequence[str] = ("learning",)
    line: str = ""
    """The line of a table of scores in which its cells stand; of a group, all rows have one or
    none has."""
    published: Sequence[Figure] = ()
    differs: Sequence[str] = ()
    why: Sequence[str] = ()

    def requests(self, main: str, others: Sequence[str], device: str = "cpu") -> Iterator[Request]:
        """What is trained on a device, as it would be asked for on the command line."""
        other_seeds = self.other_seeds if device == "cpu" else max(self.other_seeds, ANYWHERE)
        sizes = [(self.task, list(self.cells))]
        if self.hidden:
            sizes = [(f"{self.task}:hidden={self.hidden[cell]}", [cell]) for cell in self.cells]
        for backends, seeds in (([main], self.seeds), (list(others), other_seeds)):
            for task, cells in sizes if backends and seeds else ():
                yield Request(
                    backends=backends,
                    tasks=[task],
                    cells=cells,
                    devices=[device],
                    dtypes=["float32"],
                    probes=list(self.probes),
                    seeds=list(range(self.first_seed, self.first_seed + seeds)),
                    launches=LAUNCHES,
                    phases=["step"],
                    init=self.init,
                    forget_bias=self.forget_bias,
                    optimiser=self.optimiser,
                    layers=None if self.layers is None else [self.layers],
                    directions=None if self.directions is None else [self.directions],
                    threads=1,
                )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody says: one setting, a row by its name and a cell, learns better than another.
    `by` is what decides: updates until solved, the share of seeds solved, or the score."""

    says: str
    better: tuple[str, str]
    worse: tuple[str, str]
    by: str = "updates"

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise ValueError(f"by must be one of {', '.join(BY)}, not {self.by!r}")


@dataclass(frozen=True, kw_only=True)
class Study:
    """`main` is the backend with the most seeds, `others` are those that are to agree with it.
    The table has a line for each published figure, or, of a `grid`, one for each setting."""

    about: str
    rows: Sequence[Row]
    grid: bool = False
    claims: Sequence[Claim] = ()
    main: str = "jax"
    others: Sequence[str] = ("numpy", "torch", "tensorflow")
    sources: Mapping[str, str] = field(default_factory=dict)
    """The papers, by the group of rows."""
