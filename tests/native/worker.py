"""A process of one family: `python -m tests.native.worker PARENT PROCESSORS DEVICE` answers the
calls of `contestants.Ring` that come as JSON lines."""

import json
import os
import sys
from typing import Any


def serve(parent: int, processors: set[int], device: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)  # before NumPy starts its threads
    from bench.run.worker import die_with, take_over_output

    from .contestants import Ring, reason

    channel, ring = take_over_output(), Ring(len(processors), device)
    die_with(parent)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            answer["value"] = getattr(ring, name)(*arguments)
        except Exception as error:  # noqa: BLE001 - the parent takes it out of the comparison
            answer["error"] = reason(error)
        print(json.dumps(answer), file=channel, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), set(map(int, sys.argv[2].split(","))), sys.argv[3])
