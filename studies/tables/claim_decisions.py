"""The table of claims: how the seeds of two settings compare, and whether the claim holds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from bench.analysis.statistics import superiority
from bench.records.record import Record
from bench.report.words import format_number
from studies.experiment import SCORE, SOLVED, UPDATES, Claim
from studies.tables.pipe_table import pipe_table
from studies.tables.seeds import final_score, updates_to_solve

LEVEL, SEED = 0.05, 0
LEGEND = (
    "A claim is decided by the updates until solved, where seeds that are not solved rank last, by "
    "their score; or by whether a seed is solved; or by the score. Better: the probability that a "
    "seed of the first setting is better than a seed of the second, ties counting half. p: Mann & "
    "Whitney 1947, two-sided, over all ways to divide the seeds among the settings, with Holm's "
    "correction over all claims of the study."
)
COLUMNS = ("claim", "first", "second", "by", "seeds", "better", "p", "here")

Records = Mapping[tuple[str, str], Sequence[Record]]
"""Learning records by the setting of a claim: the experiment's name and the cell."""
RankKey = tuple[float, float]
"""Two numbers that rank a seed, the first before the second; smaller is better."""


def complete_claims(
    claims: Sequence[Claim], records: Records, seeds: Mapping[str, int]
) -> list[Claim]:
    """The claims whose settings have records of all their seeds; `seeds` is by experiment."""
    return [
        claim
        for claim in claims
        if all(len(records.get(s, ())) >= seeds[s[0]] for s in (claim.better, claim.worse))
    ]


def claims_table(claims: Sequence[Claim], records: Records, count: int) -> str:
    """A row for each claim. `count` is the number of claims that the study makes, with those that
    are not measured yet: Holm's correction counts them all."""
    rng = np.random.default_rng(SEED)
    samples = [_rank_keys(claim, records) for claim in claims]
    results = [superiority(first, second, rng) for first, second in samples]
    p_values = [p for _, p in results] + [1.0] * (count - len(results))
    corrected = multipletests(p_values, LEVEL, "holm")[1]
    rows = [
        [
            claim.statement,
            ", ".join(claim.better),
            ", ".join(claim.worse),
            claim.criterion,
            f"{len(first)}, {len(second)}",
            f"{100 * share:.0f}%",
            format_number(p),
            _decision(share, p),
        ]
        for claim, (first, second), (share, _), p in zip(
            claims, samples, results, corrected, strict=False
        )
    ]
    return pipe_table(rows, COLUMNS)


def _decision(share: float, p: float) -> str:
    if p > LEVEL:
        return "not settled"
    return "holds" if share > 0.5 else "the opposite holds"


def _rank_keys(claim: Claim, records: Records) -> tuple[list[RankKey], list[RankKey]]:
    """The keys that rank the seeds of the two settings."""
    rank = {UPDATES: _by_updates, SOLVED: _by_solved, SCORE: _by_score}[claim.criterion]
    return [rank(r) for r in records[claim.better]], [rank(r) for r in records[claim.worse]]


def _by_updates(record: Record) -> RankKey:
    updates = updates_to_solve(record)
    return updates, final_score(record) if math.isinf(updates) else 0.0


def _by_solved(record: Record) -> RankKey:
    return float(math.isinf(updates_to_solve(record))), 0.0


def _by_score(record: Record) -> RankKey:
    return final_score(record), 0.0
