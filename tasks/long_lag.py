"""Remember the first symbol of a sequence until its end (Hochreiter & Schmidhuber 1997, experiments
2a–c, section 5.2). A sequence that begins with x ends with x; one that begins with y ends with y.

- `2a`: x or y, then always the same symbols a₁ … a_{p−1}, and the first symbol again; p + 1
  symbols. The target of each step is the next symbol.
- `2b`: as `2a`, with p − 1 random symbols of a₁ … a_{p−1} in the middle, which cannot be
  predicted.
- `2a-end`, `2b-end`: the only target is the last symbol (not in the paper).
- `2c`: b, then x or y, then at least q random symbols of a₁ … a_p, each further one with
  probability .9, then e, and x or y again, which is the only target; p + 4 symbols.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array, check_choice
from tasks._settings import check_settings
from tasks._symbols import (
    UNLABELLED,
    log_probabilities,
    no_error_threshold,
    one_hot,
    outside_tolerance,
)

REQUIRES: tuple[str, ...] = ()
FORMS = ("2a", "2b", "2c", "2a-end", "2b-end")
NEXT_SYMBOL_FORMS = ("2a", "2b")
"""Forms in which the target of each step is the next symbol."""
FURTHER, MOST_FURTHER = 0.9, 60
"""In `2c` a further random symbol follows with this probability, up to this many. A sequence that
would be longer, 1 in 600, is drawn again."""
TOLERANCES = {"2a": 0.25, "2b": 0.25, "2c": 0.2}


@dataclass(frozen=True, kw_only=True)
class LongLag:
    """`symbols` is the paper's p, `lag` its q, which only `2c` has; evaluated on `held_out`
    sequences.

    A sequence is right if every softmax output is within .2 (`2a`, `2b`: .25) of its target at
    the last step, in `2a` at every step. The task is solved when none of the `held_out` sequences
    is wrong (the paper: of 10,000; in `2a` only two different sequences exist).
    """

    form: str = "2c"
    symbols: int = 50
    lag: int = 50
    batch: int = 20
    hidden: int = 8
    steps: int = 2000
    learning_rate: float = 1e-2
    clip_norm: float | None = 1.0
    held_out: int = 10_000

    readout = "every"
    loss = "cross_entropy"
    metric = "wrong"
    chance = 0.5
    """The share wrong when the answer is always x."""
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)
        check_settings(self, symbols=2, lag=1, held_out=1)

    @property
    def unread(self) -> tuple[str, ...]:
        return () if self.form == "2c" else ("lag",)

    @property
    def asks_next(self) -> bool:
        """Whether the target of each step is the next symbol."""
        return self.form in NEXT_SYMBOL_FORMS

    @property
    def inputs(self) -> int:
        return self.symbols + (4 if self.form == "2c" else 1)

    @property
    def outputs(self) -> int:
        return self.inputs

    @property
    def time(self) -> int:
        return self.lag + MOST_FURTHER + 3 if self.form == "2c" else self.symbols

    @property
    def threshold(self) -> float:
        return no_error_threshold(self.held_out)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, symbols)`, one-hot and zero beyond the end, and the next symbol
        `(batch, time)`, −1 where it is not a target."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, time, symbols)`.

        `wrong` is the share of sequences with an output outside the tolerance; `error` the share
        in which the wrong one of x and y is the more likely last symbol.
        """
        sequences, ends = np.arange(len(y)), _last_labelled_step(y)
        last_logits, last_symbol = predictions[sequences, ends], y[sequences, ends]
        x_or_y = log_probabilities(last_logits)[:, self._remembered]
        answer = self._remembered[x_or_y.argmax(axis=1)]
        judged = (predictions, y) if self.form == "2a" else (last_logits, last_symbol)
        outside = outside_tolerance(*judged, TOLERANCES[self.form[:2]]).reshape(len(y), -1)
        return {
            "wrong": float(outside.any(axis=1).mean()),
            "error": float(np.mean(answer != last_symbol)),
        }

    @property
    def _remembered(self) -> Array:
        """The numbers of the symbols x and y, which follow the numbers of the a's."""
        x = self.symbols if self.form == "2c" else self.symbols - 1
        return np.array([x, x + 1])

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        remembered = rng.choice(self._remembered, count)
        if self.form == "2c":
            symbols, ends = self._draw_2c(rng, remembered)
        else:
            symbols, ends = self._draw_2ab(rng, remembered), np.full(count, self.time - 1)
        target = np.full_like(symbols, UNLABELLED)
        if self.asks_next:
            target[:, :-1] = symbols[:, 1:]
        target[np.arange(count), ends] = remembered
        return one_hot(symbols, self.inputs), target

    def _draw_2ab(self, rng: np.random.Generator, remembered: Array) -> Array:
        """The symbol to remember and those in the middle, `(count, time)`."""
        count = len(remembered)
        middle = np.broadcast_to(np.arange(self.symbols - 1), (count, self.symbols - 1))
        if self.form.startswith("2b"):
            middle = rng.integers(self.symbols - 1, size=middle.shape)
        return np.concatenate((remembered[:, None], middle), axis=1)

    def _draw_2c(self, rng: np.random.Generator, remembered: Array) -> tuple[Array, Array]:
        """b, the symbol to remember, distractors and e, `(count, time)`; and the step of e."""
        e, b = self.symbols + 2, self.symbols + 3
        further = rng.geometric(1 - FURTHER, len(remembered)) - 1
        while (too_long := further > MOST_FURTHER).any():
            further[too_long] = rng.geometric(1 - FURTHER, too_long.sum()) - 1
        ends = 2 + self.lag + further
        symbols = rng.integers(self.symbols, size=(len(remembered), self.time))
        symbols[:, 0], symbols[:, 1] = b, remembered
        steps = np.arange(self.time)
        symbols[steps == ends[:, None]] = e
        symbols[steps > ends[:, None]] = UNLABELLED
        return symbols, ends


def _last_labelled_step(y: Array) -> Array:
    return np.asarray(y.shape[1] - 1 - np.argmax(y[:, ::-1] != UNLABELLED, axis=1))


PAPER = LongLag(symbols=100, lag=100, hidden=32, steps=2000, learning_rate=3e-3)
PROFILES: Mapping[str, LongLag] = {
    "smoke": LongLag(symbols=4, lag=5, batch=16, hidden=4, steps=20, held_out=100),
    "standard": LongLag(
        symbols=50, lag=50, hidden=32, steps=1000, learning_rate=3e-3, held_out=2000
    ),
    "paper": PAPER,
    "2a": LongLag(form="2a", symbols=100, batch=10, hidden=32, learning_rate=3e-3, held_out=100),
    "2b": LongLag(form="2b", symbols=100, batch=10, hidden=32, learning_rate=3e-3, held_out=1000),
    "2c": PAPER,
}
