"""Whether the backends learn alike: whether each needs as many updates until solved as the main
backend, within a bound, and when their losses diverge."""

from dataclasses import replace

from studies.experiment import Study
from studies.papers import PAPERS
from studies.papers.hochreiter_1997 import ALL_SEEDS

GROUP = "Twenty seeds in each backend"

AGREEMENT = Study(
    about="whether the backends learn alike, tested on seeds of their own",
    experiments=tuple(
        replace(
            experiment,
            group=GROUP,
            seeds=20,
            other_seeds=20,
            first_seed=30,
            published=(),
            differences=(),
        )
        for experiment in PAPERS.experiments
        if experiment.other_seeds == ALL_SEEDS
    ),
)
"""The six experiments that `papers` trains with ten seeds in all backends, with twenty other seeds.
In `papers` seeds were added after the test of a difference had been looked at; here the seeds were
settled beforehand."""
