"""The phase `advance`: every step is timed with its state carried, and nobody is dropped."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for
from planning import changed_case, selection
from report_records import (
    latency_records,
    parity_record,
    record,
    speed_record,
    tables_of,
    terminal_text,
)
from running import records, tiny_run_inside

from backends import numpy_backend
from bench.compare.launch_times import LaunchTimes
from bench.compare.outcomes import LaunchOutcome
from bench.plan.case import Case, SpeedSettings
from bench.plan.cases import case_limit, plan_cases
from bench.plan.probes import ADVANCE, DEFAULT_PHASES
from bench.probes.latency import CALLS, PAUSE_S, time_advance
from bench.probes.speed import speed
from bench.probes.turns import Turns
from bench.report.notes import notes
from bench.spec import Limit, ModelSpec, Params, Supports, Training, Unsupported
from studies import faulty_backends


def advance_context(backend: Any, **options: Any) -> Any:
    """The context of a case that times single steps."""
    context = bench_for(backend, "speed", **options)
    settings = SpeedSettings(phase_s=0.01, phases=(ADVANCE,))
    return replace(context, case=replace(context.case, speed=settings))


# ---- the probe -------------------------------------------------------------------------------


class Counting:
    """A session that notes the inputs and states of its steps; its state is their number."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any]] = []

    def advance(self, x: Any, state: Any = None) -> tuple[Any, int]:
        self.calls.append((x, state))
        return np.zeros((1, 1)), len(self.calls)

    def predict(self, x: Any) -> Any:
        assert x.shape == (1, 3, 2)
        return np.zeros((1, 1))

    def wait(self) -> None:
        pass


def test_every_call_is_timed_with_the_state_that_the_last_one_left() -> None:
    session, x = Counting(), np.arange(6.0).reshape(1, 3, 2)
    metrics, samples = time_advance(session, x, budget_s=0.0, calls=30, pause_s=0.0)
    assert [state for _, state in session.calls[1:]] == list(range(1, len(session.calls)))
    for number, (step, _) in enumerate(session.calls):
        np.testing.assert_array_equal(step, x[:, number % 3 : number % 3 + 1])
    assert {name: len(seconds) for name, seconds in samples.items()} == {
        "advance": 30, "advance_paced": 30, "window": 12
    }  # fmt: skip
    for name, seconds in samples.items():
        assert metrics[f"{name}_p50_s"] == pytest.approx(np.percentile(seconds, 50))
        assert metrics[f"{name}_p99_s"] == pytest.approx(np.percentile(seconds, 99))


def test_enough_calls_for_a_p99_with_a_pause_of_a_millisecond() -> None:
    assert CALLS >= 2000
    assert PAUSE_S == 1e-3


def test_wrong_steps_are_never_timed() -> None:
    outcome = speed(
        advance_context(faulty_backends.with_results(advance=lambda result: (result[0], None)))
    )
    assert outcome.failure is not None
    assert "the timed session differs from the reference: advance differs by" in outcome.failure
    assert outcome.samples == {}


def test_session_without_advance_is_skipped_with_the_reason() -> None:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        methods = ("put", "predict", "gradients", "step", "params", "wait")
        return SimpleNamespace(**{name: getattr(session, name) for name in methods})

    with pytest.raises(Unsupported, match=r"^no advance\(\)$"):
        speed(advance_context(faulty_backends.backend(open_session)))


# ---- the plan --------------------------------------------------------------------------------


def test_advance_is_a_case_of_its_own_and_not_in_the_default_phases() -> None:
    def phases(*chosen: str) -> list[Any]:
        settings = {"phases": list(chosen)} if chosen else {}
        cases = plan_cases(selection(probes=["speed"], launches=1, **settings))
        return sorted({case.speed.phases for case in cases if case.speed})

    assert phases() == [DEFAULT_PHASES]
    assert phases("advance") == [("advance",)]
    assert phases("advance", "step") == [("advance",), ("step",)]


def test_case_of_advance_survives_its_record() -> None:
    case = advance_context("numpy").case
    assert Case.from_flat(case.flat()) == case
    assert case.flat()["phases"] == "advance"


@pytest.mark.parametrize(
    ("supports", "model", "reason"),
    [
        ({}, {}, "no advance(): not written (ours)"),
        ({"generation": Limit("theirs", "a gap")}, {}, "no advance(): a gap (theirs)"),
        ({"generation": True}, {"bidirectional": True}, "no advance(): only a model of one"),
        ({"generation": True, "decoder": True}, {"decoder": 2, "readout": "every"},
         "no advance(): only a model of one"),
    ],
)  # fmt: skip
def test_what_cannot_go_on_from_a_state_is_the_reason_to_skip_a_case(
    supports: dict[str, Any], model: dict[str, Any], reason: str
) -> None:
    case = changed_case(probe="speed", **model)
    steps = replace(case, speed=SpeedSettings(phase_s=0.1, phases=(ADVANCE,)))
    updates = replace(case, speed=SpeedSettings(phase_s=0.1, phases=("step",)))
    backend = SimpleNamespace(SUPPORTS=Supports(**supports))
    assert (case_limit(backend, steps) or "").startswith(reason)
    assert case_limit(backend, updates) is None
    assert case_limit(numpy_backend, replace(steps, model=ModelSpec(**PLAIN))) is None


PLAIN: Any = {"cell": "rnn", "inputs": 2, "hidden": 3, "outputs": 1}


# ---- the tables ------------------------------------------------------------------------------


def test_ranges_that_overlap_share_a_rank() -> None:
    table = tables_of(
        latency_records("jax", 30, 31, 32)
        + latency_records("torch", 31.5, 33, 34)
        + latency_records("numpy", 40, 41, 42)
    ).latency
    assert table["backend"].tolist() == ["jax", "torch", "numpy"]
    assert table["p50_rank_best"].tolist() == [1, 1, 3]
    assert table["p50_rank_worst"].tolist() == [2, 2, 3]
    first = table.iloc[0]
    assert (first.p50_low_s, first.p50_s, first.p50_high_s) == pytest.approx((3e-5, 3.1e-5, 3.2e-5))
    assert first.p99_s == pytest.approx(3.1e-4)
    assert first.paced_p50_s == pytest.approx(9.3e-5)
    assert first.window_s == pytest.approx(15.5e-5)
    assert table["p50_relative"].tolist() == pytest.approx([1, 33 / 31, 41 / 31])


def test_loaded_and_unsettled_rows_and_few_launches_have_no_rank() -> None:
    loaded = {"metrics": {"advance_warmed_up": 1.0, "others_busy": 0.5}}
    unsettled = {"metrics": {"advance_warmed_up": 0.0}}
    table = tables_of(
        latency_records("jax", 9, 9, 9, **loaded) + latency_records("torch", 9, 9, 9, **unsettled)
        + latency_records("numpy", 30, 30, 30) + latency_records("flax", 40, 40)
    ).latency  # fmt: skip
    assert table["p50_rank_best"].isna().tolist() == [True, True, False, True]
    assert table["flags"].tolist() == ["l", "w", "", ""]


def test_report_shows_the_latencies_and_who_has_none() -> None:
    skipped = record("speed", backend="mine", launch=0, phases="advance", status="skipped",
                     reason="mine: no advance()")  # fmt: skip
    made = [*latency_records("jax", 30, 31, 32), parity_record(backend="mine"), skipped]
    text = terminal_text(made, width=200)
    assert "31.0 [30.0–32.0]" in text
    assert "310 [300–320]" in text
    assert "Latency: single step. On 2 threads of Model_X 100%, 2 cores; median and range" in text
    assert "mine: no advance()" in text
    assert any("2,000 calls a launch" in note for note in notes(tables_of(made)))


def test_other_phases_and_single_steps_stay_apart() -> None:
    made = [
        *latency_records("jax", 30, 31, 32),
        *(speed_record(backend="jax", launch=k) for k in range(3)),
    ]
    tables = tables_of(made)
    assert len(tables.speed) == len(tables.latency) == 1
    assert tables.not_measured.empty


def test_lost_samples_are_left_out() -> None:
    made = [*latency_records("jax", 30), record("speed", backend="jax", launch=1, phases="advance")]
    tables = tables_of(made)
    assert tables.latency["p50_launches"].tolist() == [1]
    assert tables.not_measured["reason"].tolist() == ["samples are missing"]


# ---- the guard -------------------------------------------------------------------------------


def test_guard_compares_the_p50() -> None:
    (outcome,) = map(LaunchOutcome.from_record, latency_records("jax", 30)[1:])
    assert outcome.times.keys() == {"advance"}
    assert outcome.times["advance"].seconds == pytest.approx(3e-5)


def test_sides_take_turns_between_blocks_of_calls() -> None:
    waits, session = [], Counting()
    turns = Turns(lambda: waits.append(len(session.calls)))
    metrics, samples = time_advance(
        session, np.zeros((1, 3, 2)), budget_s=0.0, calls=40, pause_s=0.0, turns=turns
    )
    assert np.diff(waits).tolist() == [2] * 19
    timed = record("speed", samples=samples, metrics=metrics)
    times = LaunchTimes.from_record(timed, "advance")
    assert times.blocks == pytest.approx(np.median(np.reshape(samples["advance"], (20, 2)), axis=1))


def test_launch_of_several_cases_is_one_outcome() -> None:
    ok = LaunchOutcome(status="ok", reason=None, times={"step": LaunchTimes(1.0)})
    skipped = LaunchOutcome(status="skipped", reason="no advance()", times={})
    failed = LaunchOutcome(status="failed", reason="it broke", times={})
    assert ok.joined(skipped) == skipped.joined(ok) == ok
    assert ok.joined(failed) == replace(ok, status="failed", reason="it broke")
    steps = LaunchOutcome(status="ok", reason=None, times={"advance": LaunchTimes(2.0)})
    assert ok.joined(steps).times == {"step": LaunchTimes(1.0), "advance": LaunchTimes(2.0)}


# ---- a run -----------------------------------------------------------------------------------


def test_run_records_all_calls(tmp_path: Any) -> None:
    done = tiny_run_inside(
        tmp_path, "--cells", "rnn", "--probes", "speed", "--phases", "advance", "--launches", "1"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(µs)" in done.stdout
    (timed,) = (r for r in records(tmp_path) if r["probe"] == "speed")
    assert {len(timed["samples"][name]) for name in ("advance", "advance_paced")} == {2000}
    times = timed["samples"]["advance"]
    assert timed["metrics"]["advance_p50_s"] == pytest.approx(np.percentile(times, 50))
    assert not any(a < 0 for a, _ in pairwise(times))
