"""Carries out tries and records them."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.faults.checks import Problem, Sort, left_behind
from studies.faults.kinds import Inject
from studies.faults.processes import (
    adopting_orphans,
    descendants,
    description,
    kill_all,
    still_alive,
)
from studies.faults.reference import Reference, undisturbed
from studies.faults.scene import Scene
from studies.json_lines import JsonLines

TRIES_FILE = "tries.jsonl"


def run_tries(
    folder: Path, kinds: Mapping[str, Inject], seed: int, tries: int
) -> Iterator[Mapping[str, Any]]:
    """Try each kind so many times, tries that are recorded included, one kind after the other in
    each round. Record each try and return it."""
    lines = JsonLines(folder / TRIES_FILE)
    recorded = {(line["kind"], line["seed"], line["number"]) for line in lines.read()}
    with TemporaryDirectory(prefix="faults-") as scratch, adopting_orphans():
        reference: Reference | None = None
        for number in range(tries):
            for name, inject in kinds.items():
                if (name, seed, number) in recorded:
                    continue
                reference = reference or undisturbed(Path(scratch) / "reference")
                rng = random.Random(f"{seed} {name} {number}")
                problems = one_try(Path(scratch) / "try", inject, rng, reference)
                line = {"kind": name, "seed": seed, "number": number, **by_sort(problems)}
                lines.append(line)
                yield line


def one_try(
    parent: Path, inject: Inject, rng: random.Random, reference: Reference
) -> list[Problem]:
    """One try in a new folder below `parent`, and what it has found wrong."""
    parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        scene = Scene(Path(folder), rng, reference)
        earlier = descendants()
        try:
            inject(scene)
            scene.check_files()
        except Exception as error:  # noqa: BLE001 - what a fault does to the try itself counts
            scene.say(Sort.UNCLEAR, f"the try was not completed: {type(error).__name__}: {error}")
        alive = still_alive(earlier)
        scene.problems += left_behind(map(description, alive))
        kill_all(alive)
    return scene.problems


def by_sort(problems: list[Problem]) -> dict[str, list[str]]:
    """The texts of the problems by their sort."""
    return {sort.value: [p.text for p in problems if p.sort == sort] for sort in Sort}
