"""The study of published figures beside ours."""

from studies.experiment import Study
from studies.papers import (
    forecasts,
    hochreiter_1997,
    later_papers,
    published_1997,
    trained_as_in_1997,
)

PAPERS = Study(
    about="published figures beside ours",
    sources={
        published_1997.GROUP: "Long short-term memory, Neural Computation 9(8), tables 2–10",
        **later_papers.SOURCES,
    },
    experiments=(
        *hochreiter_1997.EXPERIMENTS,
        *trained_as_in_1997.EXPERIMENTS,
        *later_papers.EXPERIMENTS,
        *forecasts.EXPERIMENTS,
    ),
)
