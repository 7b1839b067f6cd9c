"""What a study is made of: settings to train at, and what papers report of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.plan.request import Request

SEQUENCES, SCORE, SOLVED = "sequences", "score", "solved"
"""What a figure counts: sequences until solved, the score at the end, the share of seeds solved."""
BY = ("updates", SOLVED, SCORE)
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
class Experiment:
    """One setting. `seeds` of it, from `first_seed` on, are trained in the study's main backend,
    `other_seeds` of the same ones in each of the rest. `differs` says in what its settings are not
    those of the paper, `why` has the reasons where ours is outside."""

    name: str
    task: str
    group: str = ""
    cells: Sequence[str] = ("rnn", "lstm", "gru")
    seeds: int = 10
    other_seeds: int = 3
    others: Mapping[str, Sequence[str]] | None = None
    """The cells of the other backends that train it on a CPU, by backend, where not all train all.
    On a GPU all do."""
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
        for backends, chosen, seeds in self._trained(main, others, device):
            for task, cells in self._sizes(chosen) if backends and chosen else ():
                settings = {
                    "backends": backends,
                    "tasks": [task],
                    "cells": cells,
                    "devices": [device],
                    "dtypes": ["float32"],
                    "probes": list(self.probes),
                    "seeds": list(range(self.first_seed, self.first_seed + seeds)),
                    "launches": LAUNCHES,
                    "phases": ["step"],
                    "init": self.init,
                    "forget_bias": self.forget_bias,
                    "optimiser": self.optimiser,
                    "layers": None if self.layers is None else [self.layers],
                    "directions": None if self.directions is None else [self.directions],
                    "threads": 1,
                }
                yield Request({k: v for k, v in settings.items() if v is not None})

    def _trained(
        self, main: str, others: Sequence[str], device: str
    ) -> Iterator[tuple[list[str], Sequence[str], int]]:
        """Backends, their cells and how many seeds of each."""
        yield [main], self.cells, self.seeds
        if self.others is None or device != "cpu":
            yield list(others), self.cells, self.other_seeds
        else:
            for name in others:
                yield [name], self.others.get(name, ()), self.other_seeds

    def _sizes(self, cells: Sequence[str]) -> list[tuple[str, list[str]]]:
        """The task in each size and the cells that train it."""
        if not self.hidden:
            return [(self.task, list(cells))]
        return [(f"{self.task}:hidden={self.hidden[cell]}", [cell]) for cell in cells]


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
    rows: Sequence[Experiment]
    grid: bool = False
    claims: Sequence[Claim] = ()
    main: str = "jax"
    others: Sequence[str] = ("numpy", "torch", "tensorflow")
    sources: Mapping[str, str] = field(default_factory=dict)
    """The papers, by the group of rows."""
