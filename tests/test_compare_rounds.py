"""The rounds of a live comparison, with runners that make up what workers would measure."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from compare_records import parity_record, record

from bench.compare.both_sides import BothSides
from bench.compare.decision import Rule, Verdict
from bench.compare.judge import judge
from bench.compare.live import LiveComparison, MeasuredSide, time_left
from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records.folder import RunFolder

Seconds = Callable[[str, int], float]
"""The time of a step, from the cell and the number of the launch."""

LAUNCH_S = 0.01


class MadeUpRunner:
    """Appends a record for each case, without any worker. `log` lists what is timed, in order."""

    def __init__(self, folder: RunFolder, side: str, seconds: Seconds, log: list[Any]) -> None:
        self.folder, self.side, self.seconds, self.log = folder, side, seconds, log
        self.gate_failures: dict[str, str] = {}

    async def run_all(self, units: Sequence[Unit], jobs: int, processors: Sequence[int]) -> None:
        for case in (case for unit in units for case in unit.cases):
            self.folder.append(replace(parity_record(), case=case.flat()))

    async def start_ready(self, unit: Unit, processors: Sequence[int]) -> None:
        """No worker is started."""

    async def run_unit(
        self, unit: Unit, slot: int, processors: Sequence[int], worker: None
    ) -> None:
        for case in unit.cases:
            seconds = self.seconds(case.model.cell, case.launch or 0)
            phase = "control" if case.probe == "control" else "step"
            made_up = record(case.probe, samples={phase: [seconds, 2 * seconds]})
            self.folder.append(replace(made_up, case=case.flat()))
        self.log.append((unit.cases[0].launch, self.side, {c.model.cell for c in unit.cases}))


ENVIRONMENTS: dict[str, Any] = {"environments": {"e": {}}}


def cases(*cells: str) -> list[Case]:
    settings = [record(probe, cell=cell).case for cell in cells for probe in ("parity", "speed")]
    return [Case.from_flat(flat) for flat in settings]


def measure(
    root: Path,
    slowdowns: Mapping[str, float],
    rule: Rule,
    *,
    budget_s: float = inf,
    show: Callable[[str, str], None] = lambda stage, left: None,
) -> tuple[list[Any], dict[str, Verdict]]:
    """Measure a comparison whose head is slower by these factors, by cell. Return what was timed
    (launch, side and cells), and the verdict on the speed of each row."""
    log: list[Any] = []

    def side(name: str) -> MeasuredSide:
        def seconds(cell: str, launch: int) -> float:
            return (
                LAUNCH_S * (1 + 0.001 * (launch % 3)) * (slowdowns[cell] if name == "head" else 1)
            )

        folder = RunFolder.create(root, name, {**ENVIRONMENTS, "request": {"probes": ["speed"]}})
        runner = MadeUpRunner(folder, name, seconds, log)
        control = MadeUpRunner(folder, "control", lambda cell, launch: LAUNCH_S, log)
        return MeasuredSide(cases(*slowdowns), runner, control)  # type: ignore[arg-type]

    sides = BothSides(side("base"), side("head"))
    comparison = LiveComparison(sides, rule, monotonic() + budget_s)
    asyncio.run(comparison.measure(1, lambda stage, left="": show(stage, left)))
    findings = judge(comparison.evidence(), rule)
    verdicts = {f.row: f.verdict for f in findings if f.check == "speed of step"}
    return [entry for entry in log if entry[1] != "control"], verdicts


def test_rows_that_pass_are_timed_in_one_round_only(tmp_path: Path) -> None:
    log, verdicts = measure(tmp_path, {"rnn": 1.0, "lstm": 1.3}, Rule(pairs=10))
    assert verdicts == {
        "numpy rnn adding": Verdict.PASS,
        "numpy lstm adding": Verdict.REGRESSED,
    }
    first, second = log[:20], log[20:]
    assert all(cells == {"rnn", "lstm"} for _, _, cells in first)
    assert [launch for launch, _, _ in second] == [k for k in range(10, 20) for _ in "ab"]
    assert all(cells == {"lstm"} for _, _, cells in second), "it is confirmed by itself"


def test_sides_take_turns_in_going_first(tmp_path: Path) -> None:
    log, _ = measure(tmp_path, {"rnn": 1.0}, Rule(pairs=10))
    order = [side for _, side, _ in log]
    assert order == ["base", "head", "head", "base"] * 5


@pytest.mark.parametrize(("slowdown", "launches"), [(1.3, 20), (1.0, 10)])
def test_after_the_budget_only_a_flag_is_followed_by_a_round(
    slowdown: float, launches: int, tmp_path: Path
) -> None:
    log, _ = measure(tmp_path, {"rnn": slowdown}, Rule(pairs=10), budget_s=-1)
    assert len(log) == 2 * launches


def test_undecided_row_is_measured_for_as_many_rounds_as_the_rule_has(tmp_path: Path) -> None:
    """Two pairs a round are too few for any verdict."""
    log, verdicts = measure(tmp_path, {"rnn": 1.0}, Rule(pairs=2, rounds=2, level=0.01))
    assert verdicts == {"numpy rnn adding": Verdict.INCONCLUSIVE}
    assert len(log) == 2 * 2 * 2


def test_comparison_without_a_timed_probe_has_no_rounds(tmp_path: Path) -> None:
    def side(name: str) -> MeasuredSide:
        folder = RunFolder.create(
            tmp_path, name, {**ENVIRONMENTS, "request": {"probes": ["parity"]}}
        )
        runner = MadeUpRunner(folder, name, lambda cell, launch: LAUNCH_S, [])
        parity = [case for case in cases("rnn") if case.probe == "parity"]
        return MeasuredSide(parity, runner, runner)  # type: ignore[arg-type]

    stages: list[str] = []
    comparison = LiveComparison(BothSides(side("base"), side("head")), Rule(), inf)
    asyncio.run(comparison.measure(1, lambda stage, left="": stages.append(stage)))
    assert stages == ["parity and learning"]


def test_time_left_follows_from_the_pairs_so_far() -> None:
    """To the end of the round, and to that of the last round."""
    rule = Rule(pairs=10, rounds=3)
    assert time_left(rule, 0, []) == ""
    assert time_left(rule, 2, [10.0, 20.0]) == "2 min 00 s to 7 min 00 s"
    assert time_left(rule, 12, 12 * [15.0]) == "2 min 00 s to 4 min 30 s"
    assert time_left(rule, 22, 22 * [15.0]) == "2 min 00 s"


def test_every_pair_but_the_first_tells_the_time_left(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    measure(tmp_path, {"rnn": 1.3}, Rule(pairs=10), show=lambda *line: told.append(line))
    assert [bool(left) for stage, left in told if "pair" in stage] == [False] + 19 * [True]
