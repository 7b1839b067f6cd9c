"""Learning and gradients, compared over the seeds that both sides ran."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.statistics import sign_test
from bench.compare.decision import Rule, Verdict, decide, log_ratios, sign_flip
from bench.compare.pairs import Finding, Pair, decided_as, outcome, with_enough
from bench.records.record import Record

LEARNING = Rule(tolerated=0.02, least=0.05, excluded=0.25, pairs=8, rounds=1)
"""For losses and gradient norms over seeds. The same seeds give the same curves, so that nothing
is left to confirm."""
OF_CHANCE = 0.05
DOUBTFUL = 0.2
"""Seeds that differ so much, by a one-sided p-value, are not waved through."""


def learning(pairs: Sequence[Pair]) -> list[Finding]:
    """Losses, scores, steps to solve and gradient norms over the seeds that both sides ran."""
    found: list[Finding] = []
    losses: dict[str, list[float]] = {}
    scores: dict[str, list[float]] = {}
    norms: dict[str, list[float]] = {}
    for pair in pairs:
        learned, failed = _by_seed(pair, "learning")
        found += failed
        if learned:
            found += _counts(pair, learned, len(pairs))
            losses[pair.cell] = [_apart(b.samples["loss"], h.samples["loss"]) for b, h in learned]
            scores[pair.cell] = [_scores_apart(b.metrics, h.metrics) for b, h in learned]
        seen, failed = _by_seed(pair, "gradients")
        found += failed
        if seen:
            found += _not_finite(pair, seen)
            norms[pair.cell] = [
                _apart(b.samples["gradient_norm"], h.samples["gradient_norm"]) for b, h in seen
            ]
    found += _over_seeds("loss over training", losses, LEARNING)
    found += _over_seeds("held-out score", scores, LEARNING)
    either = replace(LEARNING, level=LEARNING.level / 2)
    changed = [_no_better(f) for f in _over_seeds("gradient norm over training", norms, either)]
    return [*found, *changed]


def _by_seed(pair: Pair, probe: str) -> tuple[list[tuple[Record, Record]], list[Finding]]:
    """The records of each seed that both sides have measured, and what the others mean."""
    base, head = ({r.case["seed"]: r for r in part} for part in pair.probe(probe))
    both = [(base[seed], head[seed]) for seed in base if seed in head]
    good = [(b, h) for b, h in both if b.status == h.status == "ok"]
    odd = [(b, h) for b, h in both if b.status != h.status or b.status == "failed"]
    found = [outcome(pair, f"{probe}, seed {b.case['seed']}", b, h) for b, h in odd]
    if lost := sorted(base.keys() - head.keys()):
        reason = f"not in the head: seed {', '.join(map(str, lost))}"
        found.append(Finding(pair.cell, probe, Verdict.MISSING, reason))
    return good, found


def _apart(base: Sequence[float], head: Sequence[float]) -> float:
    """The mean log-ratio of two curves, head over base, as far as both go; NaN where one has a
    value that has no logarithm and the other another."""
    both = list(zip(base, head, strict=False))
    if not both:
        return math.nan
    changed = [(b, h) for b, h in both if b != h]
    return sum(log_ratios(*zip(*changed, strict=True))) / len(both) if changed else 0.0


def _scores_apart(base: Mapping[str, Any], head: Mapping[str, Any]) -> float:
    """The log-ratio of two scores, a little of chance added to both: near zero they differ by
    large factors that mean nothing."""
    found = []
    for side in (base, head):
        score, chance = side.get("score"), side.get("chance")
        if score is None or chance is None:
            return math.nan
        found.append([score + OF_CHANCE * chance])
    return log_ratios(*found)[0]


def _over_seeds(check: str, cells: Mapping[str, Sequence[float]], rule: Rule) -> list[Finding]:
    decided = decide({name: [d] for name, d in cells.items()}, rule, test=sign_flip)
    found = []
    for name, decision in decided.items():
        seeds, enough = len(cells[name]), rule.for_cells(len(cells)).pairs
        decision = with_enough(decision, rule, seeds, enough, "seeds")
        if decision.verdict == Verdict.INCONCLUSIVE and not np.isfinite(cells[name]).all():
            decision = replace(decision, reason="a curve that is not finite and positive")
        found.append(decided_as(decision, name, check, seeds))
    return found


def _no_better(finding: Finding) -> Finding:
    """Of gradient norms neither larger nor smaller is better: a change is a change."""
    if finding.verdict != Verdict.IMPROVED:
        return finding
    return replace(finding, verdict=Verdict.REGRESSED, reason="smaller than in the base")


def _counts(pair: Pair, learned: Sequence[tuple[Record, Record]], cells: int) -> Iterator[Finding]:
    """Seeds that diverged, that were solved, and which side solved them first."""
    diverged = [[r.metrics.get("diverged_at") is not None for r in both] for both in learned]
    yield _counted(pair, "seeds diverged", diverged, True, cells)
    solved = [[bool(r.metrics.get("solved")) for r in both] for both in learned]
    yield _counted(pair, "seeds solved", solved, False, cells)
    yield _sooner(pair, learned, cells)


def _counted(
    pair: Pair, check: str, seen: Sequence[Sequence[bool]], worse: bool, cells: int
) -> Finding:
    """Counts of seeds by an exact test of those that differ (McNemar 1947). One seed that
    diverges in the head alone is enough."""
    base, head = (sum(side) for side in zip(*seen, strict=True))
    against = sum(h != b and h == worse for b, h in seen)
    in_favour = sum(h != b and h != worse for b, h in seen)
    verdict = _signs(against, in_favour, cells)
    reason = "" if verdict.green else f"{against} seeds worse, {in_favour} better"
    if worse and against:
        verdict, reason = Verdict.REGRESSED, f"{against} seeds diverge that did not"
    return Finding(pair.cell, check, verdict, reason, base, head, f"of {len(seen)}")


def _sooner(pair: Pair, learned: Sequence[tuple[Record, Record]], cells: int) -> Finding:
    """Steps to solve, a seed that is not solved counting as later than any that is."""
    steps = [
        [math.inf if (s := r.metrics.get("steps_to_solve")) is None else s for r in both]
        for both in learned
    ]
    later, sooner = sum(h > b for b, h in steps), sum(h < b for b, h in steps)
    verdict = _signs(later, sooner, cells)
    middle = [median(side) for side in zip(*steps, strict=True)]
    base, head = (None if math.isinf(m) else m for m in middle)
    reason = "" if verdict.green else f"later in {later} seeds, sooner in {sooner}"
    return Finding(pair.cell, "steps to solve", verdict, reason, base, head, "steps")


def _signs(against: int, in_favour: int, cells: int) -> Verdict:
    """The exact sign test of the seeds that differ, either way at half the level, shared by the
    cells; inconclusive where it looks worse and this is too little to say so."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    if not against + in_favour:
        return Verdict.PASS
    if sign_test(against, in_favour) <= LEARNING.level / cells:
        return Verdict.REGRESSED if against > in_favour else Verdict.IMPROVED
    worse = binomtest(against, against + in_favour, alternative="greater").pvalue
    return Verdict.INCONCLUSIVE if worse <= DOUBTFUL else Verdict.PASS


def _not_finite(pair: Pair, seen: Sequence[tuple[Record, Record]]) -> Iterator[Finding]:
    """NaN and Inf in gradients are failures of their own."""
    for name in ("gradient_nan", "gradient_inf"):
        base, head = (
            sum(r.metrics.get(name) or 0 for r in side) for side in zip(*seen, strict=True)
        )
        verdict = Verdict.REGRESSED if head > base else Verdict.PASS
        kind = {"gradient_nan": "NaN", "gradient_inf": "Inf"}[name]
        yield Finding(pair.cell, f"{kind} in gradients", verdict, "", base, head)
