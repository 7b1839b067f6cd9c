"""Time that is left goes where the intervals are the widest, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import bench_for
from running import records, tiny_run

from bench.records.record import Record
from bench.run.budget import next_launch, widths
from bench.run.limits import parse_duration
from bench.spec import Unavailable


def launches(cell: str, seconds: Sequence[float], backend: str = "numpy") -> list[Record]:
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


def chosen(found: list[Record], left: float = 1000.0) -> dict[str, int] | None:
    unit = next_launch(found, left, np.random.default_rng(0), start_s=4.0)
    return unit and {case.model.cell: case.launch for case in unit.cases}


NARROW, WIDE, WIDEST = [1.0] * 5, [1.0, 1.1, 0.9, 1.05, 1.0], [1.0, 2.0, 0.5, 1.5, 1.2]


def test_the_widest_interval_gets_the_next_launch() -> None:
    found = [*launches("rnn", NARROW), *launches("lstm", WIDE), *launches("gru", WIDEST)]
    assert chosen(found) == {"gru": 5}
    assert chosen([*found, *launches("lstm", WIDEST, backend="other")]) is not None
    alike = [*launches("rnn", WIDE), *launches("gru", WIDE)]
    assert chosen(alike) == {"rnn": 5, "gru": 5}


def test_two_launches_are_the_widest_of_all() -> None:
    few = launches("lstm", [1.0, 1.0], backend="other")
    assert chosen([*launches("gru", WIDEST), *few]) == {"lstm": 2}
    assert [w.relative for w in widths(few, np.random.default_rng(0))] == [np.inf]


def test_nothing_is_run_that_does_not_fit_or_is_narrow_already() -> None:
    found = [*launches("gru", WIDEST), *launches("lstm", NARROW)]
    assert chosen(found, left=5.9) is None
    assert chosen(found, left=6.1) == {"gru": 5}
    assert chosen(launches("lstm", NARROW)) is None
    assert chosen([]) is None


def test_a_cell_that_failed_is_not_tried_again() -> None:
    found = launches("gru", WIDEST)
    found[-1] = replace(found[-1], status="failed", reason="died", samples={})
    assert chosen(found) is None


def test_a_run_with_a_budget_goes_on_launching_and_one_without_does_not(tmp_path: Path) -> None:
    for run, budget in (("without", ()), ("with", ("--budget", "20s"))):
        chosen = ("--probes", "speed", "--cells", "lstm", "--launches", "1", *budget)
        assert tiny_run(tmp_path, *chosen, run=run).returncode == 0
    counts = {
        run: [r["case"]["launch"] for r in records(tmp_path, run) if r["probe"] == "speed"]
        for run in ("without", "with")
    }
    assert counts["without"] == [0]
    assert counts["with"] == list(range(len(counts["with"])))
    assert len(counts["with"]) > 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)]
)
def test_a_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "0", "5d", "ten"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(Unavailable, match="--budget must be a time such as"):
        parse_duration(text)
