"""The probes: their names and order, what they need, and how much a profile measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GATE = "parity"
"""The probe that proves a model equal to the reference."""
PROBES = (GATE, "learning", "gradients", "lengths", "memory", "speed")
DEFAULT_PROBES = tuple(name for name in PROBES if name != "lengths")
"""The probes of a run that names none."""
PHASES = ("forward", "gradients", "step")
"""What the speed probe times."""
TIMED_PROBES = ("speed",)
"""Probes that need the machine to themselves: their cases run one worker at a time."""
ISOLATED_PROBES = ("memory",)
"""Probes that need a process to themselves."""
PROBE_NEEDS: Mapping[str, Sequence[str]] = {
    "learning": ("training",),
    "gradients": ("training", "hidden_gradients"),
    "lengths": ("training",),
}
"""What a probe asks of a backend (a field of `Supports`) beyond expressing the model."""
IMPORT_PROBE = "import"
"""In place of a probe: the worker imports its framework, so that the next case need not wait."""
UNPROVEN = "not proven equal: "
"""Begins the reason of a case that is skipped because its model failed the parity gate."""


@dataclass(frozen=True)
class Profile:
    """How much is measured: seeds, launches (fresh processes for the speed probe), seconds a
    timed phase may take, and seconds after which a case is given up."""

    seeds: tuple[int, ...]
    launches: int
    phase_s: float
    time_limit_s: float


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(seeds=(0,), launches=1, phase_s=0.1, time_limit_s=120),
    "standard": Profile(seeds=(0, 1, 2), launches=3, phase_s=0.4, time_limit_s=900),
    "paper": Profile(seeds=(0, 1, 2, 3, 4), launches=10, phase_s=2.0, time_limit_s=7200),
}
