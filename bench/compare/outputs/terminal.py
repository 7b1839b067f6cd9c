"""The verdict in a terminal."""

from collections.abc import Sequence

from bench.compare.conclusion import conclusion
from bench.compare.finding import Finding
from bench.compare.outputs.table import LEGEND, findings_frame, has_change, notable_findings
from bench.report.terminal import print_frame

DROPPED_FIRST = ("pairs", "head", "base", "scatter", "interval")
"""Columns that a narrow terminal does without, in this order."""


def print_findings(findings: Sequence[Finding], about: Sequence[str]) -> None:
    """Print the lines about the sides, the notable findings, and the conclusion."""
    notable = notable_findings(findings)
    frame = findings_frame(notable)
    lines = [*about, *([LEGEND] if has_change(notable) else [])]
    print_frame(lines, frame, conclusion(findings), expendable=DROPPED_FIRST)
