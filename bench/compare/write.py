"""The verdict for people and for machines: terminal, Markdown, JUnit, JSON, and the formats of
github-action-benchmark and pytest-benchmark."""

import json
import math
import os
import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pandas as pd

from bench.compare.decision import Rule, Verdict
from bench.compare.pairs import Finding, Sides
from bench.compare.speed import launch_times
from bench.records.folder import storage_errors
from bench.records.record import without_nonfinite
from bench.report.markup import markdown_list, markdown_table
from bench.report.terminal import print_frame
from bench.report.words import DASH, format_number

UNPRINTABLE = re.compile(r"[\x00-\x1f]")
"""What a dying process may have said, and XML has no way to say."""
RED = (Verdict.REGRESSED, Verdict.MISSING)
BADGES: Mapping[Verdict, str] = {
    Verdict.PASS: "✅",
    Verdict.IMPROVED: "🚀",
    Verdict.REGRESSED: "❌",
    Verdict.MISSING: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.NOT_COMPARABLE: "❔",
}


def exit_code(found: Sequence[Finding]) -> int:
    """1 where something is worse or gone, 3 where something is not concluded or nothing was
    measured, else 0."""
    if any(f.verdict in RED for f in found):
        return 1
    return 0 if found and all(f.verdict.green for f in found) else 3


def conclusion(found: Sequence[Finding]) -> str:
    """`regressed: 1 regressed, 41 pass`: the verdict on the whole, and what it is made of."""
    if not found:
        return "nothing measured"
    counts = Counter(f.verdict for f in found)
    words = ", ".join(f"{counts[v]} {v}" for v in reversed(Verdict) if counts[v])
    overall = {0: "pass", 1: "regressed", 3: "inconclusive"}[exit_code(found)]
    return f"{overall}: {words}"


def show(found: Sequence[Finding], about: Sequence[str]) -> None:
    """What is not green, and all speeds, on standard output."""
    print_frame(about, frame(_told(found)), conclusion(found), spare=SPARE)


def _told(found: Sequence[Finding]) -> list[Finding]:
    return [f for f in found if not f.verdict.green or f.check.startswith("speed")]


def frame(found: Sequence[Finding]) -> pd.DataFrame:
    """A row a finding, in words."""
    rows = [
        {
            "cell": f.cell,
            "check": f.check,
            "verdict": str(f.verdict),
            "base": _figure(f.base, f.unit),
            "head": _figure(f.head, f.unit),
            "change": DASH if f.ratio is None else f"{100 * (f.ratio - 1):+.1f}%",
            "95%": _interval(f),
            "pairs": str(f.pairs) if f.pairs else DASH,
            "reason": f.reason,
        }
        for f in found
    ]
    return pd.DataFrame(rows, columns=[*_COLUMNS], dtype=object)


SPARE = ("pairs", "head", "base", "95%")
_COLUMNS = ("cell", "check", "verdict", "base", "head", "change", "95%", "pairs", "reason")


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    if unit == "s":
        return f"{format_number(1e3 * value)} ms"
    return f"{format_number(value)} {unit}".strip()


def _interval(f: Finding) -> str:
    if f.low is None or f.high is None:
        return DASH
    return f"{100 * (f.low - 1):+.1f} to {100 * (f.high - 1):+.1f}%"


def markdown(found: Sequence[Finding], about: Sequence[str]) -> str:
    """For a comment on a pull request: the verdict, what is not green, the speeds, and the rest
    folded away."""
    badge = BADGES[_worst(found)]
    parts = [f"## {badge} {conclusion(found)}", markdown_list(about)]
    if told := _told(found):
        parts.append(markdown_table(frame(told)))
    if rest := [f for f in found if f not in told]:
        lines = markdown_table(frame(rest))
        parts.append(
            f"<details><summary>{len(rest)} other checks pass</summary>\n\n{lines}\n\n</details>"
        )
    return "\n\n".join(parts) + "\n"


def _worst(found: Sequence[Finding]) -> Verdict:
    return {0: Verdict.PASS, 1: Verdict.REGRESSED, 3: Verdict.INCONCLUSIVE}[exit_code(found)]


def summary(found: Sequence[Finding], about: Sequence[str]) -> None:
    """Append the Markdown to the file that GitHub Actions shows as the job's summary."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with (
            storage_errors(f"cannot write to {path}"),
            Path(path).open("a", encoding="utf-8") as out,
        ):
            out.write(markdown(found, about))


def write(
    folder: Path, found: Sequence[Finding], about: Sequence[str], sides: Sides, rule: Rule
) -> None:
    """All formats, below the folder of a comparison."""
    texts = {
        "verdict.md": markdown(found, about),
        "verdict.json": _json(
            {"conclusion": conclusion(found), "exit_code": exit_code(found)}
            | {"sides": list(about), "rule": asdict(rule), "findings": [asdict(f) for f in found]}
        ),
        "junit.xml": junit(found),
        "smaller-is-better.json": _json(smaller_is_better(found)),
        **{
            f"pytest-benchmark-{name}.json": _json(pytest_benchmark(name, times, info))
            for name, times, info in (
                ("base", launch_times(sides.base), sides.base_info),
                ("head", launch_times(sides.head), sides.head_info),
            )
        },
    }
    with storage_errors(f"cannot write to {folder}"):
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def _json(value: Any) -> str:
    return (
        json.dumps(without_nonfinite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )


def junit(found: Sequence[Finding]) -> str:
    """A test case a check of a cell. What is not concluded is skipped, what cannot be compared
    an error: neither is a success."""
    kinds = {
        Verdict.REGRESSED: "failure",
        Verdict.MISSING: "failure",
        Verdict.NOT_COMPARABLE: "error",
        Verdict.INCONCLUSIVE: "skipped",
    }
    counts = Counter(kinds.get(f.verdict) for f in found)
    suite = Xml.Element(
        "testsuite",
        name="recurrent-bench compare",
        tests=str(len(found)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for f in found:
        case = Xml.SubElement(suite, "testcase", classname=f.cell, name=f.check)
        if kind := kinds.get(f.verdict):
            Xml.SubElement(case, kind, message=UNPRINTABLE.sub("?", _said(f)))
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _said(f: Finding) -> str:
    change = "" if f.ratio is None else f", {100 * (f.ratio - 1):+.1f}% ({_interval(f)})"
    return f"{f.verdict}{change}" + (f": {f.reason}" if f.reason else "")


def smaller_is_better(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """The head's times as github-action-benchmark's `customSmallerIsBetter` has them."""
    return [
        {
            "name": f"{f.cell}: {f.check}",
            "unit": f.unit,
            "value": f.head,
            "extra": _said(f),
        }
        for f in found
        if f.check.startswith("speed of") and f.head is not None and math.isfinite(f.head)
    ]


def pytest_benchmark(
    name: str, times: Mapping[tuple[str, str], Sequence[float]], info: Mapping[str, Any]
) -> dict[str, Any]:
    """One side as pytest-benchmark stores it: a round is a launch, and `pytest-benchmark compare`
    reads it."""
    machine = info.get("machine") or {}
    return {
        "machine_info": {
            "node": platform.node(),
            "system": machine.get("system"),
            "python_version": (info.get("versions") or {}).get("python"),
            "cpu": {"brand_raw": machine.get("processor"), "count": machine.get("cores")},
        },
        "commit_info": {"id": info.get("commit"), "dirty": bool(info.get("changed"))},
        "benchmarks": [
            {
                "group": cell,
                "name": f"{phase}[{cell}]",
                "fullname": f"recurrent-bench::{phase}[{cell}]",
                "params": None,
                "param": cell,
                "extra_info": {"side": info.get("side", name)},
                "options": {"timer": "perf_counter", "warmup": True},
                "stats": _stats(launches),
            }
            for (cell, phase), launches in times.items()
        ],
        "datetime": pd.Timestamp.now("UTC").isoformat(),
        "version": "5.0.0",
    }


def _stats(launches: Sequence[float]) -> dict[str, Any]:
    """What pytest-benchmark tells of its rounds."""
    x = np.sort(np.asarray(launches, dtype=np.float64))
    q1, middle, q3 = (float(q) for q in np.quantile(x, (0.25, 0.5, 0.75), method="hazen"))
    mean, spread = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
    inside = x[(x >= q1 - 1.5 * (q3 - q1)) & (x <= q3 + 1.5 * (q3 - q1))]
    far, outside = int((np.abs(x - mean) > spread).sum()), len(x) - len(inside)
    return {
        "min": float(x[0]),
        "max": float(x[-1]),
        "mean": mean,
        "stddev": spread,
        "rounds": len(x),
        "median": middle,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": far,
        "outliers": f"{far};{outside}",
        "ld15iqr": float(inside[0]),
        "hd15iqr": float(inside[-1]),
        "ops": 1 / mean,
        "total": float(x.sum()),
        "iterations": 1,
    }
