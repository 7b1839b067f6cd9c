"""What the guard finds between the records of two sides: correctness first, speed last.

Pure functions of records. Every figure comes from what is stored, so that a verdict can be
reached again from the folder of a comparison.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import Any

import numpy as np

from bench.guard import Decision, Rounds, Rule, Verdict, decide, log_ratios, sign_flip
from bench.machine import differences
from bench.records import Record
from bench.report.rows import Row, cell_name, rows
from bench.report.timing import PHASES
from bench.spec import Training

LEARNING = Rule(tolerated=0.02, least=0.05, excluded=0.25, pairs=8, rounds=1)
"""For losses and gradient norms over seeds. The same seeds give the same curves, so that nothing
is left to confirm."""
AGREEMENT: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-5, "bfloat16": 0.05}
"""How far first loss and first gradient norm of the sides may be from each other."""
FREE = (*(f.name for f in fields(Training)), "steps", "init", "forget_bias", "threshold", "metric")
"""Settings in which the sides may differ and still be timed against each other."""

Launch = tuple[int, int]
"""Its number, and its threads."""


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


def findings(sides: Sides, rule: Rule) -> list[Finding]:
    """Everything that is to be said, by cell in the order of the records."""
    pairs, alone = paired(sides)
    if strange := _another_machine(sides):
        return [Finding(p.cell, "machine", Verdict.NOT_COMPARABLE, strange) for p in pairs] + alone
    sound, found = [], list(alone)
    for pair in pairs:
        wrong = list(_correctness(pair))
        found += wrong
        if all(f.verdict.green for f in wrong):
            sound.append(pair)
    found += _learning(sound)
    found += _speed(sound, sides, rule)
    order = {name: place for place, name in enumerate(p.cell for p in pairs)}
    return sorted(found, key=lambda f: order.get(f.cell, len(order)))


def sound_pairs(sides: Sides) -> list[Pair]:
    """Those that are right on both sides, and the same model: these are timed."""
    return [p for p in paired(sides)[0] if all(f.verdict.green for f in _correctness(p))]


def open_pairs(sides: Sides, rule: Rule) -> list[Pair]:
    """Those on whose speed another round could decide."""
    sound = sound_pairs(sides)
    undecided = {cell for (cell, _), d in _decided(sound, sides, rule).items() if d.open}
    return [pair for pair in sound if pair.cell in undecided]


def paired(sides: Sides) -> tuple[list[Pair], list[Finding]]:
    """The cells of both sides, and a finding for each that one side lacks. A cell is known by
    backend, device, dtype, cell and task, and by what tells the sizes of one side apart."""
    base, head = (_named(records) for records in (sides.base, sides.head))
    pairs = [_pair(name, base[name], head[name]) for name in base if name in head]
    gone = [
        Finding(name, "cell", Verdict.MISSING, "not in the head") for name in base.keys() - head
    ]
    new = [
        Finding(name, "cell", Verdict.NOT_COMPARABLE, "not in the base")
        for name in head.keys() - base
    ]
    return pairs, sorted([*gone, *new], key=lambda f: f.cell)


def _named(records: Iterable[Record]) -> dict[str, Row]:
    """A row that was skipped throughout is none: the backend does not express it."""
    found = rows([replace(record, run="") for record in records if record.probe != "control"])
    kept = [row for row in found if any(r.status != "skipped" for r in row.records)]
    return {cell_name(row.place): row for row in kept}


def _pair(cell: str, base: Row, head: Row) -> Pair:
    changed = [
        f"{name} {base.size.get(name)} → {head.size.get(name)}"
        for name in dict.fromkeys([*base.size, *head.size])
        if base.size.get(name) != head.size.get(name)
    ]
    return Pair(cell, base, head, tuple(changed))


def _another_machine(sides: Sides) -> str:
    """Why the runs cannot be compared; or nothing."""
    then, now = (info.get("machine") or {} for info in (sides.base_info, sides.head_info))
    changed = differences(then, now)
    return f"another machine: {'; '.join(changed)}" if changed else ""


# correctness


def _correctness(pair: Pair) -> Iterator[Finding]:
    """Whether the same model is right on both sides, and whether it is the same."""
    free = [note for note in pair.notes if note.split()[0] in FREE]
    if fixed := [note for note in pair.notes if note not in free]:
        yield Finding(pair.cell, "settings", Verdict.NOT_COMPARABLE, "; ".join(fixed))
        return
    base, head = ([r for r in part if r.status != "skipped"] for part in pair.probe("parity"))
    if not base or not head:
        side = "base" if not base else "head"
        verdict = Verdict.NOT_COMPARABLE if not base else Verdict.MISSING
        yield Finding(pair.cell, "parity", verdict, f"no parity record of the {side}")
        return
    yield _outcome(pair, "parity", base[-1], head[-1])
    if base[-1].status == head[-1].status == "ok":
        yield from _first(pair, base[-1], head[-1])


def _outcome(pair: Pair, check: str, base: Record, head: Record) -> Finding:
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


def _first(pair: Pair, base: Record, head: Record) -> Iterator[Finding]:
    """The same weights and batch give the same loss and gradients: no statistics."""
    for name, check in (("first_loss", "first loss"), ("first_gradient_norm", "first gradient")):
        if name not in base.metrics:
            continue  # it does not train, or was recorded before this was
        was, now = base.metrics[name], head.metrics.get(name)
        verdict, reason = _same(was, now, AGREEMENT[pair.base.dtype])
        yield Finding(pair.cell, check, verdict, reason, was, now)


def _same(base: float | None, head: float | None, tolerance: float) -> tuple[Verdict, str]:
    if base is None or head is None:
        side = "base" if base is None else "head"
        verdict = Verdict.NOT_COMPARABLE if base is None else Verdict.REGRESSED
        return verdict, f"of the {side} not a finite number"
    error = abs(head - base) / max(abs(base), 1e-300)
    if error <= tolerance:
        return Verdict.PASS, ""
    return Verdict.REGRESSED, f"differs by {error:.2g} (tolerance {tolerance:g})"


# learning and gradients


def _learning(pairs: Sequence[Pair]) -> list[Finding]:
    """Losses, scores, steps to solve and gradient norms over the seeds that both sides ran."""
    found: list[Finding] = []
    losses: dict[str, list[float]] = {}
    norms: dict[str, list[float]] = {}
    for pair in pairs:
        learned, failed = _by_seed(pair, "learning")
        found += failed
        if learned:
            found += _counts(pair, learned)
            losses[pair.cell] = [_apart(b.samples["loss"], h.samples["loss"]) for b, h in learned]
        seen, failed = _by_seed(pair, "gradients")
        found += failed
        if seen:
            found += _not_finite(pair, seen)
            norms[pair.cell] = [
                _apart(b.samples["gradient_norm"], h.samples["gradient_norm"]) for b, h in seen
            ]
    found += _over_seeds("loss over training", losses)
    changed = [_no_better(f) for f in _over_seeds("gradient norm over training", norms)]
    return [*found, *changed]


def _by_seed(pair: Pair, probe: str) -> tuple[list[tuple[Record, Record]], list[Finding]]:
    """The records of each seed that both sides have measured, and what the others mean."""
    base, head = ({r.case["seed"]: r for r in part} for part in pair.probe(probe))
    both = [(base[seed], head[seed]) for seed in base if seed in head]
    good = [(b, h) for b, h in both if b.status == h.status == "ok"]
    odd = [(b, h) for b, h in both if b.status != h.status or b.status == "failed"]
    found = [_outcome(pair, f"{probe}, seed {b.case['seed']}", b, h) for b, h in odd]
    if lost := sorted(base.keys() - head.keys()):
        reason = f"not in the head: seed {', '.join(map(str, lost))}"
        found.append(Finding(pair.cell, probe, Verdict.MISSING, reason))
    return good, found


def _apart(base: Sequence[float], head: Sequence[float]) -> float:
    """The mean log-ratio of two curves, head over base, as far as both go; NaN where one has a
    value that has no logarithm."""
    both = min(len(base), len(head))
    return float(np.mean(log_ratios(base[:both], head[:both]))) if both else math.nan


def _over_seeds(check: str, cells: Mapping[str, Sequence[float]]) -> list[Finding]:
    decided = decide({name: [d] for name, d in cells.items()}, LEARNING, test=sign_flip)
    found = []
    for name, decision in decided.items():
        seeds, enough = len(cells[name]), LEARNING.for_cells(len(cells)).pairs
        if seeds < enough and (decision.verdict == Verdict.INCONCLUSIVE or _hidden(decision)):
            reason = f"{decision.reason or 'a change'}; {seeds} seeds, it takes {enough}"
            decision = replace(decision, verdict=Verdict.INCONCLUSIVE, reason=reason)
        if decision.verdict == Verdict.INCONCLUSIVE and not np.isfinite(cells[name]).all():
            decision = replace(decision, reason="a curve that is not finite and positive")
        found.append(_of(decision, name, check, seeds))
    return found


def _hidden(decision: Decision) -> bool:
    """Whether it passed with a change that counts, which more seeds might have shown."""
    ratio = decision.ratio or 1.0
    return decision.verdict == Verdict.PASS and max(ratio, 1 / ratio) >= 1 + LEARNING.least


def _no_better(finding: Finding) -> Finding:
    """Of gradient norms neither larger nor smaller is better: a change is a change."""
    if finding.verdict != Verdict.IMPROVED:
        return finding
    return replace(finding, verdict=Verdict.REGRESSED, reason="smaller than in the base")


def _counts(pair: Pair, learned: Sequence[tuple[Record, Record]]) -> Iterator[Finding]:
    """Seeds that diverged, that were solved, and which side solved them first."""
    diverged = [[r.metrics.get("diverged_at") is not None for r in both] for both in learned]
    yield _counted(pair, "seeds diverged", diverged, worse=True)
    solved = [[bool(r.metrics.get("solved")) for r in both] for both in learned]
    yield _counted(pair, "seeds solved", solved, worse=False)
    yield _sooner(pair, learned)


def _counted(pair: Pair, check: str, seen: Sequence[Sequence[bool]], worse: bool) -> Finding:
    """Counts of seeds by an exact test of those that differ (McNemar 1947). One seed that
    diverges in the head alone is enough."""
    base, head = (sum(side) for side in zip(*seen, strict=True))
    against = sum(h != b and h == worse for b, h in seen)
    in_favour = sum(h != b and h != worse for b, h in seen)
    verdict = _signs(against, in_favour)
    reason = "" if verdict.green else f"{against} seeds worse, {in_favour} better"
    if worse and against:
        verdict, reason = Verdict.REGRESSED, f"{against} seeds diverge that did not"
    return Finding(pair.cell, check, verdict, reason, base, head, f"of {len(seen)}")


def _sooner(pair: Pair, learned: Sequence[tuple[Record, Record]]) -> Finding:
    """Steps to solve, a seed that is not solved counting as later than any that is."""
    steps = [
        [math.inf if (s := r.metrics.get("steps_to_solve")) is None else s for r in both]
        for both in learned
    ]
    verdict = _signs(sum(h > b for b, h in steps), sum(h < b for b, h in steps))
    middle = [median(side) for side in zip(*steps, strict=True)]
    base, head = (None if math.isinf(m) else m for m in middle)
    reason = "" if verdict.green else "later in more seeds than chance makes it"
    return Finding(pair.cell, "steps to solve", verdict, reason, base, head, "steps")


def _signs(against: int, in_favour: int) -> Verdict:
    """The exact sign test of the seeds that differ, either way at half the level."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    if not against + in_favour:
        return Verdict.PASS
    p = binomtest(against, against + in_favour).pvalue
    if p > LEARNING.level:
        return Verdict.PASS
    return Verdict.REGRESSED if against > in_favour else Verdict.IMPROVED


def _not_finite(pair: Pair, seen: Sequence[tuple[Record, Record]]) -> Iterator[Finding]:
    """NaN and Inf in gradients are failures of their own."""
    for name in ("gradient_nan", "gradient_inf"):
        base, head = (
            sum(r.metrics.get(name) or 0 for r in side) for side in zip(*seen, strict=True)
        )
        verdict = Verdict.REGRESSED if head > base else Verdict.PASS
        kind = {"gradient_nan": "NaN", "gradient_inf": "Inf"}[name]
        yield Finding(pair.cell, f"{kind} in gradients", verdict, "", base, head)


# speed


def _speed(pairs: Sequence[Pair], sides: Sides, rule: Rule) -> list[Finding]:
    found: list[Finding] = []
    for pair in pairs:
        found += _untimed(pair)
    by_cell = {pair.cell: pair for pair in pairs}
    for (cell, phase), decision in _decided(pairs, sides, rule).items():
        times = list(_times(by_cell[cell], phase).values())
        middle = [median(side) for side in zip(*times, strict=True)] if times else [None, None]
        finding = _of(decision, cell, f"speed of {phase}", len(times))
        found.append(replace(finding, base=middle[0], head=middle[1], unit="s"))
    return found


def _untimed(pair: Pair) -> Iterator[Finding]:
    """Launches that failed, a phase that the head lacks, and other numbers of threads."""
    for (launch, _), (base, head) in _launches(pair).items():
        if base.status != head.status or base.status == "failed":
            yield _outcome(pair, f"speed, launch {launch}", base, head)
    timed = [
        {phase for r in part if r.status == "ok" for phase in r.samples}
        for part in pair.probe("speed")
    ]
    threads = [sorted({r.case["threads"] for r in part}) for part in pair.probe("speed")]
    if timed[1] and threads[0] != threads[1]:
        reason = f"threads {threads[0]} → {threads[1]}"
        yield Finding(pair.cell, "speed", Verdict.NOT_COMPARABLE, reason)
    for phase in sorted(timed[0] - timed[1]):
        yield Finding(pair.cell, f"speed of {phase}", Verdict.MISSING, "not in the head")


def _decided(pairs: Sequence[Pair], sides: Sides, rule: Rule) -> dict[tuple[str, str], Decision]:
    """The decision on each phase that both sides timed."""
    rule = rule if sides.live else replace(rule, rounds=1)
    cells: dict[tuple[str, str], Rounds] = {}
    for pair in pairs:
        for phase in PHASES:
            if times := _times(pair, phase):
                cells[pair.cell, phase] = _in_rounds(times, rule)
    names = {str(key): key for key in cells}
    control = [_control(sides)]
    decided = decide({name: cells[key] for name, key in names.items()}, rule, control)
    return {names[name]: decision for name, decision in decided.items()}


def _in_rounds(times: Mapping[Launch, tuple[float, float]], rule: Rule) -> Rounds:
    """Log-ratios by the round that the launches belong to."""
    found: dict[int, list[float]] = {}
    for (launch, _), (base, head) in times.items():
        number = launch // rule.pairs if rule.rounds > 1 else 0
        found.setdefault(number, []).extend(log_ratios([base], [head]))
    return list(found.values())


def _launches(pair: Pair) -> dict[Launch, tuple[Record, Record]]:
    """Those of both sides, in the order of their numbers."""
    base, head = (
        {(r.case["launch"], r.case["threads"]): r for r in part} for part in pair.probe("speed")
    )
    return {launch: (base[launch], head[launch]) for launch in sorted(base) if launch in head}


def _times(pair: Pair, phase: str) -> dict[Launch, tuple[float, float]]:
    """Seconds a call of both sides, by launch."""
    return {
        launch: (_best(base.samples[phase]), _best(head.samples[phase]))
        for launch, (base, head) in _launches(pair).items()
        if base.samples.get(phase) and head.samples.get(phase)
    }


def launch_times(records: Iterable[Record]) -> dict[tuple[str, str], list[float]]:
    """Seconds a call by cell and phase, a figure a launch, of one side."""
    found: dict[tuple[str, str], list[float]] = {}
    for cell, row in _named(records).items():
        for record in row.of("speed"):
            for phase in PHASES:
                if samples := record.samples.get(phase):
                    found.setdefault((cell, phase), []).append(_best(samples))
    return {key: times for key, times in found.items() if np.isfinite(times).all()}


def _best(samples: Sequence[float]) -> float:
    """What disturbances only add to: the least of a launch; NaN where one is no time at all."""
    good = all(0 < s < math.inf for s in samples)
    return min(samples) if good else math.nan


def _control(sides: Sides) -> list[float]:
    """Log-ratios of the control beside each launch; of stored runs, of the matrix product that
    was timed in each."""
    if sides.live:
        base, head = (
            {
                (r.case["backend"], r.case["launch"]): _best(r.samples["control"])
                for r in side
                if r.probe == "control" and r.status == "ok"
            }
            for side in (sides.base, sides.head)
        )
        both = [launch for launch in base if launch in head]
        return log_ratios([base[k] for k in both], [head[k] for k in both])
    rates = [
        [1 / rate for r in side if (rate := r.metrics.get("product_gflops"))]
        for side in (sides.base, sides.head)
    ]
    least = min(map(len, rates))
    return log_ratios(rates[0][:least], rates[1][:least])


def _of(decision: Decision, cell: str, check: str, pairs: int) -> Finding:
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
