"""Plans the cases of a selection."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.options import Settings
from bench.plan.bounds import check_case_count, check_fits, model_count
from bench.plan.case import Case, InitialWeights, SpeedSettings, TaskSettings
from bench.plan.probes import ADVANCE, GATE, ISOLATED_PROBES, PHASES, PROBE_NEEDS
from bench.records.record_check import check_case
from bench.spec import CELLS, ModelSpec, Supports, Task, Training, Unavailable
from bench.weights import scheme_limit


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What will run: the settings, with their tasks, backends and devices resolved.

    `tasks` are pairs of a name and the task at its size; `devices` are those on which each
    backend runs.
    """

    settings: Settings
    backends: Sequence[str]
    tasks: Sequence[tuple[str, Task]]
    devices: Mapping[str, Sequence[str]]


def plan_cases(selection: Selection) -> list[Case]:
    """Every case once; the parity case of a model comes before its other cases.

    Raises `Unavailable`, before anything is planned, for more cases than one run may have, and for
    a model that cannot exist or does not fit into the memory.
    """
    _check_count(selection)
    settings = selection.settings
    cases = (
        case for task, proof in _proofs(selection) for case in _repetitions(settings, task, proof)
    )
    return list({case.key: case for case in cases}.values())


def _check_count(selection: Selection) -> None:
    settings = selection.settings
    places = sum(len(selection.devices[backend]) for backend in selection.backends)
    models = places * model_count(settings)
    cases = models * sum(_repetition_count(settings, task) for _, task in selection.tasks)
    check_case_count(cases, settings, models * len(selection.tasks))


def _proofs(selection: Selection) -> Iterator[tuple[Task, Case]]:
    """The parity case of each model in each backend on each device, with its task."""
    for backend in selection.backends:
        for device in selection.devices[backend]:
            for name, task in selection.tasks:
                for model in _models(selection.settings, name, task):
                    proof = _proof(selection.settings, backend, device, name, task, model)
                    try:
                        check_case(proof.flat())
                    except ValueError as error:
                        raise Unavailable(f"task {name}: {error}") from None
                    yield task, proof


def _models(settings: Settings, name: str, task: Task) -> list[ModelSpec]:
    """Every model of the settings for this task; `Unavailable` if one cannot exist."""
    if 2 in settings.directions and getattr(task, "asks_next", False):
        raise Unavailable(
            f"task {name}: directions must be 1, not 2: the task asks for the next input, "
            "which a network that also reads backwards has already read"
        )
    try:
        models = list(_specs(settings, task))
    except ValueError as error:
        raise Unavailable(f"task {name}: {error}") from error
    for model in models:
        check_fits(name, task, model)
    return models


def _specs(settings: Settings, task: Task) -> Iterator[ModelSpec]:
    """The models; a cell without variants comes once, however many GRU variants are chosen."""
    for dtype in settings.dtypes:
        for layers in settings.layers:
            for directions in settings.directions:
                for cell in settings.cells:
                    variants = settings.gru if CELLS[cell].variants else settings.gru[:1]
                    for variant in variants:
                        yield ModelSpec(
                            cell=cell,
                            inputs=task.inputs,
                            hidden=task.hidden,
                            outputs=task.outputs,
                            layers=layers,
                            bidirectional=directions == 2,
                            readout=task.readout,
                            loss=task.loss,
                            dtype=dtype,
                            gru=variant,
                            decoder=getattr(task, "decoder", 0),
                        )


def _proof(
    settings: Settings, backend: str, device: str, name: str, task: Task, model: ModelSpec
) -> Case:
    return Case(
        backend=backend,
        device=device,
        task=TaskSettings.from_task(name, task),
        model=model,
        training=Training(
            learning_rate=task.learning_rate,
            clip_norm=task.clip_norm,
            optimiser=settings.optimiser,
        ),
        initial=InitialWeights(scheme=settings.init, forget_bias=settings.forget_bias),
        probe=GATE,
        seed=settings.seeds[0],
        threads=1,
    )


def _repetitions(settings: Settings, task: Task, proof: Case) -> list[Case]:
    """The chosen cases of one model: parity and memory once, speed once for each launch, with
    the phase `advance` as a case of its own, and learning, gradients and lengths once for each
    seed.

    The cases of a seed are adjacent: they share one training run, which a worker keeps only until
    the next one.
    """
    training, memory = _training_probes(settings, task), _memory_probes(settings)
    timed = [
        replace(
            proof,
            probe="speed",
            threads=settings.threads,
            speed=SpeedSettings(phase_s=settings.phase_s, phases=phases),
        )
        for phases in _phases_of_cases(settings)
    ]
    launches = range(settings.launches if timed else 0)
    return [
        proof,
        *(replace(proof, probe=probe, seed=s) for s in settings.seeds for probe in training),
        *(replace(proof, probe=probe) for probe in memory),
        *(replace(case, launch=launch) for launch in launches for case in timed),
    ]


def _repetition_count(settings: Settings, task: Task) -> int:
    """How many cases `_repetitions` makes of one model."""
    trained = len(settings.seeds) * len(_training_probes(settings, task))
    timed = settings.launches * len(_phases_of_cases(settings))
    return 1 + trained + len(_memory_probes(settings)) + timed


def _training_probes(settings: Settings, task: Task) -> list[str]:
    probes = ["learning", "gradients", *(["lengths"] if hasattr(task, "longer") else [])]
    return [probe for probe in probes if probe in settings.probes]


def _memory_probes(settings: Settings) -> list[str]:
    return [probe for probe in ISOLATED_PROBES if probe in settings.probes]


def _phases_of_cases(settings: Settings) -> list[tuple[str, ...]]:
    """The phases of each speed case of a launch; none where nothing is timed."""
    if "speed" not in settings.probes:
        return []
    chosen = tuple(name for name in PHASES if name in settings.phases and name != ADVANCE)
    alone = (ADVANCE,) if ADVANCE in settings.phases else ()
    return [phases for phases in (chosen, alone) if phases]


def case_limit(backend: Any, case: Case) -> str | None:
    """Why this case cannot run, or None: a limit that the backend declares, or a scheme of
    initial weights that does not apply to the cell."""
    supports: Supports = getattr(backend, "SUPPORTS", Supports())
    limits = [supports.limit(case.model), *map(supports.lacks, PROBE_NEEDS.get(case.probe, ()))]
    if case.speed and ADVANCE in case.speed.phases:
        limits.append(supports.advance_limit(case.model))
    return next(filter(None, limits), None) or scheme_limit(case.initial.scheme, case.model.cell)
