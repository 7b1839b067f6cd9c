"""The studies plan cases that can run, and name what cannot."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from published_studies import NAMES, published
from study_records import SMOKE, small_experiment

import backends
import tasks
from bench.options import Settings, checked
from bench.plan.cases import Selection, plan_cases
from bench.spec import ModelSpec
from bench.weights import weight_shapes
from studies.catalogue import STUDIES, folder_name
from studies.claims.weight_count import units_within, weight_count
from studies.experiment import Claim, Study
from studies.planning import plan_study, selections, study_units


@pytest.mark.parametrize("name", STUDIES)
def test_every_experiment_can_run_and_has_a_name_of_its_own(name: str) -> None:
    study = STUDIES[name]
    names = [experiment.name for experiment in study.experiments]
    assert len(set(names)) == len(names)
    for experiment in study.experiments:
        assert {figure.cell for figure in experiment.published} <= set(experiment.cells)
        assert "lengths" not in experiment.probes or hasattr(experiment.task, "longer")
        for selection in selections(experiment, study.main_backend, study.other_backends):
            values = {k: v for k, v in vars(selection.settings).items() if v is not None}
            assert checked(Settings, values).threads == 1
            assert "learning" in selection.settings.probes
            assert plan_cases(selection)


@pytest.mark.parametrize("name", STUDIES)
def test_task_of_an_experiment_is_the_one_that_its_name_loads(name: str) -> None:
    """A worker loads the task by its name and gives it the settings of the case."""
    for experiment in STUDIES[name].experiments:
        profiles = tasks.load(experiment.task_name).PROFILES
        assert type(experiment.task) is type(profiles["standard"])
        for selection in selections(experiment, "jax", ()):
            for case in plan_cases(selection):
                assert case.sized(type(profiles["smoke"])) == selection.tasks[0][1]


@pytest.mark.parametrize("name", STUDIES)
def test_experiments_change_no_setting_that_their_task_ignores(name: str) -> None:
    """A setting that a form of a task does not read is that of one of the task's sizes."""
    for experiment in STUDIES[name].experiments:
        profiles = tasks.load(experiment.task_name).PROFILES.values()
        for setting in getattr(experiment.task, "unread", ()):
            assert getattr(experiment.task, setting) in {getattr(p, setting) for p in profiles}


def test_every_task_is_in_the_study_of_tasks() -> None:
    names = {experiment.task_name for experiment in STUDIES["tasks"].experiments}
    assert names == {*tasks.names()} - {"workload"}


def test_study_of_agreement_has_seeds_that_no_other_study_uses() -> None:
    agreement, papers = STUDIES["agreement"], STUDIES["papers"]
    by_name = {experiment.name: experiment for experiment in papers.experiments}
    for experiment in agreement.experiments:
        paper = by_name[experiment.name]
        assert (experiment.task, experiment.cells) == (paper.task, paper.cells)
        planned = selections(experiment, agreement.main_backend, agreement.other_backends)
        assert [list(s.settings.seeds) for s in planned] == 2 * [list(range(30, 50))]
        assert max(paper.seeds, paper.other_seeds) <= 10


def test_on_a_gpu_every_experiment_runs_in_every_backend_in_a_folder_of_its_own() -> None:
    def planned(
        device: str, other_cells: Mapping[str, Sequence[str]] | None
    ) -> list[tuple[Any, ...]]:
        experiment = small_experiment(seeds=5, other_cells=other_cells)
        return [
            (list(s.backends), list(s.settings.cells), list(s.settings.seeds), s.devices)
            for s in selections(experiment, "jax", ("numpy", "torch"), device)
        ]

    def row(names: list[str], cells: list[str], count: int, device: str) -> tuple[Any, ...]:
        return names, cells, list(range(count)), {name: [device] for name in names}

    cells = ["rnn", "lstm", "gru"]
    first = row(["jax"], cells, 5, "cpu")
    assert planned("cpu", {}) == [first]
    assert planned("cpu", {"torch": ("gru",)}) == [first, row(["torch"], ["gru"], 3, "cpu")]
    assert planned("cpu", None) == [first, row(["numpy", "torch"], cells, 3, "cpu")]
    everywhere = [row(["jax"], cells, 5, "cuda:1"), row(["numpy", "torch"], cells, 3, "cuda:1")]
    assert planned("cuda:1", {}) == planned("cuda:1", {"torch": ("gru",)}) == everywhere
    assert folder_name("papers", "cpu") == "papers"
    assert folder_name("papers", "cuda:1") == "papers-cuda-1"


@pytest.mark.parametrize("hidden", [None, {"rnn": 4, "lstm": 4, "gru": 5}])
def test_every_cell_is_trained_whatever_sizes_cells_share(hidden: dict[str, int] | None) -> None:
    planned = list(selections(small_experiment(hidden=hidden), "numpy", ("torch",)))
    for backend in ("numpy", "torch"):
        trained = [s for s in planned if list(s.backends) == [backend]]
        assert [cell for s in trained for cell in s.settings.cells] == ["rnn", "lstm", "gru"]


def test_timed_cases_have_a_process_of_their_own() -> None:
    selection = Selection(
        settings=Settings(launches=2, cells=["rnn"], threads=1),
        backends=["numpy"],
        tasks=[("adding", SMOKE)],
        devices={"numpy": ["cpu"]},
    )
    planned = study_units(plan_cases(selection))
    timed = [[case.probe for case in unit.cases] for unit in planned if unit.timed]
    assert timed == [["speed"]] * 2
    assert "speed" not in {c.probe for unit in planned if not unit.timed for c in unit.cases}


@pytest.mark.parametrize("name", NAMES)
def test_every_published_record_is_a_planned_case(name: str) -> None:
    study = published(name)
    assert study.records
    assert all(record.key in study.plan.cases for record in study.records)


def test_claims_are_about_experiments_that_exist() -> None:
    study = STUDIES["claims"]
    settings = {
        (experiment.name, cell) for experiment in study.experiments for cell in experiment.cells
    }
    for claim in study.claims:
        assert {claim.better, claim.worse} <= settings and claim.better != claim.worse


def test_unknown_criterion_of_a_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="criterion must be one of updates, solved, score"):
        Claim(statement="", better=("it", "rnn"), worse=("it", "gru"), criterion="speed")


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_counted_weights_are_those_of_the_model(cell: str, layers: int) -> None:
    hidden = units_within(cell, 2, 4000, layers)
    counts = [weight_count(cell, 2, hidden + k, layers) for k in (0, 1)]
    assert counts[0] <= 4000 < counts[1]
    spec = ModelSpec(cell=cell, inputs=2, hidden=hidden, outputs=1, layers=layers)
    sizes = {n: math.prod(s) for n, s in weight_shapes(spec).items() if not n.startswith("readout")}
    assert sum(sizes.values()) == counts[0]


def test_experiments_whose_data_are_missing_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    airline = next(e for e in STUDIES["papers"].experiments if e.name == "airline passengers")
    monkeypatch.setattr(type(airline.task), "unavailable", lambda _: "pmdarima is not installed")
    small = small_experiment(cells=("rnn",), seeds=2)
    study = Study(about="", main_backend="numpy", other_backends=(), experiments=(small, airline))
    plan = plan_study(study, backends)
    assert "not run: airline passengers: task forecasting: pmdarima" in capsys.readouterr().err
    assert {planned.experiments for planned in plan.cases.values()} == {(small,)}
