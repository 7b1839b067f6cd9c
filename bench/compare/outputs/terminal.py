"""The verdict in a terminal."""

from collections.abc import Sequence

from bench.compare.conclusion import conclusion
from bench.compare.finding import Finding
from bench.compare.outputs.table import findings_frame, notable_findings
from bench.report.terminal import print_frame

DROPPED_FIRST = ("pairs", "head", "base", "95%")
"""Columns that a narrow terminal does without, in this order."""


def print_findings(findings: Sequence[Finding], about: Sequence[str]) -> None:
    """Print the lines about the sides, the notable findings, and the conclusion."""
    frame = findings_frame(notable_findings(findings))
    print_frame(about, frame, conclusion(findings), expendable=DROPPED_FIRST)
