"""What a reader gets from records, and what must never reach a ranking."""

import csv
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis.tables import Tables, build_tables
from bench.records.folder import RecordsError, RunFolder
from bench.records.record import Record
from bench.report import terminal
from bench.report.origin import harness_line, origin
from bench.report.sections import sections
from bench.report.terminal import IN_TURN, print_frame, render
from bench.report.words import DASH, format_number, learning_words, speed_words
from bench.report.write import write_report
from bench.spec import Unavailable

ENVIRONMENT = {
    "machine": {"cores": 2},
    "python": "3.11.7",
    "threads": 2,
    "versions": {"numpy": "2.4.6", "torch": "2.13.0"},
    "executed_path": "one_dnn",
}
INFO: dict[str, Any] = {
    "commit": "0123456789abcdef",
    "changed": False,
    "machine": {"processor": "Model_X 100%", "cores": 2, "memory_bytes": 2**34, "gpus": []},
    "environments": {"e": ENVIRONMENT},
    "sessions_s": [20.0, 10.0],
}
CELLS = ("rnn", "lstm", "gru")
SAMPLES = {"step": 4e-3, "forward": 1e-3, "gradients": 3e-3}


def record(probe: str, **given: Any) -> Record:
    """A record of a small model; what is no part of a record is a setting of its case."""
    case = {
        "probe": probe, "backend": "torch", "device": "cpu", "task": "adding", "length": 10,
        "batch": 16, "steps": 20, "clip_norm": 1.0, "cell": "lstm", "dtype": "float32",
        "metric": "mse", "seed": 0, "launch": None, "threads": 2 if probe == "speed" else 1,
    }  # fmt: skip
    own = {k: given.pop(k) for k in list(given) if k in Record.__dataclass_fields__}
    base = {"run": "r", "status": "ok", "reason": None, "environment": "e", "wall_s": 2.0}
    return Record(probe=probe, case={**case, **given}, started="", **{**base, **own})


def parity(**given: Any) -> Record:
    numbers = {"parity_error": 2e-7, "parity_tolerance": 1e-5, "work_s": 1.5}
    return record("parity", metrics=numbers, **given)


def learned(score: float | None = 0.02, solved: float | None = None, **given: Any) -> Record:
    """A run of training that ends with this score; `solved` at that step."""
    metrics = {
        "score": score, "chance": 1 / 6, "threshold": 0.01, "solved": float(solved is not None),
        "steps_to_solve": solved, "final.other": 7.0, "final.mse": score,
        "baseline.persistence": 0.5,
    }  # fmt: skip
    curve = [0.5, 0.2, np.nan if score is None else score]
    samples = {"checkpoint_step": [0, 10, 20], "mse": curve, "other": [7.0, 7.0, 7.0]}
    return record("learning", metrics=metrics, samples=samples, **given)


def differentiated(initial: Sequence[float] = (1, 2, 4), **given: Any) -> Record:
    numbers = {"first": 5.0, "last": 0.5}
    metrics = {f"gradient_norm_{name}": value for name, value in numbers.items()}
    samples = {
        "checkpoint_step": [0, 10, 20],
        "gradient_norm": [5.0, 1.0, 0.5],
        "hidden_gradient_norm.initial": initial,
        "hidden_gradient_norm.trained": [4, 2, 1],
    }
    metrics |= {"gradient_nan": 0.0, "gradient_inf": 3.0}
    return record("gradients", metrics=metrics, samples=samples, **given)


def timed(pace: float = 1.0, width: float = 0.01, **given: Any) -> Record:
    """Times `pace` times the usual ones, spread evenly by ± `width`; the metrics lie."""
    metrics = {f"{phase}_warmed_up": 1.0 for phase in SAMPLES}
    metrics |= {f"first_{phase}_s": 0.25 for phase in SAMPLES}
    metrics |= {
        "open_s": 0.5,
        "flop_step": 8e6,
        "others_busy": 0.01,
        "native_calls": 1.0,
        "step_s": 1e-9,
    }
    noise = np.linspace(1 - width, 1 + width, 12)
    samples = {phase: (pace * s * noise).tolist() for phase, s in SAMPLES.items()}
    given = {"metrics": metrics | given.pop("more", {}), "samples": samples, "launch": 0} | given
    return record("speed", **given)


def whole(pace: float = 1.0, launches: int = 3, seeds: int = 3, **given: Any) -> list[Record]:
    """Every probe of one model in one backend."""
    memory = record("memory", metrics={"process_growth": 3 * 2**20, "device_peak": None}, **given)
    return [
        parity(**given),
        *(learned(0.02 + 0.01 * k, seed=k, **given) for k in range(seeds)),
        *(differentiated(seed=k, **given) for k in range(seeds)),
        memory,
        *(timed(pace * (1 + 0.1 * k), launch=k, **given) for k in range(launches)),
    ]


def several() -> list[Record]:
    """Three backends, three cells; the fastest of them is not equal to the others."""
    found = []
    for cell in CELLS:
        found += whole(2.0, backend="torch", cell=cell) + whole(1.0, backend="jax", cell=cell)
        found += unequal(backend="swift", cell=cell)
    return found


WHY = "parity: d layers.0.forward.u differs by 0.33 (tolerance 1e-05)"


def unequal(**given: Any) -> list[Record]:
    """A failed parity, what is skipped for it, and times that should never have been taken."""
    metrics = {"parity_error": 0.33, "parity_tolerance": 1e-5}
    failed = record("parity", status="failed", reason=WHY, metrics=metrics, **given)
    shut = {"status": "skipped", "reason": f"not proven equal: {WHY}"}
    skipped = [record("learning", seed=k, **shut, **given) for k in range(3)]
    return [failed, *skipped, timed(0.01, **given)]


def made(records: Sequence[Record]) -> Tables:
    return build_tables(records, dict.fromkeys({record.run for record in records} | {"r"}, INFO))


def folder(path: Path, info: Any = None) -> RunFolder:
    return RunFolder.create(path, "r", info or INFO)


def text(records: Sequence[Record], width: int = 120) -> str:
    return render("r", records, INFO, width, terminal=False)


# Gate


def test_what_failed_parity_is_in_no_table_of_results_however_fast() -> None:
    found = made(several())
    assert set(found.speed["backend"]) == set(found.learning["backend"]) == {"jax", "torch"}
    assert set(found.overall["backend"]) == {"jax", "torch"}
    fastest = found.speed[found.speed["relative"] == 1.0]
    assert set(fastest["backend"]) == {"jax"}


def test_a_parity_failure_names_the_array_and_the_skipped_refer_to_it() -> None:
    lost = made(several()).not_measured
    lost = lost[lost["cell"] == "gru"]
    assert list(lost["status"]) == ["failed", "skipped", "left out"]
    assert list(lost["probes"]) == ["parity", "learning ×3", "speed"]
    assert lost["reason"].iloc[0] == WHY
    assert lost["reason"].iloc[1] == "not proven equal: see parity"


def test_times_without_a_parity_record_are_left_out() -> None:
    found = made([timed(), *whole(backend="jax")])
    assert set(found.speed["backend"]) == {"jax"}
    assert found.not_measured["reason"].tolist() == ["not proven equal: no parity record"]


def test_equal_in_one_dtype_is_not_equal_in_another() -> None:
    found = made([parity(dtype="float64"), timed(dtype="float64"), timed(dtype="float32")])
    assert found.speed["dtype"].tolist() == ["float64"]


def test_times_that_are_no_numbers_are_left_out_and_said() -> None:
    broken = timed(samples={"step": [np.nan], "forward": [1.0], "gradients": [1.0]})
    found = made([parity(), broken])
    assert found.speed.empty
    assert found.not_measured["reason"].tolist() == ["samples are missing"]


# Times


@pytest.mark.parametrize(("device", "share"), [("cpu", 0.25), ("cuda:0", 0.5)])
def test_times_come_from_the_samples_and_not_from_the_metrics(device: str, share: float) -> None:
    records = [parity(device=device), *(timed(k, launch=k, device=device) for k in (1, 2, 9))]
    row = made(records).speed.iloc[0]
    figures = [float(np.quantile(r.samples["step"], share)) for r in records[1:]]
    assert row["step_s"] == sorted(figures)[1]
    assert row["step_launches_s"] == tuple(figures)
    assert row["sequences_per_s"] == pytest.approx(16 / figures[1])
    assert row["gflops"] == pytest.approx(8e6 / figures[1] / 1e9)
    assert row["first_call_s"] == 0.75


def test_the_share_of_the_machine_is_taken_of_its_product_in_the_same_launches() -> None:
    records = [parity(), *(timed(launch=k, more={"product_gflops": 40.0}) for k in range(3))]
    row = made(records).speed.iloc[0]
    assert row["product_share"] == pytest.approx(row["gflops"] / 40)
    assert "of product" in speed_words(made(records).speed)
    assert "of product" not in speed_words(made(whole()).speed)


def forward_only(**given: Any) -> Record:
    more = {"first_step_s": None, "first_gradients_s": None}
    return timed(samples={"forward": timed().samples["forward"]}, more=more, **given)


def test_a_backend_that_does_not_train_stands_in_the_tables_without_a_rank() -> None:
    untrained = record("parity", metrics={"parity_error": 1e-7, "parity_tolerance": 1e-5,
                                          "gradients_compared": 0.0}, backend="onnx")  # fmt: skip
    records = [*whole(), untrained, *(forward_only(launch=k, backend="onnx") for k in range(3))]
    found = made(records)
    assert found.not_measured.empty
    words = speed_words(found.speed).set_index("backend")
    assert words.loc["onnx", ["rank", "step (ms)", "flags"]].tolist() == ["–", "–", "*i"]
    assert words.loc["onnx", "forward (ms)"] == format_number(1e3 * found.speed["forward_s"].min())
    assert learning_words(found.learning).set_index("backend").loc["onnx", "flags"] == "*i"
    assert "inference only" in text(records)


@pytest.mark.parametrize(("expected", "flag"), [("one_dnn", ""), (None, ""), ("cudnn", "*f")])
def test_a_kernel_that_is_not_the_one_meant_is_flagged_in_every_table(
    expected: str | None, flag: str
) -> None:
    info = {**INFO, "environments": {"e": {**ENVIRONMENT, "expected_path": expected}}}
    found = build_tables(whole(), {"r": info})
    shown = speed_words(found.speed).iloc[0], learning_words(found.learning).iloc[0]
    assert [row.get("flags", "") for row in shown] == [flag, flag]
    assert shown[0]["path"] == ("one_dnn, not cudnn" if flag else "one_dnn")
    written = render("r", whole(), info, 200, terminal=False)
    assert ("fell back" in written) == bool(flag)


def test_growth_is_drawn_where_one_size_takes_three_values_and_all_else_stays() -> None:
    from bench.report.growth import growth, series
    from bench.report.panels import line_styles

    sizes = [{"length": n, "batch": 16} for n in (10, 20, 40)] + [{"length": 10, "batch": 32}]
    records = [r for size in sizes for r in whole(size["length"] / 10, **size)]
    found = made(records)
    lines = list(series(found.rows, found.speed))
    assert [(line.option, [x for x, _ in line.points]) for line in lines] == [
        ("length", [10, 20, 40])
    ]
    assert [y / lines[0].points[0][1] for _, y in lines[0].points] == pytest.approx([1, 2, 4])
    assert growth(found.rows, found.speed, line_styles(["torch"])) is not None
    assert growth(made(whole()).rows, made(whole()).speed, line_styles(["torch"])) is None


def test_launches_are_not_pooled_as_if_their_samples_were_independent() -> None:
    """One slow launch in three moves a pooled quantile, and not the median over launches."""
    even = [parity(), *(timed(1, launch=k) for k in range(3))]
    odd = [parity(), timed(1, launch=0), timed(1, launch=1), timed(0.1, launch=2)]
    assert made(even).speed["step_s"].equals(made(odd).speed["step_s"])


@pytest.mark.parametrize("launches", [1, 2])
def test_below_three_launches_there_is_no_interval_and_the_tables_say_so(launches: int) -> None:
    records = whole(launches=launches)
    assert made(records).speed[["step_low_s", "step_high_s"]].isna().all(axis=None)
    assert "step 95%" not in re.sub(r"\s+", " ", text(records))
    assert "fewer than 3 launches no interval" in text(records)


def test_from_three_launches_on_there_is_an_interval_within_the_launches() -> None:
    row = made(whole(launches=5)).speed.iloc[0]
    low, high = row["step_low_s"], row["step_high_s"]
    assert min(row["step_launches_s"]) <= low < row["step_s"] < high
    assert high <= max(row["step_launches_s"])
    assert "fewer than 3 launches" not in text(whole(launches=5))


def test_ranks_are_within_the_same_task_cell_device_dtype_and_threads() -> None:
    records = several() + [r for n in ("a", "b") for r in whole(backend=n, dtype="float64")]
    more = [timed(0.5, backend=n, threads=1) for n in ("torch", "jax")]
    for _, part in made(records + more).speed.groupby(["cell", "dtype", "threads"]):
        assert part["step_s"].is_monotonic_increasing
        assert part["relative"].iloc[0] == 1.0
        assert part["rank"].tolist() in ([1, 2], [1, 1])


def test_over_all_models_only_those_that_every_backend_ran_count() -> None:
    records = several() + whole(50.0, cell="feedforward", backend="torch")
    found = made(records).overall.set_index("backend")
    assert found["models"].tolist() == [3, 3]
    assert found.loc["torch", "relative"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("w", {"more": {"step_warmed_up": 0.0}}),
        ("s", {"width": 0.5}),
        ("l", {"more": {"others_busy": 0.5}}),
        ("c", {"more": {"native_calls": 0.0}}),
        ("e", {"environment": "other"}),
    ],
)
def test_each_doubt_raises_its_flag_alone(flag: str, given: Any) -> None:
    quiet = [parity(), timed(launch=0), timed(launch=1)]
    assert made(quiet).speed["flags"].tolist() == [""]
    assert made([*quiet, timed(launch=2, **given)]).speed["flags"].tolist() == [flag]
    assert f"*{flag}" in text([*quiet, timed(launch=2, **given)])


def test_memory_is_the_allocators_on_a_device_and_the_growth_of_the_process_elsewhere() -> None:
    def shown(device: str) -> str:
        sizes = {"process_growth": 3 * 2**20, "device_peak": 5 * 2**20}
        records = [parity(device=device), timed(device=device)]
        records.append(record("memory", metrics=sizes, device=device))
        return str(speed_words(made(records).speed)["memory (MiB)"].iloc[0])

    assert (shown("cpu"), shown("cuda")) == ("3.00", "5.00")


# Learning


def test_below_three_seeds_the_scores_themselves_are_shown() -> None:
    words = learning_words(made(whole(seeds=2)).learning)
    assert words["score"].tolist() == ["0.0200, 0.0300"]
    assert "score 95%" not in words


def test_from_three_seeds_on_the_median_has_an_interval() -> None:
    words = learning_words(made(whole(seeds=3)).learning)
    assert words["score"].tolist() == ["0.0300"]
    assert words["score 95%"].tolist() == ["0.0200–0.0400"]


def test_seeds_that_diverged_count_as_the_worst_and_are_said() -> None:
    def shown(*scores: float | None) -> str:
        records = [parity(), *(learned(score, seed=k) for k, score in enumerate(scores))]
        return str(learning_words(made(records).learning)["score"].iloc[0])

    assert shown(0.1, None, 0.2) == "0.200 (1 diverged)"
    assert shown(0.1, None, None) == "diverged (2 diverged)"
    assert shown(None) == "diverged"


def test_solved_seeds_are_counted_with_an_exact_interval_and_the_others_are_censored() -> None:
    solved = [parity(), *(learned(0.001, 10 * k, seed=k) for k in (1, 2)), learned(seed=3)]
    words = learning_words(made(solved).learning).iloc[0]
    assert (words["solved"], words["solved 95%"]) == ("2/3", "9–99%")
    assert words["steps to solve"] == "15, 1 > 20"
    assert "steps to solve" not in learning_words(made(whole()).learning)


def test_the_deciding_score_is_named_among_several() -> None:
    assert made(whole()).learning["metric"].tolist() == ["mse"]
    assert made([parity(), learned(None)]).learning["metric"].tolist() == ["mse"]


def test_baselines_chance_and_threshold_stand_above_the_scores() -> None:
    (section,) = sections(made(whole()))
    assert "chance 0.167, solved below 0.01" in section.score
    assert "persistence 0.5" in section.score
    assert made(whole()).learning["baseline.persistence"].tolist() == [0.5]


def test_text_is_shown_with_what_it_was_written_after() -> None:
    def codes(text: str) -> list[float]:
        return [float(ord(letter)) for letter in text]

    found = learned()
    texts = {
        "prompt": codes("In the beginning there was a long prompt, and s"),
        "written": codes("o."),
    }
    told = sections(made([parity(), replace(found, samples={**found.samples, **texts})]))[0].written
    assert told == {"torch lstm, seed 0, after 'there was a long prompt, and s'": "o."}
    old = replace(found, samples={**found.samples, "written": texts["written"]})
    assert sections(made([parity(), old]))[0].written == {"torch lstm, seed 0": "o."}


def test_models_with_several_scores_are_told_in_all_of_them() -> None:
    first = sections(made(whole()))[0].measures
    assert first.columns.tolist() == ["by", "other", "mse"]
    assert first.iloc[-1].tolist() == ["persistence", "–", "0.500"]
    alone = learned()
    one = {name: value for name, value in alone.metrics.items() if name != "final.other"}
    assert sections(made([parity(), replace(alone, metrics=one)]))[0].measures.empty


def test_classical_methods_with_several_scores_stand_below_the_models_in_all_of_them(
    tmp_path: Path,
) -> None:
    def scored(seed: int, mse: float | None, other: float | None) -> Record:
        found = learned(mse, seed=seed)
        scores = {"final.mse": mse, "final.other": other, "baseline.flat": None}
        return replace(
            found, metrics={**found.metrics, **scores, "baseline.persistence.other": 3.0}
        )

    records = [parity(), scored(0, 0.1, 5.0), scored(1, None, None), scored(2, 0.3, 6.0)]
    (section,) = sections(made(records))
    assert section.measures.to_dict("list") == {
        "by": ["lstm, torch", "persistence"],
        "other": ["6.00", "3.00"],
        "mse": ["0.300", "0.500"],
    }
    assert "classical methods: persistence 0.500" in section.score
    paths = write_report([folder(tmp_path)], records, ["markdown", "latex"], tmp_path / "out")
    for path in paths:
        text = path.read_text()
        assert "Every score" in text
        assert re.search(r"persistence +[|&] +3.00 +[|&] +0.500", text)
    assert re.search(r"persistence +3.00 +0.500", render("r", records, INFO, 120, False))


@pytest.mark.parametrize(
    ("norms", "shown"),
    [([1, 2, 4], "1.0 → -1.0"), ([4, 2, 1], "-1.0 → -1.0"), ([3, 3, 3], "∞ → -1.0")],
)
def test_half_lives_are_positive_negative_or_infinite(norms: list[float], shown: str) -> None:
    words = learning_words(made([parity(), differentiated(norms)]).learning)
    assert words["half-life (steps)"].tolist() == [shown]


def test_where_no_gradient_flows_back_there_is_no_half_life() -> None:
    records = [parity(), *(differentiated([0, 0, 4], seed=k) for k in range(2))]
    words = learning_words(made(records).learning)
    assert words["half-life (steps)"].tolist() == ["– → -1.0"]


def test_the_middle_half_life_is_that_of_the_middle_rate() -> None:
    """Of decay, growth and a level norm the middle one is level, not the middle number."""
    lives = enumerate(([1, 2, 4], [4, 2, 1], [3, 3, 3]))
    records = [parity(), *(differentiated(norms, seed=k) for k, norms in lives)]
    assert abs(made(records).learning["half_life_initial"].iloc[0]) > 1e6


def test_counts_of_nan_and_inf_are_added_over_seeds() -> None:
    assert learning_words(made(whole()).learning)["NaN/Inf"].tolist() == ["0/9"]


# Rows


def test_sizes_of_a_task_are_told_apart_by_the_options_that_differ() -> None:
    records = [r for n in (9, 50, 10) for r in whole(length=n, batch=n)]
    assert list(dict.fromkeys(made(records).speed["task"])) == [
        *("adding length=9", "adding length=10", "adding length=50")
    ]


def test_records_of_different_runs_are_never_put_together() -> None:
    found = made(whole(launches=1, run="r") + whole(launches=1, run="s"))
    assert found.speed["launches"].tolist() == [1, 1]
    assert {section.title for section in sections(found)} == {
        *("adding, cpu, float32, run r", "adding, cpu, float32, run s")
    }


def test_of_a_case_recorded_twice_the_later_record_counts() -> None:
    found = made([parity(), timed(1.0), timed(3.0)])
    assert found.speed["launches"].tolist() == [1]
    assert found.speed["step_s"].iloc[0] > 2 * SAMPLES["step"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.000817, "0.000817"), (12.345, "12.3"), (19571.2, "19,600"), (3.9e-07, "3.90e-07"),
        (0.9996, "1.00"), (999.6, "1,000"), (-32.27, "-32.3"), (0, "0"), (1e9, "1.00e+09"),
        (float("inf"), "∞"), (float("nan"), "–"), (None, "–"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert format_number(value) == shown


# Terminal


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(width: int) -> None:
    out = text(several(), width)
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert "\x1b" not in out
    for backend in ("jax", "torch", "swift"):
        assert backend in out
    for name in ("step", "score"):
        assert re.search(rf"^.*\b{name}\b", out, re.MULTILINE)


def test_what_gives_way_in_a_narrow_terminal_is_said() -> None:
    assert "no room for" in text(several(), 80)
    wide = text(several(), 250)
    assert "no room for" not in wide
    for name in IN_TURN:
        assert name.split(" ")[0] in wide


def test_away_from_a_terminal_plain_text_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal.show_report(folder(tmp_path), several())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for word in ("0123456789ab", "Model_X 100%, 2 cores", "torch 2.13.0", "harness:", WHY[:40]):
        assert word in out


def test_a_terminal_gets_its_emphasis() -> None:
    assert "\x1b[1m" in render("r", several(), INFO, 100, terminal=True)


def test_at_no_width_is_the_last_column_cut() -> None:
    """Without flags the path is the last column of the speed table."""
    made = [text(whole(), width) for width in range(60, 200)]
    shown = [out for out in made if any(line.endswith(" path") for line in out.splitlines()[10:])]
    shown = [out for out in shown if "no room for: path" not in out and "; path" not in out]
    assert len(shown) > 50
    assert not [out for out in shown if "one_dnn" not in out]


def test_an_encoding_without_dashes_and_arrows_gets_others() -> None:
    out = terminal.printable(text(several()), "ascii")
    assert out.isascii()
    assert "?" not in out
    assert "5.00 > 0.500" in out
    assert terminal.printable("2 → 3", "utf-8") == "2 → 3"


def test_reasons_cannot_steer_the_terminal() -> None:
    lost = record("parity", status="failed", reason="\x1b[2Jgone\n[red]x[/red]")
    out = text([lost])
    assert "\x1b" not in out
    assert "[2Jgone [red]x[/red]" in out


def test_many_cases_that_were_not_measured_are_cut_short_and_counted() -> None:
    lost = [record("parity", backend=f"b{k}", status="failed", reason="x") for k in range(50)]
    assert "and 10 more" in text(lost)


@pytest.mark.parametrize(
    "records",
    [[], [parity()], [parity(), timed()], [parity(), learned()], unequal(), [learned(None)]],
    ids=["none", "parity", "speed", "learning", "failed", "unproven"],
)
def test_any_selection_of_probes_gives_a_report(tmp_path: Path, records: list[Record]) -> None:
    assert "run" in text(records)
    written = write_report(
        [folder(tmp_path)], records, ["markdown", "csv", "latex"], tmp_path / "out"
    )
    assert all(path.read_text() for path in written)


def test_the_harness_share_is_what_the_adapters_calls_leave() -> None:
    records = [parity(), parity(seed=1), timed()]
    line = harness_line(records, [20.0, 10.0])
    assert line == "harness: 25.0% of the cases' time (4 s in the workers; the run took 30 s)"
    assert harness_line([timed()], []) is None


def test_two_versions_of_a_framework_are_both_named() -> None:
    other = {**ENVIRONMENT, "versions": {"torch": "2.12.0"}}
    info = {**INFO, "environments": {"e": ENVIRONMENT, "f": other}}
    assert origin("r", info)["versions"] == "numpy 2.4.6, torch 2.12.0, torch 2.13.0"
    assert origin("r", {}) == {"run": "r"}


# Files


def test_the_numbers_in_the_markdown_are_those_of_the_samples(tmp_path: Path) -> None:
    records = whole(launches=3)
    (path,) = write_report([folder(tmp_path)], records, ["markdown"], tmp_path)
    figures = [1e3 * np.quantile(r.samples["step"], 0.25) for r in records if r.probe == "speed"]
    low, middle, high = sorted(figures)
    assert f" {middle:.2f} [{low:.2f}–{high:.2f}] |" in path.read_text()
    for line in ("## Environment", "- processor: Model_X 100%, 2 cores", "length 10", "## How to"):
        assert line in path.read_text()


def test_the_markdown_has_whole_tables_whatever_a_reason_holds(tmp_path: Path) -> None:
    reason = "a | b <module> *x* __init__"
    lost = record("parity", status="failed", reason=reason)
    (path,) = write_report(
        [folder(tmp_path)], [lost, *whole(backend="jax")], ["markdown"], tmp_path
    )
    rows = [line for line in path.read_text().splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert len(set(bars)) == 4
    assert r"a \| b &lt;module> \*x\* \_\_init\_\_" in path.read_text()


def test_csv_holds_the_numbers_unrounded(tmp_path: Path) -> None:
    records = several()
    paths = write_report([folder(tmp_path)], records, ["csv"], tmp_path)
    assert [path.name for path in paths] == ["learning.csv", "speed.csv", "not_measured.csv"]
    found = made(records).speed
    with paths[1].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [float(row["step_s"]) for row in rows] == found["step_s"].tolist()
    launches = [tuple(map(float, row["step_launches_s"].split(";"))) for row in rows]
    assert launches == found["step_launches_s"].tolist()


def nasty() -> list[Record]:
    reason = r"100% of a_b & {c} #1 $x ~y ^z \n <é> 日 → |"
    lost = record("parity", status="failed", reason=reason, backend="./my_file.py")
    return [lost, *several()]


def test_latex_escapes_what_tex_would_take_for_its_own(tmp_path: Path) -> None:
    (path,) = write_report([folder(tmp_path)], nasty(), ["latex"], tmp_path)
    tex = path.read_text()
    assert tex.isascii()
    assert r"100\% of a\_b \& \{c\} \#1 \$x \textasciitilde{}y \textasciicircum{}z" in tex
    assert r"4.38 [3.98--4.78]" in tex
    assert r"5.00 $\to$ 0.500" in tex
    assert r"$\times$ fastest" in tex
    assert tex.count(r"\toprule") == 2 * tex.count(r"\begin{longtable}") == 8
    body = tex.split(r"\begin{document}")[1]
    assert not re.search(r"(?<!\\)[_#%]", body)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tmp_path: Path) -> None:
    (path,) = write_report([folder(tmp_path)], nasty(), ["latex"], tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_figure_is_drawn_and_is_not_blank(tmp_path: Path) -> None:
    from matplotlib.image import imread

    paths = write_report([folder(tmp_path)], several(), ["plots", "markdown"], tmp_path / "out")
    names = ("learning", "gradient", "gradient-norm", "step-time")
    assert [path.name for path in paths[1:]] == [f"{name}-adding.png" for name in names]
    for path in paths[1:]:
        pixels = np.asarray(imread(path))[..., :3]
        assert pixels.shape[1] >= 800
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
        assert f"({path.name})" in paths[0].read_text()


@pytest.mark.parametrize("slowest", [3.0, 300.0])
def test_every_launch_lies_within_its_axis_and_a_linear_one_starts_at_zero(slowest: float) -> None:
    from bench.report.panels import line_styles
    from bench.report.plots import step_time

    paces = {"rnn": 0.5, "lstm": slowest, "gru": 1.0}
    times = made([r for cell, pace in paces.items() for r in whole(pace, cell=cell)]).speed
    panels = step_time("adding", times, line_styles(["torch"])).axes
    for axes, launches in zip(panels, times["step_launches_s"], strict=True):
        low, high = axes.get_xlim()
        assert low < 1e3 * min(launches) <= 1e3 * max(launches) < high
        assert axes.get_xscale() == ("log" if slowest > 20 else "linear")
        assert low == 0 or slowest > 20
    assert ("logarithmic" if slowest > 20 else "from zero") in panels[-1].get_xlabel()


def test_every_score_chance_and_the_threshold_lie_within_the_axes() -> None:
    from bench.report.panels import line_styles
    from bench.report.plots import learning

    found = made([r for cell in CELLS for r in whole(cell=cell)]).rows
    for axes in learning("adding", found, line_styles(["torch"])).axes:
        low, high = axes.get_ylim()
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        assert {0.5, 0.2, 0.02, 1 / 6, 0.01} <= set(drawn.tolist())
        assert low < drawn.min()
        assert drawn.max() < high


def test_a_backend_has_the_same_colour_in_every_figure(tmp_path: Path) -> None:
    from bench.report.panels import line_styles

    names = [f"b{k}" for k in range(20)]
    assert line_styles(names) == line_styles(reversed(names))
    seen = line_styles(names).values()
    assert len({(look.colour, look.style) for look in seen}) == 20
    assert len({(look.colour, look.marker) for look in seen}) == 20


def test_figures_of_devices_and_sizes_have_names_of_their_own(tmp_path: Path) -> None:
    records = [
        r
        for device in ("cpu", "cuda:0")
        for length in (10, 50)
        for r in (parity(device=device, length=length), timed(device=device, length=length))
    ]
    paths = write_report([folder(tmp_path)], records, ["plots"], tmp_path)
    assert {path.name for path in paths} == {
        f"step-time-adding-length-{n}-{device}.png"
        for n in (10, 50)
        for device in ("cpu", "cuda-0")
    }


def test_figures_bear_numbers_that_are_none(tmp_path: Path) -> None:
    records = [
        parity(),
        learned(None),
        learned(None, seed=1),
        differentiated([0.0, 0.0, 0.0]),
        timed(samples={phase: [1e-3] for phase in SAMPLES}),
    ]
    assert len(write_report([folder(tmp_path)], records, ["plots"], tmp_path)) == 4


def test_the_same_records_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    records = several()
    shuffled = random.Random(3).sample(records, len(records))
    every = ["markdown", "csv", "latex", "plots"]
    run = folder(tmp_path)
    one, two = (write_report([run], r, every, tmp_path / str(id(r))) for r in (records, shuffled))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert text(records) == text(shuffled)


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"'html'.*markdown, csv, latex, plots"):
        write_report([folder(tmp_path)], several(), ["csv", "html"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_runs_of_one_name_are_refused_and_one_named_twice_is_not(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert write_report([one, one], several() * 2, ["csv"], tmp_path)
    with pytest.raises(RecordsError, match="same name"):
        write_report([one, two], several(), ["csv"], tmp_path)


def test_a_folder_that_cannot_be_written_to_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="file"):
        write_report([folder(tmp_path)], several(), ["csv"], tmp_path / "file")


def test_the_command_line_imports_nothing_that_is_slow() -> None:
    slow = ("pandas", "matplotlib", "scipy", "rich", "bench.analysis.tables")
    code = f"import run_bench, sys; sys.exit(str([m for m in {slow} if m in sys.modules] or ''))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_the_tables_are_frames_with_the_same_columns_whether_full_or_empty() -> None:
    full, empty = made(several()), made([])
    for name in ("learning", "speed", "overall", "not_measured"):
        frame = getattr(empty, name)
        assert isinstance(frame, pd.DataFrame)
        assert frame.empty
        known = [
            c for c in getattr(full, name).columns if not c.startswith(("baseline.", "final."))
        ]
        assert list(frame.columns) == known


def test_a_narrow_terminal_loses_the_columns_to_spare_before_it_breaks_the_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = pd.DataFrame(
        {"cell": ["c" * 76], "verdict": ["missing"], "base": ["1"], "empty": [DASH]}
        | {"head": ["2"], "pairs": ["10"], "reason": ["not in the head at all"]}
    )
    print_frame([], frame, "", spare=("pairs", "head"))
    head = capsys.readouterr().out.splitlines()[0].split()
    assert head == ["cell", "verdict", "base", "reason"]
    print_frame([], frame.assign(reason=""), "", spare=("pairs", "head"))
    head = capsys.readouterr().out.splitlines()[0].split()
    assert head == ["cell", "verdict", "base", "head", "pairs"]
