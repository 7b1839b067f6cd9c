"""Correctness: is the model the same, and right, on both sides?"""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from bench.compare.both_sides import BothSides
from bench.compare.decision import Verdict
from bench.compare.evidence import MatchedRow
from bench.compare.finding import Finding, outcome_finding
from bench.compare.outcomes import ParityOutcome
from bench.spec import Training

ARRAY = "error."
"""Before the name of an array: the metric that holds its difference from the reference."""
TOLERANCE: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-5, "bfloat16": 0.05}
"""The largest relative difference between the sides in first loss and first gradient norm."""
FREE_SETTINGS = (
    *(field.name for field in fields(Training) if field.name != "optimiser"),
    *("steps", "init", "forget_bias", "threshold", "metric"),
)
"""Settings in which the sides may differ and are still compared."""
FIRST_VALUES: Mapping[str, str] = {
    "first_loss": "first loss",
    "first_gradient_norm": "first gradient",
}
"""The check of each metric of the first update."""


def is_sound(row: MatchedRow) -> bool:
    """Whether the model is the same, and right, on both sides: only then it is compared further."""
    return all(finding.verdict.green for finding in correctness_findings(row))


def correctness_findings(row: MatchedRow) -> Iterator[Finding]:
    """Conditions, files and settings first, then the parity gate, then the first loss and
    gradient."""
    if reason := row.changed_conditions:
        yield Finding(row.label, "conditions", Verdict.NOT_COMPARABLE, reason)
    for side, reason in zip(("base", "head"), row.foreign_files, strict=True):
        if reason:
            reason = f"the {side} {reason}"
            yield Finding(row.label, f"files of the {side}", Verdict.NOT_COMPARABLE, reason)
    if changes := _fixed_changes(row):
        yield Finding(row.label, "settings", Verdict.NOT_COMPARABLE, changes)
        yield from gate_findings(row)
        return
    base, head = row.parity
    if not base or not head:
        side = "base" if not base else "head"
        verdict = Verdict.NOT_COMPARABLE if not base else Verdict.MISSING
        yield Finding(row.label, "parity", verdict, f"the {side} has no parity record")
        return
    seed = next((seed for seed in reversed(list(base)) if seed in head), None)
    if seed is None:
        seeds = f"{', '.join(map(str, base))} → {', '.join(map(str, head))}"
        reason = f"parity was checked with different seeds: {seeds}"
        yield Finding(row.label, "parity", Verdict.NOT_COMPARABLE, reason)
        yield from gate_findings(row)
        return
    yield from _parity_findings(row, BothSides(base[seed], head[seed]))
    yield from gate_findings(row, besides=seed)


def gate_findings(row: MatchedRow, *, besides: int | None = None) -> Iterator[Finding]:
    """A gate that the head failed, with another seed than `besides`, counts even where it is not
    compared with the base."""
    for seed, outcome in row.parity.head.items():
        if outcome.status == "failed" and seed != besides:
            reason = f"the head failed: {outcome.reason}"
            yield Finding(row.label, "parity gate", Verdict.FAILED, reason)
            return


def _fixed_changes(row: MatchedRow) -> str:
    """The changed settings that must be the same: `hidden 8 → 9`."""
    return "; ".join(
        f"{name} {values.base} → {values.head}"
        for name, values in row.changed_settings.items()
        if name not in FREE_SETTINGS
    )


def _parity_findings(row: MatchedRow, outcomes: BothSides[ParityOutcome]) -> Iterator[Finding]:
    """The gate's outcome, and whether the same weights and batch give the same first loss and
    gradient norm: no statistics."""
    yield outcome_finding(row.label, "parity", outcomes)
    if not all(outcome.status == "ok" for outcome in outcomes):
        return
    base, head = outcomes.map(lambda outcome: outcome.metrics)
    if lost := sorted(name for name in base.keys() - head.keys() if name.startswith(ARRAY)):
        names = ", ".join(name.removeprefix(ARRAY) for name in lost)
        yield Finding(row.label, "compared arrays", Verdict.MISSING, f"not in the head: {names}")
    for name, check in FIRST_VALUES.items():
        if name not in base:
            continue
        verdict, reason = _agreement(base[name], head.get(name), TOLERANCE[row.dtype])
        yield Finding(row.label, check, verdict, reason, base[name], head.get(name))


def _agreement(base: float | None, head: float | None, tolerance: float) -> tuple[Verdict, str]:
    if base is None or head is None:
        side = "base" if base is None else "head"
        verdict = Verdict.NOT_COMPARABLE if base is None else Verdict.REGRESSED
        return verdict, f"not a finite number in the {side}"
    error = abs(head - base) / max(abs(base), 1e-300)
    if error <= tolerance:
        return Verdict.PASS, ""
    return Verdict.REGRESSED, f"differs by {error:.2g} (tolerance {tolerance:g})"
