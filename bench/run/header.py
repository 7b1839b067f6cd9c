"""The first lines of a run: what it measures, and how long it takes."""

from collections.abc import Iterable

from bench.plan.cases import Selection
from bench.plan.estimate import Work
from bench.plan.past_costs import PastCosts, cost_group
from bench.plan.probes import DEFAULT_PROBES
from bench.run.display import format_duration


def selection_line(selection: Selection) -> str:
    """What was chosen: `numpy, torch on cpu; adding; rnn, lstm; float32; 2 threads`."""
    settings = selection.settings
    devices = dict.fromkeys(
        device for name in selection.backends for device in selection.devices[name]
    )
    parts = [
        f"{_list(selection.backends)} on {_list(devices)}",
        _list(name for name, _ in selection.tasks),
        _list(settings.cells),
        _list(settings.dtypes),
        *([] if tuple(settings.probes) == DEFAULT_PROBES else [_list(settings.probes)]),
        f"{settings.threads} thread{'s' * (settings.threads != 1)}",
    ]
    return "; ".join(parts)


def work_lines(work: Work, jobs: int, budget_s: float, own: PastCosts) -> list[str]:
    """How many cases there are, and how long they take. `own` are the costs of earlier runs in the
    folder of results."""
    measured = sum(cost_group(case.flat()) in own for case in work.cases)
    seconds = work.total_seconds(jobs)
    duration = f"about {format_duration(seconds)}"
    if budget_s > seconds:
        duration += f", then more launches until {format_duration(budget_s)} have passed"
    return [
        f"{len(work.cases)} cases in {len(work.units)} worker processes, {duration}",
        f"({measured} cases estimated from earlier runs here, the others roughly)",
    ]


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
