"""What a person types is understood, or refused in one message before anything is written."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from running import (
    MISBEHAVING,
    TINY,
    bench,
    bench_inside,
    keep_lines,
    records,
    start,
    tiny_run,
    wait_until,
)

import backends
import run_bench
import tasks
from bench.plan.availability import why_unavailable
from bench.plan.request import Request
from bench.plan.selection import select
from bench.plan.task_words import task_at_size
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.run_info import first_info
from bench.spec import Unavailable

NO_GPU = machine.why_no_cuda("cuda") is not None
without_gpu = pytest.mark.skipif(not NO_GPU, reason="there is an NVIDIA GPU here")

REFUSED: dict[str, tuple[str, ...]] = {
    "--tasks addin": ("there is no task 'addin'", "Did you mean adding", "memory"),
    "--tasks adding:lenght=3": ("option of task adding 'lenght'", "did you mean length", "hidden"),
    "--tasks ADDING": ("there is no task 'ADDING'. Did you mean adding",),
    "--tasks forecasting:makey-glass": ("nor a size (smoke", "did you mean mackey-glass?"),
    "list ading:smoke": ("there is no task 'ading'. Did you mean adding",),
    "study taks": ("unknown study 'taks'; did you mean tasks?",),
    "--tasks adding:length": ("'length' is neither option=value nor a size (smoke, standard",),
    "--tasks adding:": ("task adding: '' is neither option=value nor a size",),
    "--tasks workload:fastrnn": ("'fastrnn' is neither option=value nor a size", "fastrnns"),
    "--layers 0": ("layers must be a whole number from 1 up, not 0",),
    "--layers two": ("layers must be whole numbers, not 'two'",),
    "--directions 3": ("--directions must be 1 or 2, not 3",),
    "--gru reset": ("unknown gru variant 'reset'", "reset_after, reset_before"),
    "--forget-bias nan": ("--forget-bias must be a number, not nan",),
    "--tasks seq2seq --cells feedforward": ("task seq2seq: the feedforward cell has no state",),
    "--tasks char-lm:smoke --directions 1 2": (
        "task char-lm: directions must be 1, not 2: the task asks",
    ),
    "--tasks long-lag:2b --directions 2": (
        "task long-lag: directions must be 1, not 2: the task asks",
    ),
    "--tasks seq2seq --directions 2": ("task seq2seq: a decoder starts from the states of a",),
    "--tasks adding --data x.csv": ("--data FILE and --column NAME go together",),
    "--data x.csv --column y": ("x.csv cannot be read: No such file",),
    "--data run_bench.py --column y": ("task adding reads no file of yours",),
    "--tasks adding:length=": ("length must be a whole number, not ''",),
    "--tasks adding:length=1.5": ("length must be a whole number, not '1.5'",),
    "--tasks adding:length=-3": ("length must be a whole number of at least 2, not -3",),
    "--tasks adding:hidden=0": ("hidden must be a whole number of at least 1, not 0",),
    "--tasks adding:steps=none": ("steps must be a whole number of at least 1, not None",),
    "--tasks adding:learning_rate=nan": ("learning_rate must be a positive number, not nan",),
    "--tasks adding:learning_rate=x": ("learning_rate must be a number, not 'x'",),
    "--tasks adding:clip_norm=-1": ("clip_norm must be a positive number, not -1.0",),
    "--tasks adding:marks=here": ("marks must be one of halves, anywhere, not 'here'",),
    "--tasks forecasting:order=none": ("task forecasting: ",),
    "--tasks adding:length=20:paper": (
        "'paper' is a size, which comes first: adding:paper:length=20",
    ),
    "--tasks adding:paper:smoke": ("'smoke' is a second size beside 'paper'",),
    "--tasks adding:length=20:batch=2:length=30": ("length is given 2 times",),
    "--tasks long-lag:2a:lag=7": ("task long-lag: lag changes nothing here, leave it out",),
    "--tasks seq2seq:kind=dates:length=3": ("task seq2seq: length changes nothing here",),
    "--tasks workload:shape=fastrnns": ("task workload: shape changes nothing here",),
    "--tasks forecasting:digest=0": ("data, column, digest and period go with series=csv",),
    "--tasks char-lm:length=99990": ("at most 0 windows of length 99990", "of 100000 characters"),
    "--tasks ./nothing.py": ("there is no file", "nothing.py"),
    "--cells lsmt": ("unknown cell 'lsmt'", "did you mean lstm", "rnn, lstm, gru, feedforward"),
    "--cells LSTM": ("unknown cell 'LSTM'", "rnn, lstm, gru, feedforward"),
    "--cells ,": ("--cells is empty",),
    "--tasks ,,": ("--tasks is empty",),
    "--seeds ,": ("--seeds is empty",),
    "--devices gpu": ("unknown device 'gpu'", "cpu, cuda, cuda:1"),
    "--devices cuda:x": ("unknown device 'cuda:x'",),
    "--dtypes float46": ("unknown dtype 'float46'", "did you mean float", "float32, float64"),
    "--profile smok": ("unknown profile 'smok'; did you mean smoke", "standard"),
    "--probes sped": ("unknown probe 'sped'; did you mean speed", "gradients"),
    "--probes lengths --tasks reber": ("reber has no longer sequences", "nothing for lengths"),
    "--backends nunpy": ("unknown backend 'nunpy'", "did you mean numpy", "torch"),
    "--backends ./nothing.py": ("no such backend file: nothing.py",),
    "--optimiser adm": ("unknown optimiser 'adm'; did you mean adam",),
    "--init ortogonal": ("unknown initialisation 'ortogonal'; did you mean orthogonal",),
    "--seeds x": ("seeds must be whole numbers, not 'x'",),
    "--seeds 1.5": ("seeds must be whole numbers, not '1.5'",),
    "--seeds ²": ("seeds must be whole numbers, not '²'",),
    "--seeds 0,-1": ("seeds must be a whole number from 0 up, not -1",),
    "--launches 0": ("launches must be a whole number from 1 up, not 0",),
    "--launches x": ("argument --launches: invalid int value: 'x'",),
    "--threads 0": ("--threads must be a whole number from 1 to",),
    "--threads 99999": ("--threads must be a whole number from 1 to", "not 99999"),
    "--jobs 0": ("--jobs must be a whole number from 1 up, not 0",),
    "--time-limit -1": ("--time-limit must be a positive number, not -1",),
    "--time-limit 0": ("--time-limit must be a positive number, not 0",),
    "--time-limit nan": ("--time-limit must be a positive number, not nan",),
    "--memory-limit nan": ("--memory-limit must be a positive number, not nan",),
    "--memory-limit inf": ("--memory-limit must be a positive number, not inf",),
    "--memory-limit x": ("argument --memory-limit: invalid float value: 'x'",),
    "--run-id ../x": ("a run id has letters, digits", "not '../x'"),
    "--run-id=": ("a run id has letters, digits", "not ''"),
    "--resume nothing": ("no run 'nothing' in",),
    "--resume=": ("no run '' in",),
    "--resume " + "x" * 300: ("cannot read",),
    "--resume a --run-id b": ("give one of them",),
    "--colour": ("unrecognized arguments: --colour",),
    "runn": ("unrecognized arguments: runn",),
    "report": ("the following arguments are required: RUN",),
    "report nothing": ("no run 'nothing' in",),
    "report nothing --format cvs": ("unknown format 'cvs'; did you mean csv", "latex"),
    "list more": ("there is no task 'more'. Did you mean memory? Tasks: adding",),
    "list adding more": ("unrecognized arguments: more",),
    "list adding --limits": ("argument --limits: not allowed with argument task",),
}


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (["1", "", *"34567890"], "forecasting", "line 3, column 'y': a gap"),
        (["1"], "forecasting", "column 'y': 1 row of values"),
        (["1", *"23456789"] * 2, "forecasting:horizon=99", "must be at most 7, not 20 + 99"),
        (["1", *"23456789"] * 2, "forecasting:length=2:order=2:ahead=5", "ahead must be at most 4"),
    ],
)
def test_a_wrong_file_is_refused_with_row_and_column(
    rows: Sequence[str], words: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("\n".join(("x,y", *(f"0,{row}" for row in rows))))
    chosen = ("--tasks", words, "--data", tmp_path / "mine.csv", "--column", "y")
    done = bench_inside(*chosen, "--results-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "mine.csv" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("words", REFUSED)
def test_a_wrong_word_is_refused_by_name_with_the_choices(words: str, tmp_path: Path) -> None:
    root = () if words.startswith("list") else ("--results-dir", tmp_path)
    done = bench_inside(*words.split(), *root)
    assert done.returncode == 2
    for part in REFUSED[words]:
        assert part in done.stderr
    assert re.fullmatch(r"(usage: [^\n]*\n( [^\n]*\n)*)?run_bench.py.*: .*\n", done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_word_ends_the_program_with_the_same_code() -> None:
    done = bench("--cells", "lsmt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_bench.py: unknown cell 'lsmt'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def (:\n", "does not import: SyntaxError"),
        ("import no_such_framework\n", "does not import: ModuleNotFoundError: No module named"),
        ("from numpy import nothing_like_it\n", "does not import: ImportError"),
        ("1 / 0\n", "does not import: ZeroDivisionError"),
        ("def devices(): return ['cpu']\n", "is no backend: it lacks open_session"),
        ("", "is no backend: it lacks open_session and devices"),
        (
            "REQUIRES = ('no-such-framework',)\ndef devices(): ...\ndef open_session(): ...\n",
            "mine.py on cpu: not installed: no-such-framework",
        ),
    ],
)
def test_a_backend_file_that_cannot_run_is_refused_with_the_reason(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(text)
    chosen = ("--backends", "numpy", tmp_path / "mine.py")
    done = bench_inside(*chosen, "--results-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert message in done.stderr
    assert "mine.py" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_existing_run_is_not_begun_again(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "parity")
    before = (tmp_path / "r" / "records.jsonl").read_bytes()
    done = tiny_run(tmp_path, "--cells", "lstm")
    assert done.returncode == 2
    assert "run r exists in" in done.stderr
    assert "--resume r" in done.stderr
    assert (tmp_path / "r" / "records.jsonl").read_bytes() == before
    near = bench_inside("--resume", "s", "--results-dir", tmp_path)
    assert near.stderr.endswith("the latest are r\n")


# ---- what is missing ------------------------------------------------------------------------


class Registry:
    """Backends under names of a test's own."""

    def __init__(self, **modules: Any) -> None:
        self.modules = modules

    def names(self) -> list[str]:
        return list(self.modules)

    def load(self, name: str) -> Any:
        return self.modules[name]


ABSENT = SimpleNamespace(REQUIRES=("no-such-framework",))
SOME = Registry(numpy=backends.load("numpy"), absent=ABSENT)


def test_a_backend_that_nobody_named_is_left_out_and_that_is_said() -> None:
    selection, missing = select(Request(), SOME, tasks)
    assert selection.backends == ["numpy"]
    assert [str(gap) for gap in missing] == ["absent on cpu: not installed: no-such-framework"]


def test_a_backend_that_was_named_must_be_there() -> None:
    with pytest.raises(Unavailable, match="absent on cpu: not installed: no-such-framework"):
        select(Request({"backends": ["numpy", "absent"]}), SOME, tasks)


def test_a_package_counts_as_installed_by_its_own_name_or_its_modules() -> None:
    """The package scikit-learn brings sklearn; tensorflow-cpu brings tensorflow."""
    assert machine.versions(["pytest-timeout", "no-such"]) != {}
    for there in ("psutil", "types-psutil", "importlib"):
        assert why_unavailable(SimpleNamespace(REQUIRES=(there,)), "cpu") is None
    for gone in ("no-such", "no.such.module", ""):
        assert why_unavailable(SimpleNamespace(REQUIRES=(gone,)), "cpu") == f"not installed: {gone}"


def test_without_a_driver_every_device_but_the_cpu_has_a_reason() -> None:
    assert machine.why_no_cuda("cpu") is None
    assert machine.why_no_cuda("cuda:4096")


@without_gpu
def test_a_device_that_is_not_there_is_refused_with_a_reason_for_each_backend(
    tmp_path: Path,
) -> None:
    done = bench("--tasks", "adding", "--devices", "cuda", "--results-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr.startswith("run_bench.py: cannot run:\n")
    for name in backends.DEFAULT:
        assert re.search(rf"^  {name} on cuda: .+$", done.stderr, re.MULTILINE)
    assert not (tmp_path / "runs").exists()


@without_gpu
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("auto",)])
def test_devices_that_are_there_run_and_the_others_are_named(
    devices: tuple[str, ...], tmp_path: Path
) -> None:
    only = ("--cells", "rnn", "--probes", "parity")
    done = tiny_run(tmp_path, "--devices", *devices, *only)
    assert done.returncode == 0
    assert re.fullmatch(r"not run: numpy on cuda: .+\n", done.stderr)
    assert [r["case"]["device"] for r in records(tmp_path)] == ["cpu"]


def test_list_names_every_backend_and_task_and_why_one_is_missing() -> None:
    done = bench_inside("list")
    assert (done.returncode, done.stderr) == (0, "")
    for name in (*backends.names(), *tasks.names()):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    assert re.search(r"^  numpy +numpy [\d.]+$\n^    cpu +available$", done.stdout, re.MULTILINE)
    assert "NumPy runs on the CPU only" in done.stdout


@pytest.mark.parametrize("name", tasks.names())
def test_of_a_task_list_tells_the_sizes_and_what_may_be_set(name: str) -> None:
    done = bench_inside("list", name)
    assert (done.returncode, done.stderr) == (0, "")
    sizes = tasks.load(name).PROFILES
    _, table = done.stdout.rsplit("their settings\n\n", 1)
    rows = [line.split() for line in table.splitlines() if line[:1].isalnum()]
    assert rows[-1][0] == "all:"
    heads, shared = rows[0][1:], dict(pair.split("=") for pair in rows[-1][1:])
    assert [row[0] for row in rows[1 : len(sizes) + 1]] == [*sizes]
    for size, *values in rows[1 : len(sizes) + 1]:
        idle = getattr(sizes[size], "unread", ())
        settable = {f.name for f in fields(sizes[size])} - {*idle}
        told = shared | dict(zip([h for h in heads if h not in idle], values, strict=True))
        assert told.keys() == settable
        assert task_at_size(name, tasks.load(name), size, told) == sizes[size]


def test_a_task_is_listed_by_the_name_of_one_of_its_sizes_too() -> None:
    assert bench_inside("list", "long-lag:2c").stdout == bench_inside("list", "long-lag").stdout


def test_list_goes_on_past_what_does_not_load() -> None:
    from bench.listing import list_command

    class Broken(Registry):
        def load(self, name: str) -> Any:
            if name == "bad":
                raise Unavailable("it does not import")
            return super().load(name)

    empty = SimpleNamespace(unavailable=lambda: "no data")
    nameless = SimpleNamespace(__doc__=None, PROFILES={"smoke": empty})
    found = Broken(bad=0, numpy=SOME.load("numpy"))
    assert list_command(found, Broken(bad=0, x=nameless), limits=False) == 0


def test_list_limits_tells_what_each_backend_expresses_and_whose_limit_the_rest_is() -> None:
    done = bench_inside("list", "--limits")
    heads, _, *rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    table = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ") for row in rows}
    column = heads.strip("| ").split(" | ").index("gru reset_before")
    assert set(table) == set(backends.names())
    assert table["numpy"][column] == "✓"
    assert table["torch"][column] == "theirs"
    assert re.search(r"^- \*\*torch\*\* – .*reset_before: .+ \(theirs\)", done.stdout, re.MULTILINE)


# ---- the plan -------------------------------------------------------------------------------


def plan(root: Path, *words: str) -> str:
    done = bench_inside(*TINY, "--backends", "numpy", *words, "--dry-run", "--results-dir", root)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_lists_by_space_and_by_comma_are_the_same(tmp_path: Path) -> None:
    spaced = plan(tmp_path, "--cells", "rnn", "gru", "--probes", "learning", "memory")
    assert spaced == plan(tmp_path, "--cells", "rnn,gru", "--probes", "learning,", "memory")
    assert spaced != plan(tmp_path, "--cells", "rnn", "--probes", "learning", "memory")
    assert spaced == plan(tmp_path, "--cells", "rnn,rnn", "gru", "--probes", "learning,memory")


def test_a_dry_run_prints_every_case_and_a_time_and_writes_nothing(tmp_path: Path) -> None:
    said = plan(tmp_path, "--cells", "rnn", "--seeds", "1", "2", "--launches", "2")
    assert list(tmp_path.iterdir()) == []
    assert said.splitlines()[:-2] == [
        f"numpy rnn adding float32 {end}"
        for end in (
            *("parity seed 1", "learning seed 1", "gradients seed 1", "learning seed 2"),
            *("gradients seed 2", "memory seed 1", "speed launch 0", "speed launch 1"),
        )
    ]
    assert re.fullmatch(r"8 cases in 4 worker processes, about \d+ s", said.splitlines()[-2])


def test_a_dry_run_of_a_run_shows_what_it_lacks_and_knows_how_long_it_takes(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "learning,gradients")
    again = ("--resume", "r", "--dry-run", "--results-dir", tmp_path)
    assert bench_inside(*again).stdout.startswith("0 cases in 0 worker processes, about 0 s\n")
    before = (tmp_path / "r" / "records.jsonl").read_bytes()
    said = plan(tmp_path, "--cells", "rnn", "--probes", "learning,gradients", "--seeds", "0,1")
    assert said.endswith("(5 cases estimated from earlier runs here, the others roughly)\n")
    keep_lines(tmp_path, 1)
    said = bench_inside(*again).stdout
    assert [line.split()[4] for line in said.splitlines()[:-2]] == ["learning", "gradients"]
    assert before.startswith((tmp_path / "r" / "records.jsonl").read_bytes())


def test_a_resumed_run_plans_the_same_cases_whatever_was_asked(tmp_path: Path) -> None:
    """Killed before its first record, which a backend that hangs never gives."""
    sizes = ("adding:steps=2:length=5:held_out=10", "adding:steps=3:length=4:held_out=9")
    words = ("--cells", "gru", "--dtypes", "float64", "--seeds", "4", "7", "--init", "uniform")
    words = (*words, "--optimiser", "sgd")
    some = ("--probes", "gradients", "speed", "--launches", "2", "--profile", "smoke")
    asked = ("--backends", MISBEHAVING, "--tasks", *sizes, *words, *some)
    new = (*asked, "--run-id", "r", "--results-dir", tmp_path)
    with start(*new, environment={"MISBEHAVE": "hang * * *"}) as process:
        wait_until((tmp_path / "r").exists)
        process.kill()
    planned = bench_inside(*asked, "--dry-run", "--results-dir", tmp_path)
    again = bench_inside("--resume", "r", "--dry-run", "--results-dir", tmp_path)
    assert again.stdout == planned.stdout
    assert again.stdout.startswith(f"{MISBEHAVING} gru adding float64 parity seed 4\n")
    assert again.stdout.count("\n") == 2 * (1 + 2 + 2) + 2


def test_what_the_machine_decides_is_kept_for_a_resumed_run(tmp_path: Path) -> None:
    """The number of threads and which backends are installed: both change the cases."""
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "parity")
    request = RunFolder.existing(tmp_path, "r").request()
    assert request["threads"] == len(machine.cpus())
    assert request["backends"] == ["numpy"]
    selection, _ = select(Request(), SOME, tasks)
    assert first_info(Request(), selection, ROOT / "run_bench.py", SOME)["request"] == {
        "threads": len(machine.cpus()),
        "backends": ["numpy"],
    }


def test_a_resumed_run_can_be_given_more(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "learning", "--seeds", "0")
    before = (tmp_path / "r" / "records.jsonl").read_bytes()
    bench("--resume", tmp_path / "r", "--seeds", "0,1")
    assert (tmp_path / "r" / "records.jsonl").read_bytes().startswith(before)
    assert [r["case"]["seed"] for r in records(tmp_path)] == [0, 0, 1]


def test_a_run_that_is_well_says_nothing_but_its_results(tmp_path: Path) -> None:
    done = tiny_run(tmp_path, "--cells", "gru")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run r: 5 cases in" in done.stdout
    assert {r["status"] for r in records(tmp_path)} == {"ok"}
    environments = RunFolder.existing(tmp_path, "r").info()["environments"]
    assert {r["environment"] for r in records(tmp_path)} == set(environments)


def test_an_interrupt_before_anything_runs_is_told_by_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(run_bench.COMMANDS, "list", interrupted)
    done = bench_inside("list")
    assert (done.returncode, done.stderr) == (130, "")


# ---- quick to start -------------------------------------------------------------------------


def imported_by(*arguments: str | Path) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run_bench.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}
LATE = {"asyncio", "psutil", "rich", "pandas", "matplotlib", "scipy", "bench.run.runner"}


@pytest.mark.parametrize("words", [("--help",), ("list", "--help"), ("list",)])
def test_looking_around_imports_neither_a_framework_nor_what_measuring_takes(
    words: tuple[str, ...],
) -> None:
    found = imported_by(*words)
    assert "run_bench" not in found
    assert "bench.spec" in found
    assert found & (FRAMEWORKS | LATE) == set()


def test_planning_and_reporting_import_no_framework(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "parity")
    root = ("--results-dir", tmp_path)
    assert "matplotlib" in (found := imported_by("report", "r", *root))
    assert not found & FRAMEWORKS
    assert "bench.plan.cases" in (found := imported_by("--tasks", "adding", "--dry-run", *root))
    assert not found & FRAMEWORKS


def test_a_terminal_without_the_characters_is_served_all_the_same() -> None:
    done = bench("--help", environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
