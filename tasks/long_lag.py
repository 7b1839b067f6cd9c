"""Remember the first symbol until the last (Hochreiter & Schmidhuber 1997, experiments 2a–c,
section 5.2): a sequence that begins with x ends with x, one that begins with y ends with y.

- `2a`: x or y, then a₁ … a_{p−1}, always the same, and the first symbol again; p + 1 symbols. The
  next symbol is asked for at each step.
- `2b`: the same with p − 1 random symbols of a₁ … a_{p−1} in the middle, which no one can tell.
- `2a-end`, `2b-end`: their last symbol alone is asked for (not in the paper).
- `2c`: b, x or y, at least q random symbols of a₁ … a_p, each further one with probability .9, e,
  and then x or y, which alone is asked for; p + 4 symbols.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._common import UNLABELLED, check, log_probabilities, off_by, one_hot, one_wrong

REQUIRES: tuple[str, ...] = ()
FORMS = ("2a", "2b", "2c", "2a-end", "2b-end")
FURTHER, AT_MOST = 0.9, 60
"""Of `2c`: another random symbol follows with this probability, up to so many; a sequence that
would be longer, 1 in 600, is drawn anew."""
TOLERANCES = {"2a": 0.25, "2b": 0.25, "2c": 0.2}


@dataclass(frozen=True, kw_only=True)
class LongLag:
    """`symbols` is the paper's p; `lag` its q, which `2a` and `2b` do not have.

    A sequence is right where every output of the softmax at its last step, of `2a` at every step,
    is within .2 of its target (`2a`, `2b`: .25); solved where not one of `held_out` is wrong (the
    paper: 10,000 sequences; of `2a` there are two).
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
    """Always answering x."""
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {self.form!r}")
        check(self, symbols=2, lag=1, held_out=1)

    @property
    def unread(self) -> tuple[str, ...]:
        return () if self.form == "2c" else ("lag",)

    @property
    def asks_next(self) -> bool:
        """Whether every symbol asks for the next."""
        return self.form in ("2a", "2b")

    @property
    def inputs(self) -> int:
        return self.symbols + (4 if self.form == "2c" else 1)

    @property
    def outputs(self) -> int:
        return self.inputs

    @property
    def time(self) -> int:
        return self.lag + AT_MOST + 3 if self.form == "2c" else self.symbols

    @property
    def threshold(self) -> float:
        return one_wrong(self.held_out)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, symbols)`, one-hot and zero beyond the end, and the next symbol
        `(batch, time)`, −1 where it is not asked for."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`wrong`, the share of sequences with a prediction too far off, and `error`, of those
        after which the other of x and y seemed the likelier, by logits `(n, time, symbols)`."""
        rows, ends = np.arange(len(y)), _last_labelled(y)
        logits, wanted = predictions[rows, ends], y[rows, ends]
        pair = log_probabilities(logits)[:, self._remembered]
        likelier = self._remembered[pair.argmax(axis=1)]
        judged = (predictions, y) if self.form == "2a" else (logits, wanted)
        far = off_by(*judged, TOLERANCES[self.form[:2]]).reshape(len(y), -1)
        return {
            "wrong": float(far.any(axis=1).mean()),
            "error": float(np.mean(likelier != wanted)),
        }

    @property
    def _remembered(self) -> Array:
        """The numbers of x and y, after those of the a's."""
        first = self.symbols if self.form == "2c" else self.symbols - 1
        return np.array([first, first + 1])

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        kept = rng.choice(self._remembered, count)
        if self.form == "2c":
            shown, ends = self._framed(rng, kept)
        else:
            shown, ends = self._plain(rng, kept), np.full(count, self.time - 1)
        rows = np.arange(count)
        wanted = np.full_like(shown, UNLABELLED)
        if self.form in ("2a", "2b"):
            wanted[:, :-1] = shown[:, 1:]
        wanted[rows, ends] = kept
        return one_hot(shown, self.inputs), wanted

    def _plain(self, rng: np.random.Generator, kept: Array) -> Array:
        middle = np.broadcast_to(np.arange(self.symbols - 1), (len(kept), self.symbols - 1))
        if self.form.startswith("2b"):
            middle = rng.integers(self.symbols - 1, size=middle.shape)
        return np.concatenate((kept[:, None], middle), axis=1)

    def _framed(self, rng: np.random.Generator, kept: Array) -> tuple[Array, Array]:
        """b, the symbol to remember, distractors, e; and the step of e."""
        e, b = self.symbols + 2, self.symbols + 3
        further = rng.geometric(1 - FURTHER, len(kept)) - 1
        while (long := further > AT_MOST).any():
            further[long] = rng.geometric(1 - FURTHER, long.sum()) - 1
        ends = 2 + self.lag + further
        shown = rng.integers(self.symbols, size=(len(kept), self.time))
        shown[:, 0], shown[:, 1] = b, kept
        steps = np.arange(self.time)
        shown[steps == ends[:, None]] = e
        shown[steps > ends[:, None]] = UNLABELLED
        return shown, ends


def _last_labelled(y: Array) -> Array:
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
