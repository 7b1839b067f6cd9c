"""The records of two sides, put together: a pair is one model in one backend, as each has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis.rows import Row, row_label, rows_from_records
from bench.compare.decision import Decision, Rule, Verdict
from bench.records.record import Record


@dataclass(frozen=True)
class Finding:
    """One verdict: on one check of one cell. `base` and `head` are in `unit`; `ratio` is head over
    base with its 95% interval."""

    cell: str
    check: str
    verdict: Verdict
    reason: str = ""
    base: float | None = None
    head: float | None = None
    unit: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    pairs: int = 0


@dataclass(frozen=True)
class Pair:
    """One model in one backend, as each side has it."""

    cell: str
    base: Row
    head: Row
    notes: tuple[str, ...] = ()

    def probe(self, name: str) -> tuple[list[Record], list[Record]]:
        """The records of one probe, of base and head."""
        base, head = ([r for r in row.records if r.probe == name] for row in (self.base, self.head))
        return base, head


@dataclass(frozen=True)
class Sides:
    """The records of both sides, and where they come from: `run.json` of each. `live` says that
    the launches are pairs, close in time; stored ones are not, and nothing confirms them."""

    base: Sequence[Record]
    head: Sequence[Record]
    base_info: Mapping[str, Any] = field(default_factory=dict)
    head_info: Mapping[str, Any] = field(default_factory=dict)
    live: bool = True


def paired(sides: Sides) -> tuple[list[Pair], list[Finding]]:
    """The cells of both sides, and a finding for each that one side lacks. A cell is known by
    backend, device, dtype, cell and task. Where that is not enough, the same settings make a pair,
    and what is left is known by what tells the sizes of its side apart."""
    tagged = [
        replace(record, run=run)
        for run, side in (("base", sides.base), ("head", sides.head))
        for record in side
    ]
    found = measured_rows(tagged)
    exact = _pairs(found)
    matched = {pair.cell for pair in exact}
    names = {_identity(row): row_label(row.keys) for row in found}
    left = [row for row in found if row_label(row.keys) not in matched]
    relabelled = [
        row
        for run in ("base", "head")
        for row in measured_rows(record for own in left if own.run == run for record in own.records)
    ]
    roughly = _pairs(relabelled)
    matched = {pair.cell for pair in roughly}
    alone = [row for row in relabelled if row_label(row.keys) not in matched]
    gaps = [
        Finding(names[_identity(row)], "cell", Verdict.MISSING, "not in the head")
        if row.run == "base"
        else Finding(names[_identity(row)], "cell", Verdict.NOT_COMPARABLE, "not in the base")
        for row in alone
    ]
    return exact + roughly, sorted(gaps, key=lambda f: f.cell)


def _pairs(found: Iterable[Row]) -> list[Pair]:
    """Of rows of both sides, those that have the same name."""
    named: dict[str, dict[str, Row]] = {}
    for row in found:
        named.setdefault(row_label(row.keys), {})[row.run] = row
    return [
        _pair(name, both["base"], both["head"]) for name, both in named.items() if len(both) == 2
    ]


def _identity(row: Row) -> tuple[str, str]:
    return row.run, row.records[0].key


def measured_rows(records: Iterable[Record]) -> list[Row]:
    """A row that was skipped throughout is none: the backend does not express it."""
    found = rows_from_records([record for record in records if record.probe != "control"])
    return [row for row in found if any(r.status != "skipped" for r in row.records)]


def _pair(cell: str, base: Row, head: Row) -> Pair:
    """A setting that one side does not know is no difference by itself: whether the model is the
    same shows in its first loss and gradient."""
    changed = [
        f"{name} {base.size[name]} → {head.size[name]}"
        for name in base.size
        if name in head.size and base.size[name] != head.size[name]
    ]
    return Pair(cell, base, head, tuple(changed))


def outcome(pair: Pair, check: str, base: Record, head: Record) -> Finding:
    """What it means that a case failed on one side or on both, or that one does not do it."""
    if base.status == head.status:
        if base.status == "failed":
            return Finding(pair.cell, check, Verdict.NOT_COMPARABLE, f"both failed: {head.reason}")
        return Finding(pair.cell, check, Verdict.PASS)
    if head.status == "skipped":
        return Finding(pair.cell, check, Verdict.MISSING, f"not in the head: {head.reason}")
    if base.status == "skipped":
        return Finding(pair.cell, check, Verdict.NOT_COMPARABLE, f"not in the base: {base.reason}")
    if head.status == "ok":
        verdict = Verdict.IMPROVED if check == "parity" else Verdict.NOT_COMPARABLE
        return Finding(pair.cell, check, verdict, f"the base failed: {base.reason}")
    return Finding(pair.cell, check, Verdict.REGRESSED, f"the head failed: {head.reason}")


def decided_as(decision: Decision, cell: str, check: str, pairs: int) -> Finding:
    d = decision
    return Finding(
        cell,
        check,
        d.verdict,
        d.reason,
        ratio=d.ratio,
        low=d.low,
        high=d.high,
        p=d.p,
        pairs=pairs,
    )


def with_enough(decision: Decision, rule: Rule, had: int, enough: int, what: str) -> Decision:
    """The decision, or that there were too few to say: neither undecided nor passed with a change
    that counts, which more of them might have shown."""
    ratio = decision.ratio or 1.0
    hidden = decision.verdict == Verdict.PASS and max(ratio, 1 / ratio) >= 1 + rule.least
    if had >= enough or not (hidden or decision.verdict == Verdict.INCONCLUSIVE):
        return decision
    reason = f"{decision.reason or 'a change'}; {had} {what}, it takes {enough}"
    return replace(decision, verdict=Verdict.INCONCLUSIVE, reason=reason)
