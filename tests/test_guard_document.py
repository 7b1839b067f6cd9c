"""The figures that the guard's page quotes are those that its records give."""

import re
from collections.abc import Mapping, Sequence

import pytest
from conftest import ROOT

from bench.compare.decision import Verdict
from studies.guard_rates.rules import all_rules
from studies.guard_rates.streams import Stream, read_streams

PAGE = " ".join((ROOT / "docs" / "guard.md").read_text().split())
QUOTED: Mapping[str, Sequence[str]] = {
    "this guard": ("same", "same, busy", "5%", "10%"),
    "flagging from 3%, tolerating 1%": ("5%",),
    "pytest-benchmark mean:5%, 1 launch": ("same", "same, busy"),
    "pytest-benchmark mean:5%, 20 launches": ("same", "same, busy"),
    "pytest-benchmark min:5%, 20 launches": ("same, busy",),
    "benchstat-like, 20 launches": ("same", "same, busy"),
    "asv-like, 20 launches, alternating": ("5%",),
}
"""The rules and heads whose figures the page quotes."""


@pytest.fixture(scope="module")
def streams() -> Mapping[str, Stream]:
    return read_streams(ROOT / "results" / "guard-cpu")


@pytest.fixture(scope="module")
def figures(streams: Mapping[str, Stream]) -> set[str]:
    """`62 of 108`: how often each of these rules calls each of these heads slower."""
    return {
        _share([verdict for verdict, _ in all_rules()[rule](streams[head])])
        for rule, heads in QUOTED.items()
        for head in heads
    }


def _share(verdicts: Sequence[str]) -> str:
    return f"{verdicts.count(Verdict.REGRESSED.value)} of {len(verdicts)}"


def test_page_quotes_every_figure_as_its_records_give_it(figures: set[str]) -> None:
    assert {figure for figure in figures if figure not in PAGE} == set()


def test_page_quotes_no_other_figure(figures: set[str]) -> None:
    assert set(re.findall(r"\d+ of \d+", PAGE)) == figures


def test_eager_setting_gave_no_false_alarm_in_six_hundred_verdicts(
    streams: Mapping[str, Stream],
) -> None:
    assert "none of its 600 verdicts on unchanged code was wrong" in PAGE
    rule = all_rules()["flagging from 3%, tolerating 1%"]
    verdicts = [v for head in ("same", "same, busy") for v, _ in rule(streams[head])]
    assert len(verdicts) == 600
    assert set(verdicts).isdisjoint({Verdict.REGRESSED.value, Verdict.IMPROVED.value})
