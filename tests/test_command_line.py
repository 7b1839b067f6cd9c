"""Wrong words of a command line are refused in one message, before anything is written."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import bench, bench_inside, copy_run

import run_bench

REFUSED: dict[str, tuple[str, ...]] = {
    "--tasks addin": ("there is no task 'addin'", "Did you mean adding", "memory"),
    "--tasks adding:lenght=3": ("option of task adding 'lenght'", "did you mean length", "hidden"),
    "--tasks ADDIN": ("there is no task 'ADDIN'. Did you mean adding",),
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
    "--tasks adding --column y": ("--column goes with a file: --data FILE",),
    "--fill linear": ("--fill goes with a file: --data FILE",),
    "--data x.csv --column y": ("x.csv cannot be read: No such file",),
    "--data ~no-such-user/x.csv --column y": ("~no-such-user/x.csv cannot be read: No such file",),
    "--tasks adding --data run_bench.py": ("task adding reads no file of yours",),
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
    "--tasks forecasting:digest=0": ("and period go with series=csv, not sunspots",),
    "--tasks char-lm:length=99990": ("at most 0 windows of length 99990", "of 100000 characters"),
    "--tasks ./nothing.py": ("there is no file", "nothing.py"),
    "--tasks ~no-such-user/x.py": ("there is no file", "~no-such-user/x.py"),
    "--cells lsmt": ("unknown cell 'lsmt'", "did you mean lstm", "rnn, lstm, gru, feedforward"),
    "--cells ,": ("--cells is empty",),
    "--tasks ,,": ("--tasks is empty",),
    "--seeds ,": ("--seeds is empty",),
    "--devices gpu": ("unknown device 'gpu'", "cpu, cuda, cuda:1"),
    "--devices cuda:x": ("unknown device 'cuda:x'",),
    "--devices cuda:٣": ("unknown device 'cuda:٣'",),
    "--devices cuda:99999": ("unknown device 'cuda:99999'",),
    "--tasks adding:steps=9999999999999999999": ("steps must be a whole number of at most 92",),
    "--tasks adding:hidden=" + "9" * 4000: ("not a whole number of more than 60 digits",),
    "plan x": ("the request is not JSON",),
    "plan []": ("the request must be a JSON object of options, not",),
    'plan {"cells":5}': ("the request is damaged: cells cannot be 5",),
    "--dtypes float46": ("unknown dtype 'float46'", "did you mean float", "float32, float64"),
    "--profile smok": ("unknown profile 'smok'; did you mean smoke", "standard"),
    "--probes sped": ("unknown probe 'sped'; did you mean speed", "gradients"),
    "--probes lengths --tasks reber": ("reber has no longer sequences", "nothing for lengths"),
    "--backends nunpy": ("unknown backend 'nunpy'", "did you mean numpy", "torch"),
    "--backends ./nothing.py": ("there is no file", "nothing.py"),
    "--backends ~no-such-user/x.py": ("there is no file", "~no-such-user/x.py"),
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
    "--run-id=": ("--run-id is empty",),
    "--resume nothing": ("no run 'nothing' in",),
    "--resume=": ("--resume is empty",),
    "--resume " + "x" * 300: ("cannot read",),
    "--resume a --run-id b": ("give one of them",),
    "--again": ("--again runs failed cases of an earlier run: name it by --resume ID",),
    "--colour": ("unrecognized arguments: --colour",),
    "runn": ("unrecognized arguments: runn",),
    "report": ("the following arguments are required: RUN",),
    "report nothing": ("no run 'nothing' in",),
    "--phases fast": ("unknown phase 'fast'", "Known: forward, gradients, step"),
    "report nothing --phases stop": ("unknown phase 'stop'; did you mean step?",),
    "report nothing --format cvs": ("unknown format 'cvs'; did you mean csv", "latex"),
    "list more": ("there is no task 'more'. Did you mean memory? Tasks: adding",),
    "list adding more": ("unrecognized arguments: more",),
    "list adding --limits": ("argument --limits: not allowed with argument task",),
}


@pytest.mark.parametrize("words", REFUSED)
def test_wrong_word_is_refused_by_name_with_the_choices(words: str, tmp_path: Path) -> None:
    root = () if words.startswith(("list", "plan")) else ("--results-dir", tmp_path)
    done = bench_inside(*words.split(), *root)
    assert done.returncode == 2
    for text in REFUSED[words]:
        assert text in done.stderr
    assert re.fullmatch(r"(usage: [^\n]*\n( [^\n]*\n)*)?run_bench.py.*: .*\n", done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_wrong_word_ends_the_program_with_the_same_code() -> None:
    done = bench("--cells", "lsmt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_bench.py: unknown cell 'lsmt'")


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["1", "", *"34567890"], "forecasting", "column 'y': line 3 (''): no value"),
        (["1"], "forecasting", "column 'y': only 1 of at least 10 rows"),
        (["1", *"23456789"] * 2, "forecasting:horizon=99", "must be at most 7, not 20 + 99"),
        (["1", *"23456789"] * 2, "forecasting", "such as --tasks forecasting:length=6:order=1"),
        (["1", *"23456789"] * 2, "forecasting:length=2:order=2:ahead=5", "ahead must be at most 4"),
    ],
)
def test_wrong_data_file_is_refused_with_line_and_column(
    values: Sequence[str], task: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("\n".join(("x,y", *(f"0,{value}" for value in values))))
    words = ("--tasks", task, "--data", tmp_path / "mine.csv", "--column", "y")
    done = bench_inside(*words, "--results-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "mine.csv" in done.stderr
    assert not (tmp_path / "runs").exists()


PANEL = "land;tag;y\n" + "".join(
    f"{land};{day:02}/01/2020;{day * day % 7},5\n" for day in range(1, 31) for land in ("A B", "C")
)


def test_options_of_a_file_choose_a_series_and_the_task_is_forecasting(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(PANEL)
    words = ("--data", file, "--column", "y", "--separator", ";", "--decimal", ",", "--time", "tag")
    new = (
        "--dry-run",
        "--profile",
        "smoke",
        "--backends",
        "numpy",
        "--results-dir",
        tmp_path / "r",
    )
    refused = bench_inside(*words, *new)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Choose one, for example with --where 'land=A B' ('land' is A B, C)" in refused.stderr
    done = bench_inside(*words, "--where", "land=A B", "--where", "y=1,5", *new)
    assert done.returncode == 2 and "of at least 10 rows" in done.stderr
    done = bench_inside(*words, "--where", "land=A B", *new)
    assert done.returncode == 0, done.stderr
    assert f"{file}, column 'y': 30 values in days, by column 'tag'\n" in done.stdout
    assert "numpy lstm forecasting float32 parity seed 0" in done.stdout


def test_without_a_column_the_columns_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("when,y\n" + "".join(f"2020-01-{k:02},{k}\n" for k in range(1, 31)))
    done = bench_inside("--data", file, "--results-dir", tmp_path / "r")
    assert (done.returncode, done.stdout) == (2, "")
    assert "name the column to forecast with --column NAME" in done.stderr
    assert "when: 2020-01-01, 2020-01-02, 2020-01-03, …\n  y: 1, 2, 3, …" in done.stderr


@pytest.mark.parametrize("task", ["forecasting:airline", "forecasting:series=laser"])
def test_data_file_together_with_a_named_series_is_refused(task: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("y\n" + "".join(f"{k * k % 7}\n" for k in range(60)))
    done = bench_inside("--tasks", task, "--data", file, "--column", "y")
    assert done.returncode == 2 and "names a series, and so does --data" in done.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def (:\n", "mine.py:1: SyntaxError"),
        ("import no_such_framework\n", "mine.py:1: ModuleNotFoundError: No module named"),
        ("from numpy import nothing_like_it\n", "mine.py:1: ImportError"),
        ("1 / 0\n", "mine.py:1: ZeroDivisionError"),
        ("def devices(): return ['cpu']\n", "is no backend: it lacks open_session"),
        ("", "is no backend: it lacks open_session and devices"),
        (
            "REQUIRES = ('no-such-framework',)\ndef devices(): ...\ndef open_session(): ...\n",
            "mine.py on cpu: not installed: no-such-framework (pip install no-such-framework)",
        ),
    ],
)
def test_backend_file_that_cannot_run_is_refused_with_the_reason(
    source: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(source)
    words = ("--backends", "numpy", tmp_path / "mine.py")
    done = bench_inside(*words, "--results-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert message in done.stderr
    assert "mine.py" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_name_of_an_existing_run_is_refused(finished_run: Path, tmp_path: Path) -> None:
    file = copy_run(finished_run, tmp_path)
    before = file.read_bytes()
    new = ("--backends", "numpy", "--cells", "lstm", "--run-id", "r", "--results-dir", tmp_path)
    done = bench_inside(*new)
    assert done.returncode == 2
    assert "run r exists in" in done.stderr
    assert "--resume r" in done.stderr
    assert file.read_bytes() == before
    wrong_name = bench_inside("--resume", "s", "--results-dir", tmp_path)
    assert wrong_name.stderr.endswith("the latest are r\n")


def test_interrupt_of_any_command_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(run_bench.COMMANDS, "list", interrupted)
    done = bench_inside("list")
    assert (done.returncode, done.stderr) == (130, "")


def test_help_is_printed_on_a_terminal_without_some_of_its_characters() -> None:
    done = bench("--help", environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
