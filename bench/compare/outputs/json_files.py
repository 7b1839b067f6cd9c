"""The verdict as JSON, and the head's times for github-action-benchmark."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.compare.conclusion import ComparisonResult, conclusion, exit_code, overall_verdict
from bench.compare.finding import Finding
from bench.compare.outputs.table import describe
from bench.records.record import without_nonfinite
from bench.report.escapes import escape_json


def json_text(value: Any) -> str:
    """The value as indented JSON, with null for a number that is not finite, and with an escape for
    each character that does not print."""
    finite = without_nonfinite(value)
    return escape_json(json.dumps(finite, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def verdict_json(result: ComparisonResult) -> str:
    """`verdict.json`: conclusion, overall verdict, sides, rule and all findings."""
    return json_text(
        {
            "conclusion": conclusion(result.findings),
            "verdict": overall_verdict(result.findings),
            "exit_code": exit_code(result.findings),
            "sides": list(result.about),
            "rule": asdict(result.rule),
            "findings": [_fields(finding) for finding in result.findings],
        }
    )


def _fields(finding: Finding) -> dict[str, Any]:
    """The fields of a finding. Files call a row `cell`, as earlier versions did."""
    fields = asdict(finding)
    return {"cell": fields.pop("row"), **fields}


def smaller_is_better(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The head's times in the format `customSmallerIsBetter` of github-action-benchmark."""
    return [
        {
            "name": f"{finding.row}: {finding.check}",
            "unit": finding.unit,
            "value": finding.head,
            "extra": describe(finding),
        }
        for finding in findings
        if finding.check.startswith("speed of")
        and finding.head is not None
        and math.isfinite(finding.head)
    ]
