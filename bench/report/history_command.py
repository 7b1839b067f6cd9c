"""The command that shows a metric over the stored runs of this machine."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.analysis.compact import for_tables
from bench.analysis.history import METRICS, MetricHistory, metric_histories
from bench.analysis.statistics import MIN_FOR_INTERVAL
from bench.options import check_words
from bench.plan.probes import PHASE_NAMES
from bench.records import machine
from bench.records.folder import RunFolder, storage_errors
from bench.records.inert import inert
from bench.records.record import Record
from bench.report.history_table import history_table
from bench.report.missing import tell_missing_cases
from bench.report.terminal import print_frame
from bench.spec import Unavailable

SPREAD = (
    f"last interval: of fewer than {MIN_FOR_INTERVAL} launches or seeds the range, of "
    f"{MIN_FOR_INTERVAL} or more a 95% interval"
)


def history_command(metric: str, root: Path, output: Path | None, words: Sequence[str]) -> int:
    """Print a metric's levels and changes and plot them, for the series whose label holds one of
    the words (without words, for all). The exit code is 3 where there is no such series."""
    [metric] = check_words("metric", [metric], list(METRICS))
    ran_here = [folder for folder in RunFolder.all(root) if _ran_here(folder)]
    if not ran_here:
        raise Unavailable(f"no runs of this machine in {root}")
    folders, records_of = _without_copies(ran_here)
    records = [record for of_run in records_of.values() for record in of_run]
    infos = {folder.id: folder.info() for folder in folders}
    histories = [
        history
        for history in metric_histories(records, infos, metric)
        if not words or any(word in history.label for word in words)
    ]
    changed = sum(bool(history.changes) for history in histories)
    print_frame(
        [
            f"{PHASE_NAMES.get(metric, metric)} over {len(folders)} runs of this machine in {root}",
            *([SPREAD] if METRICS[metric].low else []),
        ],
        history_table(histories, METRICS[metric]),
        f"{changed} of {len(histories)} series changed",
    )
    for folder in folders:
        tell_missing_cases(folder, records_of[folder.id])
    if several := [history for history in histories if len(history.points) > 1]:
        _draw(several, metric, (output or root) / f"history-{metric}.png")
    return 0 if histories else 3


def _without_copies(
    folders: Iterable[RunFolder],
) -> tuple[list[RunFolder], dict[str, list[Record]]]:
    """The folders whose records are not those of one before, and the records by run."""
    kept: dict[tuple[tuple[str, str], ...], RunFolder] = {}
    records_of = {}
    for folder in folders:
        records = folder.records(for_tables)
        first = kept.setdefault(tuple((r.key, r.started) for r in records), folder)
        if first is folder:
            records_of[folder.id] = records
        else:
            print(f"{inert(folder.id)} is a copy of {inert(first.id)}", file=sys.stderr)
    return list(kept.values()), records_of


def _ran_here(folder: RunFolder) -> bool:
    recorded = folder.info().get("machine") or {}
    return not machine.machine_differences(recorded, machine.describe_machine())


def _draw(histories: Sequence[MetricHistory], metric: str, path: Path) -> None:
    """Save the plot and print its path."""
    from bench.report.history_plot import history_figures  # imports matplotlib
    from bench.report.plots import save_pages

    with storage_errors(f"cannot write to {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        paths = save_pages(history_figures(histories, metric, METRICS[metric]), path)
    print(*map(inert, paths), sep="\n")
