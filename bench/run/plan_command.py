"""The command `plan`: prints what a run would do, for a comparison, which asks each side."""

import json
from dataclasses import asdict
from pathlib import Path

from bench.plan.cases import plan_cases
from bench.plan.request import Request
from bench.plan.selection import Registry, select
from bench.run.environment import Declared
from bench.run.run_info import first_info


def plan_command(request: str, backends: Registry, tasks: Registry, entry: Path) -> int:
    """Print, as JSON, what this checkout would run under this interpreter; return the exit code.

    `request` is the options of the run as a JSON object.
    """
    planned = Request().over(json.loads(request))
    selection, gaps = select(planned, backends, tasks)
    declared = {
        name: asdict(Declared.by(backends.load(name), selection.settings.threads))
        for name in selection.backends
    }
    plan = {
        "cases": [case.flat() for case in plan_cases(selection)],
        "missing": [str(gap) for gap in gaps],
        "info": first_info(planned, selection, entry, backends),
        "declared": declared,
        "repeats_request": True,
    }
    print(json.dumps(plan))
    return 0
