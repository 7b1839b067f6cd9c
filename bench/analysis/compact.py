"""Records without what no table shows, so that very many of them fit into the memory."""

import sys
from array import array
from dataclasses import replace
from typing import Any

from bench.analysis.latency import SAMPLES
from bench.analysis.timing import TABLE_PHASES
from bench.plan.probes import FLOOR_PREFIX
from bench.records.record import FORECAST_PREFIX, Record

TABLE_SAMPLES = (*TABLE_PHASES, *SAMPLES, "prompt", "written")
TABLE_PREFIXES = (FORECAST_PREFIX, FLOOR_PREFIX, "hidden_gradient_norm.")
"""The samples that tables are computed from; plots need the curves of training as well."""


def for_tables(record: Record) -> Record:
    """The record as tables need it: without the curves of training, its samples as arrays of
    numbers, and with one copy in memory of each text that many cases share."""
    samples = {
        name: array("d", values)
        for name, values in record.samples.items()
        if name in TABLE_SAMPLES or name.startswith(TABLE_PREFIXES)
    }
    case = {name: _shared(value) for name, value in record.case.items()}
    return replace(record, case=case, samples=samples)


def _shared(value: Any) -> Any:
    return sys.intern(value) if type(value) is str else value
