"""Predict which symbols may come next in a string of the embedded Reber grammar (Hochreiter &
Schmidhuber 1997, experiment 1, section 5.1, after Smith & Zipser 1989 and Fahlman 1991).

A string is B, then T or P, a string of the Reber grammar (Reber 1967), the same T or P again, and
E. As in the paper, `strings` different strings are for training and as many others for the test,
and every branch is taken with probability .5. The strings are drawn once and are always the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._settings import check_settings
from tasks._symbols import UNLABELLED, no_error_threshold, one_hot

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
"""The Reber grammar: for each state, the symbols that may follow and the state each leads to."""
LONGEST = 40
"""Symbols in a string; a longer string is drawn again."""
MOST_STRINGS = 500
"""The grammar has few different strings of that length."""
SEED = 1997


def grammar() -> Mapping[str, Mapping[str, str]]:
    """The embedded grammar: for each state, the symbols that may follow and where each leads."""
    states: dict[str, dict[str, str]] = {
        "start": {"B": "T or P"},
        "T or P": {"T": "T0", "P": "P0"},
        "end": {"E": ""},
    }
    for outer in "TP":
        for state, successors in INNER.items():
            states[f"{outer}{state}"] = {s: f"{outer}{after}" for s, after in successors.items()}
        states[f"{outer}7"] = {outer: "end"}
    return states


GRAMMAR = grammar()


def draw_string(rng: np.random.Generator) -> str:
    """Draw a string of at most `LONGEST` symbols."""
    state, string = "start", ""
    while state:
        successors = list(GRAMMAR[state])
        symbol = successors[rng.integers(len(successors))]
        state, string = GRAMMAR[state][symbol], string + symbol
    return string if len(string) <= LONGEST else draw_string(rng)


@cache
def distinct_strings(count: int) -> tuple[str, ...]:
    """`count` different strings, shuffled: the probable ones, which are short, are drawn first."""
    rng, strings = np.random.default_rng(SEED), dict[str, None]()
    while len(strings) < count:
        strings[draw_string(rng)] = None
    return tuple(rng.permutation(list(strings)).tolist())


def legal_successors(string: str) -> Array:
    """Which symbols may follow each symbol of a string but the last, `(len − 1, 7)` booleans."""
    state, legal = "start", []
    for symbol in string[:-1]:
        state = GRAMMAR[state][symbol]
        legal.append([successor in GRAMMAR[state] for successor in SYMBOLS])
    return np.array(legal)


@dataclass(frozen=True, kw_only=True)
class Reber:
    """Trained on `strings` strings, evaluated on these and on as many others.

    A string is right if, after each of its symbols, all symbols that may follow are more active
    than all that may not. The task is solved when no string of the two sets is wrong, as in the
    paper.
    """

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
        check_settings(self, strings=1)
        if self.strings > MOST_STRINGS:
            raise ValueError(
                f"strings must be at most {MOST_STRINGS}, not {self.strings}: the grammar has few "
                "different strings"
            )

    @property
    def threshold(self) -> float:
        return no_error_threshold(2 * self.strings)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random training strings: x `(batch, time, 7)`, one-hot and zero beyond the end, and
        the next symbol `(batch, time)`, −1 beyond the end."""
        indices = rng.integers(self.strings, size=self.batch)
        return _encoded([self._strings[index] for index in indices])

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """All strings, the training strings first; does not depend on the generator."""
        return _encoded(self._strings)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, time, 7)`: `wrong` is the share of strings that are not right,
        `wrong_symbols` the share of symbols after which the prediction is not."""
        wrong = [
            _wrong_steps(logits, symbols) for logits, symbols in zip(predictions, y, strict=True)
        ]
        strings = float(np.mean([steps.any() for steps in wrong]))
        return {"wrong": strings, "wrong_symbols": float(np.mean(np.concatenate(wrong)))}

    @property
    def _strings(self) -> tuple[str, ...]:
        """The training strings, then the test strings."""
        return distinct_strings(2 * self.strings)


def _encoded(strings: Sequence[str]) -> tuple[Array, Array]:
    """One-hot inputs `(n, time, 7)` and the symbol after each `(n, time)`."""
    symbols = np.full((len(strings), LONGEST), UNLABELLED)
    for codes, string in zip(symbols, strings, strict=True):
        codes[: len(string)] = [SYMBOLS.index(symbol) for symbol in string]
    x, y = symbols[:, :-1].copy(), symbols[:, 1:]
    x[y == UNLABELLED] = UNLABELLED
    return one_hot(x, len(SYMBOLS)), y


def _wrong_steps(logits: Array, y: Array) -> Array:
    """Whether an illegal symbol is as active as a legal one, for each step of a string."""
    labelled = y != UNLABELLED
    legal = legal_successors("B" + "".join(SYMBOLS[symbol] for symbol in y[labelled]))
    activity = logits[labelled].astype(np.float64)
    least_legal = np.where(legal, activity, np.inf).min(axis=1)
    most_illegal = np.where(legal, -np.inf, activity).max(axis=1)
    return np.asarray(~(least_legal > most_illegal))


PROFILES: Mapping[str, Reber] = {
    "smoke": Reber(strings=20, batch=8, hidden=8, steps=20),
    "standard": Reber(batch=10, steps=4000),
    "paper": Reber(),
}
