"""What a backend can express, and whose limit it is where it cannot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bench.spec.cells import CELLS, GRU_VARIANTS
from bench.spec.model import ModelSpec, check_choice

WHOSE = ("ours", "theirs", "impossible")


class Unsupported(ValueError):
    """The backend cannot express this model, or cannot run on this device; the message says why."""


class Unavailable(Exception):
    """Something the user asked for is not installed or not there; the message says what."""


@dataclass(frozen=True)
class Limit:
    """Something that a backend cannot express, and whose limit that is: `ours` (the adapter's),
    `theirs` (the framework's) or `impossible`. It is false, as in `if supports.layers`."""

    whose: str
    why: str

    def __post_init__(self) -> None:
        check_choice("whose limit", self.whose, WHOSE)

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.why} ({self.whose})"


NOT_WRITTEN = Limit("ours", "not written")


@dataclass(frozen=True, kw_only=True)
class Supports:
    """What an adapter can express: True, or the `Limit` in its way. `limits` has that of each
    cell, dtype and gru variant that is left out, by its name."""

    cells: Collection[str] = tuple(CELLS)
    dtypes: Collection[str] = ("float32", "float64")
    gru: Collection[str] = tuple(GRU_VARIANTS)
    layers: bool | Limit = True
    bidirectional: bool | Limit = True
    lengths: bool | Limit = True
    initial_state: bool | Limit = True
    training: bool | Limit = True
    hidden_gradients: bool | Limit = True
    decoder: bool | Limit = NOT_WRITTEN
    generation: bool | Limit = NOT_WRITTEN
    limits: Mapping[str, Limit] = field(default_factory=dict)

    def limit(self, spec: ModelSpec) -> str | None:
        """What keeps the adapter from this model, and whose limit that is; None where nothing."""
        for value, among in ((spec.cell, self.cells), (spec.dtype, self.dtypes)):
            if value not in among:
                return self._left_out(value)
        if spec.cell == "gru" and spec.gru not in self.gru:
            return self._left_out(spec.gru)
        wanted = {
            "layers": spec.layers > 1,
            "bidirectional": spec.bidirectional,
            "decoder": spec.decoder > 0,
        }
        asked = (self.lacks(name) for name, needed in wanted.items() if needed)
        return next(filter(None, asked), None)

    def lacks(self, name: str) -> str | None:
        """The limit in the way of `layers`, `lengths`, `training`, …; None where there is none."""
        own = getattr(self, name)
        limit = own if isinstance(own, Limit) else NOT_WRITTEN
        return None if own else f"no {name.replace('_', ' ')}: {limit}"

    def check(self, spec: ModelSpec) -> None:
        """Raise `Unsupported` for a model that the adapter cannot express."""
        if limit := self.limit(spec):
            raise Unsupported(limit)

    def _left_out(self, value: str) -> str:
        return f"no {value}: {self.limits.get(value, NOT_WRITTEN)}"
