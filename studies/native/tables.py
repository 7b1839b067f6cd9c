"""The table of the samples in a folder, as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.plan.probes import PHASE_NAMES
from studies.json_lines import JsonLines
from studies.native.comparisons import PARTS, Comparison, comparisons
from studies.native.problem import SHAPES
from studies.native.ratio import (
    CONFIDENCE,
    LOSS_TOLERANCE,
    NO_TARGET,
    loss_error,
    paired_ratio,
    verdict,
)

NUMBERS = ("ours, ms", "base, ms", "ratio", "interval", "target", "losses apart")
COLUMNS = ("shape", "cell", "phase", "ours", "base", *NUMBERS, "verdict")
VERDICTS = ("PASS", "MISSED", "unclear", "not comparable")
LAUNCHES_FOR_AN_INTERVAL = 6
"""The median of fewer launches has no interval at 95%, whatever the distribution."""
Record = Mapping[str, Any]
Row = dict[str, str]


@dataclass(frozen=True)
class CandidateRecords:
    """A candidate at one model: its record of each launch."""

    name: str
    records: Mapping[int, Record]

    @property
    def timed(self) -> Mapping[int, Record]:
        """The launches in which it was timed."""
        return {n: r for n, r in self.records.items() if r["seconds"] and not r["error"]}

    @property
    def error(self) -> str:
        """Why it was not timed."""
        errors = [record["error"] for record in self.records.values() if record["error"]]
        return errors[0] if errors else "not measured"

    @property
    def seconds(self) -> float:
        """The median of its samples in all launches."""
        return float(np.median(np.concatenate([r["seconds"] for r in self.timed.values()])))


def comparison_rows(
    environment: Record, records: Sequence[Record], rng: np.random.Generator
) -> list[Row]:
    """A row for each comparison, in the order of the parts."""
    settings = environment["settings"]
    by_candidate: dict[tuple[str, ...], dict[int, Record]] = {}
    for record in records:
        key = tuple(record[name] for name in ("shape", "cell", "phase", "name"))
        by_candidate.setdefault(key, {})[record["launch"]] = record
    rows = []
    for shape in settings["shapes"]:
        for cell in settings["cells"]:
            for comparison in comparisons(shape, cell, settings["parts"], settings["frameworks"]):
                tested, base = (
                    [
                        CandidateRecords(
                            name, by_candidate.get((shape, cell, comparison.phase, name), {})
                        )
                        for name in names
                    ]
                    for names in (comparison.tested, comparison.base)
                )
                model = {"part": comparison.part, "shape": f"{shape} {SHAPES[shape]}", "cell": cell}
                rows.append(model | _row(comparison, tested, base, rng))
    return sorted(rows, key=lambda row: row["part"])


def _row(
    comparison: Comparison,
    tested: Sequence[CandidateRecords],
    base: Sequence[CandidateRecords],
    rng: np.random.Generator,
) -> Row:
    row = {
        "phase": comparison.phase,
        "ours": _names(tested),
        "base": _names(base),
        **_target(comparison),
    }
    untimed = [
        side for group in (tested, base) if not any(s.timed for s in group) for side in group
    ]
    if untimed:
        return row | {"verdict": "; ".join(f"{side.name}: {side.error}" for side in untimed)}
    fast, slow = (min((s for s in g if s.timed), key=lambda s: s.seconds) for g in (tested, base))
    row |= {"ours": _fastest(fast, tested), "base": _fastest(slow, base)}
    row |= {"ours, ms": _milliseconds(fast.seconds), "base, ms": _milliseconds(slow.seconds)}
    pairs = [(fast.timed[n], slow.timed[n]) for n in fast.timed if n in slow.timed]
    if not pairs:
        return row | {"verdict": "never timed in the same launch"}
    return row | _compared(comparison, pairs, rng)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds >= 1e-4 else f"{seconds * 1e3:.3g}"


def _compared(
    comparison: Comparison, pairs: Sequence[tuple[Record, Record]], rng: np.random.Generator
) -> Row:
    """The ratio with its verdict, where the losses of both sides agree; `pairs` has both sides of
    each launch."""
    row = {}
    difference = max(loss_error(a["losses"], b["losses"]) for a, b in pairs)
    if all(record["losses"] for record in pairs[0]):
        row["losses apart"] = f"{difference:.0e}"
    if difference > LOSS_TOLERANCE:
        return row | {"verdict": "not comparable"}
    ratio = paired_ratio([_log_ratios(a, b, comparison.rate) for a, b in pairs], rng)
    row["ratio"] = f"{ratio.value:.3f}"
    if ratio.low is not None:
        row["interval"] = f"{ratio.low:.3f}–{ratio.high:.3f}"
    return row | {"verdict": verdict(ratio, comparison.target, comparison.rate)}


def _log_ratios(tested: Record, base: Record, rate: bool) -> Any:
    """Log-ratios, round by round, of the times or of the rates of operations."""
    logs = np.array(
        [np.log(a / b) for a, b in zip(tested["seconds"], base["seconds"], strict=False)]
    )
    return np.log(tested["flop"] / base["flop"]) - logs if rate else logs


def _target(comparison: Comparison) -> Row:
    sign = "≥" if comparison.rate else "≤"
    return {"target": NO_TARGET if comparison.target is None else f"{sign} {comparison.target:g}"}


def _names(sides: Sequence[CandidateRecords]) -> str:
    return " or ".join(side.name for side in sides)


def _fastest(side: CandidateRecords, sides: Sequence[CandidateRecords]) -> str:
    timed = sum(bool(other.timed) for other in sides)
    return side.name if len(sides) == 1 else f"{side.name} (fastest of {timed})"


def read_finished(file: Path) -> tuple[Record, Sequence[Record]]:
    """The environment of a measurement, with the number of its finished launches, and their
    records. One that was stopped has a part of its last launch, which is left out."""
    environment, *records = JsonLines(file).read()
    counts = Counter(record["launch"] for record in records)
    finished = {launch for launch, count in counts.items() if count == max(counts.values())}
    settings = {**environment["settings"], "launches": len(finished)}
    kept = [record for record in records if record["launch"] in finished]
    return {**environment, "settings": settings}, kept


def markdown(environment: Record, rows: Sequence[Row]) -> str:
    """The environment, then each part with the number of its verdicts."""
    parts = [_origin(environment)]
    for part, claim in PARTS.items():
        if part_rows := [row for row in rows if row["part"] == part]:
            parts += [f"## {part}: {claim}", _verdict_counts(part_rows), _table(part_rows)]
    return "\n\n".join(parts) + "\n"


def _origin(environment: Record) -> str:
    settings, host = environment["settings"], environment["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in environment["versions"].items() if v)
    return (
        f"{host['processor']}, {settings['threads']} threads; Python {environment['python']}, "
        f"{versions}. {settings['launches']} launches. The ratio is the median of the paired "
        "ratios, ours over base, round by round, with its bootstrap interval"
        f"{_reservation(settings)}; at `products` it is a ratio of rates of operations. A "
        "comparison passes where its whole interval meets the target, and is unclear where the "
        "target lies inside. The losses of both sides over the first steps agree within "
        f"{LOSS_TOLERANCE:g}, or the pair is not comparable."
    )


def _reservation(settings: Record) -> str:
    """What an interval over so few launches leaves out, in words; nothing for enough launches."""
    if settings["launches"] >= LAUNCHES_FOR_AN_INTERVAL:
        return f" at {100 * CONFIDENCE:g}%"
    return f", which shows little of how {settings['launches']} launches differ from others"


def _verdict_counts(rows: Sequence[Row]) -> str:
    counts = Counter(
        row["verdict"] if row["verdict"] in VERDICTS else "not measured"
        for row in rows
        if row["verdict"] != NO_TARGET
    )
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no targets"


def _table(rows: Sequence[Row]) -> str:
    lines = [[_text(row, name) for name in COLUMNS] for row in rows]
    alignment = ["right" if name in NUMBERS else "left" for name in COLUMNS]
    return str(tabulate(lines, COLUMNS, "pipe", disable_numparse=True, colalign=alignment))


def _text(row: Row, name: str) -> str:
    """A figure of the table; a phase has its name of all tables."""
    text = row.get(name, "").replace("|", "\\|")
    return PHASE_NAMES.get(text, text) if name == "phase" else text
