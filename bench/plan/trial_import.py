"""Imports a user's file in a process of its own first: it may end the process that imports it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.spec import Unavailable

SURVIVED = 97
"""The exit code of a process that has imported the file, or met an error in it, and lived on."""
# An error is met again, and reported with its line, when this process imports the file.
PROGRAM = f"""
import os, runpy, sys
try:
    runpy.run_path(sys.argv[1])
except BaseException:
    pass
os._exit({SURVIVED})
"""


def check_import(name: str) -> None:
    """Raise `Unavailable` if `name` is a file whose import ends the process."""
    path = Path(name).expanduser()
    if path.suffix != ".py" or not path.is_file():
        return
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if (code := done.returncode) != SURVIVED:
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        raise Unavailable(
            f"{name} does not import: it ends the process that imports it ({how}); an import must "
            "return, so leave out whatever exits"
        )
