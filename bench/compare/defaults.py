"""What a live comparison measures unless the user says otherwise."""

from collections.abc import Sequence

from bench.plan.request import Request
from bench.spec import Unavailable

SEEDS = tuple(range(8))
PROBES = ("parity", "learning", "gradients", "speed")
"""All probes that are compared."""
PHASES = ("step",)
PHASE_S = 0.15
"""Seconds that a launch times one phase."""
THREADS = 1
"""With as many threads as processors, any other process stops all threads at each barrier: a second
busy process makes small kernels several times slower."""
DEFAULT_TEXTS = {
    "seeds": f"{SEEDS[0]} to {SEEDS[-1]}",
    "probes": " ".join(PROBES),
    "phases": " ".join(PHASES),
    "threads": str(THREADS),
}
"""How the help describes the defaults, by option."""


def with_comparison_defaults(request: Request, tasks: Sequence[str]) -> Request:
    """The request with the defaults of a comparison, `tasks` among them; `Unavailable` for a
    probe that is not compared. A unit is one launch, because a comparison counts its launches
    itself."""
    if wrong := [name for name in request.get("probes") or () if name not in PROBES]:
        raise Unavailable(f"probe {wrong[0]!r} is not compared; choose from {', '.join(PROBES)}")
    return request.with_defaults(
        tasks=list(tasks),
        probes=list(PROBES),
        seeds=list(SEEDS),
        phases=list(PHASES),
        threads=THREADS,
    ).replacing(launches=1, phase_s=PHASE_S)
