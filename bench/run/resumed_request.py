"""The request of a run that is resumed; its folder can come from elsewhere."""

import shlex

from bench.options import flag_of
from bench.plan.request import Request
from bench.records.folder import RunFolder
from bench.spec import Unavailable


def resumed_request(request: Request, folder: RunFolder) -> Request:
    """The request, with the options of the earlier run for those that the user left open.

    Raises `Unavailable` where these name a file of code: resuming would execute it, and what
    `run.json` says is not the user's word.
    """
    resumed = request.over(folder.request())
    missing = [
        shlex.join([flag_of(option), *resumed.get(option)])
        for option in ("backends", "tasks")
        if request.get(option) is None
        and any(_names_code(option, word) for word in resumed.get(option) or ())
    ]
    if missing:
        raise Unavailable(
            f"run {folder.id} was started with a plug-in. A plug-in that run.json names is "
            "executed only if the command line names it too: if you trust it, add "
            f"{' '.join(missing)}"
        )
    return resumed


def _names_code(option: str, word: str) -> bool:
    """Whether the word of a backend or a task names a file, which is executed when it is loaded."""
    return ".py" in (word if option == "backends" else word.split(":")[0]).lower()
