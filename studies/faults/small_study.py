"""A study that takes seconds, for faults in the middle of a study.

python -m studies.faults.small_study --results-dir FOLDER
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import run_bench
from studies import study_command
from studies.experiment import Experiment, Study
from studies.faults.commands import ROOT
from tasks import adding

NAME = "small"
STUDY = Study(
    about="a study for the faults",
    main_backend="numpy",
    other_backends=(),
    experiments=(
        Experiment(
            name="adding",
            group="adding",
            task_name="adding",
            task=adding.PROFILES["smoke"],
            cells=("rnn", "gru"),
            seeds=2,
        ),
    ),
)
PROGRAM = (sys.executable, "-m", "studies.faults.small_study")


def main(arguments: Sequence[str]) -> int:
    """Run the command `study` with this study alone."""
    with patch.object(study_command, "STUDIES", {NAME: STUDY}):
        return run_bench.main(["study", NAME, *arguments])


def run(root: Path) -> None:
    """Run the study undisturbed, in a process of its own."""
    command = [*PROGRAM, "--results-dir", str(root)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
