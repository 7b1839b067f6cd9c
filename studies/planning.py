"""From experiments to cases, and from cases to units of work."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.options import Settings
from bench.plan.availability import usable_devices
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.probes import TIMED_PROBES
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.spec import Task, Unavailable
from studies.experiment import Experiment, Study

LAUNCHES = 5
"""Fresh processes that time the training step of an experiment with the probe `speed`."""


@dataclass(frozen=True)
class PlannedCase:
    """A case and the experiments that need it."""

    case: Case
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True)
class StudyPlan:
    """All cases of a study on one device, by key, and the selections that they come from."""

    cases: Mapping[str, PlannedCase]
    selections: Sequence[Selection]

    @property
    def backends(self) -> list[str]:
        """The backends that have a case, in the order of the plan."""
        return list(dict.fromkeys(planned.case.backend for planned in self.cases.values()))

    @property
    def experiments_by_key(self) -> dict[str, Sequence[Experiment]]:
        """The experiments that need a case, by its key."""
        return {key: planned.experiments for key, planned in self.cases.items()}

    def cases_of(self, experiment: Experiment, cases: Sequence[Case]) -> list[Case]:
        """The cases among `cases` that the experiment needs."""
        return [case for case in cases if experiment in self.cases[case.key].experiments]


def plan_study(study: Study, backends: Registry, device: str = "cpu") -> StudyPlan:
    """Plan every case once. Print a line for each backend that cannot run on the device here, and
    for each experiment whose data are not installed."""
    names = _usable_backends(study, backends, device)
    main = study.main_backend if study.main_backend in names else names[0]
    others = [name for name in names if name != main]
    needed_by: dict[str, list[Experiment]] = {}
    cases: dict[str, Case] = {}
    chosen = []
    for experiment in study.experiments:
        if reason := _why_unavailable(experiment.task):
            _print_gap(f"{experiment.name}: task {experiment.task_name}: {reason}")
            continue
        for selection in selections(experiment, main, others, device):
            chosen.append(selection)
            for case in plan_cases(selection):
                cases[case.key] = case
                needed_by.setdefault(case.key, []).append(experiment)
    planned = {key: PlannedCase(case, tuple(needed_by[key])) for key, case in cases.items()}
    return StudyPlan(planned, chosen)


def _usable_backends(study: Study, backends: Registry, device: str) -> list[str]:
    """The backends of a study that can run on the device here; `Unavailable` without any."""
    loaded = {name: backends.load(name) for name in (study.main_backend, *study.other_backends)}
    usable, gaps = usable_devices(loaded, [device])
    if not usable:
        lines = ["none of the backends of the study can run here:", *map(str, gaps)]
        raise Unavailable("\n  ".join(lines))
    for gap in gaps:
        _print_gap(str(gap))
    return list(usable)


def _why_unavailable(task: Task) -> str | None:
    """Why the data of a task cannot be read here; None where they can."""
    reason: str | None = getattr(task, "unavailable", lambda: None)()
    return reason


def _print_gap(text: str) -> None:
    print(f"not run: {text}", file=sys.stderr)


def selections(
    experiment: Experiment, main: str, others: Sequence[str], device: str = "cpu"
) -> Iterator[Selection]:
    """What an experiment trains: first in the main backend, then in the other ones."""
    for names, cells, seeds in _training_groups(experiment, main, others, device):
        for task, sized_cells in _sizes(experiment, cells) if names and cells else ():
            yield Selection(
                settings=_settings(experiment, names, sized_cells, seeds, device),
                backends=names,
                tasks=[(experiment.task_name, task)],
                devices={name: [device] for name in names},
            )


def _training_groups(
    experiment: Experiment, main: str, others: Sequence[str], device: str
) -> Iterator[tuple[Sequence[str], Sequence[str], int]]:
    """Groups of backends, with the cells and the number of seeds that each group trains."""
    yield [main], experiment.cells, experiment.seeds
    if experiment.other_cells is None or device != "cpu":
        yield list(others), experiment.cells, experiment.other_seeds
    else:
        for name in others:
            yield [name], experiment.other_cells.get(name, ()), experiment.other_seeds


def _sizes(experiment: Experiment, cells: Sequence[str]) -> list[tuple[Task, Sequence[str]]]:
    """The task at each number of units, with the cells that have that number."""
    if not experiment.hidden:
        return [(experiment.task, cells)]
    task: Any = experiment.task
    return [(replace(task, hidden=experiment.hidden[cell]), [cell]) for cell in cells]


def _settings(
    experiment: Experiment,
    backends: Sequence[str],
    cells: Sequence[str],
    seeds: int,
    device: str,
) -> Settings:
    return Settings(
        tasks=[experiment.task_name],
        backends=backends,
        cells=cells,
        devices=[device],
        dtypes=["float32"],
        probes=experiment.probes,
        seeds=range(experiment.first_seed, experiment.first_seed + seeds),
        launches=LAUNCHES,
        phases=["step"],
        layers=[experiment.layers],
        directions=[experiment.directions],
        init=experiment.init,
        forget_bias=experiment.forget_bias,
        optimiser=experiment.optimiser,
        threads=1,
    )


def study_units(cases: Sequence[Case]) -> list[Unit]:
    """One process for each model and backend, and one for each launch of a timed case.

    Small units spread over the processors, and no process holds what all models have compiled.
    """
    groups: dict[tuple[Any, ...], list[Case]] = {}
    for case in cases:
        timed = case.probe in TIMED_PROBES
        launch = case.launch if timed else None
        worker = (case.backend, case.device, case.threads, timed)
        groups.setdefault((*worker, case.model_key, launch), []).append(case)
    return [
        Unit(backend, device, threads, timed, tuple(group))
        for (backend, device, threads, timed, _, _), group in groups.items()
    ]
