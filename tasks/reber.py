"""The embedded Reber grammar (Hochreiter & Schmidhuber 1997, experiment 1, section 5.1, after
Smith & Zipser 1989 and Fahlman 1991): predict which symbols may come next.

A string is B, T or P, a string of the Reber grammar (Reber 1967), the same T or P again, and E. As
in the paper `strings` different ones are for training and as many others for the test, every branch
taken with probability .5; they are drawn once, always the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._common import UNLABELLED, check, one_hot, one_wrong

REQUIRES: tuple[str, ...] = ()
SYMBOLS = "BTPSXVE"
INNER: Mapping[int, Mapping[str, int]] = {
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
}
"""By state, the symbols that may come and where they lead."""
LONGEST = 40
"""Symbols in a string; a longer one is drawn anew."""
SEED = 1997


def grammar() -> Mapping[str, Mapping[str, str]]:
    """The embedded grammar: by state, the symbols that may come and where they lead."""
    states: dict[str, dict[str, str]] = {
        "start": {"B": "which"},
        "which": {"T": "T0", "P": "P0"},
        "end": {"E": ""},
    }
    for kept in "TP":
        for state, ways in INNER.items():
            states[f"{kept}{state}"] = {symbol: f"{kept}{to}" for symbol, to in ways.items()}
        states[f"{kept}7"] = {kept: "end"}
    return states


GRAMMAR = grammar()


def drawn(rng: np.random.Generator) -> str:
    """One string."""
    state, symbols = "start", ""
    while state:
        ways = list(GRAMMAR[state])
        symbol = ways[rng.integers(len(ways))]
        state, symbols = GRAMMAR[state][symbol], symbols + symbol
    return symbols if len(symbols) <= LONGEST else drawn(rng)


@cache
def different(count: int) -> tuple[str, ...]:
    """So many strings, no two alike, in an order that says nothing of when they were found: the
    likely ones, which are short, are found first."""
    rng, found = np.random.default_rng(SEED), dict[str, None]()
    while len(found) < count:
        found[drawn(rng)] = None
    return tuple(rng.permutation(list(found)).tolist())


def legal(symbols: str) -> Array:
    """Which symbols may follow each symbol of a string but its last, `(len − 1, 7)` booleans."""
    state, rows = "start", []
    for symbol in symbols[:-1]:
        state = GRAMMAR[state][symbol]
        rows.append([s in GRAMMAR[state] for s in SYMBOLS])
    return np.array(rows)


@dataclass(frozen=True, kw_only=True)
class Reber:
    """A string is right where, after every symbol of it, the symbols that may come next are the
    most active ones; solved where not one of both sets is wrong, as in the paper."""

    strings: int = 256
    batch: int = 1
    hidden: int = 15
    steps: int = 20_000
    learning_rate: float = 5e-3
    clip_norm: float | None = 1.0

    inputs = len(SYMBOLS)
    outputs = len(SYMBOLS)
    readout = "every"
    loss = "cross_entropy"
    metric = "wrong"
    asks_next = True
    chance = 1.0
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})
    time = LONGEST - 1

    def __post_init__(self) -> None:
        check(self, strings=1)
        if self.strings > 500:
            raise ValueError(f"strings must be at most 500, not {self.strings}: there are few")

    @property
    def threshold(self) -> float:
        return one_wrong(2 * self.strings)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Training strings at random: x `(batch, time, 7)`, one-hot and zero beyond the end, and
        the next symbol `(batch, time)`, −1 beyond it."""
        chosen = rng.integers(self.strings, size=self.batch)
        return self._shown([self._all[k] for k in chosen])

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """All strings, those for training first, whatever the generator."""
        return self._shown(self._all)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`wrong`, the share of strings that are, and `wrong_symbols`, the share of symbols after
        which they are, of logits `(n, time, 7)`."""
        wrong = [_wrong(logits, wanted) for logits, wanted in zip(predictions, y, strict=True)]
        strings = float(np.mean([one.any() for one in wrong]))
        return {"wrong": strings, "wrong_symbols": float(np.mean(np.concatenate(wrong)))}

    @property
    def _all(self) -> tuple[str, ...]:
        return different(2 * self.strings)

    def _shown(self, chosen: "list[str] | tuple[str, ...]") -> tuple[Array, Array]:
        symbols = np.full((len(chosen), LONGEST), UNLABELLED)
        for row, string in zip(symbols, chosen, strict=True):
            row[: len(string)] = [SYMBOLS.index(symbol) for symbol in string]
        x, y = symbols[:, :-1].copy(), symbols[:, 1:]
        x[y == UNLABELLED] = UNLABELLED
        return one_hot(x, len(SYMBOLS)), y


def _wrong(logits: Array, wanted: Array) -> Array:
    """After which symbols of a string one that may not come is as active as one that may."""
    asked = wanted != UNLABELLED
    may = legal("B" + "".join(SYMBOLS[k] for k in wanted[asked]))
    active = logits[asked].astype(np.float64)
    least = np.where(may, active, np.inf).min(axis=1)
    most = np.where(may, -np.inf, active).max(axis=1)
    return np.asarray(~(least > most))


PROFILES: Mapping[str, Reber] = {
    "smoke": Reber(strings=20, batch=8, hidden=8, steps=20),
    "standard": Reber(batch=10, steps=4000),
    "paper": Reber(),
}
