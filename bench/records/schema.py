"""The schema of everything that is read: records, and `run.json`. `kinds` says what the values are.

The rules between several fields of a record are in `record_check`.
"""

from typing import Any, Literal

from msgspec import Struct

from bench.records.kinds import (
    Cell,
    Count,
    Device,
    Digest,
    Digests,
    Dtype,
    Duration,
    Flag,
    GruVariant,
    Loss,
    Number,
    Readout,
    Setting,
    Status,
    Text,
    TextsByName,
    Whole,
)


class CaseSettings(Struct, kw_only=True):
    """The settings that every case has, and others that are read back; a case may have more."""

    backend: Text
    device: Device
    dtype: Dtype
    cell: Cell
    task: Text
    probe: Text
    seed: Whole
    launch: Whole | None
    threads: Count
    metric: Text | None = None
    phases: Text | None = None
    inputs: Count | None = None
    hidden: Count | None = None
    outputs: Count | None = None
    layers: Count | None = None
    decoder: Whole | None = None
    bidirectional: Flag | None = None
    readout: Readout | None = None
    loss: Loss | None = None
    gru: GruVariant | None = None
    batch: Count | None = None
    steps: Whole | None = None
    clip_norm: Number | None = None


class RecordLine(Struct, kw_only=True, forbid_unknown_fields=True):
    """A record as it is written; `case` has the fields of `CaseSettings` as well."""

    run: Text
    case: dict[str, Setting | None]
    status: Status
    reason: Text | None
    probe: Text
    environment: Text | None
    started: Text
    wall_s: Duration
    metrics: dict[str, Number | None]
    samples: dict[str, list[Number | None]]
    traceback: Text | None = None
    """Older records lack it."""
    schema: Literal[1]
    checksum: Digest | None = None
    """See `bench.records.checksum`; older records lack it."""


class MachineFacts(Struct, kw_only=True):
    """The facts of a machine that are read back."""

    system: Text | None = None
    processor: Text | None = None
    cores: Whole | None = None
    processor_quota: Number | None = None
    memory_bytes: Whole | None = None
    governor: Text | None = None
    nvidia_driver: Text | None = None
    gpus: list[Text] | None = None


class Environment(Struct, kw_only=True):
    """What a worker says of itself, as far as it is read back."""

    machine: MachineFacts | None = None
    python: Text | None = None
    commit: Text | None = None
    changed: Flag | None = None
    code: TextsByName | None = None
    threads: Whole | None = None
    physical_cores: Whole | None = None
    variables: TextsByName | None = None
    instruction_sets: TextsByName | None = None
    versions: TextsByName | None = None
    device: Text | None = None
    settings: dict[str, Any] | None = None
    executed_path: Text | None = None
    expected_path: Text | None = None


class RequestWords(Struct, kw_only=True):
    """The options of a request that are read back. A resumed run checks all of them."""

    backends: list[Text] | None = None
    devices: list[Text] | None = None
    probes: list[Text] | None = None
    phases: list[Text] | None = None


class RunInfo(Struct, kw_only=True):
    """The contents of `run.json`, as far as they are read back. Older runs lack some fields."""

    request: RequestWords | None = None
    asked: RequestWords | None = None
    """What the user asked for, in a comparison."""
    missing: list[Text] | None = None
    """The backends that could not run, in a comparison."""
    identity: Text | None = None
    """The same for a run and its copies, whatever their folders are called. Environments are named
    after it, so that records of another run stand out."""
    features: dict[Text, list[Text]] | None = None
    """What each adapter has, in a comparison, see `bench.spec.Supports.features`."""
    side: Text = ""
    foreign_files: TextsByName | None = None
    digest_files: dict[Text, list[Text]] | None = None
    """The files that each backend loaded and that a comparison built under a digest."""
    environments: dict[str, Environment] = {}
    sessions_s: list[Duration] = []
    planned: Whole | None = None
    """How many cases the run has when it is finished."""
    planned_cases: Digests | None = None
    """See `bench.records.planned`."""
    versions: TextsByName | None = None
    variables: TextsByName | None = None
    machine: MachineFacts | None = None
    commit: Text | None = None
    changed: Flag | None = None
