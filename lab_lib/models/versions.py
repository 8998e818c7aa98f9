"""Check that the libraries that training needs have supported versions.

Libraries move arguments and delete helpers between versions; the resulting error comes from deep inside and names
neither the library nor the version. The bounds are those of pyproject.toml, stored in the installed package.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from lab_lib.errors import LabError

INSTALL = "pip install -c constraints.txt -e '.[train]' in a checkout, or `make install`"
# The libraries that loading and training call directly.
LIBRARIES = frozenset({"torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "bitsandbytes"})


def needed_packages(extra: str) -> list[Any]:
    """Return the requirements of this package with an extra. Raises PackageNotFoundError when it is not installed."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in metadata.requires("lab_lib") or []]
    return [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": extra})]


def version_problem(requirement: Any) -> str:
    """Return what is wrong with an installed package, or nothing."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    # prereleases=True: a cluster's own build, such as 2.13.0a0+git, is a version too.
    good = requirement.specifier.contains(version, prereleases=True)
    return "" if good else f"{requirement.name} is {version}, needs {requirement.specifier}"


def require_versions() -> None:
    """Raise LabError if a library of LIBRARIES is outside its bounds; a missing bitsandbytes is no error.

    Does nothing if the package runs from its sources without being installed: there are no bounds to read.
    """
    try:
        needed = [r for r in needed_packages("train") if r.name in LIBRARIES]
    except metadata.PackageNotFoundError:
        return
    problems = [problem for r in needed if (problem := version_problem(r)) and problem != "bitsandbytes is missing"]
    if problems:
        raise LabError(f"{'; '.join(problems)}: {INSTALL}")
