"""The study of claims from the literature: grids of settings, and comparisons between pairs of
them."""

from studies.claims import experiments
from studies.claims.statements import STATEMENTS
from studies.experiment import Study

CLAIMS = Study(
    about="claims about cells, initialisation, clipping, depth and length, tested over many seeds",
    grid=True,
    other_backends=(),
    experiments=experiments.ALL,
    claims=STATEMENTS,
)
