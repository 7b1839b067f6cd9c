"""Seeds that two backends have trained from the same weights on the same batches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.records.record import Record
from bench.spec import Array
from studies.tables.seeds import updates_to_solve

Model = tuple[str, str]
"""The name of an experiment, and the cell."""


@dataclass(frozen=True)
class Pair:
    """One seed of one model, trained in another backend and in the main one."""

    experiment: str
    cell: str
    seed: int
    other: Record
    main: Record

    @property
    def model(self) -> Model:
        """The experiment and the cell."""
        return self.experiment, self.cell

    @property
    def updates(self) -> tuple[float, float]:
        """Updates until solved, in the other backend and in the main one; infinite where the seed
        is never solved."""
        return updates_to_solve(self.other), updates_to_solve(self.main)

    def swapped(self) -> "Pair":
        """This pair with the records of its backends swapped."""
        return replace(self, other=self.main, main=self.other)

    def slowed_down_signs(self, factor: float, positions: Array) -> Array:
        """1 where the other backend would be solved later than the main one if it needed `factor`
        times as many updates, −1 where it would be solved sooner, else 0.

        The seed is taken to be solved at each of the positions, from 0 to 1, between the last
        checkpoint at which it was not and the first at which it was. A later update counts from
        the next checkpoint on.
        """
        updates, main_updates = self.updates
        if math.isinf(updates):
            return np.full(len(positions), 0 if math.isinf(main_updates) else 1)
        checkpoints = np.asarray(self.other.samples["checkpoint_step"], np.float64)
        before = checkpoints[max(0, int(np.searchsorted(checkpoints, updates)) - 1)]
        solved = (before + positions * (updates - before)) * factor
        later = np.append(checkpoints, math.inf)[np.searchsorted(checkpoints, solved)]
        is_later, is_sooner = later > main_updates, later < main_updates
        return np.asarray(is_later.astype(np.int64) - is_sooner)


Pairs = Mapping[str, Sequence[Pair]]
"""By backend, the seeds that both it and the main backend have trained."""


def find_pairs(records: Mapping[str, Sequence[Record]], names: Sequence[str], main: str) -> Pairs:
    """The pairs of each backend that shares seeds with the main one; `records` by experiment."""
    seeds: dict[tuple[str, str, int], dict[str, Record]] = {}
    for experiment, group in records.items():
        for r in group:
            if r.probe == "learning":
                key = experiment, r.case["cell"], r.case["seed"]
                seeds.setdefault(key, {})[r.case["backend"]] = r
    pairs = {
        name: [Pair(*key, r[name], r[main]) for key, r in seeds.items() if {name, main} <= {*r}]
        for name in names
        if name != main
    }
    return {name: group for name, group in pairs.items() if group}


def models(pairs: Pairs) -> list[Model]:
    """Every model of the pairs, once."""
    return list(dict.fromkeys(pair.model for group in pairs.values() for pair in group))


def pairs_of_model(pairs: Sequence[Pair], model: Model) -> list[Pair]:
    """The pairs of one model."""
    return [pair for pair in pairs if pair.model == model]
