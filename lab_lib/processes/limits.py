"""The cores and the memory that a process may use: the machine's, or the limit of its container.

In a container (Docker, Slurm, Kubernetes) the usual sources show the whole machine; its limits are in control groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
ROOT = Path("/")


@dataclass(frozen=True)
class Limit:
    """The amount, and what sets the limit."""

    value: float
    reason: str


MACHINE, CONTAINER = "of the machine", "of the container (cgroup)"


def memory_limit(machine: float | None = None, root: Path = ROOT) -> Limit:
    """Return the memory in GiB: the smallest limit that applies. `machine` is the machine's memory; None reads it."""
    if machine is None:
        machine = machine_memory() / GIB
    return _smallest(machine, [size / GIB for size in _memory_limits(root)])


def core_limit(machine: int | None = None, root: Path = ROOT) -> Limit:
    """Return the number of cores, at least 1: the smallest limit that applies. `machine`: as in `memory_limit`."""
    if machine is None:
        machine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _smallest(machine, [max(1.0, cores // 1) for cores in _core_limits(root)])


def machine_memory() -> int:
    """Return the memory of the machine in bytes."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import psutil  # Windows

    return int(psutil.virtual_memory().total)


def _smallest(machine: float, limits: list[float]) -> Limit:
    least = min(limits, default=machine)
    return Limit(least, CONTAINER) if least < machine else Limit(machine, MACHINE)


def _memory_limits(root: Path) -> Iterator[int]:
    """Yield the limits in bytes: `memory.max` in version 2 of control groups, `memory.limit_in_bytes` in version 1."""
    for version, folder in _folders(root, "memory"):
        words = _words(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))
        if words and words[0].isdigit():  # `max`: no limit
            yield int(words[0])


def _core_limits(root: Path) -> Iterator[float]:
    """Yield the limits in cores: the allowed time per period divided by the length of the period."""
    for version, folder in _folders(root, "cpu"):
        files = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota = [word for name in files for word in _words(folder / name)]
        if len(quota) == 2 and all(word.isdigit() for word in quota) and int(quota[1]):  # `max` and -1: no limit
            yield int(quota[0]) / int(quota[1])


def _folders(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Yield (version, folder) of the control groups of this process, each group before its parent.

    Inside a container the paths may be those of the machine; the top folder is then the container's own group.
    """
    top = root / "sys" / "fs" / "cgroup"
    for line in _lines(root / "proc" / "self" / "cgroup"):
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0" and not controllers:
            places = [(2, top), (2, top / "unified")]  # the second path if both versions are in use
        elif controller in controllers.split(","):
            places = [(1, top / controllers), (1, top / controller)]
        else:
            continue
        for version, place in places:
            yield from ((version, folder) for folder in _upwards(place, path))


def _upwards(place: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a group and its parents, up to `place`."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield place.joinpath(*parts[:count])


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; none if it cannot be read, for example on systems without control groups."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
