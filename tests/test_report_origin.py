"""The lines on the machine, the versions and the harness."""

from report_records import ENVIRONMENT, INFO, parity_record, speed_record

from bench.report.origin import harness_line, origin


def test_harness_share_is_the_time_outside_the_adapters_calls() -> None:
    records = [parity_record(), parity_record(seed=1), speed_record()]
    line = harness_line(records, [20.0, 10.0])
    assert line == "harness: 25.0% of the cases' time (4 s in the workers; the run took 30 s)"
    assert harness_line([speed_record()], []) is None


def test_two_versions_of_a_framework_are_both_named() -> None:
    other = {**ENVIRONMENT, "versions": {"torch": "2.12.0"}}
    info = {**INFO, "environments": {"e": ENVIRONMENT, "f": other}}
    assert origin("r", info)["versions"] == "numpy 2.4.6, torch 2.12.0, torch 2.13.0"
    assert origin("r", {}) == {"run": "r"}
