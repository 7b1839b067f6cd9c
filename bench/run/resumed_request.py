"""The request of a run that is resumed; its folder can come from elsewhere."""

import shlex

from bench.options import flag_of
from bench.plan.request import Request
from bench.records.folder import RunFolder
from bench.spec import Unavailable


def resumed_request(request: Request, folder: RunFolder, named_by_path: bool) -> Request:
    """The request, with the options of the earlier run for those that the user left open.

    A folder that is named by its path can come from elsewhere. Raises `Unavailable` where its
    `run.json` names a file of code: resuming would execute it. A run that is named by its ID lies
    among the user's results.
    """
    resumed = request.over(folder.request())
    if not named_by_path:
        return resumed
    missing = [
        shlex.join([flag_of(option), *resumed.get(option)])
        for option in ("backends", "tasks")
        if request.get(option) is None
        and any(_names_code(option, word) for word in resumed.get(option) or ())
    ]
    if missing:
        raise Unavailable(
            f"run {folder.id} was started with a plug-in. A plug-in that the run.json of a folder "
            "names is executed only if the command line names it too: if you trust it, add "
            f"{' '.join(missing)}"
        )
    return resumed


def _names_code(option: str, word: str) -> bool:
    """Whether the word of a backend or a task names a file, which is executed when it is loaded."""
    return ".py" in (word if option == "backends" else word.split(":")[0]).lower()
