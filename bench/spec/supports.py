"""What a backend can express, and whose limit it is where it cannot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from bench.spec.cells import CELLS, GRU_VARIANTS
from bench.spec.model import DTYPES, ModelSpec, check_choice

WHOSE = ("ours", "theirs", "impossible")
BASIC_CELLS = ("rnn", "lstm", "gru", "feedforward")
"""The cells of an adapter that names none. A new cell is not among them: the adapters that have it
say so."""


class Unsupported(ValueError):
    """The backend cannot express this model, or cannot run on this device; the message says why."""


class Unavailable(Exception):
    """Something that the user asked for is missing or cannot be used; the message says what."""


@dataclass(frozen=True)
class Limit:
    """Why a backend cannot express something, and whose limit that is: `ours` (the adapter's),
    `theirs` (the framework's) or `impossible`.

    A limit counts as false, so that `if supports.layers` asks whether layers can be stacked.
    """

    whose: str
    why: str

    def __post_init__(self) -> None:
        check_choice("whose limit", self.whose, WHOSE)

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.why} ({self.whose})"


NOT_WRITTEN = Limit("ours", "not written")
ONE_DIRECTION = "only a model of one direction without a decoder can go on from a state"


@dataclass(frozen=True, kw_only=True)
class Supports:
    """What an adapter can express.

    `cells`, `dtypes` and `gru` list what the adapter has; `limits` says why it lacks a cell, dtype
    or gru variant, by name. Every other field is True, or the `Limit` that says why not. Raises
    ValueError for a cell, dtype or gru variant that does not exist.
    """

    cells: Collection[str] = BASIC_CELLS
    dtypes: Collection[str] = ("float32", "float64")
    gru: Collection[str] = tuple(GRU_VARIANTS)
    layers: bool | Limit = True
    bidirectional: bool | Limit = True
    lengths: bool | Limit = True
    initial_state: bool | Limit = True
    training: bool | Limit = True
    hidden_gradients: bool | Limit = True
    nan_propagation: bool | Limit = True
    """Whether a NaN in a real step reaches every output that depends on it."""
    decoder: bool | Limit = NOT_WRITTEN
    generation: bool | Limit = NOT_WRITTEN
    limits: Mapping[str, Limit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choices = {"cell": CELLS, "dtype": DTYPES, "gru variant": GRU_VARIANTS}
        lists = {"cell": self.cells, "dtype": self.dtypes, "gru variant": self.gru}
        for noun, values in lists.items():
            for value in values:
                check_choice(f"a supported {noun}", value, choices[noun])
        for value in self.limits:
            check_choice("what a limit is on", value, (*CELLS, *DTYPES, *GRU_VARIANTS))

    def limit(self, spec: ModelSpec) -> str | None:
        """Why the adapter cannot express this model, and whose limit that is; None where it can."""
        for value, supported in ((spec.cell, self.cells), (spec.dtype, self.dtypes)):
            if value not in supported:
                return self._left_out(value)
        if spec.cell == "gru" and spec.gru not in self.gru:
            return self._left_out(spec.gru)
        needed = {
            "layers": spec.layers > 1,
            "bidirectional": spec.bidirectional,
            "decoder": spec.decoder > 0,
        }
        limits = (self.lacks(name) for name, is_needed in needed.items() if is_needed)
        return next(filter(None, limits), None)

    def lacks(self, name: str) -> str | None:
        """Why the adapter lacks `layers`, `lengths`, `training`, …; None where it has it."""
        support = getattr(self, name)
        limit = support if isinstance(support, Limit) else NOT_WRITTEN
        return None if support else f"no {name.replace('_', ' ')}: {limit}"

    def features(self) -> list[str]:
        """What the adapter has of `layers`, `lengths`, `training`, …"""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [name for name, value in values.items() if value is True]

    def advance_limit(self, spec: ModelSpec) -> str | None:
        """Why a session of this model has no `advance`; None where it has."""
        if spec.bidirectional or spec.decoder:
            return f"no advance(): {ONE_DIRECTION}"
        limit = self.generation if isinstance(self.generation, Limit) else NOT_WRITTEN
        return None if self.generation else f"no advance(): {limit}"

    def check(self, spec: ModelSpec) -> None:
        """Raise `Unsupported` for a model that the adapter cannot express."""
        if limit := self.limit(spec):
            raise Unsupported(limit)

    def _left_out(self, value: str) -> str:
        return f"no {value}: {self.limits.get(value, NOT_WRITTEN)}"


def check_one_direction(spec: ModelSpec) -> None:
    """Raise `Unsupported` for a model that cannot go on from a state: `Session.advance`."""
    if spec.bidirectional or spec.decoder:
        raise Unsupported(ONE_DIRECTION)
