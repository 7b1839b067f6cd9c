"""The published tables of the gate's and the guard's error rates follow from their records."""

import pytest
from conftest import ROOT
from quotes import Page, table_cells

from bench.analysis.statistics import share_interval
from studies import gate_rates
from studies.guard_rates.collect import model_name, timed_cases
from studies.guard_rates.compare_faults import FAULT_LINES
from studies.guard_rates.rules import all_rules
from studies.guard_rates.streams import read_streams
from studies.guard_rates.tables import (
    effects_table,
    faults_table,
    power_table,
    rates_of_guard,
    report,
)
from studies.json_lines import JsonLines

GATE, GUARD = ROOT / "results/gate-cpu", ROOT / "results/guard-cpu"


def rows(text: str) -> list[list[str]]:
    """The texts in the rows of Markdown tables, without their headings."""
    texts = [table_cells(line) for line in text.splitlines() if line.startswith("|")]
    rules = [k for k, cells in enumerate(texts) if set("".join(cells)) <= set(":-")]
    return [cells for k, cells in enumerate(texts) if k not in rules and k + 1 not in rules]


def test_table_of_the_gate_is_the_one_that_its_records_give() -> None:
    models = JsonLines(GATE / gate_rates.MODELS).read()
    published = (GATE / gate_rates.TABLE).read_text()
    assert published.strip().endswith(gate_rates.rates_table(models))
    assert {model["adapter"] for model in models} == {*gate_rates.CORRECT, *gate_rates.FAULTS}


def test_architecture_page_quotes_the_error_rates_of_the_gate() -> None:
    models = JsonLines(GATE / gate_rates.MODELS).read()
    correct = [model["rejected"] for model in models if not model["faulty"]]
    faulty = [model["rejected"] for model in models if model["faulty"]]
    assert sum(correct) == 0
    interval = share_interval(sum(correct), len(correct))
    assert interval
    page = Page(ROOT / "docs/architecture.md")
    assert page.quotes(
        "it rejected {} of {} right models (95% interval 0–{:.3g}%)",
        sum(correct),
        len(correct),
        100 * interval[1],
    )
    assert page.quotes("found {} of {} faults", sum(faulty), len(faulty))
    (missed,) = (model for model in models if model["rejected"] != model["faulty"])
    assert page.quotes("The one that it missed is a wrong β₂ ({})", missed["adapter"])
    assert missed["size"] != "workload 4 × 7 × 2 → 5"


def test_gate_is_run_again_on_a_published_model_with_the_same_result() -> None:
    wanted = ("clipping left out", "workload 4 × 7 × 2 → 5", 1)
    published = next(
        model
        for model in JsonLines(GATE / gate_rates.MODELS).read()
        if (model["adapter"], model["size"], model["seed"]) == wanted
    )
    result = gate_rates.run_gate(published)
    assert result["rejected"] == published["rejected"]
    assert result["array"] == published["array"]


def test_tables_of_the_guard_are_those_that_its_records_give(
    request: pytest.FixtureRequest,
) -> None:
    """All figures with `--thorough`; else those that take a second each."""
    published = (GUARD / "table.md").read_text()
    if request.config.getoption("--thorough"):
        assert report(GUARD) == published
    streams = read_streams(GUARD)
    quick = [stream for stream in streams if (stream.state, stream.head_name) == ("quiet", "+5%")]
    found = {(s.state, s.head_name): rates_of_guard(s) for s in quick}
    tables = [power_table(quick, found), effects_table(quick)]
    computed = [row for table in tables for row in rows(table)]
    computed += rows(faults_table(JsonLines(GUARD / FAULT_LINES).read()))
    assert len(computed) == 1 + 3 + 13
    assert not [row for row in computed if row not in rows(published)]
    assert {row[0] for row in rows(published)} >= set(all_rules())


def test_published_streams_have_the_models_that_would_be_timed_today() -> None:
    names = {model_name(case) for case in timed_cases()}
    for stream in read_streams(GUARD):
        assert {*stream.base} == {*stream.head} == {*names, "control"}
