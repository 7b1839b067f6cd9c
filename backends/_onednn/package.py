"""Finds oneDNN's shared library among the files of the installed package, without loading it."""

from importlib import metadata
from pathlib import Path

from bench.spec import Unsupported

PACKAGE = "onednn-cpu-gomp"
"""oneDNN 3 for CPUs, built with GNU's OpenMP; the package `onednn` has the build for SYCL."""
REQUIRES = (PACKAGE,)
_FILE = "libdnnl.so.3"


def unavailable(device: str) -> str | None:
    """Why oneDNN cannot run on this device, or None."""
    if device != "cpu":
        return f"this build of oneDNN runs on cpu, not on {device}"
    try:
        library_path()
    except Unsupported as error:
        return str(error)
    return None


def library_path() -> Path:
    """The shared library. Raises `Unsupported` if the package or its file is missing."""
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        raise Unsupported(f"not installed: {PACKAGE} (pip install {PACKAGE})") from None
    # Its version may follow the name, and the wheel has the file under several names.
    paths = [Path(str(file.locate())) for file in files if file.name.startswith(_FILE)]
    if found := sorted(path.resolve() for path in paths if path.is_file()):
        return found[0]
    raise Unsupported(
        f"the installed {PACKAGE} has no file {_FILE}, which pip install --target leaves out: "
        "install it into an environment"
    )
