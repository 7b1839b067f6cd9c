"""Findings as a table of text, for the terminal and for Markdown."""

from collections.abc import Sequence

import pandas as pd

from bench.compare.finding import Finding
from bench.report.words import DASH, format_number

COLUMNS = ("cell", "check", "verdict", "base", "head", "change", "95%", "pairs", "reason")


def findings_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row for each finding."""
    rows = [
        {
            "cell": finding.row,
            "check": finding.check,
            "verdict": str(finding.verdict),
            "base": _figure(finding.base, finding.unit),
            "head": _figure(finding.head, finding.unit),
            "change": DASH if finding.ratio is None else format_change(finding.ratio),
            "95%": format_change_interval(finding),
            "pairs": str(finding.pairs) if finding.pairs else DASH,
            "reason": finding.reason,
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS], dtype=object)


def notable_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are not green, and all on speed."""
    return [f for f in findings if not f.verdict.green or f.check.startswith("speed")]


def describe(finding: Finding) -> str:
    """The verdict, change, interval and reason in one line."""
    change = ""
    if finding.ratio is not None:
        change = f", {format_change(finding.ratio)} ({format_change_interval(finding)})"
    return f"{finding.verdict}{change}" + (f": {finding.reason}" if finding.reason else "")


def format_change(ratio: float) -> str:
    """`+4.2%`."""
    return f"{100 * (ratio - 1):+.1f}%"


def format_change_interval(finding: Finding) -> str:
    """`-1.0 to +4.2%`, and a dash where there is no interval."""
    if finding.low is None or finding.high is None:
        return DASH
    return f"{100 * (finding.low - 1):+.1f} to {format_change(finding.high)}"


def _figure(value: float | None, unit: str) -> str:
    """The value with its unit; seconds in milliseconds."""
    if value is None:
        return DASH
    if unit == "s":
        return f"{format_number(1e3 * value)} ms"
    return f"{format_number(value)} {unit}".strip()
