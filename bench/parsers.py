"""The parsers of the commands."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.options import (
    AnyOptions,
    RunOptions,
    Settings,
    WorkerOptions,
    add_options,
    checked,
    explicit,
)
from bench.plan.probes import PHASES
from bench.plan.request import Request
from bench.report import FORMATS


def run_parser(default_tasks: Sequence[str], root: Path) -> argparse.ArgumentParser:
    """The parser of `run`, which is also that of the program without a command. `root` is the
    default folder of the results, here and below."""
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Compare recurrent networks across frameworks: the same model, weights and "
        "data everywhere, proven equal before anything is measured.",
        epilog="Other commands, each with --help: run_bench.py list, report, compare, history, "
        "study. Separate the items of a list by spaces or commas.",
    )
    defaults = {"tasks": " ".join(default_tasks)}
    add_options(parser, Settings, WorkerOptions, RunOptions, defaults=defaults)
    return _with_results_dir(parser, root)


def compare_parser(default_tasks: Sequence[str], root: Path) -> argparse.ArgumentParser:
    """The parser of `compare`."""
    from bench.compare.defaults import DEFAULT_TEXTS
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
        defaults={"tasks": " ".join(default_tasks), **DEFAULT_TEXTS},
    )
    return _with_results_dir(parser, root)


def history_parser(root: Path) -> argparse.ArgumentParser:
    """The parser of `history`."""
    from bench.analysis.history import METRICS

    parser = _parser("history", "One metric over the stored runs of this machine, and its changes.")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="show only series with this word in their name"
    )
    parser.add_argument("--metric", default="step", help=f"one of {', '.join(METRICS)}")
    parser.add_argument(
        "--output", type=Path, help="folder of the plot (default: the folder of the runs)"
    )
    return _with_results_dir(parser, root)


def study_parser(root: Path) -> argparse.ArgumentParser:
    """The parser of `study`."""
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
    return _with_results_dir(parser, root)


def list_parser() -> argparse.ArgumentParser:
    """The parser of `list`."""
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
    return parser


def report_parser(root: Path) -> argparse.ArgumentParser:
    """The parser of `report`."""
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
    return _with_results_dir(parser, root)


def plan_parser() -> argparse.ArgumentParser:
    """The parser of `plan`."""
    parser = _parser("plan", "Print what a run would do, as JSON; `compare` uses it.")
    parser.add_argument("request", help="the options of the run, as JSON")
    return parser


def worker_parser() -> argparse.ArgumentParser:
    """The parser of `worker`."""
    parser = _parser("worker", "A worker process; runs start it.")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--processors", type=int, nargs="*", default=[])
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--guarded", help="what a comparison guards, as JSON")
    return parser


def values(parsed: argparse.Namespace, options: type[AnyOptions]) -> AnyOptions:
    """The options of one table, with defaults for those that the user left open."""
    return checked(options, explicit(parsed, options))


def request(parsed: argparse.Namespace) -> Request:
    """What the user said about what to run."""
    return Request(explicit(parsed, Settings))


def _parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"run_bench.py {name}", description=description, epilog=epilog
    )


def _with_results_dir(parser: argparse.ArgumentParser, default: Path) -> argparse.ArgumentParser:
    parser.add_argument(
        "--results-dir", type=Path, default=default, help="the folder that holds the results"
    )
    return parser
