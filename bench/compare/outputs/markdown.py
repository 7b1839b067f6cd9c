"""The verdict in Markdown, for a comment on a pull request and for a job's summary."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.compare.conclusion import conclusion, overall_verdict
from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.outputs.table import LEGEND, findings_frame, has_change, notable_findings
from bench.records.folder import storage_errors
from bench.report.escapes import escape_markdown
from bench.report.markup import markdown_list, markdown_table

BADGES: Mapping[Verdict, str] = {
    Verdict.PASS: "✅",
    Verdict.REGRESSED: "❌",
    Verdict.FAILED: "❌",
    Verdict.MISSING: "❌",
    Verdict.NOT_COMPARABLE: "⛔",
    Verdict.INCONCLUSIVE: "❔",
}


def markdown(findings: Sequence[Finding], about: Sequence[str]) -> str:
    """The conclusion, the lines about the sides, the notable findings, and the others folded
    away."""
    badge = BADGES[overall_verdict(findings)]
    blocks = [f"## {badge} {conclusion(findings)}", markdown_list(about)]
    if notable := notable_findings(findings):
        blocks.append(markdown_table(findings_frame(notable)))
        if has_change(notable):
            blocks.append(escape_markdown(LEGEND))
    if others := [finding for finding in findings if finding not in notable]:
        table = markdown_table(findings_frame(others))
        blocks.append(
            f"<details><summary>{len(others)} other checks pass</summary>\n\n{table}\n\n</details>"
        )
    return "\n\n".join(blocks) + "\n"


def append_step_summary(findings: Sequence[Finding], about: Sequence[str]) -> None:
    """Append the Markdown to the file that GitHub Actions shows as the summary of a job."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with (
            storage_errors(f"cannot write to {path}"),
            Path(path).open("a", encoding="utf-8") as file,
        ):
            file.write(markdown(findings, about))
