"""The verdict as JUnit XML, which continuous-integration servers read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Xml

from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.outputs.table import describe
from bench.records.inert import inert

ELEMENTS: Mapping[Verdict, str] = {
    Verdict.REGRESSED: "failure",
    Verdict.MISSING: "failure",
    Verdict.FAILED: "failure",
    Verdict.NOT_COMPARABLE: "error",
    Verdict.INCONCLUSIVE: "skipped",
}
"""How JUnit calls a verdict that is not green."""


def junit(findings: Sequence[Finding]) -> str:
    """A test case for each check of each row."""
    counts = Counter(ELEMENTS.get(finding.verdict) for finding in findings)
    suite = Xml.Element(
        "testsuite",
        name="recurrent-bench compare",
        tests=str(len(findings)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for finding in findings:
        case = Xml.SubElement(
            suite, "testcase", classname=inert(finding.row), name=inert(finding.check)
        )
        if element := ELEMENTS.get(finding.verdict):
            Xml.SubElement(case, element, message=inert(describe(finding)))
        elif finding.ratio is not None:
            Xml.SubElement(case, "system-out").text = inert(describe(finding))
    Xml.indent(suite)
    text: bytes = Xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return f"{text.decode()}\n"
