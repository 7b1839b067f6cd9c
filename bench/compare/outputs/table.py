"""Findings as a table of text, for the terminal and for Markdown."""

from collections.abc import Sequence

import pandas as pd

from bench.compare.finding import Finding
from bench.compare.reasons import percent
from bench.report.words import DASH, format_number

COLUMNS = (
    "cell",
    "check",
    "verdict",
    "base",
    "head",
    "change",
    "interval",
    "scatter",
    "pairs",
    "reason",
)
LEGEND = (
    "speed: base and head are medians over launches; the change is the centre of the ratios of "
    "pairs (pseudomedian), not head over base; a check passes by its interval, whose confidence "
    "follows it; scatter is the smallest and the largest pair"
)
"""Which statistic each figure is."""


def findings_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row for each finding."""
    rows = [
        {
            "cell": finding.row,
            "check": finding.check,
            "verdict": str(finding.verdict),
            "base": _figure(finding.base, finding.unit),
            "head": _figure(finding.head, finding.unit),
            "change": DASH if finding.ratio is None else percent(finding.ratio),
            "interval": format_interval(finding),
            "scatter": format_scatter(finding),
            "pairs": str(finding.pairs) if finding.pairs else DASH,
            "reason": finding.reason,
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS], dtype=object)


def notable_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are not green, and all on speed."""
    return [f for f in findings if not f.verdict.green or f.check.startswith("speed")]


def has_change(findings: Sequence[Finding]) -> bool:
    """Whether the table of these findings has figures that `LEGEND` explains."""
    return any(finding.ratio is not None for finding in findings)


def describe(finding: Finding) -> str:
    """The verdict, change, interval, scatter and reason in one line."""
    change = ""
    if finding.ratio is not None:
        change = f", {percent(finding.ratio)}, interval {format_interval(finding)}"
        change += f", scatter {format_scatter(finding)} of {finding.pairs} pairs"
    return f"{finding.verdict}{change}" + (f": {finding.reason}" if finding.reason else "")


def format_interval(finding: Finding) -> str:
    """`-1.0 … +4.2% (97%)`, and a dash where there is no interval."""
    confidence = f" ({100 * finding.confidence:.0f}%)" if finding.confidence else ""
    return _range(finding.low, finding.high) + confidence


def format_scatter(finding: Finding) -> str:
    """`-39.0 … +70.0%`, and a dash where there are no pairs."""
    return _range(finding.scatter_low, finding.scatter_high)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return DASH
    return f"{percent(low).rstrip('%')} … {percent(high)}"


def _figure(value: float | None, unit: str) -> str:
    """The value with its unit; seconds in milliseconds."""
    if value is None:
        return DASH
    if unit == "s":
        return f"{format_number(1e3 * value)} ms"
    return f"{format_number(value)} {unit}".strip()
