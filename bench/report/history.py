"""The command that shows a metric over the stored runs of this machine."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.history import METRICS, Metric, MetricHistory, metric_histories
from bench.options import check_words
from bench.records import machine
from bench.records.folder import RunFolder, storage_errors
from bench.report.terminal import print_frame
from bench.report.words import DASH, between, format_number
from bench.spec import Unavailable


def history_command(metric: str, root: Path, output: Path | None, wanted: Sequence[str]) -> int:
    """Print what changed when, and draw it; the exit code is 3 where there is nothing to show."""
    check_words("metric", [metric], list(METRICS))
    folders = [folder for folder in RunFolder.all(root) if _here(folder)]
    if not folders:
        raise Unavailable(f"no runs of this machine in {root}")
    records = [record for folder in folders for record in folder.records()]
    found = metric_histories(records, {f.id: f.info() for f in folders}, metric)
    found = [one for one in found if not wanted or any(word in one.cell for word in wanted)]
    about = [f"{metric} over {len(folders)} runs of this machine in {root}"]
    changed = sum(bool(one.changes) for one in found)
    print_frame(about, frame(found, METRICS[metric]), f"{changed} of {len(found)} series changed")
    if drawable := [one for one in found if len(one.points) > 1]:
        from bench.report.timeline import timeline

        path = (output or root) / f"history-{metric}.png"
        with storage_errors(f"cannot write to {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            timeline(drawable, metric, METRICS[metric]).savefig(path, metadata={"Software": None})
        print(path)
    return 0 if found else 3


def _here(folder: RunFolder) -> bool:
    """Whether the run was made on this machine."""
    return not machine.machine_differences(
        folder.info().get("machine") or {}, machine.describe_machine()
    )


def frame(found: Iterable[MetricHistory], metric: Metric) -> pd.DataFrame:
    """A row a series: its first and its last level, and the runs in which it changed."""
    rows = []
    for one in found:
        levels, last = one.levels(), one.points[-1]
        rows.append(
            {
                "cell": one.cell,
                "runs": str(len(one.points)),
                f"first {metric.unit}".strip(): format_number(levels[0][2] * metric.scale),
                f"now {metric.unit}".strip(): format_number(levels[-1][2] * metric.scale),
                "last 95%": between(last.low, last.high, metric.scale) if last.low else DASH,
                "reason": "; ".join(_changes(one)) or "no change",
            }
        )
    return pd.DataFrame(rows, dtype=object)


def _changes(one: MetricHistory) -> list[str]:
    """`+12.3% at 2026-11-02T10-00 (commit abc, torch 2.13)`, a change each."""
    levels = one.levels()
    return [
        f"{100 * (after / before - 1):+.1f}% at {one.points[start].run}"
        + (f" ({one.points[start].about})" if one.points[start].about else "")
        for (_, _, before), (start, _, after) in itertools.pairwise(levels)
    ]
