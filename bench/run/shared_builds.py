"""Code that was built where it is not known from which side's sources it came.

Code that a kernel compiles when it runs can lie in a folder of caches that both sides use, so that
the head loads what the base has compiled.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress

CACHES = ("/tmp", "/var/tmp", "/dev/shm", "~/.cache", "~/Library/Caches")
"""Folders of temporary files and of caches."""
DIGEST = re.compile(r"(?=[A-Za-z]*\d)[0-9A-Za-z]{32,}")
"""A name that stands for the content of sources: what lies there belongs to one version of them."""


def shared_builds(files: Iterable[str], private: Iterable[str], since: float) -> list[str]:
    """The files that the other side may have built, sorted: outside the folders `private`, and in a
    folder of caches or written after `since`, the time at which the comparison began. Left out are
    files with a digest in their path, and files that are gone, which no other process loads."""
    folders, caches = list(private), [os.path.realpath(os.path.expanduser(c)) for c in CACHES]
    return sorted(
        file
        for file in files
        if not _in_any(file, folders)
        and ((_in_any(file, caches) and os.path.exists(file)) or _written(file) >= since)
        and not DIGEST.search(file)
    )


def _in_any(file: str, folders: Iterable[str]) -> bool:
    return any(file == f or file.startswith(f.rstrip(os.sep) + os.sep) for f in folders)


def _written(file: str) -> float:
    """When a file was last written, in seconds since 1970; 0 for a file that is gone."""
    with suppress(OSError):
        return os.path.getmtime(file)
    return 0.0
