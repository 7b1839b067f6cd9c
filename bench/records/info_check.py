"""The checks of `run.json`. Each error names the field, its value, and what is accepted."""

from collections.abc import Mapping
from typing import Any

from bench.records.kinds import (
    DURATIONS,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TEXTS_BY_NAME,
    WHOLE,
    Kind,
    check,
    check_present,
)

INFO_FIELDS: Mapping[str, Kind] = {
    "request": OBJECT,
    "environments": OBJECT,
    "sessions_s": DURATIONS,
    "versions": TEXTS_BY_NAME,
    "variables": TEXTS_BY_NAME,
    "machine": OBJECT.or_null(),
    "commit": TEXT.or_null(),
    "changed": FLAG.or_null(),
}
"""The fields of `run.json` that are read back."""
MACHINE_FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("system", "processor", "governor", "nvidia_driver"), TEXT.or_null()),
    **dict.fromkeys(("cores", "memory_bytes"), WHOLE.or_null()),
    "processor_quota": NUMBER,
    "gpus": TEXTS.or_null(),
}
ENVIRONMENT_FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("python", "commit", "device", "executed_path", "expected_path"), TEXT.or_null()
    ),
    **dict.fromkeys(("machine", "settings"), OBJECT.or_null()),
    **dict.fromkeys(("versions", "code", "variables", "instruction_sets"), TEXTS_BY_NAME),
    "changed": FLAG.or_null(),
    **dict.fromkeys(("threads", "physical_cores"), WHOLE.or_null()),
}


def check_info(info: Mapping[str, Any]) -> None:
    """Raise ValueError for the first field of `run.json` with a wrong value. Older runs lack some
    fields."""
    check_present("", info, INFO_FIELDS)
    check_present("machine.", info.get("machine") or {}, MACHINE_FIELDS)
    for name, environment in info.get("environments", {}).items():
        check_environment(f"environments.{name}", environment)


def check_environment(place: str, environment: Any) -> None:
    """Raise ValueError for the first field of an environment with a wrong value; `place` is what
    the environment is called in the message."""
    check(place, environment, OBJECT)
    check_present(f"{place}.", environment, ENVIRONMENT_FIELDS)
    check_present(f"{place}.machine.", environment.get("machine") or {}, MACHINE_FIELDS)
