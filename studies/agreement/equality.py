"""The test that two backends need equally many updates until solved, and its power."""

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from bench.analysis.statistics import sign_test
from bench.report.words import format_number
from studies.agreement.pairs import Pair, Pairs

LEVEL, SEED, DRAWS = 0.05, 0, 200
SLOWDOWNS = (1.1, 1.25, 1.5)
"""Slowdowns of one backend for which the power is reported."""


def equality_text(pairs: Pairs, main: str) -> str:
    """The result of the test with its power; nothing where no seed is trained in two backends.

    Each backend is tested against the main one, not all at once: four runs of a seed are not
    exchangeable, since backends that round alike stay together for longer.
    """
    if not pairs:
        return ""
    counts = [count_later_and_sooner([pair.updates for pair in group]) for group in pairs.values()]
    p_values = multipletests([sign_test(*count) for count in counts], LEVEL, "holm")[1]
    result = "A difference was found" if min(p_values) <= LEVEL else "No difference was found"
    backends = [
        _backend_text(name, pairs[name], p) for name, p in zip(pairs, p_values, strict=True)
    ]
    return (
        f"{result} between {main} and the other backends in the updates until solved. Exact sign "
        f"test of the seeds that are not solved at the same checkpoint, with Holm's correction: "
        f"{'; '.join(backends)}. Power: backends that learn alike are simulated (seeds drawn with "
        f"replacement, the records of the two backends swapped at random), then one of them is "
        f"slowed down. The test finds it with this probability, from the least to the most over "
        f"the backends: {_power_text(pairs)}.\n"
    )


def _backend_text(name: str, pairs: Sequence[Pair], p: float) -> str:
    later, sooner = count_later_and_sooner([pair.updates for pair in pairs])
    count = len({pair.model for pair in pairs})
    seeds = f"{len(pairs)} seeds of {count} model{'s' if count > 1 else ''}"
    return f"{name} is later in {later} and sooner in {sooner} of {seeds}, p = {format_number(p)}"


def count_later_and_sooner(updates: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """How often the other backend is solved later than the main one, and how often sooner."""
    return sum(a > b for a, b in updates), sum(a < b for a, b in updates)


def _power_text(pairs: Pairs) -> str:
    """`slower by 10%, 75–83%; by 25%, 100%`."""
    rng = np.random.default_rng(SEED)
    powers = [(factor, *power(pairs, factor, rng)) for factor in SLOWDOWNS]
    texts = [f"by {100 * factor - 100:.0f}%, {_percent(*ends)}" for factor, *ends in powers]
    return f"slower {'; '.join(texts)}"


def _percent(least: float, most: float) -> str:
    """`75–83%`, or `100%` where both are the same."""
    return "–".join(dict.fromkeys(f"{share:.0f}" for share in (least, most))) + "%"


def power(pairs: Pairs, factor: float, rng: np.random.Generator) -> tuple[float, float]:
    """The percentage of draws in which the test finds one backend that needs `factor` times the
    updates of a main backend that learns alike: the least and the most over the backends."""
    shares = []
    for group in pairs.values():
        rejected = 0
        for _ in range(DRAWS):
            drawn = [
                group[k].swapped_at_random(rng) for k in rng.integers(len(group), size=len(group))
            ]
            updates = [pair.slowed_down(factor, rng.uniform()) for pair in drawn]
            rejected += sign_test(*count_later_and_sooner(updates)) <= LEVEL / len(pairs)
        shares.append(100 * rejected / DRAWS)
    return min(shares), max(shares)
