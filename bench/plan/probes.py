"""The probes: their names and order, what they require, and how much a profile measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GATE = "parity"
"""The probe that compares a model with the reference before anything else is measured."""
PROBES = (GATE, "learning", "gradients", "lengths", "memory", "speed")
DEFAULT_PROBES = tuple(name for name in PROBES if name != "lengths")
"""The probes that run by default."""
ADVANCE = "advance"
"""The phase that times single steps of a running sequence: a case of its own, at batch 1."""
PHASE_NAMES: Mapping[str, str] = {
    "forward": "forward pass",
    "gradients": "gradients",
    "step": "training update",
    ADVANCE: "single step",
}
"""What tables and figures call each phase that the speed probe times."""
PHASES = tuple(PHASE_NAMES)
DEFAULT_PHASES = ("forward", "gradients", "step")
"""The phases that a run times by default."""
FLOOR_OF: Mapping[str, str] = {"forward": "forward", "gradients": "training", "step": "training"}
"""The matrix products that each timed phase cannot avoid, by name: see `bench.probes.products`."""
FLOOR_SOURCES = ("numpy", "own")
"""Whose library multiplied: NumPy's, or the framework's own."""
FLOOR_PREFIX = "floor."
"""The start of the names of samples that time matrix products, and no phase."""
TIMED_PROBES = ("speed",)
"""Probes that need the whole machine: their cases run one worker at a time."""
ISOLATED_PROBES = ("memory",)
"""Probes that need a fresh process for each case."""
PROBE_NEEDS: Mapping[str, Sequence[str]] = {
    "learning": ("training",),
    "gradients": ("training", "hidden_gradients"),
    "lengths": ("training",),
}
"""What a backend must support for a probe, beyond the model itself: fields of `Supports`."""
IMPORT_PROBE = "import"
"""In place of a probe: the worker only imports its framework, ahead of its first case."""
ORIGIN_PROBE = "origin"
"""In place of a probe: the worker tells which of its files are not its side's own."""
UNPROVEN = "not proven equal: "
"""The start of the reason of a case that is skipped because its model failed the gate."""


def floor_name(products: str, source: str) -> str:
    """The name of the samples of these products: `floor.training.numpy`."""
    return f"{FLOOR_PREFIX}{products}.{source}"


@dataclass(frozen=True)
class Profile:
    """How much is measured: random seeds, launches (fresh processes for the speed probe), seconds
    for each timed phase, and the time limit of a case in seconds."""

    seeds: tuple[int, ...]
    launches: int
    phase_s: float
    time_limit_s: float


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(seeds=(0,), launches=1, phase_s=0.1, time_limit_s=120),
    "standard": Profile(seeds=(0, 1, 2), launches=3, phase_s=0.4, time_limit_s=900),
    "paper": Profile(seeds=(0, 1, 2, 3, 4), launches=10, phase_s=2.0, time_limit_s=7200),
}
