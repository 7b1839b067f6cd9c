"""The differences that the parity gate finds for the model of one case."""

from bench.gate.difference import Difference
from bench.gate.parity import compare
from bench.probes.context import ProbeContext


def case_differences(context: ProbeContext) -> list[Difference]:
    """Compare the case's own model, batch and weights; the odd sizes are left out."""
    model, (x, y) = context.case.model, context.task.sample(context.rng("batches"))
    weights = context.weights(model)
    return list(compare(context, model, context.case.training, weights, x, y).differences)
