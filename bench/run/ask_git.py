"""What git says of the files that a worker has loaded."""

import os
import subprocess


def ask_git(folder: str, *words: str, text: str = "") -> str:
    """What git prints in a folder, with `text` as its input; empty where it fails."""
    done = subprocess.run(
        ["git", "-C", folder, *words],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        # A partial clone would fetch what it lacks.
        env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""
