"""A rough model of the cost of a case: preparation, updates, and what the settings prescribe."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.plan.case import Case, SpeedSettings
from bench.plan.probes import ADVANCE
from bench.spec import Task

STEP_S = 2e-5
"""Seconds for the calls of one time step of one layer, forward and backward."""
FLOPS = 3.5e10
"""Floating-point operations a second."""
SETUP_S: Mapping[str, float] = {
    "parity": 4.0,
    "learning": 1.0,
    "gradients": 0.3,
    "lengths": 0.3,
    "memory": 3.0,
    "speed": 2.5,
}
"""Seconds to import, compile and open sessions, by probe."""
UPDATES: Mapping[str, float] = {"parity": 20, "gradients": 1, "lengths": 20, "memory": 4}
"""The number of updates that take as long as the calls of a case, by probe."""
LATENCY_S = 3.0
"""Seconds of the single steps of the phase `advance`, most of them pauses."""
SAMPLE_S, WARM_UP_SAMPLES, LEAST_SAMPLES, MOST_SAMPLES = 0.005, 15, 12, 96
"""What `bench.probes.clock` takes of each phase."""


@dataclass(frozen=True)
class RoughCost:
    """Seconds of preparation, seconds of work that grow with the size of the case, and seconds
    that the settings prescribe, the same in every backend."""

    setup_s: float
    work_s: float
    prescribed_s: float = 0.0


def rough_cost(case: Case, task: Task) -> RoughCost:
    """The rough cost of a case, whatever the backend."""
    update_s = _update_seconds(case, task)
    if case.speed:
        return _timed_cost(case.speed, update_s)
    updates = task.steps * 1.3 if case.probe == "learning" else UPDATES.get(case.probe, 10)
    return RoughCost(SETUP_S.get(case.probe, 1.0), updates * update_s)


def _update_seconds(case: Case, task: Task) -> float:
    """Seconds of one update."""
    model = case.model
    products = model.gates * model.hidden * (model.inputs + model.hidden)
    step_s = STEP_S + 6 * task.batch * products / FLOPS
    return task.time * model.layers * model.directions * step_s


def _timed_cost(speed: SpeedSettings, update_s: float) -> RoughCost:
    """The warm-up and the samples of all phases, some of which are shorter than an update."""
    sample_s = max(SAMPLE_S, update_s / 2)
    prescribed_s = WARM_UP_SAMPLES * SAMPLE_S + min(speed.phase_s, MOST_SAMPLES * sample_s)
    longest_s = WARM_UP_SAMPLES * sample_s + max(speed.phase_s, LEAST_SAMPLES * sample_s)
    count = len([phase for phase in speed.phases if phase != ADVANCE])
    latency_s = LATENCY_S if ADVANCE in speed.phases else 0.0
    work_s = count * max(0.0, longest_s - prescribed_s)
    return RoughCost(SETUP_S["speed"], work_s, count * prescribed_s + latency_s)
