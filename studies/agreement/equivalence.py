"""The test that two backends need equally many updates until solved, but for a factor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from bench.analysis.statistics import sign_test
from bench.report.words import format_number
from bench.spec import Array
from studies.agreement.pairs import Pair, Pairs

LEVEL, SEED, DRAWS = 0.05, 0, 1000
BOUND = 1.25
"""Backends are equivalent where neither needs this many times the updates of the other: the bound
that is usual for the equivalence of medicines."""
LEGEND = (
    f"Equivalent: neither backend needs {BOUND} times the updates of the other. Two one-sided "
    "tests by simulation: pairs of seeds are drawn with replacement, the records of the two "
    "backends are swapped at random, as if they learned alike, and one of them is slowed down by "
    "that factor, whose updates count from the next checkpoint on. p is the share of the "
    f"{DRAWS:,} draws whose seeds are later less often, net of those that are sooner, than the "
    "seeds of either backend are. A difference: the exact sign test of the seeds that are not "
    "solved at the same checkpoint. Both with Holm's correction over the backends. A seed that "
    "neither backend solves says nothing, and n others give no p below 2⁻ⁿ."
)


@dataclass(frozen=True)
class Equivalence:
    """What the seeds say about one backend beside the main one; p-values are uncorrected."""

    later: int
    sooner: int
    equivalent_p: float
    """Against the hypothesis that one backend needs `BOUND` times the updates of the other."""
    different_p: float
    """Against the hypothesis that each is equally often the later one."""


def equivalence_text(pairs: Pairs, main: str) -> str:
    """The results for all backends and how they are tested; nothing where no seed is trained in
    two backends."""
    if not pairs:
        return ""
    rng = np.random.default_rng(SEED)
    results = {name: equivalence(group, rng) for name, group in pairs.items()}
    corrected = holm_p_values(list(results.values()))
    sentences = [
        _sentence(name, pairs[name], results[name], *p)
        for name, p in zip(pairs, corrected, strict=True)
    ]
    return f"Updates until solved, beside {main}: {'; '.join(sentences)}.\n\n{LEGEND}\n"


def _sentence(
    name: str, pairs: Sequence[Pair], result: Equivalence, equivalent_p: float, different_p: float
) -> str:
    count = len({pair.model for pair in pairs})
    seeds = f"{len(pairs)} seeds of {count} model{'s' if count > 1 else ''}"
    shown = "equivalent" if equivalent_p <= LEVEL else "equivalence is not shown"
    return (
        f"{name}: {shown} (p = {format_number(equivalent_p)}), later in {result.later} and sooner "
        f"in {result.sooner} of {seeds} (p = {format_number(different_p)} for a difference)"
    )


def holm_p_values(results: Sequence[Equivalence]) -> list[tuple[float, float]]:
    """The p-values of equivalence and of difference, each with Holm's correction."""
    equivalent, different = (
        multipletests(p_values, LEVEL, "holm")[1].tolist()
        for p_values in zip(*((r.equivalent_p, r.different_p) for r in results), strict=True)
    )
    return list(zip(equivalent, different, strict=True))


def equivalence(pairs: Sequence[Pair], rng: np.random.Generator) -> Equivalence:
    """Both tests of one backend. The larger of the two one-sided p-values counts, so the backend
    that is more often the later one decides. No p-value is below that of a sign test in which all
    seeds that say something agree: drawing few seeds again says little about others."""
    later, sooner = count_later_and_sooner([pair.updates for pair in pairs])
    net = simulated_net_counts(pairs, BOUND, rng)
    at_most = int((net <= abs(later - sooner)).sum())
    telling = sum(math.isfinite(min(pair.updates)) for pair in pairs)
    p = max((1 + at_most) / (1 + len(net)), 0.5**telling)
    return Equivalence(later, sooner, p, sign_test(later, sooner))


def count_later_and_sooner(updates: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """How often the other backend is solved later than the main one, and how often sooner."""
    return sum(a > b for a, b in updates), sum(a < b for a, b in updates)


def simulated_net_counts(pairs: Sequence[Pair], factor: float, rng: np.random.Generator) -> Array:
    """In how many more seeds a backend is later than sooner if it needs `factor` times the updates
    of one that otherwise learns alike; `(DRAWS,)`."""
    signs = np.array(
        [
            [oriented.slowed_down_signs(factor, rng.uniform(size=DRAWS)) for oriented in both]
            for both in ((pair, pair.swapped()) for pair in pairs)
        ]
    )
    shape = (len(pairs), DRAWS)
    drawn, swapped = rng.integers(len(pairs), size=shape), rng.integers(2, size=shape)
    return np.asarray(signs[drawn, swapped, np.arange(DRAWS)].sum(axis=0))
