"""The table of a folder's samples, as Markdown."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from .comparisons import PARTS, Comparison, comparisons
from .problem import SHAPES
from .ratio import AGREE, loss_error, paired_ratio, verdict

RIGHT = ("ours, ms", "base, ms", "ratio", "interval", "target", "losses apart")
HEAD = ("shape", "cell", "phase", "ours", "base", *RIGHT, "verdict")
Record = Mapping[str, Any]
Row = dict[str, str]


def read(file: Path) -> tuple[Record, list[Record]]:
    """What ran it, and the records of contestants; a half-written last line is left out."""
    lines = file.read_text().splitlines(keepends=True)
    environment, *records = [json.loads(line) for line in lines if line.endswith("\n")]
    return environment, records


@dataclass(frozen=True)
class Side:
    """A contestant at one model: its record of each launch."""

    name: str
    records: Mapping[int, Record]

    @property
    def timed(self) -> Mapping[int, Record]:
        return {n: r for n, r in self.records.items() if r["seconds"] and not r["error"]}

    @property
    def error(self) -> str:
        errors = [record["error"] for record in self.records.values() if record["error"]]
        return errors[0] if errors else "not measured"

    @property
    def seconds(self) -> float:
        return float(np.median(np.concatenate([r["seconds"] for r in self.timed.values()])))


def table(environment: Record, records: Sequence[Record], rng: np.random.Generator) -> list[Row]:
    """A row of each comparison, in the order of the parts."""
    settings = environment["settings"]
    known: dict[tuple[str, ...], dict[int, Record]] = {}
    for record in records:
        key = tuple(record[name] for name in ("shape", "cell", "phase", "name"))
        known.setdefault(key, {})[record["launch"]] = record
    rows = []
    for shape in settings["shapes"]:
        for cell in settings["cells"]:
            for one in comparisons(shape, cell, settings["parts"], settings["frameworks"]):
                sides = [
                    [Side(name, known.get((shape, cell, one.phase, name), {})) for name in names]
                    for names in (one.ours, one.base)
                ]
                where = {"part": one.part, "shape": f"{shape} {SHAPES[shape]}", "cell": cell}
                rows.append(where | _row(one, *sides, rng))
    return sorted(rows, key=lambda row: row["part"])


def _row(
    one: Comparison, ours: Sequence[Side], base: Sequence[Side], rng: np.random.Generator
) -> Row:
    known = {"phase": one.phase, "ours": _names(ours), "base": _names(base), **_target(one)}
    missing = [side for group in (ours, base) if not any(s.timed for s in group) for side in group]
    if missing:
        return known | {"verdict": "; ".join(f"{side.name}: {side.error}" for side in missing)}
    fast, slow = (min((s for s in g if s.timed), key=lambda s: s.seconds) for g in (ours, base))
    known |= {"ours": _chosen(fast, ours), "base": _chosen(slow, base)}
    known |= {"ours, ms": f"{fast.seconds * 1e3:.2f}", "base, ms": f"{slow.seconds * 1e3:.2f}"}
    both = [(fast.timed[n], slow.timed[n]) for n in fast.timed if n in slow.timed]
    if not both:
        return known | {"verdict": "never timed in the same launch"}
    apart = max(loss_error(a["losses"], b["losses"]) for a, b in both)
    if all(record["losses"] for record in both[0]):
        known["losses apart"] = f"{apart:.0e}"
    if apart > AGREE:
        return known | {"verdict": "not comparable"}
    ratio = paired_ratio([_logs(a, b, one.rate) for a, b in both], rng)
    known["ratio"] = f"{ratio.value:.3f}"
    if ratio.low is not None:
        known["interval"] = f"{ratio.low:.3f}–{ratio.high:.3f}"
    return known | {"verdict": verdict(ratio, one.target, one.rate)}


def _logs(ours: Record, base: Record, rate: bool) -> Any:
    """Log-ratios, round by round, of the times or of the rates of operations."""
    logs = np.array([np.log(a / b) for a, b in zip(ours["seconds"], base["seconds"], strict=False)])
    return np.log(ours["flop"] / base["flop"]) - logs if rate else logs


def _target(one: Comparison) -> Row:
    sign = "≥" if one.rate else "≤"
    return {"target": "—" if one.target is None else f"{sign} {one.target:g}"}


def _names(sides: Sequence[Side]) -> str:
    return " or ".join(side.name for side in sides)


def _chosen(side: Side, among: Sequence[Side]) -> str:
    timed = sum(bool(other.timed) for other in among)
    return side.name if len(among) == 1 else f"{side.name} (fastest of {timed})"


def markdown(environment: Record, rows: Sequence[Row]) -> str:
    """What ran it, then each part with its count of verdicts."""
    parts = [_origin(environment)]
    for part, claim in PARTS.items():
        if own := [row for row in rows if row["part"] == part]:
            parts += [f"## {part}: {claim}", _counted(own), _table(own)]
    return "\n\n".join(parts) + "\n"


def _origin(environment: Record) -> str:
    settings, host = environment["settings"], environment["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in environment["versions"].items() if v)
    return (
        f"{host['processor']}, {settings['threads']} threads; Python {environment['python']}, "
        f"{versions}. {settings['launches']} launches; the median of paired ratios, ours to base, "
        "round by round, and its 95% bootstrap interval; at `products` the ratio is of rates of "
        "operations. The losses of both sides over "
        f"the first steps agree within {AGREE:g}, or the pair is not comparable."
    )


def _counted(rows: Sequence[Row]) -> str:
    counts = Counter(
        row["verdict"] if row["verdict"] in KNOWN else "not measured"
        for row in rows
        if row["verdict"] != "—"
    )
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no targets"


KNOWN = ("PASS", "MISSED", "unclear", "not comparable")


def _table(rows: Sequence[Row]) -> str:
    lines = [[row.get(name, "").replace("|", "\\|") for name in HEAD] for row in rows]
    sides = ["right" if name in RIGHT else "left" for name in HEAD]
    return tabulate(lines, HEAD, "pipe", disable_numparse=True, colalign=sides)
