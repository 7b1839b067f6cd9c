"""The check of `run.json`."""

from collections.abc import Mapping
from typing import Any

from bench.records.faults import check, check_texts
from bench.records.schema import RunInfo


def check_info(info: Mapping[str, Any]) -> None:
    """Raise ValueError for the first field of `run.json` with a wrong value: the error names the
    field, its value, and what is accepted."""
    try:
        check(info, RunInfo, "")
        check_texts(info, "")
    except RecursionError:
        raise ValueError("it has too many levels of objects") from None
