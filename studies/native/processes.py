"""The worker process of one family of candidates, from the side of the parent."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import IO, Any

import backends
from bench.run.environment import worker_environment

ROOT = Path(__file__).parents[2]
KERAS_BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
"""What Keras computes with in the process of a family."""
LIMIT_S = 300.0


class CandidateFailed(Exception):
    """A candidate failed, or its process died; the message says how."""


class FamilyProcess:
    """A worker process."""

    def __init__(self, family: str, processors: Sequence[int], device: str, log: IO[bytes]) -> None:
        arguments = [str(os.getpid()), ",".join(map(str, processors)), device]
        keras = {"KERAS_BACKEND": KERAS_BACKENDS[family]} if family in KERAS_BACKENDS else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "studies.native.worker", *arguments],
            cwd=ROOT,
            env={**worker_environment(backends, family, len(processors)), **keras},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def call(self, method: str, *arguments: Any) -> Any:
        """The answer of the worker; `CandidateFailed` where it reports an error or dies."""
        assert self.process.stdin and self.process.stdout
        watchdog = Timer(LIMIT_S, self.process.kill)
        watchdog.start()
        try:
            print(json.dumps([method, *arguments]), file=self.process.stdin, flush=True)
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            message = f"its process died (exit code {self.process.wait()})"
            raise CandidateFailed(message) from None
        finally:
            watchdog.cancel()
        if "error" in answer:
            raise CandidateFailed(answer["error"])
        return answer["value"]

    def end(self) -> None:
        """Close the pipes and wait for the process to end."""
        assert self.process.stdin and self.process.stdout
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
