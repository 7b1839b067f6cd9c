"""How often the guard is wrong, and how often the rules of others are, on the same launches.

    python tests/guard_rates.py collect FOLDER --head same 5% 10% 20% --pairs 190 [--busy]
    python tests/guard_rates.py faults FOLDER
    python tests/guard_rates.py table FOLDER

`collect` measures pairs of fresh processes as a comparison does: the same code on both sides, or
5, 10 or 20% of real extra work in each update of the head. A line a pair goes to `pairs.jsonl`;
interrupted, it goes on. `table` replays the rules on these streams. `faults` runs `compare` against
every fault of learning, gradients and parity.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
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
from bench.compare.command import PHASE_S
from bench.guard import Rule, Verdict, decide, log_ratios
from bench.machine import cpus, machine
from bench.plan import Case, cases
from bench.process import Limits, Process
from bench.select import Request, select
from bench.statistics import share_interval

PLUGIN = "tests/plugins/injected.py"
TASKS = ("adding", "workload:small")
HEADS: Mapping[str, str] = {
    "same": "nothing",
    "5%": "work 0.05",
    "10%": "work 0.1",
    "20%": "work 0.2",
}
LIMITS = Limits(time_s=300, memory_bytes=8 << 30)
SPIN = "import numpy as np\na = np.ones((200, 200))\nwhile True: a @ a"
FAULTS = ("gradient", "forget_bias", "half_rate", "clipped_too_early", "fails", "lazy", "diverging")
GUARD = "this guard"

Launches = Mapping[str, Sequence[Sequence[float]]]
"""Samples by cell, launch after launch."""
Stream = tuple[Launches, Launches]
"""Base and head, launches in pairs."""


# collecting


def collect(folder: Path, heads: Sequence[str], pairs: int, busy: bool) -> int:
    """So many pairs against each of these heads, one of each in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pairs.jsonl"
    done = Counter(line["head"] for line in _lines(file))
    with spinning() if busy else nullcontext(), file.open("a") as out:
        for number in range(pairs):
            for head in heads:
                if number < done[head]:
                    continue
                faults = {"base": "nothing", "head": HEADS[head]}
                order = list(faults) if number % 2 == 0 else list(reversed(faults))
                found = {side: asyncio.run(launch(faults[side], number)) for side in order}
                line = {"head": head, "number": number, "base": found["base"]}
                line |= {"head_samples": found["head"], "ended": time.time()}
                out.write(json.dumps(line) + "\n")
                out.flush()
    return 0


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


async def launch(fault: str, number: int) -> dict[str, list[float]]:
    """Samples of every cell from one fresh process, and of the control from one after it."""
    planned = timed_cases()
    random.Random(number).shuffle(planned)
    found = await answers(PLUGIN, planned, fault)
    return found | await answers("numpy", [control_of(planned[0])], fault)


async def answers(backend: str, asked: Sequence[Case], fault: str) -> dict[str, list[float]]:
    processors = cpus()
    words = ["worker", "--backend", backend, "--parent", str(os.getpid()), "--processors"]
    command = [sys.executable, str(ROOT / "run_bench.py"), *words, *map(str, processors)]
    os.environ["INJECT"] = fault
    with TemporaryDirectory() as logs:
        worker = await Process.start(command, len(processors), Path(logs), "w", LIMITS)
        try:
            found = {}
            for case in asked:
                answer = await worker.ask(case)
                assert answer["status"] == "ok", answer["reason"]
                (found[name_of(case)],) = answer["samples"].values()
            await worker.close()
        finally:
            await worker.kill()
    return found


def timed_cases() -> list[Case]:
    request = Request(
        backends=[PLUGIN],
        tasks=list(TASKS),
        probes=["speed"],
        launches=1,
        phases=["step"],
        phase_s=PHASE_S,
    )
    return [case for case in cases(select(request, backends, tasks)[0]) if case.probe == "speed"]


def control_of(case: Case) -> Case:
    return Case({**case.settings, "probe": "control"})


def name_of(case: Case) -> str:
    return "control" if case.probe == "control" else f"{case.cell} {case.task}"


# the rules


def guard(stream: Stream, at: int, rule: Rule) -> list[str]:
    """The verdicts of a comparison that begins at a pair; later rounds take the pairs after."""
    cells = [name for name in stream[0] if name != "control"]
    rounds: dict[str, list[list[float]]] = {name: [] for name in stream[0]}
    found: dict[str, Any] = {}
    for first in range(at, at + rule.rounds * rule.pairs, rule.pairs):
        for name in [*cells, "control"]:
            rounds[name].append(log_ratios_of(stream, name, first, rule.pairs))
        timed = {name: r for name, r in rounds.items() if name != "control"}
        found = decide(timed, rule, rounds["control"])
        cells = [name for name, decision in found.items() if decision.open]
        if not cells:
            break
    return [decision.verdict.value for decision in found.values()]


def log_ratios_of(stream: Stream, cell: str, first: int, count: int) -> list[float]:
    base, head = (side[cell][first : first + count] for side in stream)
    return log_ratios([min(b) for b in base], [min(h) for h in head])


def pytest_benchmark(statistic: Callable[[Sequence[float]], float]) -> Any:
    """`--benchmark-compare-fail=…:5%`: one process against one."""

    def rule(base: Any, head: Any, at: int) -> bool:
        return statistic(head[at]) > 1.05 * statistic(base[at])

    return rule


def benchstat(base: Any, head: Any, at: int) -> bool:
    """Ten launches of the base, then ten of the head; Mann-Whitney at 5% on their means."""
    then = [mean(base[k]) for k in range(at, at + 10)]
    now = [mean(head[k]) for k in range(at + 10, at + 20)]
    return bool(mannwhitneyu(then, now).pvalue < 0.05 and median(now) > median(then))


def asv(base: Any, head: Any, at: int) -> bool:
    """All samples of ten interleaved launches of each; p < 0.002 and a factor of 1.1."""
    then, now = (np.concatenate([side[k] for k in range(at, at + 10)]) for side in (base, head))
    factor = float(np.median(now) / np.median(then))
    return bool(factor > 1.1 and mannwhitneyu(then, now).pvalue < 0.002)


RULES: Mapping[str, Any] = {
    "pytest-benchmark mean:5%": pytest_benchmark(mean),
    "pytest-benchmark min:5%": pytest_benchmark(min),
    "benchstat-like, 10 then 10": benchstat,
    "asv-like, 10 interleaved": asv,
}


def table(streams: Mapping[str, Stream], rule: Rule) -> str:
    """A row a rule: flagged of all, with exact intervals, for each head."""
    rows = []
    for name in (GUARD, *RULES):
        row = [name]
        for stream in streams.values():
            said = verdicts_of(name, stream, rule)
            row.append(share_of(said.count(Verdict.REGRESSED.value), len(said)))
        rows.append(row)
    unsure = [verdicts_of(GUARD, stream, rule) for stream in streams.values()]
    counts = [share_of(said.count(Verdict.INCONCLUSIVE.value), len(said)) for said in unsure]
    titles = ["false alarms" if head == "same" else f"+{head} found" for head in streams]
    rows.insert(1, ["(it was inconclusive in)", *counts])
    return str(tabulate(rows, ["rule", *titles], "pipe"))


def share_of(count: int, total: int) -> str:
    low, high = share_interval(count, total) or (0.0, 1.0)
    return f"{count} of {total} ({100 * low:.2g}–{100 * high:.3g}%)"


def verdicts_of(name: str, stream: Stream, rule: Rule) -> list[str]:
    """What a rule says of each cell in comparisons that begin every ten pairs and overlap in their
    later rounds alone."""
    cells = [cell for cell in stream[0] if cell != "control"]
    needed = rule.rounds * rule.pairs if name == GUARD else 2 * rule.pairs
    said: list[str] = []
    for at in range(0, len(stream[0]["control"]) - needed + 1, rule.pairs):
        if name == GUARD:
            said += guard(stream, at, rule)
        else:
            flags = (RULES[name](stream[0][cell], stream[1][cell], at) for cell in cells)
            said += [(Verdict.REGRESSED if flag else Verdict.PASS).value for flag in flags]
    return said


def streams_of(file: Path) -> dict[str, Stream]:
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for line in sorted(_lines(file), key=lambda line: line["number"]):
        sides = found.setdefault(line["head"], ({}, {}))
        for side, samples in zip(sides, (line["base"], line["head_samples"]), strict=True):
            for cell, seconds in samples.items():
                side.setdefault(cell, []).append(seconds)
    return {head: found[head] for head in HEADS if head in found}


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


# faults


def faults(folder: Path, names: Sequence[str]) -> int:
    """`compare` against each fault, in each backend: which check was red."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "faults.jsonl").open("w") as out:
        for backend in names:
            for fault in ("nothing", *FAULTS):
                for cell, found in compared(folder, backend, fault).items():
                    line = {"backend": backend, "fault": fault, "cell": cell, "found": found}
                    out.write(json.dumps(line) + "\n")
                    out.flush()
    return 0


def compared(folder: Path, backend: str, fault: str) -> dict[str, list[str]]:
    """By cell, the checks that were red."""
    from test_compare import python_with

    sides = [python_with(folder, INJECT=what, INJECT_INTO=backend) for what in ("nothing", fault)]
    name = f"{backend}-{fault}-{time.time_ns()}"
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "run_bench.py"), "compare", "--backends", PLUGIN),
            *("--base-python", str(sides[0]), "--head-python", str(sides[1])),
            *("--probes", "learning", "gradients"),
            *("--tasks", "forecasting:steps=100:clip_norm=0.1"),
            *("--results-dir", str(folder / "comparisons"), "--run-id", name),
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    verdict = json.loads((folder / "comparisons" / name / "verdict.json").read_text())
    cells: dict[str, list[str]] = {}
    for f in verdict["findings"]:
        red = cells.setdefault(f["cell"], [])
        if f["verdict"] in ("regressed", "missing"):
            red.append(f["check"])
    return cells


def faults_table(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for fault in dict.fromkeys(line["fault"] for line in lines):
        own = [line for line in lines if line["fault"] == fault]
        red = sum(bool(line["found"]) for line in own)
        checks = sorted({check for line in own for check in line["found"]})
        rows.append([fault, f"{red} of {len(own)}", ", ".join(checks)])
    return str(tabulate(rows, ["fault", "red", "by"], "pipe"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("tests/guard_rates.py", description=__doc__)
    parser.add_argument("what", choices=["collect", "faults", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--head", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--pairs", type=int, default=190)
    parser.add_argument("--busy", action="store_true", help="with a second busy process")
    parser.add_argument("--backends", nargs="+", default=["numpy", "torch"], help="for the faults")
    given = parser.parse_args(arguments)
    if given.what == "collect":
        return collect(given.folder, given.head, given.pairs, given.busy)
    if given.what == "faults":
        return faults(given.folder, given.backends)
    parts = [f"{time.strftime('%Y-%m-%d')}, {machine()['processor']}, {machine()['cores']} cores"]
    if streams := streams_of(given.folder / "pairs.jsonl"):
        parts.append(table(streams, Rule()))
    if lines := _lines(given.folder / "faults.jsonl"):
        parts.append(faults_table(lines))
    text = "\n\n".join(parts) + "\n"
    (given.folder / "table.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
