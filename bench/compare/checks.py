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
OF_CHANCE = 0.05
DOUBTFUL = 0.2
"""Seeds that differ so much, by a one-sided p-value, are not waved through."""
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
    alone += _gaps(sides)
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


def open_pairs(sides: Sides, rule: Rule, flagged: bool = False) -> list[Pair]:
    """Those on whose speed another round could decide; or only those that are flagged, which the
    next round confirms or not."""
    sound = sound_pairs(sides)
    decided = _decided(sound, sides, rule).items()
    undecided = {cell for (cell, _), d in decided if d.open and (d.flagged or not flagged)}
    return [pair for pair in sound if pair.cell in undecided]


def paired(sides: Sides) -> tuple[list[Pair], list[Finding]]:
    """The cells of both sides, and a finding for each that one side lacks. A cell is known by
    backend, device, dtype, cell and task. Where that is not enough, the same settings make a pair,
    and what is left is known by what tells the sizes of its side apart."""
    tagged = [
        replace(record, run=run)
        for run, side in (("base", sides.base), ("head", sides.head))
        for record in side
    ]
    found = _rows(tagged)
    exact = _pairs(found)
    matched = {pair.cell for pair in exact}
    names = {_identity(row): cell_name(row.place) for row in found}
    left = [row for row in found if cell_name(row.place) not in matched]
    relabelled = [
        row
        for run in ("base", "head")
        for row in _rows(record for own in left if own.run == run for record in own.records)
    ]
    roughly = _pairs(relabelled)
    matched = {pair.cell for pair in roughly}
    alone = [row for row in relabelled if cell_name(row.place) not in matched]
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
        named.setdefault(cell_name(row.place), {})[row.run] = row
    return [
        _pair(name, both["base"], both["head"]) for name, both in named.items() if len(both) == 2
    ]


def _identity(row: Row) -> tuple[str, str]:
    return row.run, row.records[0].key


def _rows(records: Iterable[Record]) -> list[Row]:
    """A row that was skipped throughout is none: the backend does not express it."""
    found = rows([record for record in records if record.probe != "control"])
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


def _gaps(sides: Sides) -> list[Finding]:
    """What could not be run at all: on the head alone, or on both sides although the devices were
    named. What is missing everywhere and was not named is not part of the comparison."""
    base, head = (list(info.get("missing") or ()) for info in (sides.base_info, sides.head_info))
    named = (sides.head_info.get("request") or {}).get("devices")
    lost = [
        Finding(gap, "cell", Verdict.MISSING, "not in the head") for gap in head if gap not in base
    ]
    never = [
        Finding(gap, "cell", Verdict.NOT_COMPARABLE, "on neither side")
        for gap in head
        if gap in base and named and named != ["auto"]
    ]
    return lost + never


def _another_machine(sides: Sides) -> str:
    """Why the runs cannot be compared; or nothing. Both sides of a live comparison are here."""
    if sides.live:
        return ""
    then, now = (info.get("machine") or {} for info in (sides.base_info, sides.head_info))
    if not then or not now:
        return "a run that does not say on which machine it ran"
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
    then, now = ({r.case["seed"]: r for r in side} for side in (base, head))
    seed = next((seed for seed in reversed(then) if seed in now), None)
    if seed is None:
        reason = f"parity of other seeds: {', '.join(map(str, then))} → {', '.join(map(str, now))}"
        yield Finding(pair.cell, "parity", Verdict.NOT_COMPARABLE, reason)
        return
    yield _outcome(pair, "parity", then[seed], now[seed])
    if then[seed].status == now[seed].status == "ok":
        yield from _first(pair, then[seed], now[seed])


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
    found = [_outcome(pair, f"{probe}, seed {b.case['seed']}", b, h) for b, h in odd]
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
        decision = _with_enough(decision, rule, seeds, enough, "seeds")
        if decision.verdict == Verdict.INCONCLUSIVE and not np.isfinite(cells[name]).all():
            decision = replace(decision, reason="a curve that is not finite and positive")
        found.append(_of(decision, name, check, seeds))
    return found


def _with_enough(decision: Decision, rule: Rule, had: int, enough: int, what: str) -> Decision:
    """The decision, or that there were too few to say: neither undecided nor passed with a change
    that counts, which more of them might have shown."""
    ratio = decision.ratio or 1.0
    hidden = decision.verdict == Verdict.PASS and max(ratio, 1 / ratio) >= 1 + rule.least
    if had >= enough or not (hidden or decision.verdict == Verdict.INCONCLUSIVE):
        return decision
    reason = f"{decision.reason or 'a change'}; {had} {what}, it takes {enough}"
    return replace(decision, verdict=Verdict.INCONCLUSIVE, reason=reason)


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
    test = binomtest(against, against + in_favour)
    if test.pvalue <= LEARNING.level / cells:
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


# speed


def _speed(pairs: Sequence[Pair], sides: Sides, rule: Rule) -> list[Finding]:
    found: list[Finding] = []
    for pair in pairs:
        found += _untimed(pair, "speed" in _asked(sides))
    by_cell = {pair.cell: pair for pair in pairs}
    for (cell, phase), decision in _decided(pairs, sides, rule).items():
        times = list(_times(by_cell[cell], phase).values())
        middle = [median(side) for side in zip(*times, strict=True)] if times else [None, None]
        finding = _of(decision, cell, f"speed of {phase}", len(times))
        found.append(replace(finding, base=middle[0], head=middle[1], unit="s"))
    return found


def _asked(sides: Sides) -> Sequence[str]:
    """The probes of a live comparison; a stored run has what it has."""
    return (sides.head_info.get("request") or {}).get("probes") or () if sides.live else ()


def _untimed(pair: Pair, asked: bool) -> Iterator[Finding]:
    """Launches that failed or never were, a phase that the head lacks, and launches that are not
    alike."""
    if asked and not _launches(pair):
        yield Finding(pair.cell, "speed", Verdict.NOT_COMPARABLE, "was not timed on both sides")
    for (launch, _), (base, head) in _launches(pair).items():
        if base.status != head.status or base.status == "failed":
            yield _outcome(pair, f"speed, launch {launch}", base, head)
    timed = [
        {phase for r in part if r.status == "ok" for phase in r.samples}
        for part in pair.probe("speed")
    ]
    for name in ("threads", "phase_s"):
        then, now = (
            sorted({r.case[name] for r in part if name in r.case}) for part in pair.probe("speed")
        )
        if then and now and then != now:
            reason = f"{name} {then} → {now}"
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
    control, unwatched = _control(sides), _unwatched(pairs, sides)
    decided = decide({name: cells[key] for name, key in names.items()}, rule, [control])
    if unwatched:
        decided = {
            n: replace(d, verdict=Verdict.INCONCLUSIVE, reason=unwatched, open=False)
            for n, d in decided.items()
        }
    if not sides.live:
        enough = rule.for_cells(len(cells)).pairs
        decided = {
            n: _with_enough(d, rule, _count(cells[names[n]]), enough, "launches")
            for n, d in decided.items()
        }
    return {names[name]: decision for name, decision in decided.items()}


def _count(rounds: Rounds) -> int:
    return sum(map(len, rounds))


def _unwatched(pairs: Sequence[Pair], sides: Sides) -> str:
    """Beside how many launches of a live comparison the control was not timed; or nothing."""
    if not sides.live:
        return ""
    timed = {
        (pair.base.backend, launch)
        for pair in pairs
        for phase in PHASES
        for launch, _ in _times(pair, phase)
    }
    watched = set.intersection(*({*_controls(side)} for side in (sides.base, sides.head)))
    lost = len(timed - watched)
    return f"the control was not timed beside {lost} launches" if lost else ""


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
    for row in _rows(replace(record, run="") for record in records):
        cell = cell_name(row.place)
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
    kind = _controls if sides.live else _products
    base, head = (kind(side) for side in (sides.base, sides.head))
    both = [launch for launch in base if launch in head]
    return log_ratios([base[k] for k in both], [head[k] for k in both])


def _controls(side: Iterable[Record]) -> dict[tuple[str, int], float]:
    """Seconds by backend and launch."""
    return {
        (r.case["backend"], r.case["launch"]): _best(r.samples["control"])
        for r in side
        if r.probe == "control" and r.status == "ok"
    }


def _products(side: Iterable[Record]) -> dict[tuple[Any, ...], float]:
    """The inverse of the rate by process and dtype: it is measured once a process."""
    names = ("backend", "device", "dtype", "threads", "launch")
    return {
        tuple(r.case[name] for name in names): 1 / rate
        for r in side
        if (rate := r.metrics.get("product_gflops"))
    }


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
