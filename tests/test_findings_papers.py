"""What the page on learning says about the study of papers holds for the published records."""

import math
import re
from dataclasses import replace
from functools import cache
from statistics import median

import pytest
from finding_records import (
    BACKENDS,
    keeps_first_symbol,
    lstm,
    pairs_with_jax,
    records,
    sequences,
    table_rows,
    verdicts,
)
from published_studies import published
from quotes import table_cells

import tasks
from bench.plan.case import Case
from studies.agreement.divergence import divergence
from studies.catalogue import STUDIES
from studies.tables.markdown import markdown
from studies.tables.published_figures import COLUMNS
from studies.tables.seeds import final_score, is_solved, metric
from studies.tables.verdicts import AT_CHANCE, OUTSIDE, UNCLEAR, WITHIN


def test_every_row_with_a_published_figure_says_what_differs() -> None:
    """Whatever its verdict: weights, the length of training, and the numbers of notes."""
    rows = [row for row in table_rows("papers") if len(row) == len(COLUMNS)]
    compared = [row for row in rows if row[-1].startswith((WITHIN, AT_CHANCE, OUTSIDE, UNCLEAR))]
    assert len(compared) == len(verdicts()) >= 20
    for row in compared:
        assert re.fullmatch(r"[\d,]+( \([\d,–]+\))?", row[COLUMNS.index("weights")]), row
        assert re.fullmatch(r"[\d,]+", row[COLUMNS.index("trained on")]), row
        assert re.fullmatch(r"\d+(, \d+)*", row[COLUMNS.index("differs in")]), row


def test_network_that_has_learned_nothing_reproduces_no_published_figure() -> None:
    """On the CPU six rows of chance, on the GPU all four."""
    for study, at_chance in (("papers", 6), ("papers-cuda", 4)):
        source = published(study)
        main = "jax" if study == "papers" else "torch"
        text = markdown(replace(source.study, main_backend=main), source.by_experiment)
        rows = [table_cells(line) for line in text.splitlines() if line.startswith("|")]
        found = [row for row in rows if row[-1] == AT_CHANCE]
        assert len(found) == at_chance
        assert all(re.match(r"0 of", row[COLUMNS.index("solved")]) for row in found)


@pytest.mark.parametrize("study", STUDIES)
def test_records_used_the_thresholds_of_today(study: str) -> None:
    """The key of a record has the settings of a task, not what follows from them."""
    threshold = cache(lambda task: task.threshold)
    groups = published(study).by_experiment.values()
    for record in (r for group in groups for r in group if r.probe == "learning"):
        profiles = tasks.load(record.case["task"]).PROFILES
        task = Case.from_flat(record.case).sized(type(profiles["standard"]))
        assert metric(record, "threshold") == pytest.approx(threshold(task), rel=1e-9), task


@pytest.mark.parametrize(
    ("experiment", "by_adam", "least", "most"),
    [
        ("1", "1: embedded Reber grammar", 3, math.inf),
        ("2c, p = q = 50", "2c: p = q = 50", 3, math.inf),
        ("3a", "3a: two-sequence problem, T = 100, N = 3", 3, math.inf),
        ("4, T = 100", "4: adding, T = 100", 3, math.inf),
        ("6a", "6a: temporal order", 1.5, math.inf),
        ("6b", "6b: temporal order of three", 0, 0.15),
    ],
)
def test_training_of_1997_takes_more_sequences_except_in_6b(
    experiment: str, by_adam: str, least: float, most: float
) -> None:
    plain = f"{experiment}, trained as in 1997"
    assert all(r.case["optimiser"] == "sgd" and r.case["batch"] == 1 for r in lstm(plain))
    assert least <= sequences(plain) / sequences(by_adam) <= most


def test_fewer_units_need_more_sequences_and_single_sequences_need_fewer() -> None:
    assert sequences("6a, 4 units") > 1.5 * sequences("6a: temporal order")
    assert sequences("6a, batches of one sequence") < sequences("6a: temporal order")


def test_unsolved_seeds_of_1997_fail_on_half_of_the_strings_or_on_few_sequences() -> None:
    unsolved = [
        [r for r in lstm(f"{name}, trained as in 1997") if not is_solved(r)]
        for name in ("1", "4, T = 100")
    ]
    assert all(final_score(r) > 0.45 for r in unsolved[0])
    assert all(final_score(r) <= 0.004 for r in unsolved[1])
    assert all(unsolved)


def test_unsolved_seeds_of_the_reber_grammar_fail_on_few_strings_or_on_half_of_them() -> None:
    scores = [final_score(r) for r in lstm("1: embedded Reber grammar") if not is_solved(r)]
    few, half = sorted(scores)[:2], sorted(scores)[2:]
    assert len(few) == 2 and max(few) <= 3 / 512
    assert len(half) == 1 and 0.45 < half[0] < 0.5


@pytest.mark.parametrize(
    ("experiment", "keep", "solved"),
    [("2a: long lag, p = 100", 1, 1), ("2b: no local regularity, p = 100", 3, 0)],
)
def test_few_seeds_that_predict_every_symbol_keep_the_first(
    experiment: str, keep: int, solved: int
) -> None:
    keeping = [record for record in lstm(experiment) if keeps_first_symbol(record)]
    assert (len(keeping), sum(map(is_solved, keeping))) == (keep, solved)
    assert len(lstm(experiment)) == 10


@pytest.mark.parametrize(("form", "keep"), [("2a", 19), ("2b", 17)])
def test_seeds_that_predict_only_the_last_symbol_keep_the_first(form: str, keep: int) -> None:
    experiment = f"{form}, only the last symbol predicted"
    assert [keeps_first_symbol(record) for record in lstm(experiment)] == 10 * [True]
    errors = sorted(metric(record, "final.error") for record in lstm(experiment, "agreement"))
    assert len(errors) == 20 and errors[keep - 1] < 0.01
    assert all(0.45 < error < 0.55 for error in errors[keep:])


@pytest.mark.parametrize("series", ["airline passengers", "CO₂", "temperatures, a day ahead"])
def test_no_seed_of_a_recurrent_cell_beats_the_autoregression_of_three_series(series: str) -> None:
    seeds = records("papers", series)
    assert len(seeds) == 15
    assert all(final_score(r) >= metric(r, "baseline.autoregression") for r in seeds)
    assert metric(seeds[0], "baseline.autoregression") < 0.04


def test_no_cell_copies_better_than_a_model_that_remembers_nothing() -> None:
    for backend in BACKENDS:
        scores = {
            cell: median(
                map(final_score, records("papers", "copy, T = 1000", cell, backend=backend))
            )
            for cell in ("rnn", "lstm", "gru")
        }
        assert min(scores.values()) > 0.0204 and max(scores, key=scores.__getitem__) == "lstm"


def test_copying_lstm_diverges_between_backends_after_five_hundred_updates() -> None:
    seeds = records("papers", "copy, T = 1000", "lstm", backend=None)
    lstm_scores = [
        median(final_score(r) for r in seeds if r.case["backend"] == backend and r.case["seed"] < 3)
        for backend in BACKENDS
    ]
    assert max(lstm_scores) > 1.2 * min(lstm_scores)
    for pairs in pairs_with_jax("papers").values():
        of_copying = [pair for pair in pairs if pair.model == ("copy, T = 1000", "lstm")]
        assert 450 < median(divergence(pair.other, pair.main) for pair in of_copying) < 550
