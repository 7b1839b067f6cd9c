"""A time budget is spent on launches of the widest intervals, and on nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import bench_for
from runners import OK_ANSWER
from running import records, tiny_run_inside

import run_bench
from bench.records.record import Record
from bench.run import measure
from bench.run.budget import interval_widths, next_launch


def launches(cell: str, seconds: Sequence[float], backend: str = "numpy") -> list[Record]:
    """Records of one launch for each time of a step."""
    case = bench_for("numpy", "speed", cell=cell).case.flat() | {"backend": backend}
    return [
        Record(
            run="r",
            case={**case, "launch": k},
            status="ok",
            reason=None,
            probe="speed",
            environment=None,
            started="2026-01-01T00:00:00",
            wall_s=2.0,
            samples={"step": [s] * 12, "forward": [1.0] * 12},
        )
        for k, s in enumerate(seconds)
    ]


def chosen(records: list[Record], seconds_left: float = 1000.0) -> dict[str, int] | None:
    """The launch that each cell gets next."""
    unit = next_launch(records, seconds_left, np.random.default_rng(0), start_s=4.0)
    return unit and {case.model.cell: case.launch for case in unit.cases}


NARROW, WIDE, WIDEST = [1.0] * 5, [1.0, 1.1, 0.9, 1.05, 1.0], [1.0, 2.0, 0.5, 1.5, 1.2]


def test_widest_interval_gets_the_next_launch() -> None:
    records = [*launches("rnn", NARROW), *launches("lstm", WIDE), *launches("gru", WIDEST)]
    assert chosen(records) == {"gru": 5}
    assert chosen([*records, *launches("lstm", WIDEST, backend="other")]) is not None
    equally_wide = [*launches("rnn", WIDE), *launches("gru", WIDE)]
    assert chosen(equally_wide) == {"rnn": 5, "gru": 5}


def test_two_launches_have_the_widest_interval_of_all() -> None:
    two = launches("lstm", [1.0, 1.0], backend="other")
    assert chosen([*launches("gru", WIDEST), *two]) == {"lstm": 2}
    widths = interval_widths(two)
    assert [width.relative for width in widths] == [np.inf]


def test_noise_of_the_floor_asks_for_no_more_launches() -> None:
    records = launches("gru", NARROW)
    for record, seconds in zip(records, WIDEST, strict=True):
        record.samples["floor.training.numpy"] = [seconds] * 5  # type: ignore[index]
    assert chosen(records) is None


def test_no_launch_is_run_that_does_not_fit_or_whose_interval_is_narrow() -> None:
    records = [*launches("gru", WIDEST), *launches("lstm", NARROW)]
    assert chosen(records, seconds_left=5.9) is None
    assert chosen(records, seconds_left=6.1) == {"gru": 5}
    assert chosen(launches("lstm", NARROW)) is None
    assert chosen([]) is None


def test_failed_case_is_not_launched_again() -> None:
    records = launches("gru", WIDEST)
    records[-1] = replace(records[-1], status="failed", reason="died", samples={})
    assert chosen(records) is None


QUICK_WORKER = f"""
import json, sys
answer = {OK_ANSWER!r}
for line in sys.stdin:
    case = json.loads(line)
    answer["samples"] = {{"step": [1.0] * 12}} if case["probe"] == "speed" else {{}}
    print(case["request"], json.dumps(answer), flush=True)
"""
"""A stand-in for a worker that answers at once, with the same times in every launch."""


@pytest.mark.parametrize("budget", [(), ("--budget", "60s")])
def test_run_continues_launching_only_with_a_budget_and_until_intervals_are_narrow(
    budget: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(QUICK_WORKER)
    monkeypatch.setattr(run_bench, "ENTRY", worker)
    monkeypatch.setattr(measure, "START_S", 0.1)
    words = ("--probes", "speed", "--cells", "lstm", "--launches", "1", *budget)
    done = tiny_run_inside(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    counts = [r["case"]["launch"] for r in records(tmp_path) if r["probe"] == "speed"]
    assert counts == list(range(len(counts)))
    assert 1 < len(counts) < 10 if budget else counts == [0]
