"""A process of one family: `python -m studies.native.worker PARENT PROCESSORS DEVICE` answers calls
to a `CandidateServer`, which arrive as JSON lines."""

import json
import os
import sys
from typing import Any


def serve(parent: int, processors: set[int], device: str) -> None:
    """Answer calls on these processors until the parent closes the pipe."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)  # before NumPy starts its threads
    from bench.run.channel import take_over_output
    from bench.run.serve import die_with
    from studies.native.candidates import CandidateServer, reason

    channel, server = take_over_output(), CandidateServer(len(processors), device)
    die_with(parent)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            answer["value"] = getattr(server, name)(*arguments)
        except Exception as error:  # noqa: BLE001 - the parent drops the candidate
            answer["error"] = reason(error)
        print(json.dumps(answer), file=channel, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), set(map(int, sys.argv[2].split(","))), sys.argv[3])
