"""What there is to run: backends, tasks and devices, and why one is missing."""

from typing import Any

from bench import machine
from bench.select import Registry, why_not
from bench.spec import Unavailable


def list_command(backends: Registry, tasks: Registry) -> int:
    """Print them; one that does not load hides no other."""
    print("backends")
    for name in backends.names():
        try:
            _list_backend(name, backends.load(name))
        except Unavailable as error:
            print(f"  {name:<14} {error}")
    print("tasks")
    for name in tasks.names():
        try:
            print(f"  {name:<14} {_about(tasks.load(name))}")
        except Unavailable as error:
            print(f"  {name:<14} {error}")
    return 0


def _list_backend(name: str, module: Any) -> None:
    found = machine.versions(getattr(module, "REQUIRES", ()))
    print(f"  {name:<14} {', '.join(f'{p} {version}' for p, version in found.items() if version)}")
    for device in ("cpu", "cuda"):
        print(f"    {device:<6} {why_not(module, device) or 'available'}")


def _about(task: Any) -> str:
    """The first line of a task's description, and why it cannot run."""
    summary = (task.__doc__ or "").strip().partition("\n")[0]
    reason = getattr(task, "unavailable", lambda: None)()
    return f"{summary} Not available: {reason}" if reason else summary
