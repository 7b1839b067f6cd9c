"""The command `plan`: prints what a run would do, for a comparison, which asks each side."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.plan.cases import plan_cases
from bench.plan.request import Request
from bench.plan.selection import Registry, select
from bench.run.environment import Declared
from bench.run.run_info import first_info
from bench.spec import Supports, Unavailable


def plan_command(request: str, backends: Registry, tasks: Registry, entry: Path) -> int:
    """Print, as JSON, what this checkout would run under this interpreter; return the exit code.

    `request` is the options of the run as a JSON object; raises `Unavailable` for any other text.
    """
    planned = Request().over(_options(request), "the request")
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
        "features": {
            name: getattr(backends.load(name), "SUPPORTS", Supports()).features()
            for name in selection.backends
        },
        "repeats_request": True,
    }
    print(json.dumps(plan))
    return 0


def _options(request: str) -> dict[str, Any]:
    try:
        options = json.loads(request)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"the request is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise Unavailable(f"the request must be a JSON object of options, not {request!r:.60}")
    return options
