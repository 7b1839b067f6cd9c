"""Which records of a run the present code has not proven: their models pass the gate again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.plan.case import Case
from bench.plan.probes import GATE, TIMED_PROBES, UNPROVEN
from bench.records.code import CodeDigests
from bench.records.folder import RunFolder
from bench.records.record import Record


def remaining_cases(
    folder: RunFolder, cases: Sequence[Case], code: CodeDigests, *, prove_all: bool, again: bool
) -> list[Case]:
    """The cases that the folder has no record of, with `again` also those that failed or were
    skipped, and those that have to run again because the code has changed since.

    A model that is measured further passes the gate again, and so does every model of the cases
    with `prove_all`; what was skipped because the gate had rejected it then runs. Launches of one
    model are all by the same code.
    """
    recorded = {record.key: record for record in folder.records()}
    environments = folder.info().get("environments", {})
    done = {key for key, record in recorded.items() if record.status == "ok" or not again}
    left = [case for case in cases if case.key not in done]
    models = {case.model_key for case in (cases if prove_all else left)}
    launches = {_launches(case) for case in left if case.probe in TIMED_PROBES}

    def changed(case: Case) -> bool:
        return _is_of_other_code(
            recorded[case.key], environments, code.of(case.backend, case.task.name)
        )

    old = [case for case in cases if case.key in recorded]
    proofs = [case for case in old if case.probe == GATE and case.model_key in models]
    changed_models = {case.model_key for case in proofs if changed(case)}
    keys = {
        case.key
        for case in (*left, *(proof for proof in proofs if proof.model_key in changed_models))
    }
    keys |= {case.key for case in old if _launches(case) in launches and changed(case)}
    keys |= {
        case.key
        for case in old
        if case.model_key in changed_models and _was_unproven(recorded[case.key])
    }
    return [case for case in cases if case.key in keys]


def recorded_among(remaining: Iterable[Case], folder: RunFolder) -> list[Case]:
    """Those of the remaining cases that are recorded already."""
    recorded = {record.key for record in folder.records()}
    return [case for case in remaining if case.key in recorded]


def _launches(case: Case) -> tuple[str, str, int]:
    return case.model_key, case.probe, case.threads


def _was_unproven(record: Record) -> bool:
    return record.status == "skipped" and (record.reason or "").startswith(UNPROVEN)


def _is_of_other_code(
    record: Record, environments: Mapping[str, Any], present: Mapping[str, str | None]
) -> bool:
    """Whether a record was made by other code, or does not say by which. A record without an
    environment measured nothing."""
    environment = environments.get(record.environment or "")
    return environment is not None and environment.get("code") != present
