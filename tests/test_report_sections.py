"""Sections hold the score line, all scores, generated text, and the notes that they need."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import (
    INFO,
    all_probes,
    learning_record,
    parity_record,
    run_folder,
    speed_record,
    tables_of,
    terminal_text,
    three_backends,
)

from bench.records.record import Record
from bench.report.files import write_report
from bench.report.notes import FLAGS, notes, overall_lines
from bench.report.sections import sections
from bench.report.terminal import render


def test_score_line_names_chance_threshold_and_classical_methods() -> None:
    (section,) = sections(tables_of(all_probes()))
    assert "chance 0.167, solved below 0.01" in section.score
    assert "persistence 0.5" in section.score


def test_score_line_names_every_threshold_of_its_rows() -> None:
    other = learning_record(backend="jax")
    other = replace(other, metrics={**other.metrics, "threshold": 0.5})
    records = [parity_record(), learning_record(), parity_record(backend="jax"), other]
    [section] = sections(tables_of(records))
    assert "chance 0.167, solved below 0.5 or 0.01" in section.score


def test_generated_text_is_shown_with_the_end_of_its_prompt() -> None:
    def codes(text: str) -> list[float]:
        return [float(ord(letter)) for letter in text]

    learned = learning_record()
    prompt = codes("In the beginning there was a long prompt, and s")
    written = {**learned.samples, "written": codes("o.")}

    def generated(samples: object) -> object:
        tables = tables_of([parity_record(), replace(learned, samples=samples)])
        return sections(tables)[0].generated_text

    title = "torch lstm, seed 0, after 'there was a long prompt, and s'"
    assert generated({**written, "prompt": prompt}) == {title: "o."}
    assert generated(written) == {"torch lstm, seed 0": "o."}


def test_models_with_several_scores_are_listed_with_all_of_them() -> None:
    all_scores = sections(tables_of(all_probes()))[0].all_scores
    assert all_scores.columns.tolist() == ["by", "other", "mse"]
    assert all_scores.iloc[-1].tolist() == ["persistence", "–", "0.500"]
    learned = learning_record()
    metrics = {name: value for name, value in learned.metrics.items() if name != "final.other"}
    tables = tables_of([parity_record(), replace(learned, metrics=metrics)])
    assert sections(tables)[0].all_scores.empty


def test_classical_methods_are_listed_below_the_models_with_all_scores(tmp_path: Path) -> None:
    def scored(seed: int, mse: float | None, other: float | None) -> Record:
        learned = learning_record(mse, seed=seed)
        scores = {"final.mse": mse, "final.other": other, "baseline.flat": None}
        return replace(
            learned, metrics={**learned.metrics, **scores, "baseline.persistence.other": 3.0}
        )

    records = [parity_record(), scored(0, 0.1, 5.0), scored(1, None, None), scored(2, 0.3, 6.0)]
    (section,) = sections(tables_of(records))
    assert section.all_scores.to_dict("list") == {
        "by": ["lstm, torch", "persistence"],
        "other": ["6.00", "3.00"],
        "mse": ["0.300", "0.500"],
    }
    assert "classical methods: persistence 0.500" in section.score
    formats = ["markdown", "latex"]
    for path in write_report([run_folder(tmp_path)], records, formats, tmp_path / "out"):
        text = path.read_text()
        assert "Every score" in text
        assert re.search(r"persistence +[|&] +3.00 +[|&] +0.500", text)
    assert re.search(r"persistence +3.00 +0.500", render("r", records, INFO, 120, False))


@pytest.mark.parametrize("launches", [1, 2])
def test_fewer_than_three_launches_have_no_interval_and_the_notes_say_so(launches: int) -> None:
    records = all_probes(launches=launches)
    assert tables_of(records).speed[["step_low_s", "step_high_s"]].isna().all(axis=None)
    assert "training update range" not in re.sub(r"\s+", " ", terminal_text(records))
    assert "fewer than 3 launches no interval" in terminal_text(records)


def test_notes_explain_only_what_the_tables_hold() -> None:
    def topics(records: list[Record]) -> list[str]:
        return [note.split(":")[0].split(" ")[0] for note in notes(tables_of(records))]

    assert topics([]) == []
    assert topics([parity_record()]) == ["Parity"]
    assert topics([parity_record(), speed_record()]) == ["Parity", "Times", "With", "Rank"]
    everything = ["Parity", "Score", "Gradients", "Times", "Rank", "Intervals"]
    assert topics(all_probes()) == everything


def test_notes_explain_every_flag_that_is_raised() -> None:
    launch = speed_record(width=0.5, extra_metrics={"others_busy": 0.5})
    (note,) = (n for n in notes(tables_of([parity_record(), launch])) if n.startswith("*"))
    for flag, meaning in FLAGS.items():
        assert (f"{flag}: {meaning}" in note) == (flag in "sl")


def test_overall_line_needs_two_models_and_two_backends() -> None:
    lines = overall_lines(tables_of(three_backends()))
    assert [line.split(":")[0] for line in lines] == [
        *("Training update", "Forward pass", "Gradients")
    ]
    assert all("3 models" in line and "jax 1.00, torch 2.00" in line for line in lines)
    assert overall_lines(tables_of(all_probes())) == []
