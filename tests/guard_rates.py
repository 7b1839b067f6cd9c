"""How often the guard is wrong, and how often the rules of others are, on the same launches.

    python tests/guard_rates.py collect FOLDER --head same 5% 10% 20% --blocks 110 [--busy]
    python tests/guard_rates.py collect FOLDER --head same --blocks 270 [--busy]
    python tests/guard_rates.py faults FOLDER
    python tests/guard_rates.py table FOLDER
    python tests/guard_rates.py streams FOLDER

`collect` measures as a comparison does: in each block a fresh process of the base and one of each
head, in any order, which is the same code or does 5, 10 or 20% of real extra work in each update. A
line a block goes to `quiet.jsonl` or `busy.jsonl`; interrupted, it goes on. `table` replays the
rules on these streams, and `streams` keeps their log-ratios for the tests. `faults` runs `compare`
against every fault of learning, gradients and parity.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from conftest import ROOT
from scipy.stats import mannwhitneyu
from tabulate import tabulate

import backends
import tasks
from bench.analysis.statistics import share_interval
from bench.compare.command import PHASE_S, THREADS
from bench.compare.decision import Rule, Verdict, decide, log_ratios
from bench.compare.live import beside, launches
from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.request import Request
from bench.plan.selection import select
from bench.plan.units import Unit
from bench.records.folder import RunFolder
from bench.records.machine import describe_machine, versions
from bench.report.words import DASH
from bench.run.display import SilentProgress
from bench.run.process import Limits
from bench.run.runner import Runner

PLUGIN = "tests/plugins/injected.py"
TASKS = ("adding", "adding:paper", "memory", "forecasting")
"""A comparison is of the three cells of one."""
HEADS: Mapping[str, str] = {
    "same": "nothing",
    "5%": "work 0.05",
    "10%": "work 0.1",
    "20%": "work 0.2",
}
LIMITS = Limits(time_s=300, memory_bytes=8 << 30)
SPIN = "import numpy as np\na = np.ones((200, 200))\nwhile True: a @ a"
DIGITS = 4
QUIET, BUSY = "quiet.jsonl", "busy.jsonl"
STREAMS = ROOT / "tests" / "data" / "guard_streams.json"

Launches = Mapping[str, Sequence[Sequence[float]]]
"""Samples by cell, launch after launch."""
Stream = tuple[Launches, Launches]
"""Base and head, launches in pairs."""
Ratios = Mapping[str, Sequence[float]]
"""Log-ratios of the pairs by cell, head over base."""
Figure = Callable[[Sequence[float]], Any]
"""What a launch is taken to be, seconds, of its samples."""
Said = Sequence[tuple[str, float]]
"""The verdict on each cell of all comparisons, and launches a side that it took."""


# collecting


def collect(folder: Path, heads: Sequence[str], blocks: int, busy: bool) -> None:
    """So many blocks, those that are there already included."""
    file = folder / (BUSY if busy else QUIET)
    whole = file.read_text().splitlines(True) if file.exists() else []
    file.write_text("".join(line for line in whole if line.endswith("\n")))
    with spinning() if busy else nullcontext(), file.open("a") as out:
        for number in range(len(_lines(file)), blocks):
            with TemporaryDirectory() as scratch:
                found = asyncio.run(block(Path(scratch), ["base", *heads], number))
            out.write(json.dumps({"number": number, "launches": found}) + "\n")
            out.flush()


@contextmanager
def spinning() -> Iterator[None]:
    """A second process that keeps one processor busy."""
    own = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    other = subprocess.Popen([sys.executable, "-c", SPIN], env=own)
    try:
        yield
    finally:
        other.kill()
        other.wait()


async def block(folder: Path, sides: Sequence[str], number: int) -> dict[str, Any]:
    """Samples by side and cell, of a launch of each side as a comparison makes them: two sides
    import beside each other, then are timed one after the other, a control after each."""
    rng = random.Random(number)
    runs = {side: run_of(folder, side) for side in sides}
    cells = rng.sample(timed_cases(), len(timed_cases()))
    unit = Unit(PLUGIN, "cpu", THREADS, timed=True, cases=tuple(cells))
    order = rng.sample(list(runs), len(runs))
    for first in range(0, len(order), 2):
        work: list[tuple[Runner, Unit]] = []
        for own in (runs[side] for side in order[first : first + 2]):
            own.gate_failures.update(dict.fromkeys((case.model_key for case in cells), ""))
            work += [(own, unit), (own, beside(own, unit))]
        await launches(work)
    return {side: samples_of(own) for side, own in runs.items()}


def run_of(folder: Path, side: str) -> Runner:
    def command(unit: Unit, processors: Sequence[int]) -> list[str]:
        words = ["worker", "--backend", unit.backend, "--parent", str(os.getpid()), "--processors"]
        return [sys.executable, str(ROOT / "run_bench.py"), *words, *map(str, processors)]

    fault = {"INJECT": HEADS.get(side, "nothing")}
    own = RunFolder.create(folder, side, {})
    return Runner(own, command, LIMITS, SilentProgress(), {}, environment=fault)


def samples_of(run: Runner) -> dict[str, list[float]]:
    found = {}
    for record in run.folder.records():
        assert record.status == "ok", record.reason
        (seconds,) = record.samples.values()
        found[name_of(Case(record.case))] = [float(f"{s:.{DIGITS}g}") for s in seconds]
    return found


def timed_cases() -> list[Case]:
    request = Request(
        backends=[PLUGIN],
        tasks=list(TASKS),
        probes=["speed"],
        launches=1,
        phases=["step"],
        phase_s=PHASE_S,
        threads=THREADS,
    )
    return [
        case for case in plan_cases(select(request, backends, tasks)[0]) if case.probe == "speed"
    ]


def name_of(case: Case) -> str:
    """The control, or the cell and what tells its task from the others."""
    if case.probe == "control":
        return "control"
    return f"{case.cell} {case.task} {case.settings['hidden']}"


def streams_of(folder: Path) -> Mapping[str, Stream]:
    """By head, its launches and those of the base in the same blocks."""
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for file, busy in ((QUIET, ""), (BUSY, ", busy")):
        for line in _lines(folder / file):
            launches = line["launches"]
            for head in (name for name in HEADS if name in launches):
                stream = found.setdefault(head + busy, ({}, {}))
                for side, name in zip(stream, ("base", head), strict=True):
                    for cell, seconds in launches[name].items():
                        side.setdefault(cell, []).append(seconds)
    return found


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


# the rules


def ratios_of(stream: Stream, figure: Figure = min) -> Ratios:
    """Of a figure a launch."""
    return {
        name: log_ratios(*([figure(launch) for launch in side[name]] for side in stream))
        for name in stream[0]
    }


def guard(ratios: Ratios, rule: Rule) -> Said:
    """A comparison of each task's cells begins every round; later rounds take the pairs after."""
    said: list[tuple[str, float]] = []
    for at in range(0, len(ratios["control"]) - rule.rounds * rule.pairs + 1, rule.pairs):
        for cells in comparisons(ratios):
            said += compared(ratios, at, cells, rule)
    return said


def compared(ratios: Ratios, at: int, cells: Sequence[str], rule: Rule) -> Said:
    """One comparison, that begins at a pair."""
    rounds: dict[str, list[Sequence[float]]] = {name: [] for name in (*cells, "control")}
    still = list(cells)
    for first in range(at, at + rule.rounds * rule.pairs, rule.pairs):
        for name in (*still, "control"):
            rounds[name].append(ratios[name][first : first + rule.pairs])
        found = decide({name: rounds[name] for name in cells}, rule, rounds["control"])
        still = [name for name, decision in found.items() if decision.open]
        if not still:
            break
    return [(d.verdict.value, rule.pairs * len(rounds[name])) for name, d in found.items()]


def comparisons(by_cell: Mapping[str, Any]) -> list[list[str]]:
    """The cells by task."""
    by_task: dict[str, list[str]] = {}
    for name in sorted(by_cell):
        if name != "control":
            by_task.setdefault(name.split(maxsplit=1)[1], []).append(name)
    return list(by_task.values())


def theirs(rule: Callable[[Any, Any], bool], launches: int, apart: bool, stream: Stream) -> Said:
    """What a rule says of so many launches a side: in turn, or all of the base before all of the
    head."""
    said = []
    for at in range(0, len(stream[0]["control"]) - (1 + apart) * launches + 1, 10):
        then = slice(at, at + launches)
        now = slice(at + apart * launches, at + (1 + apart) * launches)
        for cells in comparisons(stream[0]):
            flags = (rule(stream[0][cell][then], stream[1][cell][now]) for cell in cells)
            said += [(Verdict.REGRESSED if flag else Verdict.PASS).value for flag in flags]
    return [(verdict, launches) for verdict in said]


def over_five_percent(statistic: Callable[..., float], base: Any, head: Any) -> bool:
    """pytest-benchmark's `--benchmark-compare-fail=…:5%`, on all samples."""
    return statistic(np.concatenate(head)) > 1.05 * statistic(np.concatenate(base))


def benchstat(base: Any, head: Any) -> bool:
    """Mann-Whitney at 5% of a figure a launch, its mean."""
    then, now = ([mean(launch) for launch in side] for side in (base, head))
    return bool(mannwhitneyu(then, now).pvalue < 0.05 and median(now) > median(then))


def asv(base: Any, head: Any) -> bool:
    """All samples: p < 0.002 and a factor of 1.1 between their medians."""
    then, now = (np.concatenate(side) for side in (base, head))
    factor = float(np.median(now) / np.median(then))
    return bool(factor > 1.1 and mannwhitneyu(then, now).pvalue < 0.002)


def rules() -> dict[str, Callable[[Stream], Said]]:
    """This guard, what else it could have been, and the rules of others."""

    def ours(figure: Figure = min, **changes: Any) -> Callable[[Stream], Said]:
        return lambda stream: guard(ratios_of(stream, figure), replace(Rule(), **changes))

    found = {
        "this guard": ours(),
        "on the lower quartile of a launch": ours(partial(np.quantile, q=0.25)),
        "on the median of a launch": ours(np.median),
        "passing at ±8%": ours(excluded=0.08),
        "passing at ±15%": ours(excluded=0.15),
        "flagging from 3%, tolerating 1%": ours(tolerated=0.01, least=0.03),
        "rounds of 8 pairs": ours(pairs=8),
        "20 pairs, nothing confirmed": ours(pairs=20, rounds=1),
    }
    for count, words in ((1, "1 launch"), (20, "20 launches")):
        for name, statistic in (("mean", np.mean), ("min", np.min)):
            rule = partial(over_five_percent, statistic)
            found[f"pytest-benchmark {name}:5%, {words}"] = partial(theirs, rule, count, True)
    found["benchstat-like, 20 launches"] = partial(theirs, benchstat, 20, True)
    found["asv-like, 20 launches in turn"] = partial(theirs, asv, 20, False)
    return found


def table(streams: Mapping[str, Stream]) -> str:
    """A row a rule: how often it says regressed and inconclusive of each head, with exact
    intervals, and launches a side."""
    rows = []
    for name, rule in rules().items():
        said = [rule(stream) for stream in streams.values()]
        unsure = " / ".join(_percent(one, Verdict.INCONCLUSIVE) for one in said)
        cost = " / ".join(f"{mean(n for _, n in one):.0f}" if one else DASH for one in said)
        rows.append([name, *(_share(one, Verdict.REGRESSED) for one in said), unsure, cost])
    titles = [
        head.replace("same", "false alarms") if "same" in head else f"+{head} found"
        for head in streams
    ]
    return str(tabulate(rows, ["rule", *titles, "inconclusive", "launches a side"], "pipe"))


def _share(said: Said, verdict: Verdict) -> str:
    count = sum(v == verdict.value for v, _ in said)
    low, high = share_interval(count, len(said)) or (0.0, 1.0)
    return f"{count} of {len(said)} ({100 * low:.2g}–{100 * high:.3g}%)"


def _percent(said: Said, verdict: Verdict) -> str:
    return f"{100 * sum(v == verdict.value for v, _ in said) / max(1, len(said)):.0f}%"


# faults

IN_THE_CODE = (
    "gradient",
    "forget_bias",
    "half_rate",
    "clipped_too_early",
    "fails",
    "lazy",
    "diverging",
)
"""Faults of an adapter, in `tests/plugins/injected.py`."""
CLIPPED = "forecasting:steps=100:clip_norm=0.1"
IN_THE_SETTINGS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "nothing, two stored runs": (["--tasks", CLIPPED], ["--tasks", CLIPPED]),
    "learning rate halved, adding": (
        ["--tasks", "adding:short"],
        ["--tasks", "adding:short:learning_rate=0.0015"],
    ),
    "learning rate halved, sunspots": (
        ["--tasks", "forecasting:steps=200"],
        ["--tasks", "forecasting:steps=200:learning_rate=0.0025"],
    ),
    "forget bias 0, not 1": (
        ["--tasks", "adding:short", "--cells", "lstm", "--forget-bias", "1"],
        ["--tasks", "adding:short", "--cells", "lstm", "--forget-bias", "0"],
    ),
    "clipping left out": (
        ["--tasks", CLIPPED],
        ["--tasks", "forecasting:steps=100"],
    ),
}
"""Faults that no side's parity gate can see: what base and head were asked to run."""


def faults(folder: Path, names: Sequence[str]) -> None:
    """Every fault in each backend: which checks were red."""
    with (folder / "faults.jsonl").open("w") as out:
        for backend in names:
            for fault in ("nothing", *IN_THE_CODE, *IN_THE_SETTINGS):
                with TemporaryDirectory() as scratch:
                    trial = with_settings if fault in IN_THE_SETTINGS else with_code
                    found = red_checks(trial(Path(scratch), backend, fault))
                for cell, red in found.items():
                    line = {"backend": backend, "fault": fault, "cell": cell, "red": red}
                    out.write(json.dumps(line) + "\n")
                    out.flush()


def with_code(folder: Path, backend: str, fault: str) -> Path:
    """A live comparison of the adapter with one that has a fault."""
    from test_compare import python_with

    base, head = (
        python_with(folder, INJECT=what, INJECT_INTO=backend) for what in ("nothing", fault)
    )
    run_bench(
        *("compare", "--backends", PLUGIN, "--tasks", CLIPPED),
        *("--probes", "learning", "gradients"),
        *("--base-python", str(base), "--head-python", str(head)),
        *("--results-dir", str(folder), "--run-id", "c"),
    )
    return folder / "c"


def with_settings(folder: Path, backend: str, fault: str) -> Path:
    """Two stored runs, asked for different things."""
    runs = folder / "runs"
    for name, words in zip(("base", "head"), IN_THE_SETTINGS[fault], strict=True):
        run_bench(
            *("--backends", backend, *words, "--probes", "learning", "gradients"),
            *("--seeds", "0,1,2,3,4,5,6,7", "--results-dir", str(runs), "--run-id", name),
        )
    run_bench(
        *("compare", str(runs / "base"), str(runs / "head")),
        *("--results-dir", str(folder / "comparisons"), "--run-id", "c"),
    )
    return folder / "comparisons" / "c"


def run_bench(*words: str) -> None:
    command = [sys.executable, str(ROOT / "run_bench.py"), *words]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def red_checks(comparison: Path) -> dict[str, list[str]]:
    """By cell, the checks that were red."""
    cells: dict[str, list[str]] = {}
    for f in json.loads((comparison / "verdict.json").read_text())["findings"]:
        red = cells.setdefault(f["cell"], [])
        if f["verdict"] in (Verdict.REGRESSED, Verdict.MISSING):
            red.append(f["check"])
    return cells


def faults_table(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for fault in dict.fromkeys(line["fault"] for line in lines):
        own = [line for line in lines if line["fault"] == fault]
        red = sum(bool(line["red"]) for line in own)
        checks = dict.fromkeys(check.split(",")[0] for line in own for check in line["red"])
        rows.append([fault.replace("_", " "), f"{red} of {len(own)}", ", ".join(checks)])
    return str(tabulate(rows, ["fault", "cells that were red", "by"], "pipe"))


# the command line


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("tests/guard_rates.py", description=__doc__)
    parser.add_argument("what", choices=["collect", "faults", "table", "streams"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--head", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--blocks", type=int, default=110)
    parser.add_argument("--busy", action="store_true", help="with a second busy process")
    parser.add_argument("--backends", nargs="+", default=["numpy", "torch"], help="for the faults")
    given = parser.parse_args(arguments)
    source = given.folder / "origin.txt"
    if given.what in ("collect", "faults") and not source.exists():
        given.folder.mkdir(parents=True, exist_ok=True)
        source.write_text(origin() + "\n")
    if given.what == "collect":
        collect(given.folder, given.head, given.blocks, given.busy)
    elif given.what == "faults":
        faults(given.folder, given.backends)
    elif given.what == "streams":
        STREAMS.write_text(json.dumps(kept(given.folder), ensure_ascii=False) + "\n")
    else:
        text = report(given.folder)
        (given.folder / "table.md").write_text(text)
        print(text)


def origin() -> str:
    """The day, the machine and the versions."""
    known = ", ".join(f"{name} {v}" for name, v in versions(("numpy", "torch")).items() if v)
    about = describe_machine()
    return f"{time.strftime('%Y-%m-%d')}; {about['processor']}, {about['cores']} cores; {known}"


def kept(folder: Path) -> dict[str, Any]:
    """What the tests replay: log-ratios alone."""
    ratios = {head: ratios_of(stream) for head, stream in streams_of(folder).items()}
    short = {
        head: {cell: [round(d, DIGITS) for d in found] for cell, found in cells.items()}
        for head, cells in ratios.items()
    }
    return {"origin": (folder / "origin.txt").read_text().strip(), "log_ratios": short}


def report(folder: Path) -> str:
    """The tables of what a folder holds."""
    parts = [(folder / "origin.txt").read_text().strip()]
    if streams := streams_of(folder):
        parts.append(table(streams))
    if lines := _lines(folder / "faults.jsonl"):
        parts.append(faults_table(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
