"""An environment of a side's own, in which a command of the user builds the side's code."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer

from bench.compare.temporary import temporary_folder
from bench.processes.supervised import end_supervised, run_supervised, supervised
from bench.records.inert import inert_lines
from bench.spec import Unavailable

OUTPUT_LINES = 20
"""The last lines of a failed command that its error repeats."""
LIMIT_S = 300
"""Seconds that making an environment may take."""
BUILD_LIMIT_S = 2 * 3600.0
"""Seconds that the user's command may take."""
PIP = """#!/bin/sh
exec "{python}" -m pip "$@"
"""
"""Runs the pip of the environment that this one falls back on: a pip of its own takes seconds."""
QUESTION = """import json, site
from importlib.util import find_spec
user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
print(json.dumps([site.getsitepackages() + user, find_spec("pip") is not None]))"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the variables that its processes need."""

    folder: Path
    python: str
    variables: Mapping[str, str]


@contextmanager
def built_environment(
    side: str, command: str, tree: Path, python: str, folders: Sequence[str]
) -> Iterator[Environment]:
    """Make an environment, run a shell command in it that builds the tree, and remove it at the
    end.

    A module is imported from the environment, else from `folders`, else from the environment of
    `python`. `Unavailable` with the end of the output where the command fails.
    """
    with temporary_folder() as folder:
        environment = _make(folder / "environment", python, folders)
        print(f"building the {side}: {command}", file=sys.stderr, flush=True)
        run_build(side, command, tree, {**os.environ, **environment.variables})
        yield environment


def _make(folder: Path, python: str, folders: Sequence[str]) -> Environment:
    program = str(folder / "bin" / "python")
    fallback, has_pip = json.loads(_output(python, "-c", QUESTION))
    _output(python, "-m", "venv", *(["--without-pip"] if has_pip else []), str(folder))
    if has_pip:
        for name in ("pip", "pip3"):
            (folder / "bin" / name).write_text(PIP.format(python=program))
            (folder / "bin" / name).chmod(0o755)
    packages, _ = json.loads(_output(program, "-c", QUESTION))
    lines = [*folders, *(f"import site; site.addsitedir({name!r})" for name in fallback)]
    Path(packages[0], "recurrent_bench_side.pth").write_text("\n".join(lines) + "\n")
    programs = [str(folder / "bin"), os.path.dirname(python), os.environ.get("PATH", os.defpath)]
    variables = {"PATH": os.pathsep.join(programs), "VIRTUAL_ENV": str(folder)}
    return Environment(folder, program, variables)


def _output(*command: str) -> str:
    """What a program prints; `Unavailable` where it fails."""
    try:
        done = run_supervised(command, LIMIT_S, _plain())
        done.check_returncode()
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip() or error.stdout.strip())[-400:]
        raise Unavailable(f"--build: no environment of its own: {reason}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"--build: no environment of its own: {error}") from None
    return done.stdout


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run_build(
    side: str,
    command: str,
    tree: Path,
    variables: Mapping[str, str],
    limit_s: float = BUILD_LIMIT_S,
) -> None:
    """Run the command; nothing that it starts is left at the end. What it prints goes to standard
    error. `Unavailable` with the end of the output where the command fails or takes too long."""
    last_lines: deque[str] = deque(maxlen=OUTPUT_LINES)
    late = Event()
    with subprocess.Popen(
        supervised(["/bin/sh", "-c", command]),
        cwd=tree,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:

        def end_late() -> None:
            late.set()
            end_supervised(process)

        limit = Timer(limit_s, end_late)
        limit.start()
        try:
            for line in process.stdout or ():
                print(f"{side}: {inert_lines(line.rstrip())}", file=sys.stderr, flush=True)
                last_lines.append(line.rstrip())
            code = process.wait()
        except BaseException:
            end_supervised(process)
            raise
        finally:
            limit.cancel()
    if code:
        how = f"after {limit_s:g} s, its limit" if late.is_set() else f"with exit code {code}"
        output = "\n  ".join(last_lines)
        raise Unavailable(f"--build failed for the {side} {how}:\n  {output}")
