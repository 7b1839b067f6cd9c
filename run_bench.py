#!/usr/bin/env python3
"""Compare recurrent networks across frameworks: arguments and wiring only."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import backends
import tasks
from bench.plan.cases import PROBES, PROFILES
from bench.spec import CELLS, DTYPES, GRU_VARIANTS, OPTIMISERS, Unavailable
from bench.weights import SCHEMES

HERE = Path(__file__).parent
RUNS = HERE / "results" / "runs"
COMPARISONS = HERE / "results" / "comparisons"
STUDIES = HERE / "results" / "studies"
LISTS = ("backends", "tasks", "cells", "devices", "dtypes", "probes", "gru", "phases")
WHOLE = ("seeds", "layers", "directions")
"""Options that take lists, of words and of whole numbers."""
FORMATS = ("markdown", "csv", "latex", "plots")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 all well, 1 a failed case, 2 wrong use, 3 nothing was measured; or, as
    shells have it, 130 interrupted and 141 when nobody reads the output any more."""
    from bench.records.folder import RecordsError

    commands = {
        "run": run,
        "list": show_list,
        "report": report,
        "compare": compare,
        "history": history,
        "study": study,
        "plan": plan,
        "worker": worker,
    }
    name = arguments[0] if arguments and arguments[0] in commands else "run"
    try:
        code = commands[name](arguments[1:] if arguments[:1] == [name] else arguments)
        sys.stdout.flush()
    except (Unavailable, RecordsError) as error:
        print(f"run_bench.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _without_output(error)
    return code


def _without_output(error: OSError) -> int:
    """Standard output takes no more: Python must not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141
    print(f"run_bench.py: {error}", file=sys.stderr)
    return 2


def run(arguments: Sequence[str]) -> int:
    given = run_parser().parse_args(arguments)
    from bench.run.commands import run_command

    return run_command(
        _request(given),
        backends=backends,
        tasks=tasks,
        entry=HERE / "run_bench.py",
        root=given.results_dir,
        run_id=given.run_id,
        resume=given.resume,
        dry_run=given.dry_run,
        time_limit=given.time_limit,
        memory_limit=given.memory_limit,
        jobs=given.jobs,
        budget=given.budget,
    )


def _request(given: argparse.Namespace) -> Any:
    """The words of the command line as a `Request`."""
    from bench.plan.selection import Request

    words = {name: getattr(given, name, None) for name in Request.__dataclass_fields__}
    for name in (*LISTS, *WHOLE):
        words[name] = _split(name, words[name])
    for name in WHOLE:
        words[name] = words[name] and [_whole(name, word) for word in words[name]]
    return Request(**words)


def compare(arguments: Sequence[str]) -> int:
    given = compare_parser().parse_args(arguments)
    from bench.compare.command import compare_command

    return compare_command(_request(given), given, HERE / "run_bench.py")


def history(arguments: Sequence[str]) -> int:
    from bench.analysis.history import METRICS
    from bench.report.history_command import history_command

    parser = argparse.ArgumentParser(
        prog="run_bench.py history",
        description="A metric over the stored runs of this machine, and where it changed.",
    )
    parser.add_argument(
        "cells", nargs="*", metavar="WORD", help="show series that have such a word in their name"
    )
    parser.add_argument("--metric", default="step", help=f"of {', '.join(METRICS)}")
    parser.add_argument(
        "--output", type=Path, help="folder of the plot (default: that of the runs)"
    )
    parser.add_argument("--results-dir", type=Path, default=RUNS)
    given = parser.parse_args(arguments)
    return history_command(given.metric, given.results_dir, given.output, given.cells)


def study(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run_bench.py study",
        description="Many seeds of many settings, beside published figures. It goes on where it "
        "was stopped, and uses all processors while no clock runs.",
    )
    parser.add_argument("study", nargs="?", help="its name (default: list them)")
    parser.add_argument("rows", nargs="*", metavar="WORD", help="only rows with such a word")
    parser.add_argument("--backends", nargs="+", metavar="NAME", help="only these of the study's")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument("--dry-run", action="store_true", help="say how long it takes, run nothing")
    parser.add_argument("--again", action="store_true", help="what failed runs again, too")
    parser.add_argument("--jobs", type=int, metavar="N", help="workers side by side")
    parser.add_argument("--results-dir", type=Path, default=STUDIES)
    given = parser.parse_intermixed_args(arguments)
    from studies.command import study_command

    return study_command(
        given.study,
        given.rows,
        backends=backends,
        tasks=tasks,
        entry=HERE / "run_bench.py",
        root=given.results_dir,
        only=_split("backends", given.backends),
        device=given.device,
        jobs=given.jobs,
        again=given.again,
        dry_run=given.dry_run,
    )


def plan(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run_bench.py plan", description="For compare only.")
    parser.add_argument("request", help="as JSON")
    given = parser.parse_args(arguments)
    from bench.run.commands import plan_command

    return plan_command(given.request, backends, tasks, HERE / "run_bench.py")


def show_list(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run_bench.py list",
        description="Backends, tasks and devices, and why one is missing; of a task its sizes and "
        "their settings.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("task", nargs="?", help="its name, or a file")
    what.add_argument(
        "--limits", action="store_true", help="which models each backend expresses, and why not"
    )
    given = parser.parse_args(arguments)
    from bench.listing import list_command, task_command

    if given.task:
        return task_command(given.task, tasks)
    return list_command(backends, tasks, given.limits)


def report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run_bench.py report", description="Tables and plots from the records of runs."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run ids, or folders of runs")
    parser.add_argument("--format", nargs="+", default=FORMATS, help=f"of {', '.join(FORMATS)}")
    parser.add_argument("--output", type=Path, help="folder to write to (default: the run's own)")
    parser.add_argument("--results-dir", type=Path, default=RUNS)
    given = parser.parse_args(arguments)
    from bench.plan.selection import check_words
    from bench.run.commands import report_command

    formats = check_words("format", _split("format", given.format) or (), FORMATS)
    return report_command(given.runs, formats, given.output, given.results_dir)


def worker(arguments: Sequence[str]) -> int:
    from bench.run.worker import serve

    parser = argparse.ArgumentParser(prog="run_bench.py worker", description="For the runner only.")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--processors", type=int, nargs="*", default=[])
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args(arguments)
    serve(backends.load, tasks.load, given.backend, given.processors, given.parent)
    return 0


def run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Compare recurrent networks across frameworks: the same model, weights and "
        "data everywhere, proven equal before anything is measured.",
        epilog="Other commands, each with --help: run_bench.py list, report, compare, history, "
        "study. Lists are given by space or comma.",
    )
    what = _what(parser)
    what.add_argument("--launches", type=int, metavar="N", help="fresh processes for speed")
    _model(parser)
    how = _how(parser, RUNS)
    how.add_argument("--run-id", metavar="ID", help="name of the run (default: the time)")
    how.add_argument("--resume", metavar="ID", help="go on with a run: what it has is kept")
    how.add_argument("--dry-run", action="store_true", help="show the cases and the time, run none")
    how.add_argument(
        "--budget",
        metavar="TIME",
        help="such as 10m: spend what is left of it on launches where the intervals are widest",
    )
    return parser


def compare_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_bench.py compare",
        description="The guard: is the head worse than its base? Two commits, two interpreters or "
        "two stored runs; correctness first, then learning, then speed in pairs of processes.",
        epilog="Exit codes: 0 pass or improved; 1 regressed or missing; 2 wrong use; 3 nothing "
        "concluded. Files are written beside the records.",
    )
    sides = parser.add_argument_group("the sides")
    sides.add_argument("runs", nargs="*", metavar="RUN", help="two stored runs: base, then head")
    sides.add_argument("--base", metavar="REV", help="a commit; the head is the checkout as it is")
    sides.add_argument("--head", metavar="REV", help="a commit in the place of the checkout")
    sides.add_argument("--base-python", metavar="PATH", help="interpreter of the base")
    sides.add_argument("--head-python", metavar="PATH", help="interpreter of the head")
    sides.add_argument(
        "--aa", action="store_true", help="the head against itself: any red is false"
    )
    what = _what(
        parser,
        tasks="adding:short",
        seeds="0 to 7",
        probes=("parity", "learning", "gradients", "speed"),
    )
    what.add_argument("--phases", nargs="+", metavar="NAME", help="timed phases (default: step)")
    _model(parser)
    how = _how(parser, COMPARISONS, threads="1")
    how.add_argument("--run-id", metavar="ID", help="name of the comparison (default: the time)")
    how.add_argument(
        "--pairs", type=int, metavar="N", help="launches a side and round (default: 10)"
    )
    how.add_argument("--rounds", type=int, metavar="N", help="at most (default: 3)")
    how.add_argument(
        "--least", type=float, metavar="SHARE", help="change that is flagged (default: 0.05)"
    )
    how.add_argument(
        "--excluded", type=float, metavar="SHARE", help="change that a pass excludes (default: 0.1)"
    )
    how.add_argument(
        "--budget",
        metavar="TIME",
        help="such as 10m: after it no round begins but to confirm a regression",
    )
    return parser


def _what(
    parser: argparse.ArgumentParser,
    tasks: str = "adding",
    seeds: str = "by profile",
    probes: Sequence[str] = PROBES,
) -> Any:
    """The selection, with what is chosen where nothing is said."""
    what = parser.add_argument_group("what to run")
    words: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    what.add_argument(
        "--tasks", **words, help=f"such as adding or adding:length=200 (default: {tasks})"
    )
    what.add_argument(
        "--backends", **words, help="names, ./file.py or all (default: one a framework)"
    )
    what.add_argument("--cells", **words, help=f"of {', '.join(CELLS)} (default: rnn lstm gru)")
    what.add_argument("--devices", **words, help="cpu, cuda, cuda:1, …, auto (default: cpu)")
    what.add_argument("--dtypes", **words, help=f"of {', '.join(DTYPES)} (default: float32)")
    besides = " but lengths" if "lengths" in probes else ""
    what.add_argument("--probes", **words, help=f"of {', '.join(probes)} (default: all{besides})")
    what.add_argument("--seeds", nargs="+", metavar="N", help=f"whole numbers (default: {seeds})")
    what.add_argument("--data", metavar="FILE", help="your own series, a CSV file, to forecast")
    what.add_argument("--column", metavar="NAME", help="of that file, the values")
    what.add_argument("--profile", help=f"sizes: {', '.join(PROFILES)} (default: standard)")
    return what


def _model(parser: argparse.ArgumentParser) -> None:
    words: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    model = parser.add_argument_group("the model")
    model.add_argument("--layers", nargs="+", metavar="N", help="stacked layers (default: 1)")
    model.add_argument(
        "--directions", nargs="+", metavar="N", help="1, or 2 for bidirectional layers (default: 1)"
    )
    model.add_argument(
        "--gru", **words, help=f"of {', '.join(GRU_VARIANTS)} (default: reset_after)"
    )
    model.add_argument(
        "--init", help=f"initial weights: {', '.join(SCHEMES)} (default: orthogonal)"
    )
    model.add_argument(
        "--forget-bias", type=float, metavar="B", help="of the lstm (default: the scheme's own)"
    )
    model.add_argument("--optimiser", help=f"{' or '.join(OPTIMISERS)} (default: adam)")


def _how(parser: argparse.ArgumentParser, results: Path, threads: str = "all") -> Any:
    how = parser.add_argument_group("how to run it")
    how.add_argument(
        "--threads", type=int, metavar="N", help=f"for the speed probe (default: {threads})"
    )
    how.add_argument(
        "--jobs", type=int, metavar="N", help="workers side by side where no clock runs"
    )
    how.add_argument("--time-limit", type=float, metavar="S", help="seconds a case may take")
    how.add_argument("--memory-limit", type=float, metavar="GIB", help="memory a worker may take")
    how.add_argument("--results-dir", type=Path, default=results, help="where results are kept")
    return how


def _split(name: str, words: Sequence[str] | None) -> list[str] | None:
    """`a b` and `a,b` alike; None where the option was not given."""
    if words is None:
        return None
    parts = [part for word in words for part in word.split(",") if part]
    if not parts:
        raise Unavailable(f"--{name} is empty")
    return parts


def _whole(name: str, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise Unavailable(f"{name} must be whole numbers, not {word!r}") from None


if __name__ == "__main__":
    streams: tuple[Any, Any] = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(errors="replace")  # where the terminal's encoding lacks a character
    sys.exit(main(sys.argv[1:]))
