"""What the guard finds between the records of two sides: correctness first, speed last.

Pure functions of records. Every figure comes from what is stored, so that a verdict can be
reached again from the folder of a comparison.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from bench.compare.decision import Rule, Verdict
from bench.compare.learning import learning
from bench.compare.pairs import Finding, Pair, Sides, outcome, paired
from bench.compare.speed import decisions, speed
from bench.options import ALL_BACKENDS
from bench.records.machine import machine_differences
from bench.records.record import Record
from bench.spec import Training

AGREEMENT: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-5, "bfloat16": 0.05}
"""How far first loss and first gradient norm of the sides may be from each other."""
RATES = tuple(f.name for f in fields(Training) if f.name != "optimiser")
FREE = (*RATES, "steps", "init", "forget_bias", "threshold", "metric")
"""Settings in which the sides may differ and still be timed against each other."""


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
    found += learning(sound)
    found += speed(sound, sides, rule)
    order = {name: place for place, name in enumerate(p.cell for p in pairs)}
    return sorted(found, key=lambda f: order.get(f.cell, len(order)))


def sound_pairs(sides: Sides) -> list[Pair]:
    """Those that are right on both sides, and the same model: these are timed."""
    return [p for p in paired(sides)[0] if all(f.verdict.green for f in _correctness(p))]


def open_pairs(sides: Sides, rule: Rule, flagged: bool = False) -> list[Pair]:
    """Those on whose speed another round could decide; or only those that are flagged, which the
    next round confirms or not."""
    sound = sound_pairs(sides)
    found = decisions(sound, sides, rule).items()
    undecided = {cell for (cell, _), d in found if d.open and (d.flagged or not flagged)}
    return [pair for pair in sound if pair.cell in undecided]


def _gaps(sides: Sides) -> list[Finding]:
    """What could not be run at all: on the head alone, or on both sides although the devices were
    named. What is missing everywhere and was not named is not part of the comparison: neither is
    one of all backends that cannot run on a device on which others did."""
    base, head = (list(info.get("missing") or ()) for info in (sides.base_info, sides.head_info))
    request = sides.head_info.get("request") or {}
    named, every = request.get("devices"), ALL_BACKENDS in (request.get("backends") or ())
    ran = {r.case["device"] for r in sides.head if r.status == "ok"} if every else set()
    lost = [
        Finding(gap, "cell", Verdict.MISSING, "not in the head") for gap in head if gap not in base
    ]
    never = [
        Finding(gap, "cell", Verdict.NOT_COMPARABLE, "on neither side")
        for gap in head
        if gap in base and named and named != ["auto"] and _device(gap) not in ran
    ]
    return lost + never


def _device(gap: str) -> str:
    """Of `torch on cuda:1: why not`."""
    return gap.split(" on ", 1)[-1].split(": ")[0]


def _another_machine(sides: Sides) -> str:
    """Why the runs cannot be compared; or nothing. Both sides of a live comparison are here."""
    if sides.live:
        return ""
    then, now = (info.get("machine") or {} for info in (sides.base_info, sides.head_info))
    if not then or not now:
        return "a run that does not say on which machine it ran"
    changed = machine_differences(then, now)
    return f"another machine: {'; '.join(changed)}" if changed else ""


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
    yield outcome(pair, "parity", then[seed], now[seed])
    if then[seed].status == now[seed].status == "ok":
        yield from _first(pair, then[seed], now[seed])


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
