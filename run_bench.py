#!/usr/bin/env python3
"""Compare recurrent networks across frameworks: arguments and wiring only."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import backends
import tasks
from bench.options import (
    AnyOptions,
    RunOptions,
    Settings,
    WorkerOptions,
    add_options,
    check_words,
    checked,
    explicit,
)
from bench.plan.probes import PHASES
from bench.plan.request import Request
from bench.records.folder import RecordsError
from bench.records.inert import inert_lines
from bench.report import FORMATS
from bench.spec import Unavailable

HERE = Path(__file__).parent
ENTRY = HERE / "run_bench.py"
RUNS = HERE / "results" / "runs"
COMPARISONS = HERE / "results" / "comparisons"
STUDIES = HERE / "results" / "studies"


def main(arguments: Sequence[str]) -> int:
    """Run a command; return the exit code.

    0 success, 1 a failed case or a regression, 2 wrong use, 3 nothing was measured; as in a
    shell, 130 for an interrupt and 141 when nobody reads the output any more.
    """
    name = arguments[0] if arguments and arguments[0] in COMMANDS else "run"
    try:
        code = COMMANDS[name](arguments[1:] if arguments[:1] == [name] else arguments)
        sys.stdout.flush()
    except (Unavailable, RecordsError) as error:
        print(f"run_bench.py: {inert_lines(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _output_failed(error)
    return code


def _output_failed(error: OSError) -> int:
    """Return the exit code where standard output cannot be written."""
    # Python flushes standard output once more when it ends; that must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141
    print(f"run_bench.py: {error}", file=sys.stderr)
    return 2


# ---- the commands ----------------------------------------------------------------------------


def run(arguments: Sequence[str]) -> int:
    parsed = run_parser().parse_args(arguments)
    from bench.run.run_command import run_command

    return run_command(
        _request(parsed),
        _values(parsed, RunOptions),
        _values(parsed, WorkerOptions),
        backends=backends,
        tasks=tasks,
        entry=ENTRY,
        root=parsed.results_dir,
    )


def compare(arguments: Sequence[str]) -> int:
    from bench.compare.options import CompareOptions

    parsed = compare_parser().parse_args(arguments)
    from bench.compare.compare_command import compare_command

    request = _request(parsed)
    return compare_command(
        request,
        parsed.runs,
        _values(parsed, CompareOptions),
        _values(parsed, WorkerOptions),
        default_tasks=tasks.FOR_DATA if request.get("data") else tasks.COMPARED,
        backends=backends,
        tasks=tasks,
        entry=ENTRY,
        root=parsed.results_dir,
    )


def history(arguments: Sequence[str]) -> int:
    from bench.analysis.history import METRICS
    from bench.report.history_command import history_command

    parser = _parser("history", "One metric over the stored runs of this machine, and its changes.")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="show only series with this word in their name"
    )
    parser.add_argument("--metric", default="step", help=f"one of {', '.join(METRICS)}")
    parser.add_argument(
        "--output", type=Path, help="folder of the plot (default: the folder of the runs)"
    )
    _add_results_dir(parser, RUNS)
    parsed = parser.parse_args(arguments)
    return history_command(parsed.metric, parsed.results_dir, parsed.output, parsed.words)


def study(arguments: Sequence[str]) -> int:
    parser = _parser(
        "study",
        "Many seeds of many settings, beside published figures. A stopped study continues where it "
        "stopped; all processors are used while nothing is timed.",
    )
    parser.add_argument("study", nargs="?", help="name of the study (default: list them)")
    parser.add_argument(
        "rows", nargs="*", metavar="WORD", help="only rows with this word in their name"
    )
    parser.add_argument(
        "--backends", nargs="+", metavar="NAME", help="only these backends of the study"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the expected time, run nothing"
    )
    parser.add_argument("--again", action="store_true", help="run failed cases again")
    add_options(parser, WorkerOptions, omit=("time_limit", "memory_limit"))
    _add_results_dir(parser, STUDIES)
    parsed = parser.parse_intermixed_args(arguments)
    from studies.study_command import study_command

    return study_command(
        parsed.study,
        parsed.rows,
        _values(parsed, WorkerOptions),
        backends=backends,
        entry=ENTRY,
        root=parsed.results_dir,
        only=explicit(parsed, Settings).get("backends"),
        device=parsed.device,
        again=parsed.again,
        dry_run=parsed.dry_run,
    )


def _put_python_path_first() -> None:
    """Where this program is installed, its folder holds all other installed packages too, and as
    the folder of a script it would come before PYTHONPATH."""
    if sys.path.count(str(HERE)) > 1:
        sys.path.remove(str(HERE))


def plan(arguments: Sequence[str]) -> int:
    parser = _parser("plan", "Print what a run would do, as JSON; `compare` uses it.")
    parser.add_argument("request", help="the options of the run, as JSON")
    parsed = parser.parse_args(arguments)
    _put_python_path_first()
    from bench.run.plan_command import plan_command

    return plan_command(parsed.request, backends, tasks, ENTRY)


def show_list(arguments: Sequence[str]) -> int:
    parser = _parser(
        "list",
        "Backends, tasks and devices, and why one is missing; or one task with its sizes and "
        "their settings.",
    )
    subject = parser.add_mutually_exclusive_group()
    subject.add_argument("task", nargs="?", help="name of the task, or its file")
    subject.add_argument(
        "--limits", action="store_true", help="which models each backend expresses, and why not"
    )
    parsed = parser.parse_args(arguments)
    from bench.listing import list_command, task_command

    if parsed.task:
        return task_command(parsed.task, tasks)
    return list_command(backends, tasks, parsed.limits)


def report(arguments: Sequence[str]) -> int:
    parser = _parser("report", "Tables and plots from the records of runs.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run ids, or folders of runs")
    parser.add_argument(
        "--format", nargs="+", default=FORMATS, help=f"any of {', '.join(FORMATS)} (default: all)"
    )
    parser.add_argument(
        "--phases",
        nargs="+",
        metavar="NAME",
        help=f"tables and plots of these timed phases: {', '.join(PHASES)} (default: all)",
    )
    parser.add_argument("--output", type=Path, help="folder to write to (default: the run's own)")
    _add_results_dir(parser, RUNS)
    parsed = parser.parse_args(arguments)
    words = [word for text in parsed.format for word in text.split(",") if word]
    if not words:
        raise Unavailable("--format is empty")
    from bench.report.report_command import report_command

    formats = check_words("format", words, FORMATS)
    phases = check_words("phase", explicit(parsed, Settings).get("phases", []), PHASES)
    return report_command(parsed.runs, formats, phases, parsed.output, parsed.results_dir)


def worker(arguments: Sequence[str]) -> int:
    parser = _parser("worker", "A worker process; runs start it.")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--processors", type=int, nargs="*", default=[])
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--guarded", help="what a comparison guards, as JSON")
    parsed = parser.parse_args(arguments)
    _put_python_path_first()
    from bench.run.origin import Guarded
    from bench.run.worker import serve

    serve(
        backends.load,
        tasks.load,
        parsed.backend,
        backends.REFERENCE,
        parsed.processors,
        parsed.parent,
        backends.SPEED_VARIABLES,
        Guarded.from_json(parsed.guarded) if parsed.guarded else None,
    )
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "run": run,
    "list": show_list,
    "report": report,
    "compare": compare,
    "history": history,
    "study": study,
    "plan": plan,
    "worker": worker,
}


# ---- the parsers -----------------------------------------------------------------------------


def run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Compare recurrent networks across frameworks: the same model, weights and "
        "data everywhere, proven equal before anything is measured.",
        epilog="Other commands, each with --help: run_bench.py list, report, compare, history, "
        "study. Separate the items of a list by spaces or commas.",
    )
    add_options(
        parser,
        Settings,
        WorkerOptions,
        RunOptions,
        defaults={"tasks": " ".join(tasks.DEFAULT)},
    )
    _add_results_dir(parser, RUNS)
    return parser


def compare_parser() -> argparse.ArgumentParser:
    from bench.compare.options import CompareOptions

    parser = _parser(
        "compare",
        "The guard: is the head worse than its base? Two commits, two interpreters or two stored "
        "runs; correctness first, then learning, then speed in pairs of processes.",
        epilog="Exit codes: 0 pass or improved; 1 regressed, failed or missing; 2 wrong use; 3 "
        "nothing concluded. Files are written beside the records.",
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="two stored runs: base, then head")
    add_options(
        parser,
        Settings,
        WorkerOptions,
        CompareOptions,
        omit=("launches",),
        defaults={
            "tasks": " ".join(tasks.COMPARED),
            "seeds": "0 to 7",
            "probes": "parity learning gradients speed",
            "phases": "step",
            "threads": "1",
        },
    )
    _add_results_dir(parser, COMPARISONS)
    return parser


def _parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"run_bench.py {name}", description=description, epilog=epilog
    )


def _add_results_dir(parser: argparse.ArgumentParser, default: Path) -> None:
    parser.add_argument(
        "--results-dir", type=Path, default=default, help="the folder that holds the results"
    )


def _values(parsed: argparse.Namespace, options: type[AnyOptions]) -> AnyOptions:
    """The options of one table, with defaults for those that the user left open."""
    return checked(options, explicit(parsed, options))


def _request(parsed: argparse.Namespace) -> Request:
    return Request(explicit(parsed, Settings))


if __name__ == "__main__":
    streams: tuple[Any, Any] = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(errors="replace")  # the terminal's encoding may lack a character
    sys.exit(main(sys.argv[1:]))
