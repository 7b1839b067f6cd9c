"""The studies by name."""

from collections.abc import Mapping

from studies.agreement import AGREEMENT
from studies.claims import CLAIMS
from studies.every_task import EVERY_TASK
from studies.experiment import Study
from studies.papers import PAPERS

STUDIES: Mapping[str, Study] = {
    "papers": PAPERS,
    "claims": CLAIMS,
    "tasks": EVERY_TASK,
    "agreement": AGREEMENT,
}


def folder_name(study: str, device: str) -> str:
    """The name of the folder with the records of a study on a device."""
    return study if device == "cpu" else f"{study}-{device.replace(':', '-')}"
