#!/usr/bin/env python3
"""Compare recurrent networks across frameworks: wiring only.

Everything that takes time to import is imported by the command that needs it, so that a signal
finds its handler installed.
"""

import signal
import sys

IS_PYTHONS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if __name__ == "__main__" and IS_PYTHONS and sys.argv[1:2] != ["worker"]:
    # What is imported from here on takes a tenth of a second, in which an interrupt would print a
    # traceback. The handler of stop signals replaces this.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse  # noqa: E402
from collections.abc import Callable, Mapping, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from bench.program import end_process, exit_code_of, run_program  # noqa: E402

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
    words = arguments[1:] if arguments[:1] == [name] else arguments
    return exit_code_of(lambda: COMMANDS[name](words))


# ---- the commands ----------------------------------------------------------------------------


def run(arguments: Sequence[str]) -> int:
    parsed = run_parser().parse_args(arguments)
    import backends
    import tasks
    from bench.options import RunOptions, WorkerOptions
    from bench.parsers import request, values
    from bench.run.run_command import run_command

    return run_command(
        request(parsed),
        values(parsed, RunOptions),
        values(parsed, WorkerOptions),
        backends=backends,
        tasks=tasks,
        entry=ENTRY,
        root=parsed.results_dir,
    )


def compare(arguments: Sequence[str]) -> int:
    parsed = compare_parser().parse_args(arguments)
    import backends
    import tasks
    from bench.compare.compare_command import compare_command
    from bench.compare.options import CompareOptions
    from bench.options import WorkerOptions
    from bench.parsers import request, values

    asked = request(parsed)
    return compare_command(
        asked,
        parsed.runs,
        values(parsed, CompareOptions),
        values(parsed, WorkerOptions),
        default_tasks=tasks.FOR_DATA if asked.get("data") else tasks.COMPARED,
        backends=backends,
        tasks=tasks,
        entry=ENTRY,
        root=parsed.results_dir,
    )


def history(arguments: Sequence[str]) -> int:
    from bench.parsers import history_parser

    parsed = history_parser(RUNS).parse_args(arguments)
    from bench.report.history_command import history_command

    return history_command(parsed.metric, parsed.results_dir, parsed.output, parsed.words)


def study(arguments: Sequence[str]) -> int:
    from bench.options import Settings, WorkerOptions, explicit
    from bench.parsers import study_parser, values

    parsed = study_parser(STUDIES).parse_intermixed_args(arguments)
    import backends
    from studies.study_command import study_command

    return study_command(
        parsed.study,
        parsed.rows,
        values(parsed, WorkerOptions),
        backends=backends,
        entry=ENTRY,
        root=parsed.results_dir,
        only=explicit(parsed, Settings).get("backends"),
        device=parsed.device,
        again=parsed.again,
        dry_run=parsed.dry_run,
    )


def plan(arguments: Sequence[str]) -> int:
    import backends
    import tasks
    from bench.parsers import plan_parser
    from bench.run.plan_command import plan_command

    parsed = plan_parser().parse_args(arguments)
    _put_python_path_first()
    return plan_command(parsed.request, backends, tasks, ENTRY)


def show_list(arguments: Sequence[str]) -> int:
    import backends
    import tasks
    from bench.listing import list_command, task_command
    from bench.parsers import list_parser

    parsed = list_parser().parse_args(arguments)
    if parsed.task:
        return task_command(parsed.task, tasks)
    return list_command(backends, tasks, parsed.limits)


def report(arguments: Sequence[str]) -> int:
    from bench.options import Settings, check_words, explicit
    from bench.parsers import report_parser
    from bench.plan.probes import PHASES
    from bench.report import FORMATS
    from bench.spec import Unavailable

    parsed = report_parser(RUNS).parse_args(arguments)
    words = [word for text in parsed.format for word in text.split(",") if word]
    if not words:
        raise Unavailable("--format is empty")
    from bench.report.report_command import report_command

    formats = check_words("format", words, FORMATS)
    phases = check_words("phase", explicit(parsed, Settings).get("phases", []), PHASES)
    return report_command(parsed.runs, formats, phases, parsed.output, parsed.results_dir)


def worker(arguments: Sequence[str]) -> int:
    import backends
    import tasks
    from bench.parsers import worker_parser
    from bench.run.origin import Guarded
    from bench.run.serve import serve

    parsed = worker_parser().parse_args(arguments)
    _put_python_path_first()
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


def run_parser() -> argparse.ArgumentParser:
    import tasks
    from bench.parsers import run_parser

    return run_parser(tasks.DEFAULT, RUNS)


def compare_parser() -> argparse.ArgumentParser:
    import tasks
    from bench.parsers import compare_parser

    return compare_parser(tasks.COMPARED, COMPARISONS)


def _put_python_path_first() -> None:
    """Where this program is installed, its folder holds all other installed packages too, and as
    the folder of a script it would come before PYTHONPATH."""
    if sys.path.count(str(HERE)) > 1:
        sys.path.remove(str(HERE))


if __name__ == "__main__":
    end_process(run_program(main))
