"""The tables of published figures and of forecasts follow from the records."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_studies import NAMES, published
from quotes import table_cells
from study_records import grouped, learning_record, small_experiment

from bench.records.record import Record
from studies.experiment import (
    SCORE,
    SEQUENCES,
    SOLVED,
    Experiment,
    PublishedFigure,
    Study,
    single_value,
    value_range,
)
from studies.papers.published_1997 import Lstm1997, elman_weights
from studies.study_report import study_report
from studies.tables.markdown import failures_text, markdown
from studies.tables.verdicts import verdict


def study(*experiments: Experiment, **settings: Any) -> Study:
    """A study whose main backend is `a`."""
    chosen: dict[str, Any] = {"main_backend": "a", "other_backends": (), **settings}
    return Study(about="", experiments=experiments, **chosen)


@pytest.mark.parametrize("name", NAMES)
def test_published_tables_are_those_that_the_records_give(name: str) -> None:
    source = published(name)
    report = study_report(source.study, source.plan, source.records)
    assert report.tables == (source.folder.path / "table.md").read_text()
    for file, figure in report.figures.items():
        assert bool(figure) == (source.folder.path / f"{file}.png").exists()


def seeds_with(quantity: str, values: Sequence[float], chance: float | None) -> list[Record]:
    """A seed for each value of a quantity; for `solved`, 1 is solved and 0 is not."""
    return [
        learning_record(
            k,
            None if value == math.inf or (quantity == SOLVED and not value) else value,
            **({"score": value} if quantity == SCORE else {}),
            chance=chance,
            threshold=0.01,
        )
        for k, value in enumerate(values)
    ]


THOUSAND = single_value("lstm", SEQUENCES, 1000)
NONE, ALL = (PublishedFigure("rnn", SOLVED, share, share, share) for share in (0.0, 1.0))
MOST = PublishedFigure("lstm", SOLVED, 0.985, 0.97, 1.0)
CHANCE = single_value("gru", SCORE, 0.164)


@pytest.mark.parametrize(
    ("figure", "values", "chance", "expected"),
    [
        (THOUSAND, [1000] * 10, 1.0, "within"),
        (THOUSAND, [500] * 5, 1.0, "within"),
        (THOUSAND, [500] * 4, 1.0, "unclear: 4 seeds"),
        (THOUSAND, [1000] * 3, 1.0, "unclear: 3 seeds"),
        (THOUSAND, [1000] * 9 + [499], 1.0, "within"),
        (THOUSAND, [1000] * 8 + [499] * 2, 1.0, "unclear: 10 seeds"),
        (THOUSAND, [499] * 5, 1.0, "outside: fewer"),
        (THOUSAND, [499] * 4, 1.0, "unclear: 4 seeds"),
        (THOUSAND, [2001] * 5, 1.0, "outside: more"),
        (THOUSAND, [math.inf] * 5, 1.0, "outside: no more than half solved"),
        (THOUSAND, [1000, 1000, math.inf, math.inf, math.inf], 1.0, "unclear: 5 seeds"),
        (single_value("lstm", SCORE, 0.1), [0.04] * 5, 1.0, "outside: lower"),
        (single_value("lstm", SCORE, 0.1), [0.1] * 5, None, "within"),
        (value_range("lstm", SEQUENCES, 10, 20), [21] * 5, 1.0, "outside: more"),
        (CHANCE, [0.165] * 5, 1 / 6, "at chance, as published"),
        (CHANCE, [0.165] * 2, 1 / 6, "at chance, as published"),
        (CHANCE, [0.1] * 5, 1 / 6, "unclear: chance is within, too"),
        (CHANCE, [0.05] * 5, 1 / 6, "outside: lower"),
        (NONE, [0] * 10, 1.0, "at chance, as published"),
        (NONE, [0] * 2, 1.0, "at chance, as published"),
        (NONE, [1] * 10, 1.0, "outside: higher"),
        (ALL, [1] * 10, 1.0, "within"),
        (ALL, [1] * 5, 1.0, "unclear: 5 seeds"),
        (ALL, [1] * 5 + [0] * 5, 1.0, "outside: lower"),
        (MOST, [1] * 10, 1.0, "within"),
        (MOST, [1] * 9 + [0], 1.0, "unclear: 10 seeds"),
        (PublishedFigure("lstm", SCORE, math.nan, math.nan, math.nan), [0.1], 1.0, "–"),
    ],
)
def test_verdict_takes_evidence_from_the_seeds_and_none_from_chance(
    figure: PublishedFigure, values: Sequence[float], chance: float | None, expected: str
) -> None:
    assert verdict(figure, seeds_with(figure.quantity, values, chance)) == expected


@given(
    st.sampled_from([THOUSAND, NONE, ALL, MOST, CHANCE]),
    st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=12),
    st.integers(1, 11),
)
@settings(deadline=None)
def test_fewer_seeds_make_no_figure_agree_that_all_seeds_leave_unclear(
    figure: PublishedFigure, levels: Sequence[int], kept: int
) -> None:
    """The many have the values of the few, each several times."""
    values = {SEQUENCES: (400, 800, 1600, math.inf), SCORE: (0.01, 0.1, 0.2, 0.9)}
    seeds = [float(values.get(figure.quantity, (0, 1, 0, 1))[k]) for k in levels]
    few, many = (
        verdict(figure, seeds_with(figure.quantity, times * seeds, 1 / 6)) for times in (1, kept)
    )
    assert few != "within" or many == "within"


def test_row_has_the_median_the_range_the_share_solved_and_the_other_backends() -> None:
    experiment = small_experiment(published=(single_value("lstm", SEQUENCES, 900),))
    main = [
        learning_record(k, count, steps_to_solve=count and count / 10)
        for k, count in enumerate([400, 800, 1200, None])
    ]
    other = [learning_record(k, count, backend="b") for k, count in enumerate([500, 700, 600])]
    text = markdown(study(experiment, other_backends=("b",)), grouped([*main, *other], experiment))
    assert table_cells(text.splitlines()[-1]) == [
        *("it", "lstm", "sequences", "900", "1,000 (400–∞)", "100", "3 of 4 (19–99%)"),
        *("b 600 (3 of 3); a 800 (3 of 3)", "361", "320", "–", "unclear: 4 seeds"),
    ]


def test_seeds_that_are_no_longer_solved_at_the_end_are_counted() -> None:
    experiment = small_experiment(cells=("lstm",))
    solved = [learning_record(k, 5, steps_to_solve=5, score=k, threshold=1.5) for k in range(3)]
    others = [
        learning_record(3, 5, steps_to_solve=5, score=None, threshold=1.5),
        learning_record(4, None, score=9),
    ]
    records = grouped([*solved, *others], experiment)
    assert "| 4 of 5 (28–99%), 2 at the end |" in markdown(study(experiment), records)
    assert "| 4 of 5, 2 at the end, 5 " in markdown(study(experiment, grid=True), records)
    assert "at the end" not in markdown(study(experiment), grouped(solved[:2], experiment))


def test_median_lies_in_the_range_beside_it() -> None:
    experiment = small_experiment()
    solved = [learning_record(k, s) for k, s in enumerate([187_240, 182_000, 187_200])]
    assert "187,200 (182,000–187,240)" in markdown(study(experiment), grouped(solved, experiment))
    unsolved = [learning_record(k, None, score=s) for k, s in enumerate([0.1, None, 0.2])]
    assert "0.200 (0.100–∞)" in markdown(study(experiment), grouped(unsolved, experiment))


def test_median_is_missing_where_most_seeds_are_not_solved() -> None:
    experiment = small_experiment(published=(single_value("lstm", SEQUENCES, 900),))
    records = [learning_record(k, count) for k, count in enumerate([400, None, None])]
    text = markdown(study(experiment), grouped(records, experiment))
    assert "– (400–∞)" in text and "unclear: 3 seeds" in text


def test_table_without_published_figures_has_no_columns_for_them() -> None:
    experiment = small_experiment()
    text = markdown(study(experiment), grouped([learning_record(0, 500)], experiment))
    assert "published" not in text and "verdict" not in text
    assert "| it | lstm | sequences | 500 |" in re.sub(" +", " ", text)


def test_row_names_its_differences_whatever_its_verdict() -> None:
    same, other = "Ours is shorter.", "Ours is trained by Adam."
    experiments = [
        small_experiment(
            name, published=(single_value("lstm", SEQUENCES, 900, "93"),), differences=notes
        )
        for name, notes in (("one", (same,)), ("two", (other, same)))
    ]
    for sequences, expected in ((800, "within"), (100, "outside: fewer")):
        records = [learning_record(k, sequences) for k in range(5)]
        text = markdown(study(*experiments), grouped(records, *experiments))
        rows = [table_cells(line) for line in text.splitlines() if line.startswith("|")]
        assert [row[-2:] for row in rows[2:]] == [["1", expected], ["2, 1", expected]]
        assert {row[8] for row in rows[2:]} == {"361 (93)"}
        assert {row[9] for row in rows[2:]} == {"320"}
        assert f"1. {same}\n2. {other}" in text


def test_weights_of_a_network_of_1997_follow_from_its_sizes() -> None:
    """A cell and two gates read one input and each other; the output reads the cell."""
    network = Lstm1997(1, 1, blocks=1, cells=1)
    assert network.weights == 3 * (1 + 3) + 1 + 4
    assert replace(network, biased=("gates",)).weights == 3 * (1 + 3) + 1 + 2
    assert elman_weights(inputs=2, hidden=3, outputs=1) == 3 * (2 + 3) + 3


def test_case_that_two_experiments_share_counts_in_both() -> None:
    experiments = tuple(small_experiment(name, cells=("lstm",)) for name in ("one", "two"))
    records = [learning_record(k, k, steps_to_solve=k) for k in (1, 2, 3)]
    text = markdown(study(*experiments, grid=True), grouped(records, *experiments))
    assert text.count("3 of 3, 2") == 2


def test_failed_case_is_listed_with_its_reason() -> None:
    failed = replace(learning_record(3, None), status="failed", reason="time-out")
    failed = replace(failed, case={**failed.case, "task": "adding"})
    text = failures_text([learning_record(0, 1.0), failed])
    assert text.strip().endswith("learning, seed 3: time-out")
    assert failures_text([learning_record(0, 1.0)]) == ""


def test_forecasts_have_a_row_for_each_series_with_classical_methods_and_all_cells() -> None:
    rise = small_experiment("rise", series="rise")
    window = small_experiment("rise at once", series="rise", cells=("feedforward",))
    fall = small_experiment("fall", series="fall")

    def scores(cell: str, values: Sequence[float | None], backend: str = "a") -> list[Record]:
        return [
            learning_record(seed, None, cell=cell, backend=backend, score=value)
            for seed, value in enumerate(values)
        ]

    def rising(cell: str, values: Sequence[float | None], backend: str = "a") -> list[Record]:
        baselines = {"baseline.persistence": 2.0, "baseline.persistence.far": 20.0}
        return [
            replace(r, metrics={**r.metrics, **baselines, "final.far": 10 * r.metrics["score"]})
            for r in scores(cell, values, backend)
        ]

    def falling(cell: str, values: Sequence[float | None], backend: str = "a") -> list[Record]:
        return [
            replace(r, metrics={**r.metrics, "baseline.flat": 4.0})
            for r in scores(cell, values, backend)
        ]

    records = {
        "rise": [*rising("rnn", [1.0, 3.0, 2.0]), *rising("rnn", [1.5, 3.3], "b")],
        "rise at once": rising("feedforward", [9.0]),
        "fall": [*falling("gru", [0.0, None, 0.5]), *falling("gru", [0.0, None, 0.5], "b")],
    }
    text = markdown(study(rise, window, fall, other_backends=("b",)), records)
    rows = [table_cells(line) for line in text.splitlines() if "|" in line]
    heads, _, first, second, other_heads, _, measures = rows
    assert heads == [
        "series",
        "persistence",
        "flat",
        *("rnn", "lstm", "gru"),
        "feedforward",
        "others",
    ]
    once = "9.00 (9.00–9.00)"
    assert first == ["rise", "2.00", "–", "2.00 (1.00–3.00)", "–", "–", once, "b 30.0% (2)"]
    assert second == ["fall", "–", "4.00", "–", "–", "0.500 (0–∞)", "–", "b 0.0% (3)"]
    assert other_heads == ["series", "measure", *heads[1:-1]]
    assert measures == ["rise", "far", "20.0", "–", "20.0", "–", "–", "90.0"]


def test_seeds_that_beat_the_autoregression_at_the_end_are_counted() -> None:
    experiment = small_experiment("rise", series="rise", cells=("gru", "lstm"))
    baseline = {"baseline.autoregression": 0.2}
    records = [
        learning_record(k, 5, cell="gru", score=score, **baseline)
        for k, score in enumerate([0.1, 0.2, None])
    ]
    text = markdown(study(experiment), grouped(records, experiment))
    assert "| rise | 1 of 3 (1–91%) | – |" in re.sub(" +", " ", text)
