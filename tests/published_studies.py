"""The published records of the studies, read once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from conftest import ROOT

import backends
from bench.records.folder import RunFolder
from bench.records.record import Record
from studies.catalogue import STUDIES
from studies.experiment import Study
from studies.planning import StudyPlan, plan_study
from studies.tables.markdown import records_by_experiment

NAMES = (*STUDIES, "papers-cuda")


@dataclass(frozen=True)
class PublishedStudy:
    """A study with its published records."""

    study: Study
    plan: StudyPlan
    folder: RunFolder
    records: Sequence[Record]
    by_experiment: Mapping[str, Sequence[Record]]


@cache
def published(name: str) -> PublishedStudy:
    """The study in a folder below `results/studies`; `papers-cuda` was run on a GPU, which this
    machine need not have."""
    study_name, _, device = name.partition("-")
    study = STUDIES[study_name]
    with _every_device_usable() if device else nullcontext():
        plan = plan_study(study, backends, device or "cpu")
    folder = RunFolder(ROOT / "results/studies" / name)
    records = folder.records()
    grouped = records_by_experiment(plan.experiments_by_key, records)
    by_experiment = {e.name: grouped[e.name] for e in study.experiments if e.name in grouped}
    return PublishedStudy(study, plan, folder, records, by_experiment)


def _every_device_usable() -> AbstractContextManager[Any]:
    return patch("bench.plan.availability.why_unavailable", lambda backend, device: None)
